"""The fewest prompt tokens still to compute."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT, INFLIGHT_TOKENS

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus prompt tokens in flight, and ``options[0]`` more for every request in flight."""
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
        else:
            scores[i] = -(endpoints[i, INFLIGHT_TOKENS] + options[0] * endpoints[i, INFLIGHT])


@register("route", "least-tokens", score, reads=())
@dataclass(frozen=True, slots=True)
class LeastTokens:
    """The endpoint with the fewest prompt tokens before their first token.

    Equation: score = -(prompt tokens in flight + per_request_tokens * in flight). A request in flight that decodes
    takes one token of each step's budget, hence the default of 1, which also spreads load where no prompt waits. Reads
    ``INFLIGHT_TOKENS`` and ``INFLIGHT``, the router's own counts. So do: llm-d (``token-load-scorer``), SGLang
    (``dp_min_token``).
    """

    per_request_tokens: float = 1.0

    def __post_init__(self) -> None:
        not_negative("least-tokens", per_request_tokens=self.per_request_tokens)
