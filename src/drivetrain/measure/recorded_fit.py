"""A handful of coefficients fitted to recorded requests: what the server at hand does with its datasheet.

Four factors multiply the calibration in force: on what attention reaches of the memory bandwidth (cache), on what
matrix products reach of the compute rate, on collectives and on overhead per step and sequence. They minimise::

    sum over windows of (log predicted - log measured)^2 of mean TPOT and mean TTFT / s^2, and of the time taken
    + sum over factors of (log factor / sigma)^2

with windows of requests in order of arrival, s the spread that single windows have anyway, and sigma the prior of a
factor. Deterministic; some hundred replays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.efficiency import CAPS, SHARES, Efficiency
from drivetrain.measure.recorded import Recorded, Replayed, own_efficiency, replay

Floats = NDArray[np.float64]

FACTORS: dict[str, tuple[str, ...]] = {
    "cache_bandwidth": ("cache_bandwidth",),
    "compute": ("gemm_compute", "experts_compute", "attention_compute"),
    "network": ("network",),
    "overhead": ("kernel_s", "step_s", "sequence_s"),
}
"""What each factor multiplies."""
_SIGMA = {"cache_bandwidth": 0.25, "compute": 0.25, "network": 0.4, "overhead": 0.4}
_SPREAD = {"tpot_s": 0.03, "ttft_s": 0.15, "e2e_s": 0.05}
# added to both sides: the clocks of clients and servers are off by tenths of a second
_FLOOR = {"tpot_s": 0.0, "ttft_s": 0.5, "e2e_s": 0.0}
_WINDOWS = 6
_ROUNDS = 12
_NUDGE = 0.03


@dataclass(frozen=True, slots=True)
class Fitted:
    """Factors on the calibration in force, the runs and the number of requests that they were fitted on."""

    factors: dict[str, float]
    runs: tuple[str, ...]
    n: int
    replays: int

    def on(self, eff: Efficiency) -> Efficiency:
        """``eff`` with the factors applied; shares stay within what kernels can keep."""
        changed: dict[str, Any] = {}
        for name, factor in self.factors.items():
            for field in FACTORS[name]:
                value = getattr(eff, field) * factor
                changed[field] = min(value, CAPS.get(field, 1.0)) if field in SHARES else value
        return replace(eff, **changed)


def fit(runs: Sequence[Recorded], most: Sequence[int], tell: Callable[[int, int], None] | None = None) -> Fitted:
    """Fit the factors to the first ``most[i]`` requests of each run."""
    from scipy.optimize import least_squares

    names = list(FACTORS)
    count = 0
    total = _ROUNDS * (len(names) + 1)

    def residuals(logs: Floats) -> Floats:
        nonlocal count
        count += 1
        if tell is not None:
            tell(min(count, total), total)
        factors = Fitted(dict(zip(names, np.exp(logs), strict=True)), (), 0, 0)
        parts = [logs / np.array([_SIGMA[name] for name in names])]
        for run, n in zip(runs, most, strict=True):
            played, _ = replay(run, factors.on(own_efficiency(run)))
            parts.append(_errors(run, played, n))
        return np.concatenate(parts)

    found = least_squares(residuals, np.zeros(len(names)), diff_step=_NUDGE, x_scale=0.1, max_nfev=_ROUNDS)
    factors = {name: round(math.exp(value), 4) for name, value in zip(names, found.x, strict=True)}
    return Fitted(factors, tuple(run.run for run in runs), sum(most), count)


def _errors(run: Recorded, played: Replayed, n: int) -> Floats:
    """Logarithms of predicted over measured, by window of arrivals, in units of what windows scatter by."""
    found = []
    for metric, spread in _SPREAD.items():
        measured, predicted = run.measured[metric][:n], played.of(metric)[:n]
        for window in np.array_split(np.arange(n), min(_WINDOWS, n)):
            real, ours = (float(np.nanmean(side[window])) + _FLOOR[metric] for side in (measured, predicted))
            if real > 0.0 and ours > 0.0:
                found.append(math.log(ours / real) / spread)
    return np.array(found)
