"""So many requests in flight for each replica."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative, positive
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.scale.damped import damped
from drivetrain.serving.policies.signals import POOL_INFLIGHT

Floats = NDArray[np.float64]


@jit
def desired(pool: Floats, state: Floats, options: Floats) -> float:
    """Requests in flight over their target, damped."""
    return float(damped(pool, state, pool[POOL_INFLIGHT] / options[0], options[1], options[2]))


@register("scale", "target-concurrency", desired, reads=())
@dataclass(frozen=True, slots=True)
class TargetConcurrency:
    """Replicas so that each has about ``target`` requests in flight.

    Equation: desired = ceil(in flight / target), unless that is within tolerance of what is there; more at once, fewer
    after down_after_s during which fewer would always have done. Reads ``POOL_INFLIGHT``. So do: Knative (concurrency
    target), the Kubernetes horizontal autoscaler (tolerance 0.1, stabilisation window 300 s).
    """

    target: float = 32.0
    tolerance: float = 0.1
    down_after_s: float = 300.0

    def __post_init__(self) -> None:
        positive("target-concurrency", target=self.target)
        not_negative("target-concurrency", tolerance=self.tolerance, down_after_s=self.down_after_s)
