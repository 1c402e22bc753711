r"""Fit the serving coefficients (``cost/calibration/serving.toml``) on measured steady-state runs.

    python tools/fit_serving.py ../shared/validation/serving_steady_state.csv \
        --out src/drivetrain/cost/calibration/serving.toml

A few physical coefficients, pooled over models, with overrides by hardware generation and engine family, by robust
least squares on the logarithm of predicted over measured TPOT of the ``clean_core`` rows. Deterministic. Prints errors
in sample and with whole models and whole accelerators left out. TTFT of the closed-loop harness is dominated by its
opening burst, which the steady state does not describe, so it is not fitted here.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import Efficiency, calibration, collective_coefficients, scaled
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import DrivetrainError
from drivetrain.serving.deployment import Cut, cut, deploy
from drivetrain.serving.lengths import Lengths, lengths_of
from drivetrain.serving.steady import at_concurrency, prepare

# (section, coefficient, lower, upper). Base values are fitted by their logarithm; entries of generation.X and engine.Y
# are factors on them, drawn towards 1 by PRIOR so that only what the data insists on departs from the pool.
FREE = [
    ("base", "gemm_bandwidth", 0.5, 1.0),
    ("base", "cache_bandwidth", 0.2, 0.9),
    ("base", "gemm_compute", 0.2, 0.85),
    ("base", "narrow_compute", 0.2, 1.0),
    ("base", "experts_compute", 0.05, 1.0),
    ("base", "attention_compute", 0.05, 1.0),
    ("base", "exposed", 0.01, 1.0),
    ("base", "network", 0.3, 5.0),
    ("base", "kernel_s", 1e-7, 1e-5),
    ("base", "step_s", 1e-5, 5e-3),
    ("base", "sequence_s", 1e-7, 1e-4),
    *((f"generation.{generation}", name, 0.2, 5.0) for generation in ("hopper", "blackwell") for name in (
        "gemm_bandwidth", "cache_bandwidth", "gemm_compute", "experts_compute", "attention_compute", "kernel_s",
        "network")),
    *((f"engine.{engine}", name, 0.1, 10.0) for engine in ("trtllm", "sglang") for name in (
        "kernel_s", "step_s", "sequence_s", "gemm_compute", "experts_compute", "cache_bandwidth", "network")),
]  # fmt: skip
PRIOR = 0.35  # standard deviation of a factor's logarithm


@dataclass(frozen=True, slots=True)
class Row:
    piece: Cut
    accelerator: str
    engine: str
    model: str
    concurrency: float
    lengths: Lengths
    tpot: float
    budget: float
    max_seqs: float


def read(path: Path) -> list[Row]:
    rows, skipped = [], defaultdict(int)
    cuts: dict[tuple[str, str, Layout, str], Cut] = {}
    workloads: dict[tuple[float, float, str], Lengths] = {}
    with path.open() as file:
        for raw in csv.DictReader(file):
            if raw["clean_core"] != "True" or raw["harness"] != "inferencex":
                continue
            try:
                rows.append(_row(raw, cuts, workloads))
            except DrivetrainError as error:
                skipped[str(error)[:100]] += 1
    for reason, n in skipped.items():
        print(f"skipped {n}: {reason}", file=sys.stderr)
    return rows


def _row(raw: dict[str, str], cuts: dict, workloads: dict) -> Row:
    model = loader.load("models", raw["model"])
    dtype = raw["weight_dtype"]
    checkpoint = next((c for c in model.checkpoints if c.is_in(dtype)), None)
    if (
        checkpoint is None
    ):  # the measured precision has no published checkpoint in the catalogue: same parts, that precision
        base = model.checkpoints[0]
        keep = {part: d for part, d in base.dtypes.items() if d in ("bf16", "fp32")}
        keep |= dict.fromkeys(("embedding", "lm_head", "router", "norm"), "bf16")
        checkpoint = replace(base, name=f"{model.name} {dtype}", weight_dtype=dtype, dtypes=keep | {"default": dtype})
    n = int(float(raw["n_gpus"]))
    ep = int(float(raw["ep_corrected"] or 1))
    dp = n if raw["dp_attention"] in ("1.0", "True") else 1
    layout = Layout(tp=n // dp, dp=dp, ep=ep)
    kv = "fp8" if dtype in ("fp8", "nvfp4", "mxfp4") and raw["engine"] == "trtllm" else "bf16"
    key = (model.name, checkpoint.name, layout, kv)
    if key not in cuts:
        cuts[key] = cut(model, checkpoint, layout, kv)
    accelerator = loader.load("accelerators", raw["accelerator"])
    isl, osl = float(raw["input_tokens_mean"]), float(raw["output_tokens_mean"])
    spread = 0.2 if raw["harness"] == "inferencex" else 0.0
    if (isl, osl, spread) not in workloads:
        scale = 1 / (1 - spread / 2)
        workloads[isl, osl, spread] = lengths_of(fixed(isl * scale, osl * scale, range_frac=spread))
    engine = loader.load("engines", raw["engine"])
    budget, seqs = engine.limits_on(accelerator.name, accelerator.usable_bytes)
    return Row(
        cuts[key],
        accelerator.name,
        engine.family,
        model.name,
        float(raw["concurrency_requests"]),
        workloads[isl, osl, spread],
        float(raw["tpot_s"]),
        float(budget),
        max(float(seqs), 1.0),
    )


class Problem:
    """Predictions of all rows as a function of the free coefficients."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.hardware = {r.accelerator: hardware_of(loader.load("accelerators", r.accelerator)) for r in rows}
        self.engines = {r.engine: loader.load("engines", r.engine) for r in rows}
        self.start = dict(calibration("serving")["base"]) | calibration("power")["base"]

    def efficiencies(self, x: np.ndarray) -> dict[tuple[str, str], Efficiency]:
        sections: dict[str, dict[str, float]] = defaultdict(dict)
        for (section, name, _, _), value in zip(FREE, np.exp(x), strict=True):
            sections[section][name] = float(value)
        base = {k: v for k, v in (self.start | sections["base"]).items() if k in Efficiency.__slots__}
        return {
            (engine, generation): scaled(
                base,
                sections.get(f"generation.{generation}", {}),
                sections.get(f"engine.{engine}", {}),
                tier="calibrated",
            )
            for generation in {h.generation for h in self.hardware.values()}
            for engine in self.engines
        }

    def predict(self, x: np.ndarray) -> np.ndarray:
        effs, compiled = self.efficiencies(x), {}
        out = np.empty(len(self.rows))
        for i, row in enumerate(self.rows):
            hw = self.hardware[row.accelerator]
            key = (id(row.piece), row.accelerator, row.engine)
            if key not in compiled:
                compiled[key] = deploy(
                    row.piece,
                    hw,
                    self.engines[row.engine],
                    effs[row.engine, hw.generation],
                    collective_coefficients(row.engine),
                )
            prepared = prepare(compiled[key], row.lengths, row.budget, row.max_seqs)
            out[i] = at_concurrency(prepared, row.concurrency).tpot.mean if prepared.memory.fits >= 1 else np.nan
        return out


