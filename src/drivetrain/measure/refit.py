"""A refitted serving calibration: coefficients with their evidence, errors before and after, and what moved.

Two ways to fit. *Updated* (the default of ``calibrate``): the calibration in force is the prior, as sure as its
standard errors say, so that a dozen rows of one's own move what they speak of and leave the rest. *From scratch*:
from the priors of :mod:`drivetrain.measure.coefficients`, as the shipped calibration was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.efficiency import Efficiency
from drivetrain.errors import BadInputError
from drivetrain.measure import crossval
from drivetrain.measure.coefficients import coefficients, informed, lookup
from drivetrain.measure.fit import FIT_CONCURRENCY, Fitted, Problem, Row, concerns, fit
from drivetrain.measure.score import Pair, Score, score
from drivetrain.measure.spread import estimate

Floats = NDArray[np.float64]
Tell = Callable[[str, int, int], None]
METRICS = ("tpot", "ttft")
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit with its errors.

    ``calibration`` is the new file's content; ``errors[stage][metric]`` for stages before, after and each left-out
    kind; ``left_out[kind]`` holds the predictions (n, 2) in the order of ``rows``.
    """

    rows: tuple[Row, ...]
    calibration: dict[str, Any]
    moved: tuple[dict[str, Any], ...]
    errors: dict[str, dict[str, Score | None]]
    left_out: dict[str, Floats]


def refit(
    rows: Sequence[Row], before: Mapping[str, Any], power: Mapping[str, Any], *, scratch: bool = False,
    kinds: Sequence[crossval.Kind] = (), tell: Tell = lambda _what, _i, _n: None,
) -> Refit:  # fmt: skip
    """Fit ``rows`` beside the calibration ``before`` (parsed ``serving.toml``; ``power`` is ``power.toml``)."""
    if not rows:
        raise BadInputError("no row of the file can be fitted; 'drivetrain validate serving' lists why, row by row.")
    problem = _problem(rows, before, power, scratch)
    usable = problem.subset(crossval.usable_rows(problem))
    if not usable.rows:
        raise BadInputError(
            f"every row has more than {FIT_CONCURRENCY} requests in flight; some with fewer are needed."
        )
    found = fit(usable, progress=lambda i, n: tell("fitting", i, n))
    held = {}
    for kind in kinds:
        told = partial(tell, f"{kind.name}s left out")
        held[kind.name] = crossval.left_out(problem, kind, told)
    then, now = problem.predict(_start(problem, before)), problem.predict(found.x)
    errors = {"before": errors_of(then, problem.measured), "after": errors_of(now, problem.measured)}
    errors |= {f"{name}s_left_out": errors_of(p, problem.measured) for name, p in held.items()}
    # from scratch nothing of the old fit stays but what no fit moves (assumed shares of the base)
    kept = {"base": before["base"], "spread": before.get("spread", {})} if scratch else before
    calibration = _calibration(problem, found, kept, errors, held)
    return Refit(tuple(rows), calibration, _moved(problem, found, before), errors, held)


def errors_of(predicted: Floats, measured: Floats) -> dict[str, Score | None]:
    """Scores of TPOT and TTFT where measured."""
    out: dict[str, Score | None] = {}
    for column, metric in enumerate(METRICS):
        known = np.isfinite(predicted[:, column]) & np.isfinite(measured[:, column])
        pairs = zip(predicted[known, column], measured[known, column], strict=True)
        out[metric] = score(Pair(float(p), float(m)) for p, m in pairs)
    return out


def _problem(rows: Sequence[Row], before: Mapping[str, Any], power: Mapping[str, Any], scratch: bool) -> Problem:
    fixed = {k: float(v) for k, v in (dict(before["base"]) | dict(power["base"])).items() if k in Efficiency.__slots__}
    free = coefficients({r.query.accelerator.generation for r in rows}, {r.engine for r in rows})
    return Problem(rows, fixed, free if scratch else informed(free, before))


def _start(problem: Problem, before: Mapping[str, Any]) -> Floats:
    """The calibration in force as a point of the problem; what it does not have is at its prior."""
    known = [(f.prior if (v := lookup(before, f)) is None else v) for f in problem.free]
    return np.log(np.maximum(known, 1e-12))


