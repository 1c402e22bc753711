"""Counting endpoints that are alive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.signals import ALIVE

Floats = NDArray[np.float64]


@jit
def n_alive(endpoints: Floats) -> int:
    """How many endpoints are alive."""
    n = 0
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0:
            n += 1
    return n


@jit
def nth_alive(endpoints: Floats, n: int) -> int:
    """The number of the alive endpoint that has ``n`` alive ones before it; -1 where there are not that many."""
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0:
            if n == 0:
                return i
            n -= 1
    return -1