def fit(problem: Problem, train: np.ndarray, x0: np.ndarray) -> np.ndarray:
    measured = np.array([r.tpot for r in problem.rows])[train]
    part = Problem([r for r, t in zip(problem.rows, train, strict=True) if t])
    lower, upper = (np.log([f[i] for f in FREE]) for i in (2, 3))

    factors = np.array([section != "base" for section, *_ in FREE])
    pull = np.where(factors, 0.1 / PRIOR, 0.0)

    def residual(x: np.ndarray) -> np.ndarray:
        miss = np.nan_to_num(np.log(part.predict(x) / measured), nan=1.0)
        return np.concatenate([miss, pull * x])

    solved = least_squares(
        residual,
        np.clip(x0, lower + 1e-3, upper - 1e-3),
        bounds=(lower, upper),
        loss="soft_l1",
        f_scale=0.1,
        diff_step=0.02,
        max_nfev=14,
    )
    return solved.x


def summary(name: str, predicted: np.ndarray, measured: np.ndarray) -> str:
    e = np.abs(predicted / measured - 1)
    return (
        f"{name}: n {len(e)}, median {np.nanmedian(e):.1%}, mean {np.nanmean(e):.1%}, "
        f"P90 {np.nanquantile(e, 0.9):.1%}, "
        f"bias {np.nanmedian(predicted / measured - 1):+.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cross-validate", action="store_true", help="also leave out whole models and accelerators")
    args = parser.parse_args()
    rows = read(args.csv)
    problem = Problem(rows)
    measured = np.array([r.tpot for r in rows])
    raw = calibration("serving")

    def start(section: str, name: str) -> float:
        kind, _, key = section.partition(".")
        return float(raw.get(kind, {}).get(key, {}).get(name, 1.0) if key else raw["base"][name])

    x0 = np.log([start(s, n) for s, n, _, _ in FREE])
    print(summary("before", problem.predict(x0), measured))
    x = fit(problem, np.ones(len(rows), dtype=bool), x0)
    predicted = problem.predict(x)
    for (section, name, _, _), a, b in zip(FREE, np.exp(x0), np.exp(x), strict=True):
        print(f"  {section}.{name}: {a:.3g} -> {b:.3g}")
    print(summary("in sample", predicted, measured))
    for field in ("model", "accelerator", "engine"):
        for key in sorted({getattr(r, field) for r in rows}):
            mask = np.array([getattr(r, field) == key for r in rows])
            print("  " + summary(f"{field} {key}", predicted[mask], measured[mask]))
    checks = {}
    if args.cross_validate:
        for field in ("model", "accelerator"):
            out = np.full(len(rows), np.nan)
            for key in sorted({getattr(r, field) for r in rows}):
                held = np.array([getattr(r, field) == key for r in rows])
                out[held] = problem.predict(fit(problem, ~held, x))[held]
            print(summary(f"{field}s left out", out, measured))
            checks[field] = np.abs(out / measured - 1)
    if args.out:
        args.out.write_text(render(x, raw, rows, np.abs(predicted / measured - 1), checks, args.csv))


