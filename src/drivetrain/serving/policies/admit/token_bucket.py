"""A rate with bursts."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import positive, require
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import TIME_S

Floats = NDArray[np.float64]


@jit
def admit(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats) -> bool:
    """Whether a token is left; ``state`` is (tokens missing from the full bucket, when that was)."""
    missing = max(0.0, state[0] - options[0] * (request[TIME_S] - state[1]))
    taken = bool(missing + 1.0 <= options[1])
    state[0] = missing + 1.0 if taken else missing
    state[1] = request[TIME_S]
    return taken


@register("admit", "token-bucket", admit, reads=())
@dataclass(frozen=True, slots=True)
class TokenBucket:
    """On average rate_per_s requests a second, at most burst at once; the others are refused.

    Equation: a bucket of ``burst`` tokens, full at first, refills at ``rate_per_s``; a request takes one or is refused.
    So within any time t at most burst + rate_per_s * t pass. Reads ``TIME_S``. So do: the rate limits of API providers,
    Envoy (local rate limit), LiteLLM (requests per minute).
    """

    rate_per_s: float = 10.0
    burst: float = 20.0

    def __post_init__(self) -> None:
        positive("token-bucket", rate_per_s=self.rate_per_s)
        require(self.burst >= 1.0, "token-bucket", f"burst must be at least 1 request, not {self.burst:g}")
