"""Any endpoint."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.route.living import n_alive, nth_alive
from drivetrain.serving.policies.signals import ALIVE

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """1 for the endpoint drawn, 0 for others."""
    alive = n_alive(endpoints)
    drawn = nth_alive(endpoints, min(int(draws[0] * alive), alive - 1))
    for i in range(endpoints.shape[0]):
        scores[i] = -np.inf if endpoints[i, ALIVE] == 0.0 else (1.0 if i == drawn else 0.0)


@register("route", "random", score, reads=())
@dataclass(frozen=True, slots=True)
class Random:
    """An endpoint drawn evenly from those alive.

    Equation: the ``floor(u n)``-th of the n alive, u uniform. Reads nothing but who is alive. So do: NVIDIA Dynamo and
    SGLang gateway (``random``), AIBrix (``random``).
    """
