"""Fit static power, joules per FLOP and joules per byte (``cost/calibration/power.toml``) on measured serving power.

    python tools/fit_power.py ../shared/validation/mlenergy_llm.csv --out src/drivetrain/cost/calibration/power.toml

Per accelerator, with the measured batch and time per token given::

    P / TDP = min(1, static + compute * (FLOPs / t) / peak + memory * (bytes / t) / bandwidth)

so that the shares of TDP carry to accelerators never measured. FLOPs and bytes are our own operators' at the measured
batch. Prompt lengths are not recorded: contexts are half the mean output plus a fixed prompt. Rows that are not
steady
(batch against throughput and inter-token latency disagree by half or more) are left out. Prints errors with whole
models left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.arch.operators import operators
from drivetrain.arch.step import Step
from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import IDEAL, collective_coefficients
from drivetrain.cost.hardware import hardware_of
from drivetrain.cost.roofline import step_time
from drivetrain.errors import DrivetrainError

PROMPT_TOKENS = 500.0
BOUNDS = ([0.05, 0.0, 0.0], [0.8, 1.0, 1.0])


def read(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Columns (measured share of TDP, FLOP share, byte share), accelerator and model by row."""
    rows, accelerators, models = [], [], []
    skipped: Counter[str] = Counter()
    with path.open() as file:
        for raw in csv.DictReader(file):
            try:
                row, name, model = _row(raw)
            except (DrivetrainError, ValueError) as error:
                skipped[str(error)[:70]] += 1
                continue
            rows.append(row)
            accelerators.append(name)
            models.append(model)
    for reason, n in skipped.most_common(12):
        print(f"skipped {n}: {reason}", file=sys.stderr)
    return np.array(rows), accelerators, models


def _row(raw: dict[str, str]) -> tuple[tuple[float, float, float], str, str]:
    batch, tok_s, itl = float(raw["avg_batch"]), float(raw["tok_s"]), float(raw["itl_ms"]) / 1e3
    if not 1 / 1.5 < batch / (tok_s * itl) < 1.5:
        raise ValueError("not steady")
    model = loader.load("models", raw["model"])
    hardware = hardware_of(loader.load("accelerators", raw["gpu"]))
    n, parallel = int(raw["n_gpus"]), json.loads(raw["par"])
    ep = n if int(parallel.get("expert_parallel", 1)) > 1 else 1
    layout = Layout(tp=n, ep=ep)
    if layout_problem(model, layout):
        layout = Layout(tp=n)
    wanted = {"bfloat16": "bf16", "fp8": "fp8", "mxfp4": "mxfp4"}[raw["precision"]]
    checkpoint = next((c for c in model.checkpoints if c.weight_dtype.startswith(wanted)), None)
    if checkpoint is None:
        raise ValueError(f"no {wanted} checkpoint of {model.name}")
    ops = operators(model, checkpoint, layout, checkpoint.kv_dtype)
    step = Step(decode=batch, context=PROMPT_TOKENS + float(raw["avg_out"]) / 2)
    timed = step_time(ops, step, hardware, layout, IDEAL, collective_coefficients())
    compute = sum(
        op.flops / hardware.flops[hardware.compute_dtype("bf16" if op.kind == "attention" else wanted)]
        for op in timed.ops
    )
    seconds = batch / tok_s
    share = float(raw["power_W"]) / n / hardware.tdp_w
    return (share, compute / seconds, timed.bytes_moved / hardware.hbm_bytes_per_s / seconds), hardware.name, model.name


def fit(rows: np.ndarray) -> np.ndarray:
    def residual(x: np.ndarray) -> np.ndarray:
        return predict(x, rows) / rows[:, 0] - 1

    return least_squares(residual, [0.3, 0.5, 0.3], bounds=BOUNDS, loss="soft_l1", f_scale=0.1).x


def predict(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, x[0] + x[1] * rows[:, 1] + x[2] * rows[:, 2])


def left_out(rows: np.ndarray, models: list[str]) -> np.ndarray:
    out = np.empty(len(rows))
    names = np.array(models)
    for name in set(models):
        out[names == name] = predict(fit(rows[names != name]), rows[names == name])
    return np.abs(out / rows[:, 0] - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows, accelerators, models = read(args.csv)
    digest = hashlib.sha256(args.csv.read_bytes()).hexdigest()[:16]
    lines = [
        "# Power coefficients as shares of TDP, fitted by tools/fit_power.py "
        "(equation there and in docs/method/money-and-energy.md)",
        f"# on {args.csv.name} (sha256 {digest}): static, at full FLOP rate, at full bandwidth. "
        "Errors with whole models left out.",
    ]
    sections = [("base", np.ones(len(rows), dtype=bool))]
    for name in sorted(set(accelerators)):
        generation = loader.load("accelerators", name).generation
        sections.append((f"generation.{generation}", np.array([a == name for a in accelerators])))
    for section, mask in sections:
        x, error = fit(rows[mask]), left_out(rows[mask], [m for m, keep in zip(models, mask, strict=True) if keep])
        print(
            f"{section}: static {x[0]:.3f}, compute {x[1]:.3f}, memory {x[2]:.3f}; n {mask.sum()}, "
            f"MAPE {error.mean():.1%}, median {np.median(error):.1%} (models left out)"
        )
        lines += [
            "",
            f"[{section}]",
            f"n = {mask.sum()}",
            f"mean_abs_models_left_out = {error.mean():.4f}",
            f"static_power = {x[0]:.4g}",
            f"compute_power = {x[1]:.4g}",
            f"memory_power = {x[2]:.4g}",
        ]
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
