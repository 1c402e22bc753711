"""How far a simulated number may be off by chance: Student's t over independent estimates.

With k estimates of mean m and standard deviation s (k - 1 degrees of freedom)::

    m ± t(0.975, k - 1) * s / sqrt(k)

The estimates are replications with seeds of their own, or, where there is only one run, its requests in the order in
which they were sent, cut into batches of equal size (method of batch means: A. Law, *Simulation Modeling and
Analysis*, 5th ed., ch. 9). Batches must be long against the memory of the queue and the run must not drift;
an overloaded fleet drifts, and its interval then says how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LEVEL_FRAC = 0.95
N_BATCHES = 20
LEAST_PER_BATCH = 10  # requests; shorter runs get no interval


def half_width(estimates: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of the mean of ``estimates``; nothing for fewer than two finite ones.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    k = len(estimates)
    if k < 2 or not all(math.isfinite(x) for x in estimates):
        return None
    from scipy.special import stdtrit  # loads in a tenth of the time of scipy.stats

    mean = math.fsum(estimates) / k
    variance = math.fsum((x - mean) ** 2 for x in estimates) / (k - 1)
    return float(stdtrit(k - 1, 0.5 + LEVEL_FRAC / 2)) * math.sqrt(variance / k)


def bounds(
    centre: float | None, half: float | None, least: float = 0.0, most: float = math.inf
) -> tuple[float, float] | None:
    """The interval around ``centre``, no wider than what the number can be.

    >>> bounds(0.98, 0.05, most=1.0)
    (0.9299999999999999, 1.0)
    """
    if centre is None or half is None or not math.isfinite(centre):
        return None
    return max(centre - half, least), min(centre + half, most)


def batches(n: int) -> list[slice]:
    """``n`` rows in :data:`N_BATCHES` batches of equal size (the last takes the rest); none where they are too few.

    >>> [len(range(400)[b]) for b in batches(400)] == [20] * 20, batches(100)
    (True, [])
    """
    size = n // N_BATCHES
    if size < LEAST_PER_BATCH:
        return []
    return [slice(i * size, (i + 1) * size if i + 1 < N_BATCHES else n) for i in range(N_BATCHES)]
