"""Each endpoint in turn."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus the steps from the endpoint whose turn it is; ``state[0]`` is that endpoint."""
    n = endpoints.shape[0]
    turn = int(state[0])
    nearest = n
    for i in range(n):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
            continue
        steps = (i - turn) % n
        scores[i] = -float(steps)
        nearest = min(nearest, steps)
    if nearest < n:
        state[0] = float((turn + nearest + 1) % n)


@register("route", "round-robin", score, reads=())
@dataclass(frozen=True, slots=True)
class RoundRobin:
    """The next endpoint in the order of their numbers, whatever their load.

    Equation: the first alive one from ``state[0]`` on, which then moves behind it. Reads nothing but who is alive.
    So do: vLLM production stack (``roundrobin``), NVIDIA Dynamo (``--router-mode round-robin``), SGLang gateway
    (``round_robin``).
    """
