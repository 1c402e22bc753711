r"""Fit the serving coefficients (``cost/calibration/serving.toml``) on measured load tests.

    python tools/fit_serving.py ../shared/validation/serving_steady_state.csv --cross-validate \\
        --out src/drivetrain/cost/calibration/serving.toml

A few physical coefficients, pooled over models, with factors by hardware generation and engine family, by robust least
squares on the logarithms of predicted over measured mean TPOT and TTFT of the ``clean_core`` rows,
each simulated as the load test it was, just as ``drivetrain validate serving`` does. Deterministic. Prints errors in
sample and, with ``--cross-validate``, with whole models and whole accelerators left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from drivetrain.cost.efficiency import Efficiency, calibration, collective_coefficients, scaled
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import DrivetrainError
from drivetrain.measure import harness, table
from drivetrain.measure.serving import REQUIRED, Query, cut_of, lengths_for, read_query
from drivetrain.measure.spread import estimate
from drivetrain.measure.table import Raw
from drivetrain.serving import closed_loop
from drivetrain.serving.deployment import Cut, deploy
from drivetrain.serving.kernel import STEP_SCALARS
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.steady import prepare

# (section, coefficient, lower, upper). Base values are fitted by their logarithm; entries of generation.X and engine.Y
# are factors on them, drawn towards 1 by PRIOR so that only what the data insists on departs from the pool.
GENERATIONS, ENGINES = ("hopper", "blackwell"), ("trtllm", "sglang")
BY_GENERATION = (
    "gemm_bandwidth",
    "cache_bandwidth",
    "gemm_compute",
    "experts_compute",
    "attention_compute",
    "kernel_s",
    "experts_s",
)
BY_ENGINE = (
    "kernel_s", "prefill_kernel_s", "request_s", "step_s", "sequence_s", "gemm_compute", "experts_compute",
    "cache_bandwidth", "network", "experts_s",
)  # fmt: skip
FREE = [
    ("base", "gemm_bandwidth", 0.5, 1.0),
    ("base", "cache_bandwidth", 0.2, 0.9),
    ("base", "gemm_compute", 0.2, 0.85),
    ("base", "narrow_compute", 0.3, 1.0),
    ("base", "experts_compute", 0.05, 0.85),
    ("base", "attention_compute", 0.05, 0.85),
    ("base", "exposed", 0.01, 1.0),
    ("base", "network", 0.3, 5.0),
    ("base", "kernel_s", 1e-7, 1e-5),
    ("base", "prefill_kernel_s", 1e-7, 2e-4),
    ("base", "step_s", 1e-5, 5e-3),
    ("base", "sequence_s", 1e-7, 1e-4),
    ("base", "request_s", 1e-3, 0.2),
    ("base", "tile_tokens", 1.0, 128.0),
    ("base", "experts_s", 1e-7, 1e-4),
    ("base", "block_scaled", 0.3, 1.0),
    *((f"generation.{generation}", name, 0.2, 5.0) for generation in GENERATIONS for name in BY_GENERATION),
    *((f"engine.{engine}", name, 0.1, 20.0) for engine in ENGINES for name in BY_ENGINE),
]
FIT_CONCURRENCY = 128
PRIOR = 0.35  # standard deviation of a factor's logarithm
TTFT_WEIGHT = 0.35  # of a TTFT residual beside a TPOT one: its run-to-run noise is some four times as large


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run, read as ``validate serving`` reads it. ``ttft`` is NaN where not clean."""

    query: Query
    piece: Cut
    lengths: Lengths
    isl: np.ndarray
    osl: np.ndarray
    budget: float
    tpot: float
    ttft: float

    @property
    def accelerator(self) -> str:
        return self.query.accelerator.name

    @property
    def engine(self) -> str:
        return self.query.engine.family

    @property
    def model(self) -> str:
        return self.query.model.name


def read(path: Path) -> list[Row]:
    rows, skipped = [], defaultdict(int)
    for raw in table.read(path, REQUIRED).rows:
        if raw.text("clean_core") != "True":
            continue
        try:
            rows.append(_row(raw))
        except DrivetrainError as error:
            skipped[str(error)[:100]] += 1
    for reason, n in skipped.items():
        print(f"skipped {n}: {reason}", file=sys.stderr)
    return rows