def _moved(problem: Problem, found: Fitted, before: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """One row per coefficient, what moved most (in standard errors) first."""
    rows = []
    for free, x, error, n in zip(problem.free, found.x, found.error, found.n, strict=True):
        old, new = lookup(before, free), float(np.exp(x))
        change = float(x - np.log(old)) if old else 0.0
        rows.append({"coefficient": free.key, "before": old, "after": _round(new), "standard_error": _round(error),
                     "rows": int(n), "change_frac": _round(np.expm1(change)),
                     "sigmas": _round(abs(change) / max(float(error), 1e-9))})  # fmt: skip
    return tuple(sorted(rows, key=lambda row: -abs(float(row["sigmas"]))))


def _calibration(
    problem: Problem, found: Fitted, before: Mapping[str, Any], errors: Mapping[str, Mapping[str, Score | None]],
    held: Mapping[str, Floats],
) -> dict[str, Any]:  # fmt: skip
    out: dict[str, Any] = {"fit": _fit_table(problem.rows, before, errors), "spread": dict(before.get("spread", {}))}
    for metric_column, metric in enumerate(METRICS):
        for kind, name in (("deployment", "known"), ("model", "new_model"), ("accelerator", "new_accelerator")):
            if kind in held:
                p, m = held[kind][:, metric_column], problem.measured[:, metric_column]
                ok = np.isfinite(p) & np.isfinite(m)
                out["spread"][f"{name}_{metric}"] = _round(estimate(p[ok].tolist(), m[ok].tolist()))
    for section in ("base", "software", "generation", "engine"):
        table = before.get(section, {})
        out[section] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in table.items()}
    for free, x in zip(problem.free, found.x, strict=True):
        kind, _, name = free.section.partition(".")
        table = out[kind].setdefault(name, {}) if name else out[kind]
        table[free.name] = _round(float(np.exp(x)))
    for kind, names in (("generation", {r.query.accelerator.generation for r in problem.rows}),
                        ("engine", {r.engine for r in problem.rows})):  # fmt: skip
        for name in sorted(names):
            out[kind][name] = {"fitted": True} | out[kind].get(name, {})
    out["standard_error"] = dict(before.get("standard_error", {})) | {
        free.key: _round(error) for free, error in zip(problem.free, found.error, strict=True)
    }
    out["evidence"] = dict(before.get("evidence", {})) | _evidence(problem, found)
    return out


def _fit_table(
    rows: Sequence[Row], before: Mapping[str, Any], errors: Mapping[str, Mapping[str, Score | None]]
) -> dict[str, Any]:
    table: dict[str, Any] = {"n": len(rows)}
    for name, values in (("models", {r.model for r in rows}), ("accelerators", {r.accelerator for r in rows})):
        table[name] = sorted(values | set(before.get("fit", {}).get(name, ())))
    for stage, by_metric in errors.items():
        if stage == "before":
            continue
        for metric, found in by_metric.items():
            if found is not None:
                label = "in_sample" if stage == "after" else stage
                table |= {
                    f"{metric}_{kind}_{label}": getattr(found, kind) for kind in ("median_abs", "mean_abs", "p90_abs")
                }
    return table


def _evidence(problem: Problem, found: Fitted) -> dict[str, Any]:
    """By section of coefficients: rows, software, months, and the range of settings they were measured over."""
    touched = {f.section: 0 for f in problem.free}
    for free, n in zip(problem.free, found.n, strict=True):
        touched[free.section] = max(touched[free.section], int(n))
    out = {}
    for section in touched:
        rows = [r for r in problem.rows if concerns(section, r)]
        queries = [r.query for r in rows]
        months = [q.released for q in queries if q.released]
        out[section] = {
            "n": touched[section],
            "accelerators": sorted({q.accelerator.name for q in queries}),
            "software": sorted({q.engine.name for q in queries}),
            "released": [min(months), max(months)] if months else [],
            "weights": sorted({q.dtype for q in queries}),
            "concurrency": [min(q.concurrency for q in queries), max(q.concurrency for q in queries)],
            "input_tokens": [round(min(q.isl for q in queries)), round(max(q.isl for q in queries))],
            "output_tokens": [round(min(q.osl for q in queries)), round(max(q.osl for q in queries))],
            "accelerators_per_replica": [min(q.placed.layout.n_accelerators for q in queries),
                                         max(q.placed.layout.n_accelerators for q in queries)],
        }  # fmt: skip
    return out


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