def render(
    x: np.ndarray, raw: dict, rows: list[Row], error: np.ndarray, checks: dict[str, np.ndarray], path: Path
) -> str:
    sections: dict[str, dict[str, object]] = {"base": dict(raw["base"])}
    for generation in sorted({loader.load("accelerators", r.accelerator).generation for r in rows}):
        sections[f"generation.{generation}"] = {"fitted": True}
    for engine in sorted({r.engine for r in rows}):
        sections[f"engine.{engine}"] = {"fitted": True}
    for (section, name, _, _), value in zip(FREE, np.exp(x), strict=True):
        sections[section][name] = float(f"{value:.4g}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    lines = [
        "# Coefficients of the serving step-time model (drivetrain.cost.efficiency.Efficiency), "
        "fitted by tools/fit_serving.py",
        f"# on TPOT of {len(rows)} clean_core rows of {path.name} (sha256 {digest}).",
        "# overhead_bytes and the other_ and scan_ shares are assumed. "
        "Generation and engine entries are factors on base.",
        "",
        "[fit]",
        f"n = {len(rows)}",
        f"tpot_median_abs_in_sample = {np.nanmedian(error):.4f}",
        f"tpot_mean_abs_in_sample = {np.nanmean(error):.4f}",
    ]
    for field, e in checks.items():
        lines += [
            f"tpot_median_abs_{field}s_left_out = {np.nanmedian(e):.4f}",
            f"tpot_mean_abs_{field}s_left_out = {np.nanmean(e):.4f}",
        ]
    for section, values in sections.items():
        lines += ["", f"[{section}]"] + [
            f"{k} = {str(v).lower() if isinstance(v, bool) else v}" for k, v in values.items()
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
