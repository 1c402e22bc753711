"""``validate requests``: recorded runs replayed, and how far means and medians of their requests are off.

Errors are ``predicted / measured - 1`` of the mean (or median) over the requests that are scored: those measured,
where some are not. With ``calibrate_on`` a few factors are fitted first: on another run, or with ``first-half`` on the
first half of each run's own requests, of which then only the second half is scored. Without, each figure has its 80 %
range. A run that cannot be played is listed with the reason and costs no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.measure.outcome import Progress
from drivetrain.measure.recorded import LATENCIES, Recorded, Replayed, own_efficiency, replay
from drivetrain.measure.recorded_fit import Fitted, fit
from drivetrain.measure.recorded_range import ranges
from drivetrain.measure.recorded_read import read_runs
from drivetrain.registry import suggest

Floats = NDArray[np.float64]

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
    _check_any(runs, skipped, folder)
    fits = _fits(runs, calibrate_on, progress)
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for i, run in enumerate(runs):
        fitted, first = fits.get(run.run), 0
        if fitted is not None and calibrate_on == FIRST_HALF:
            first = len(run.isl) // 2
        try:
            played, _ = replay(run, None if fitted is None else fitted.on(own_efficiency(run)))
            found.append(_summary(run, played, first, fitted))
        except DrivetrainError as error:
            skipped.append({"row_id": run.run, "reason": str(error.args[0])})
        else:
            rows += [{"run": run.run, **{m: float(played.of(m)[j]) for m in LATENCIES}} for j in range(len(run.isl))]
        progress(i + 1, len(runs))
    _check_any(found, skipped, folder)
    summary = {
        "kind": "requests", "n": sum(len(run.isl) for run in runs), "predicted": len(rows),
        "calibrated_on": calibrate_on or None, "runs": found, "skipped": skipped,
    }  # fmt: skip
    return Scored(summary, rows)


def _check_any(runs: Sequence[object], skipped: Sequence[Mapping[str, str]], folder: Path) -> None:
    if not runs:
        reasons = "; ".join(f"{one['row_id']}: {one['reason']}" for one in skipped[:3])
        raise BadInputError(f"no run of {folder} can be replayed. {reasons}")


def _fits(runs: Sequence[Recorded], calibrate_on: str, progress: Progress) -> Mapping[str, Fitted]:
    """The fit that each run is predicted with; a run is never predicted with what was fitted on all of it."""
    if not calibrate_on:
        return {}
    if calibrate_on == FIRST_HALF:
        short = [run.run for run in runs if len(run.isl) < 4]
        if short:
            raise BadInputError(f"run {short[0]} has fewer than four requests; half of them is too few to fit on.")
        return _own_fits([run for run in runs if _measured(run)], progress)
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


def _own_fits(runs: Sequence[Recorded], progress: Progress) -> dict[str, Fitted]:
    """Fits on the first half of each run; one that cannot be played says so when it is replayed."""
    found = {}
    for run in runs:
        try:
            found[run.run] = fit([run], [len(run.isl) // 2], progress)
        except DrivetrainError:
            continue
    return found


def _measured(run: Recorded) -> bool:
    return any(np.isfinite(run.measured[metric]).any() for metric in LATENCIES)


def _summary(run: Recorded, played: Replayed, first: int, fitted: Fitted | None) -> dict[str, Any]:
    """Errors of a run over its requests from number ``first`` on."""
    entry: dict[str, Any] = {
        "run": run.run, "n": len(run.isl) - first, "model": run.model.name, "accelerator": run.accelerator.name,
        "engine": run.engine.name, "layout": str(run.layout),
    }  # fmt: skip
    predicted, measured = _figures(run, first, played), _measured_figures(run, first)
    entry |= {f"{name.removesuffix('_s') if name.endswith(('mean_s', 'p50_s')) else name}_error_frac":
              _error(predicted, measured, name) for name in predicted}  # fmt: skip
    entry |= {"predicted": predicted, "measured": measured, "notes": list(run.notes)}
    if fitted is None:
        entry["range"] = ranges(run, played, lambda one: _figures(run, first, one))
    else:
        entry["fitted"] = {"factors": fitted.factors, "on": list(fitted.runs), "n": fitted.n,
                           "in_sample": run.run in fitted.runs and first == 0}  # fmt: skip
    return entry


def _figures(run: Recorded, first: int, played: Replayed) -> dict[str, float]:
    """Means and medians of a replay over the requests scored, and tokens per second of all."""
    out: dict[str, float] = {}
    for metric in LATENCIES:
        ours, scored = played.of(metric)[first:], np.isfinite(run.measured[metric][first:])
        _statistics(out, metric, ours[scored] if scored.any() else ours)
    out["output_tokens_per_s"] = float(run.osl.sum()) / played.end_s
    return out


def _measured_figures(run: Recorded, first: int) -> dict[str, float]:
    out: dict[str, float] = {}
    for metric in LATENCIES:
        _statistics(out, metric, run.measured[metric][first:])
    done = run.measured["e2e_s"] + run.arrival_s
    if np.isfinite(done).all():
        out["output_tokens_per_s"] = float(run.osl.sum()) / float(done.max())
    return out


def _statistics(out: dict[str, float], metric: str, values: Floats) -> None:
    if np.isfinite(values).any():
        name = metric.removesuffix("_s")
        out[f"{name}_mean_s"] = float(np.nanmean(values))
        out[f"{name}_p50_s"] = float(np.nanmedian(values))


def _error(predicted: Mapping[str, float], measured: Mapping[str, float], name: str) -> float | None:
    real = measured.get(name, math.nan)
    return round(predicted[name] / real - 1.0, 6) if real > 0.0 else None
