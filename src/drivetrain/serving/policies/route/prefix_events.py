"""The least work: blocks of the prompt to compute, and blocks that others hold."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative, positive
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ALIVE, HIT_EXACT, INFLIGHT, INFLIGHT_TOKENS, ISL

Floats = NDArray[np.float64]


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """Minus blocks to compute times their weight, minus blocks held by requests in flight."""
    weight, block, held = options[0], options[1], options[2]
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
        else:
            compute = (request[ISL] - endpoints[i, HIT_EXACT] + endpoints[i, INFLIGHT_TOKENS]) / block
            scores[i] = -(weight * compute + held / block * endpoints[i, INFLIGHT])


@register("route", "prefix-events", score, reads=("HIT_EXACT",))
@dataclass(frozen=True, slots=True)
class PrefixEvents:
    """The endpoint with the least work, by what its cache held when its events were last heard.

    Equation: cost = weight * prompt blocks to compute + blocks in use, the smallest wins. To compute: the prompt
    without what is cached there, and prompts in flight before it. In use: held_tokens for each request in flight (the
    router does not know its output length). Reads ``HIT_EXACT`` (late by the event lag), ``INFLIGHT`` and
    ``INFLIGHT_TOKENS``. So does NVIDIA Dynamo (``--router-mode kv``, temperature 0), which counts the blocks in use
    itself.
    """

    weight: float = 1.0
    block_tokens: float = 16.0
    held_tokens: float = 1024.0

    def __post_init__(self) -> None:
        not_negative("prefix-events", weight=self.weight, held_tokens=self.held_tokens)
        positive("prefix-events", block_tokens=self.block_tokens)
