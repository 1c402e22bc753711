"""What keeps an autoscaler calm: a band of tolerance, and shrinking only after a quiet time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.signals import MOST, NOW_S, READY, STARTING

Floats = NDArray[np.float64]

LOW_SINCE, LOW_HIGHEST = 0, 1
"""Places in ``state``: since when fewer replicas would do (time + 1; 0: they would not), and the most needed since."""

ROUNDING = 1e-9  # what 44 / 10 is off 1.1 * 4 must not start a replica


@jit
def damped(pool: Floats, state: Floats, wanted: float, tolerance: float, down_after_s: float) -> float:
    """``wanted`` replicas (a share) as a whole number from 1 to the most, not before its time.

    With n there now: within a share ``tolerance`` of n, n. More at once. Fewer when fewer were wanted all the time for
    ``down_after_s``, and then the most that were wanted in that time.
    """
    now = float(pool[READY] + pool[STARTING])
    whole = float(min(max(np.ceil(wanted - ROUNDING), 1.0), pool[MOST]))
    if abs(wanted - now) <= tolerance * now + ROUNDING:
        whole = now
    if whole >= now:
        state[LOW_SINCE] = 0.0
        return min(max(whole, 1.0), float(pool[MOST]))
    if state[LOW_SINCE] == 0.0:
        state[LOW_SINCE], state[LOW_HIGHEST] = pool[NOW_S] + 1.0, whole
    state[LOW_HIGHEST] = max(state[LOW_HIGHEST], whole)
    if pool[NOW_S] + 1.0 - state[LOW_SINCE] < down_after_s:
        return min(now, float(pool[MOST]))
    state[LOW_SINCE] = 0.0
    return min(float(state[LOW_HIGHEST]), float(pool[MOST]))
