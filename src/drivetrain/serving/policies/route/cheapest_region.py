"""The cheapest endpoint that is quick enough."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import positive
from drivetrain.serving.policies.estimate import first_token_s, tie
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT, PREFILL_TOKENS_PER_S, USD_PER_S

Floats = NDArray[np.float64]

MOMENT_S = 1e-9  # requests in flight decide between endpoints that are as quick, as where no prompt waits


@jit
def _usd_per_token(endpoints: Floats, i: int) -> float:
    """Dollars per prompt token at full load; infinite where price or rate are not known."""
    usd, rate = endpoints[i, USD_PER_S], endpoints[i, PREFILL_TOKENS_PER_S]
    return float(usd / rate) if usd >= 0.0 and rate > 0.0 else np.inf


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus seconds to the first token, for the cheapest of those within the limit; for all where none is."""
    cheapest, quick = np.inf, False
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0 and first_token_s(request, endpoints, i) <= options[0]:
            quick = True
            cheapest = min(cheapest, _usd_per_token(endpoints, i))
    for i in range(endpoints.shape[0]):
        scores[i] = -np.inf
        seconds = first_token_s(request, endpoints, i)
        within = seconds <= options[0] and _usd_per_token(endpoints, i) <= cheapest
        if endpoints[i, ALIVE] != 0.0 and (within or not quick):
            scores[i] = -(seconds + MOMENT_S * tie(endpoints[i, INFLIGHT]))


@register("route", "cheapest-region", score, reads=())
@dataclass(frozen=True, slots=True)
class CheapestRegion:
    """The cheapest endpoint that should show the first token within ttft_s; where none should, the quickest.

    Among equally cheap ones the quickest, among equally quick ones that with the fewest requests in flight.

    Equation: first token = (prompt tokens in flight + isl) / prefill rate + 2 network; price = dollars per second /
    prefill rate, so that small and large replicas compare. Reads ``INFLIGHT``, ``INFLIGHT_TOKENS``, ``NETWORK_S``,
    ``USD_PER_S`` and ``PREFILL_TOKENS_PER_S``. An endpoint without a price is the last choice. LiteLLM has the two
    halves as policies of their own (``cost-based-routing``, ``latency-based-routing``).
    """

    ttft_s: float = 1.0

    def __post_init__(self) -> None:
        positive("cheapest-region", ttft_s=self.ttft_s)
