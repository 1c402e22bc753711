"""As many as there are."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import READY, STARTING

Floats = NDArray[np.float64]


@jit
def desired(pool: Floats, state: Floats, options: Floats) -> float:
    """What serves and starts now."""
    return float(pool[READY] + pool[STARTING])


@register("scale", "fixed", desired, reads=())
@dataclass(frozen=True, slots=True)
class Fixed:
    """Nothing is started or stopped.

    Equation: desired = what is there: a replica that fails comes back with its repair. Reads ``READY`` and
    ``STARTING``; runners need not even ask. So does a Kubernetes Deployment without an autoscaler.
    """
