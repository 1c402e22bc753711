"""Where the prompt's beginning was sent before, unless that piles up load."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative, require
from drivetrain.serving.policies.estimate import tie
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, HIT_APPROX, INFLIGHT, ISL

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Tokens that match, less load between equals; or minus load where load is uneven or little matches."""
    least, most, match = np.inf, 0.0, 0.0
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0:
            least = min(least, endpoints[i, INFLIGHT])
            most = max(most, endpoints[i, INFLIGHT])
            match = max(match, endpoints[i, HIT_APPROX])
    uneven = most - least > options[1] and most > options[2] * least
    by_match = match > options[0] * request[ISL] and not uneven
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
        elif by_match:
            scores[i] = endpoints[i, HIT_APPROX] - tie(endpoints[i, INFLIGHT])
        else:
            scores[i] = -endpoints[i, INFLIGHT]


@register("route", "prefix-aware", score, reads=("HIT_APPROX",))
@dataclass(frozen=True, slots=True)
class PrefixAware:
    """The endpoint to which most of the prompt's beginning was sent before, while load is even; else the least loaded.

    Equation: with most and least requests in flight over endpoints, load is uneven where most - least > balance_abs and
    most > balance_rel * least. If it is even and the longest match is more than match_frac of the prompt, that
    endpoint, the less loaded among equals; else the fewest in flight. Reads ``HIT_APPROX`` (the router's own memory,
    which does not see evictions) and ``INFLIGHT``. So does SGLang's gateway (``cache_aware``, which by default has
    these thresholds), except that on a miss it takes the endpoint with the smallest tree, whatever its load.
    """

    match_frac: float = 0.3
    balance_abs: float = 64.0
    balance_rel: float = 1.5

    def __post_init__(self) -> None:
        require(0.0 <= self.match_frac <= 1.0, "prefix-aware", f"match_frac is 0 to 1, not {self.match_frac:g}")
        not_negative("prefix-aware", balance_abs=self.balance_abs, balance_rel=self.balance_rel)
