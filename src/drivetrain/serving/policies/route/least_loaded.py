"""The fewest requests in flight."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus the router's own requests in flight."""
    for i in range(endpoints.shape[0]):
        scores[i] = -np.inf if endpoints[i, ALIVE] == 0.0 else -endpoints[i, INFLIGHT]


@register("route", "least-loaded", score, reads=())
@dataclass(frozen=True, slots=True)
class LeastLoaded:
    """The endpoint at which this router has the fewest requests in flight.

    Equation: score = - in flight. Reads ``INFLIGHT``, the router's own count, which has no age. So do: AIBrix
    (``least-request``), llm-d (``active-request-scorer``), LiteLLM (``least-busy``), Envoy (``LEAST_REQUEST``).
    """
