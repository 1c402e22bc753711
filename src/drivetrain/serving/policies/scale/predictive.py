"""Replicas for the load that will be there when they have started."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative, positive, require
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.scale.damped import damped
from drivetrain.serving.policies.signals import ARRIVALS_PER_S, COLD_START_S, INTERVAL_S, POOL_INFLIGHT

Floats = NDArray[np.float64]

LEVEL, TREND, SEEN = 2, 3, 4
"""Places in ``state`` after those of damping: smoothed arrivals per second, their change per second, ticks seen."""


@jit
def desired(pool: Floats, state: Floats, options: Floats) -> float:
    """Requests in flight, grown as arrivals will have, over their target, damped."""
    rate, interval_s = pool[ARRIVALS_PER_S], pool[INTERVAL_S]
    before = state[LEVEL]
    if state[SEEN] == 0.0:
        state[LEVEL] = rate
    else:
        state[LEVEL] = options[3] * rate + (1.0 - options[3]) * (before + state[TREND] * interval_s)
        if interval_s > 0.0:
            state[TREND] = options[4] * (state[LEVEL] - before) / interval_s + (1.0 - options[4]) * state[TREND]
    state[SEEN] += 1.0
    ahead = max(state[LEVEL] + state[TREND] * (pool[COLD_START_S] + interval_s), 0.0)
    growth = ahead / state[LEVEL] if state[LEVEL] > 0.0 else 1.0
    return float(damped(pool, state, pool[POOL_INFLIGHT] * growth / options[0], options[1], options[2]))


@register("scale", "predictive", desired, reads=())
@dataclass(frozen=True, slots=True)
class Predictive:
    """As target-concurrency, for the load expected when a replica started now would serve.

    Equation: arrivals are smoothed with their trend (Holt 1957): level = a * rate + (1 - a) (level + trend * interval),
    trend = b * change of level + (1 - b) * trend. In cold start + interval the rate is ahead = level + trend * (cold
    start + interval). By Little's law requests in flight grow with the rate: desired = ceil(in flight * ahead / level /
    target), damped. Reads ``ARRIVALS_PER_S``, ``POOL_INFLIGHT`` and ``COLD_START_S``. So do: NVIDIA Dynamo's planner
    and predictive scaling of public clouds, with other predictors.
    """

    target: float = 32.0
    tolerance: float = 0.1
    down_after_s: float = 300.0
    level_frac: float = 0.5
    trend_frac: float = 0.3

    def __post_init__(self) -> None:
        positive("predictive", target=self.target)
        not_negative("predictive", tolerance=self.tolerance, down_after_s=self.down_after_s)
        for value in (self.level_frac, self.trend_frac):
            require(
                0.0 < value <= 1.0, "predictive", f"level_frac and trend_frac are above 0 and at most 1, not {value:g}"
            )
