"""Fit training coefficients on measured runs, and what the fit is worth on sources it has not seen.

Residuals are of ``log(predicted / measured)`` tokens per second and accelerator, robust (soft L1 beyond 12 %). A source
of ``n`` rows weighs ``sqrt(n)``, so that one large table does not decide alone. Every fitted coefficient is held to its
prior (:mod:`drivetrain.measure.training_priors`) by the standard deviation given there. Layouts that a row does not
record are found once with the priors, so that the fit stays smooth.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.measure.training_priors import FITTED, PRIORS
from drivetrain.measure.training_recipes import settled
from drivetrain.measure.training_runs import Run
from drivetrain.training.cases import Cases, lay_out, stack
from drivetrain.training.coefficients import NAMES, Coefficients, resolved
from drivetrain.training.layout import side_by_side
from drivetrain.training.timing import step_times

Floats = NDArray[np.float64]
NOISE = 0.3  # rows of one table are not independent: less would trust 25 coefficients to a few recipes
ROBUST = 0.12
EVALUATIONS = 15
SIGMAS = np.array(list(FITTED.values()))
_ONE = Coefficients(**dict.fromkeys(NAMES, 1.0))


@dataclass(frozen=True, slots=True)
class Problem:
    """Runs with settled layouts and their cases."""

    runs: tuple[Run, ...]
    cases: Cases

    def tokens_per_s(self, raw: dict[str, Any]) -> Floats:
        """Predicted tokens per second and accelerator of every run under a calibration."""
        times = step_times(replace(self.cases, rates=rates_of(self.runs, raw)))
        tokens = np.array([run.job.global_batch * run.model.seq / run.cluster.n for run in self.runs])
        found: Floats = tokens / times.total
        return found

    def subset(self, keep: NDArray[np.bool_]) -> Problem:
        """The runs that ``keep`` marks."""
        runs = tuple(run for run, kept in zip(self.runs, keep, strict=True) if kept)
        return Problem(runs, _taken(self.cases, keep))


def problem(runs: Sequence[Run], raw: dict[str, Any] = PRIORS) -> Problem:
    """Runs that were measured, with the layout recorded or found under ``raw``."""
    found = settled(
        [run for run in runs if run.measured], lambda run: Coefficients(**resolved(raw, run.framework, run.generation))
    )
    laid = [(run, run.layout) for run in found if run.layout is not None]
    cases = [lay_out(run.model, run.job, run.cluster, side_by_side([layout]), _ONE) for run, layout in laid]
    return Problem(tuple(run for run, _ in laid), stack(cases))


def calibrated(x: Floats) -> dict[str, Any]:
    """The priors with the fitted entries multiplied by ``exp(x)``."""
    raw = copy.deepcopy(PRIORS)
    for path, value in zip(FITTED, x, strict=True):
        table = raw
        for part in path[:-1]:
            table = table[part]
        table[path[-1]] *= float(np.exp(value))
    return raw


def fit(data: Problem, evaluations: int = EVALUATIONS) -> Floats:
    """Logarithms of the factors on the priors that explain ``data`` best."""
    from scipy.optimize import least_squares

    measured = np.log([run.measured or np.nan for run in data.runs])
    sources = [run.source for run in data.runs]
    weight = np.array([sources.count(source) ** -0.5 for source in sources])
    weight *= np.sqrt(len(sources) / np.sum(weight**2)) / NOISE

    def residuals(x: Floats) -> Floats:
        off = (np.log(data.tokens_per_s(calibrated(x))) - measured) * weight
        return np.concatenate([off, x / SIGMAS])

    found: Floats = least_squares(
        residuals, np.zeros(SIGMAS.size), loss="soft_l1", f_scale=ROBUST / NOISE, max_nfev=evaluations
    ).x
    return found


def left_out(runs: Sequence[Run]) -> Floats:
    """Tokens per second and accelerator of every measured run, by a fit that has not seen its source.

    Layouts that are not recorded are found with the coefficients of that fit.
    """
    sources = np.array([run.source for run in runs])
    out = np.full(len(runs), np.nan)
    for source in sorted(set(sources)):
        held = sources == source
        raw = calibrated(fit(problem([run for run, out_ in zip(runs, held, strict=True) if not out_])))
        out[held] = problem([run for run, out_ in zip(runs, held, strict=True) if out_], raw).tokens_per_s(raw)
    return out


def rates_of(runs: Sequence[Run], raw: dict[str, Any]) -> Coefficients:
    """Coefficients of every run as arrays."""
    keys = [(run.framework, run.generation, run.release) for run in runs]
    known = {key: resolved(raw, *key) for key in set(keys)}
    return Coefficients(**{name: np.array([known[key][name] for key in keys]) for name in NAMES})


T = TypeVar("T")


def _taken(record: T, keep: NDArray[np.bool_]) -> T:
    """Every array of a record of arrays, of the cases that ``keep`` marks."""
    columns = {}
    for f in fields(record):  # type: ignore[arg-type]
        value = getattr(record, f.name)
        columns[f.name] = value[keep] if isinstance(value, np.ndarray) else _taken(value, keep)
    return type(record)(**columns)
