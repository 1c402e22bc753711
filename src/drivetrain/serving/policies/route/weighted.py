"""A weighted sum of scores between 0 and 1."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, HIT_APPROX, INFLIGHT, ISL, KV_FRAC, QUEUE

Floats = NDArray[np.float64]


@jit
def _fewness(endpoints: Floats, i: int, column: int) -> float:
    """1 for the smallest of the column over alive endpoints, 0 for the largest, 1 where all are equal."""
    least, most = np.inf, -np.inf
    for j in range(endpoints.shape[0]):
        if endpoints[j, ALIVE] != 0.0:
            least = min(least, endpoints[j, column])
            most = max(most, endpoints[j, column])
    return (most - endpoints[i, column]) / (most - least) if most > least else 1.0


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Sum of weights times scores."""
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
            continue
        total = options[1] * (1.0 - endpoints[i, KV_FRAC]) + options[3] * endpoints[i, HIT_APPROX] / request[ISL]
        if options[0] > 0.0:
            total += options[0] * _fewness(endpoints, i, QUEUE)
        if options[2] > 0.0:
            total += options[2] * _fewness(endpoints, i, INFLIGHT)
        scores[i] = total


@register("route", "weighted", score, reads=("QUEUE", "KV_FRAC", "HIT_APPROX"))
@dataclass(frozen=True, slots=True)
class Weighted:
    """The largest weighted sum of scores for a short queue, free cache, few requests in flight and a known prefix.

    Equation: queue * fewness(queue) + kv * (1 - KV use) + inflight * fewness(in flight) + prefix * match / isl, where
    fewness is 1 for the smallest, 0 for the largest over endpoints, 1 where all are equal. Reads ``QUEUE`` and
    ``KV_FRAC`` as of the last scrape, ``INFLIGHT`` and ``HIT_APPROX``. So do: llm-d and the Gateway API inference
    extension (``queue-scorer``, ``kv-cache-utilization-scorer``, ``active-request-scorer``, ``prefix-cache-scorer``),
    whose published default profile has the weights 2 (queue), 2 (cache use) and 3 (prefix).
    """

    queue: float = 2.0
    kv: float = 2.0
    inflight: float = 0.0
    prefix: float = 3.0

    def __post_init__(self) -> None:
        not_negative("weighted", queue=self.queue, kv=self.kv, inflight=self.inflight, prefix=self.prefix)
