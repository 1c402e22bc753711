"""So many requests waiting for each replica."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative, positive
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.scale.damped import damped
from drivetrain.serving.policies.signals import POOL_KV_FRAC, POOL_QUEUE, READY, STARTING

Floats = NDArray[np.float64]


@jit
def desired(pool: Floats, state: Floats, options: Floats) -> float:
    """What the queue asks for, or what the used cache allows, damped."""
    now = pool[READY] + pool[STARTING]
    by_queue = pool[POOL_QUEUE] / options[0]
    wanted = max(by_queue, now) if pool[POOL_QUEUE] > 0.0 else min(now * pool[POOL_KV_FRAC] / options[1], now)
    return float(damped(pool, state, wanted, options[2], options[3]))


@register("scale", "target-queue", desired, reads=("QUEUE", "KV_FRAC"))
@dataclass(frozen=True, slots=True)
class TargetQueue:
    """Replicas so that at most about ``target`` requests wait at each; fewer when none wait and caches are empty.

    Equation: while requests wait, desired = ceil(waiting / target), at least what is there; while none wait,
    ceil(replicas * KV use / kv_frac), at most what is there: an empty queue alone does not say how many replicas are
    too many. Damped as target-concurrency. Reads ``POOL_QUEUE`` and ``POOL_KV_FRAC`` as of the last scrape. So do: KEDA
    and the vLLM production stack, on ``vllm:num_requests_waiting``, without the second half.
    """

    target: float = 5.0
    kv_frac: float = 0.5
    tolerance: float = 0.1
    down_after_s: float = 300.0

    def __post_init__(self) -> None:
        positive("target-queue", target=self.target, kv_frac=self.kv_frac)
        not_negative("target-queue", tolerance=self.tolerance, down_after_s=self.down_after_s)
