"""``validate requests``: recorded runs replayed, and how far means and medians of their requests are off.

Errors are ``predicted / measured - 1`` of the mean (or median) over the requests that are scored. With
``calibrate_on`` a few factors are fitted first: on another run, or with ``first-half`` on the first half of each run's
own requests, of which then only the second half is scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.measure.outcome import Progress
from drivetrain.measure.recorded import LATENCIES, Recorded, Replayed, own_efficiency, read_runs, replay
from drivetrain.measure.recorded_fit import Fitted, fit
from drivetrain.registry import suggest

FIRST_HALF = "first-half"
COLUMNS = ("run", "ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True, slots=True)
class Scored:
    """The JSON object of ``validate requests``, and one prediction a request."""

    summary: dict[str, Any]
    predictions: list[dict[str, Any]]


def validate_requests(folder: Path, calibrate_on: str, progress: Progress) -> Scored:
    """Replay and score the runs of ``folder``."""
    runs, skipped = read_runs(folder)
    if not runs:
        reasons = "; ".join(f"{one['row_id']}: {one['reason']}" for one in skipped[:3])
        raise BadInputError(f"no run of {folder} can be replayed. {reasons}")
    fits = _fits(runs, calibrate_on, progress)
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for i, run in enumerate(runs):
        fitted, first = fits.get(run.run), 0
        if fitted is not None and calibrate_on == FIRST_HALF:
            first = len(run.isl) // 2
        played, _ = replay(run, None if fitted is None else fitted.on(own_efficiency(run)))
        found.append(_summary(run, played, first, fitted))
        rows += [{"run": run.run, **{m: float(played.of(m)[j]) for m in LATENCIES}} for j in range(len(run.isl))]
        progress(i + 1, len(runs))
    summary = {
        "kind": "requests", "n": sum(len(run.isl) for run in runs), "predicted": len(rows),
        "calibrated_on": calibrate_on or None, "runs": found, "skipped": skipped,
    }  # fmt: skip
    return Scored(summary, rows)


def _fits(runs: Sequence[Recorded], calibrate_on: str, progress: Progress) -> Mapping[str, Fitted]:
    """The fit that each run is predicted with; a run is never predicted with what was fitted on all of it."""
    if not calibrate_on:
        return {}
    if calibrate_on == FIRST_HALF:
        short = [run.run for run in runs if len(run.isl) < 4]
        if short:
            raise BadInputError(f"run {short[0]} has fewer than four requests; half of them is too few to fit on.")
        return {run.run: fit([run], [len(run.isl) // 2], progress) for run in runs if _measured(run)}
    names = [run.run for run in runs]
    if calibrate_on not in names:
        close = suggest(calibrate_on, [*names, FIRST_HALF], 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise BadInputError(
            f"--calibrate-on names no run '{calibrate_on}'.{hint} Runs: {', '.join(names)}; or {FIRST_HALF}."
        )
    chosen = next(run for run in runs if run.run == calibrate_on)
    if not _measured(chosen):
        raise BadInputError(f"run {calibrate_on} has no measured latencies to fit on.")
    fitted = fit([chosen], [len(chosen.isl)], progress)
    return {run.run: fitted for run in runs}


def _measured(run: Recorded) -> bool:
    return any(np.isfinite(run.measured[metric]).any() for metric in LATENCIES)


def _summary(run: Recorded, played: Replayed, first: int, fitted: Fitted | None) -> dict[str, Any]:
    """Errors of a run over its requests from number ``first`` on."""
    entry: dict[str, Any] = {
        "run": run.run, "n": len(run.isl) - first, "model": run.model.name, "accelerator": run.accelerator.name,
        "engine": run.engine.name, "layout": str(run.layout),
    }  # fmt: skip
    predicted: dict[str, float] = {}
    measured: dict[str, float] = {}
    for metric in LATENCIES:
        ours, real = played.of(metric)[first:], run.measured[metric][first:]
        name = metric.removesuffix("_s")
        for statistic, of in (("mean", np.nanmean), ("p50", np.nanmedian)):
            if np.isfinite(ours).any():
                predicted[f"{name}_{statistic}_s"] = float(of(ours))
            if np.isfinite(real).any():
                measured[f"{name}_{statistic}_s"] = float(of(real))
    tokens, done = float(run.osl.sum()), run.measured["e2e_s"] + run.arrival_s
    predicted["output_tokens_per_s"] = tokens / played.end_s
    if np.isfinite(done).all():
        measured["output_tokens_per_s"] = tokens / float(done.max())
    entry |= {f"{name.removesuffix('_s') if name.endswith(('mean_s', 'p50_s')) else name}_error_frac":
              _error(predicted, measured, name) for name in predicted}  # fmt: skip
    entry |= {"predicted": predicted, "measured": measured, "notes": list(run.notes)}
    if fitted is not None:
        entry["fitted"] = {"factors": fitted.factors, "on": list(fitted.runs), "n": fitted.n,
                           "in_sample": run.run in fitted.runs and first == 0}  # fmt: skip
    return entry


def _error(predicted: Mapping[str, float], measured: Mapping[str, float], name: str) -> float | None:
    real = measured.get(name, math.nan)
    return round(predicted[name] / real - 1.0, 6) if real > 0.0 else None
