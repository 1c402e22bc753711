"""The less loaded of two drawn endpoints."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.route.living import n_alive, nth_alive
from drivetrain.serving.policies.signals import INFLIGHT

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus requests in flight for the two drawn, never for others."""
    scores[:] = -np.inf
    alive = n_alive(endpoints)
    if alive == 0:
        return
    one = min(int(draws[0] * alive), alive - 1)
    other = one
    if alive > 1:  # the second is drawn from those that are left
        other = min(int(draws[1] * (alive - 1)), alive - 2)
        if other >= one:
            other += 1
    a, b = nth_alive(endpoints, one), nth_alive(endpoints, other)
    scores[a] = -endpoints[a, INFLIGHT]
    scores[b] = -endpoints[b, INFLIGHT]


@register("route", "power-of-two", score, reads=())
@dataclass(frozen=True, slots=True)
class PowerOfTwo:
    """Of two different endpoints drawn at random, the one with fewer requests in flight.

    Equation: score = - in flight for the two drawn from those alive. Reads ``INFLIGHT``, the router's own count. Nearly
    as even as the least loaded of all, and many routers that do not know of each other do not all pick the same
    (Mitzenmacher 2001, IEEE TPDS 12(10)). So do: SGLang gateway (``power_of_two``), AIBrix (``power-of-two``).
    """
