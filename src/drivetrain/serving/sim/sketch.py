"""Quantiles of long streams: DDSketch with relative error of at most half a percent.

A value x > 0 counts in bin ``ceil(log(x) / log(g))`` with ``g = (1 + a) / (1 - a)``; the bin's middle
``2 g^i / (g + 1)`` is within a share ``a`` of every value in it (Masson, Rim, Lee, VLDB 2019, arXiv 1908.10693).
Here a = 0.5 % and bins reach from 0.1 microsecond to about a day; bin 0 counts zeros and what is smaller.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit

RELATIVE_ERROR = 0.005
_LOG_G = math.log((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR))
_SMALLEST = 1e-7
_OFFSET = math.ceil(math.log(_SMALLEST) / _LOG_G) - 1
N_BINS = math.ceil(math.log(1e5) / _LOG_G) - _OFFSET + 1


@jit
def bin_of(x: float) -> int:
    """The bin in which ``x`` seconds counts; beyond the last bin, the last."""
    if x < _SMALLEST:
        return 0
    return min(math.ceil(math.log(x) / _LOG_G) - _OFFSET, N_BINS - 1)


def quantile(counts: NDArray[np.int64], q: float) -> float:
    """The ``q`` quantile (0 to 1) of what ``counts`` holds; nan where it holds nothing.

    >>> counts = np.zeros(N_BINS, dtype=np.int64)
    >>> for x in (0.010, 0.020, 0.030): counts[bin_of(x)] += 1
    >>> abs(quantile(counts, 0.5) / 0.020 - 1) < RELATIVE_ERROR
    True
    """
    total = int(counts.sum())
    if total == 0:
        return math.nan
    index = int(np.searchsorted(np.cumsum(counts), q * (total - 1), side="right"))
    if index == 0:
        return 0.0
    return 2.0 * math.exp((index + _OFFSET) * _LOG_G) / (math.exp(_LOG_G) + 1.0)