def _row(raw: Raw) -> Row:
    # SGLang rows of the other harness show decode times without the stalls that their own TTFT implies: TTFT only
    stalls = raw.text("harness") == "inferencex" or raw.text("engine") != "sglang"
    query = read_query(raw, [])
    n_requests = harness.PROMPTS_PER_SLOT * query.concurrency
    return Row(
        query=query,
        piece=cut_of(query.model.name, query.dtype, query.placed.layout, query.kv_dtype),
        lengths=lengths_for(query.isl, query.osl, query.spread),
        isl=harness.lengths(query.isl, query.spread, n_requests, 1),
        osl=harness.lengths(query.osl, query.spread, n_requests, 2),
        budget=float(query.engine.limits_on(query.accelerator.name, query.accelerator.usable_bytes)[0]),
        tpot=(raw.number("tpot_s") or np.nan) if stalls else np.nan,
        ttft=(raw.number("ttft_s") or np.nan) if raw.text("clean_ttft") == "True" else np.nan,
    )


class Problem:
    """Predictions of all rows as a function of the free coefficients."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.hardware = {r.accelerator: hardware_of(r.query.accelerator) for r in rows}
        self.engines = {r.engine: r.query.engine for r in rows}
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
        """TPOT and TTFT of every row, from the closed-loop load test."""
        effs, compiled = self.efficiencies(x), {}
        out = np.full((len(self.rows), 2), np.nan)
        for i, row in enumerate(self.rows):
            hw = self.hardware[row.accelerator]
            key = (id(row.piece), row.accelerator, row.engine)
            eff = effs[row.engine, hw.generation]
            if key not in compiled:
                links = collective_coefficients(row.engine)
                compiled[key] = deploy(row.piece, hw, self.engines[row.engine], eff, links)
            d = compiled[key]
            p = prepare(d, row.lengths, row.budget)
            # these ran, whatever our estimate of their memory says
            fits = max(p.memory.fits, min(row.query.concurrency, 64.0))
            n, c = len(row.isl), d.coefficients
            ttft, tpot, _, _ = closed_loop.run(
                c.ops, c.collectives, p.scalars[:STEP_SCALARS], p.contexts.spans, row.isl, row.osl,
                row.query.concurrency, row.budget, fits, float(row.piece.layout.dp),
                row.engine == "sglang", True, np.empty(n), np.empty(n),
            )  # fmt: skip
            out[i] = tpot, ttft + eff.request_s
        return out


def fit(problem: Problem, train: np.ndarray, x0: np.ndarray, evaluations: int = 25) -> np.ndarray:
    part = Problem([r for r, t in zip(problem.rows, train, strict=True) if t])
    measured = np.array([(r.tpot, r.ttft) for r in part.rows])
    lower, upper = (np.log([f[i] for f in FREE]) for i in (2, 3))
    factors = np.array([section != "base" for section, *_ in FREE])
    pull = np.where(factors, 0.1 / PRIOR, 0.0)
    weight = np.array([1.0, TTFT_WEIGHT])

    def residual(x: np.ndarray) -> np.ndarray:
        miss = np.log(part.predict(x) / measured) * weight
        return np.concatenate([np.nan_to_num(miss, nan=0.0).ravel(), pull * x])

    start = np.clip(x0, lower + 1e-3, upper - 1e-3)
    return least_squares(residual, start, bounds=(lower, upper), loss="soft_l1", f_scale=0.1, diff_step=0.02,
                         max_nfev=evaluations).x  # fmt: skip


def summary(name: str, predicted: np.ndarray, measured: np.ndarray) -> str:
    text = f"{name}:"
    for column, metric in enumerate(("TPOT", "TTFT")):
        e = predicted[:, column] / measured[:, column] - 1
        e = e[np.isfinite(e)]
        if len(e):
            text += (
                f" {metric} n {len(e)}, median {np.median(np.abs(e)):.1%}, mean {np.mean(np.abs(e)):.1%}, "
                f"P90 {np.quantile(np.abs(e), 0.9):.1%}, bias {np.median(e):+.1%};"
            )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cross-validate", action="store_true", help="also leave out whole models and accelerators")
    args = parser.parse_args()
    rows = read(args.csv)
    problem = Problem(rows)
    measured = np.array([(r.tpot, r.ttft) for r in rows])
    raw = calibration("serving")

    def start(section: str, name: str) -> float:
        kind, _, key = section.partition(".")
        return float(raw.get(kind, {}).get(key, {}).get(name, 1.0) if key else raw["base"][name])

    x0 = np.log([start(s, n) for s, n, _, _ in FREE])
    print(summary("before", problem.predict(x0), measured))
    usable = np.array([r.query.concurrency <= FIT_CONCURRENCY for r in rows])  # the long tests cost most and add least
    x = fit(problem, usable, x0)
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
            out = np.full((len(rows), 2), np.nan)
            for key in sorted({getattr(r, field) for r in rows}):
                held = np.array([getattr(r, field) == key for r in rows])
                out[held] = problem.predict(fit(problem, usable & ~held, x, evaluations=10))[held]
            print(summary(f"{field}s left out", out, measured))
            checks[field] = out / measured - 1
    if args.out:
        args.out.write_text(render(x, raw, rows, predicted / measured - 1, checks, args.csv))


def render(
    x: np.ndarray, raw: dict, rows: list[Row], error: np.ndarray, checks: dict[str, np.ndarray], path: Path
) -> str:
    sections: dict[str, dict[str, object]] = {"base": dict(raw["base"])}
    for generation in sorted({r.query.accelerator.generation for r in rows}):
        sections[f"generation.{generation}"] = {"fitted": True}
    for engine in sorted({r.engine for r in rows}):
        sections[f"engine.{engine}"] = {"fitted": True}
    for (section, name, _, _), value in zip(FREE, np.exp(x), strict=True):
        sections[section][name] = float(f"{value:.4g}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    lines = [
        "# Coefficients of the serving step-time model (drivetrain.cost.efficiency.Efficiency), "
        "fitted by tools/fit_serving.py",
        f"# on TPOT and TTFT of {len(rows)} clean_core rows of {path.name} (sha256 {digest}).",
        "# overhead_bytes and the other_ and scan_ shares are assumed. "
        "Generation and engine entries are factors on base.",
        "",
        "[fit]",
        f"n = {len(rows)}",
        f"models = {sorted({r.model for r in rows})}".replace("'", '"'),
        f"accelerators = {sorted({r.accelerator for r in rows})}".replace("'", '"'),
        *_errors("in_sample", error),
    ]
    for field, e in checks.items():
        lines += _errors(f"{field}s_left_out", e)
    lines += ["", "# Standard deviation of log(predicted / measured) that covers 80 %, by what the fit had not seen."]
    lines += ["[spread]"]
    for name, e in {"known": error, **{f"new_{field}": e for field, e in checks.items()}}.items():
        tpot, ttft = (estimate([1.0] * len(c), 1.0 / (1.0 + c)) for c in (e[np.isfinite(e[:, i]), i] for i in (0, 1)))
        lines += [f"{name}_tpot = {tpot:.4f}", f"{name}_ttft = {ttft:.4f}"]
    for section, values in sections.items():
        lines += ["", f"[{section}]"] + [
            f"{k} = {str(v).lower() if isinstance(v, bool) else v}" for k, v in values.items()
        ]
    return "\n".join(lines) + "\n"


def _errors(name: str, error: np.ndarray) -> list[str]:
    e = np.abs(error)
    return [
        f"{metric}_{kind}_abs_{name} = {value:.4f}"
        for i, metric in enumerate(("tpot", "ttft"))
        for kind, value in (
            ("median", np.nanmedian(e[:, i])), ("mean", np.nanmean(e[:, i])), ("p90", np.nanquantile(e[:, i], 0.9)),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    main()
