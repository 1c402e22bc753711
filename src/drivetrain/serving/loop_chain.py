"""A core in a closed loop as a Markov chain over its steps.

Of the n requests that a core holds, w wait or are being prefilled when a step begins and n - w decode. In the step

    prompts done   m(w)                       a whole number, rounded up or down at random so that its mean is m(w)
    completed      X ~ Binomial(n - w, p)     p = 1 / gaps: answers end at random, whatever their length so far
    w' = w - done + X                         each completed request sends the next

so that arrivals of prompts are what completions were, prompts of one step decode together, and no more wait than
circulate. Where prompts run in steps of their own nobody completes in those. The chain counts steps, not seconds: it
does not depend on how long steps take, and cores that step together are independent in it.

The shares of steps are found exactly, by state reduction (Grassmann, Taksar and Heyman, Operations Research 33, 1985,
1107), which subtracts nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.loop_work import Floats

_LEAST = 1e-13  # of a probability that is followed
_ROUNDING = 1e-9
_LARGE = 1e100


def shares(done: Floats, completes: NDArray[np.bool_], end: float) -> Floats:
    """Share of steps that begin with w = 0 .. n waiting, given m(w) and whether decoding requests may complete.

    One request, whose prompt takes a step and whose answer ends after each step with probability 1/4, waits in one
    step of five:

    >>> [round(float(x), 6) for x in shares(np.array([0.0, 1.0]), np.array([True, True]), 0.25)]
    [0.8, 0.2]
    """
    n = len(done) - 1
    chance = _binomials(n, end)
    moves = np.zeros((n + 1, n + 1))
    for w in range(n + 1):
        least = math.floor(done[w] + _ROUNDING)
        more = float(done[w]) - least
        decoding = n - w if completes[w] else 0
        came = chance[decoding, : decoding + 1]
        moves[w, w - least : w - least + decoding + 1] = (1.0 - more if more > _ROUNDING else 1.0) * came
        if more > _ROUNDING:
            moves[w, w - least - 1 : w - least + decoding] += more * came
    moves[moves < _LEAST] = 0.0
    return _stationary(moves)


@lru_cache(maxsize=8)
def _binomials(n: int, p: float) -> Floats:
    """Row k: Binomial(k, p), k up to n."""
    rows = np.zeros((n + 1, n + 1))
    rows[0, 0] = 1.0
    for k in range(1, n + 1):
        rows[k] = rows[k - 1] * (1.0 - p)
        rows[k, 1:] += rows[k - 1, :-1] * p
    return rows


def _stationary(moves: Floats) -> Floats:
    """The stationary distribution of the chain ``moves``; states are taken out from the last, which few lead to."""
    n = len(moves)
    base = 0
    for k in range(n - 1, 0, -1):
        leaves = moves[k, :k].sum()
        if leaves <= _LEAST:
            base = k  # what is below is left for good
            break
        into = np.flatnonzero(moves[:k, k])
        moves[into, k] /= leaves
        moves[into, :k] += moves[into, k, None] * moves[k, :k]
    share = np.zeros(n)
    share[base] = 1.0
    for k in range(base + 1, n):
        share[k] = share[base:k] @ moves[base:k, k]
        if share[k] > _LARGE:  # of no account beside what follows is what came before
            share[: k + 1] /= share[k]
    return np.asarray(share / share.sum())
