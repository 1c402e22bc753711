"""What several policies estimate from an endpoint's row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.signals import (
    INFLIGHT_TOKENS,
    ISL,
    NETWORK_S,
    PREFILL_TOKENS_PER_S,
)

Floats = NDArray[np.float64]


@jit
def first_token_s(request: Floats, endpoints: Floats, i: int) -> float:
    """Seconds until the client could see the first token from endpoint ``i``: prompts before it, its own, both ways.

    ``(prompt tokens in flight + isl) / prefill rate + 2 network``; the prompts count as nothing where the rate is
    not known (0). It leaves out decodes that share the steps and hits in cache.
    """
    rate = endpoints[i, PREFILL_TOKENS_PER_S]
    waiting = (endpoints[i, INFLIGHT_TOKENS] + request[ISL]) / rate if rate > 0.0 else 0.0
    return float(waiting + 2.0 * endpoints[i, NETWORK_S])


@jit
def tie(count: float) -> float:
    """A number in [0, 1) that grows with ``count``: decides between equal whole numbers and nothing else."""
    return count / (1.0 + count)
