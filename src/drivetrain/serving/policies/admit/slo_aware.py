"""Only who can be served in time."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import positive
from drivetrain.serving.policies.estimate import first_token_s
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE

Floats = NDArray[np.float64]


@jit
def admit(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats) -> bool:
    """Whether any endpoint should show the first token within ``options[0]`` seconds."""
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0 and first_token_s(request, endpoints, i) <= options[0]:
            return True
    return False


@register("admit", "slo-aware", admit, reads=())
@dataclass(frozen=True, slots=True)
class SloAware:
    """A request is refused when no endpoint should show its first token within ttft_s.

    Equation: first token = (prompt tokens in flight + isl) / prefill rate + 2 network, the smallest over endpoints
    alive. It is too kind where decodes share the steps, too strict where the prompt is cached. Reads
    ``INFLIGHT_TOKENS``, ``PREFILL_TOKENS_PER_S`` and ``NETWORK_S``, all without age. So do: llm-d
    (``latency-slo-admitter``, which learns its prediction).
    """

    ttft_s: float = 2.0

    def __post_init__(self) -> None:
        positive("slo-aware", ttft_s=self.ttft_s)
