"""Gaps between tokens, counted in the bins of the sketch."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.sketch import bin_of


@inner
def gap(w: World, seconds: float, n: int) -> None:
    """``n`` gaps of ``seconds``."""
    w.gaps[bin_of(seconds)] += n
    w.clock[0].gap_sum += n * seconds


@inner
def gaps(w: World, first: float, more: float, steps: int, n: int) -> None:
    """``n`` gaps of ``first + more k`` each for k from 0 to ``steps - 1``."""
    w.clock[0].gap_sum += n * (steps * first + more * (0.5 * (steps * (steps - 1.0))))
    counts = w.gaps
    k = 0
    last = bin_of(first + more * (steps - 1.0))
    while k < steps:
        b = bin_of(first + more * k)
        if b == last:
            counts[b] += n * (steps - k)
            return
        low, high = k, steps - 1  # the last step in bin b is from low on and before high
        while high - low > 1:
            middle = (low + high) >> 1
            if bin_of(first + more * middle) == b:
                low = middle
            else:
                high = middle
        counts[b] += n * (low + 1 - k)
        k = low + 1
