"""One model for all."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import require
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import STAGE

Floats = NDArray[np.float64]


@jit
def choose(request: Floats, services: Floats, state: Floats, draws: Floats, options: Floats) -> int:
    """The service of ``options[0]`` at first; its answer is kept."""
    return int(options[0]) if request[STAGE] == 0.0 else -1


@register("select", "one-model", choose, reads=())
@dataclass(frozen=True, slots=True)
class OneModel:
    """Every request goes to one service, the first unless another number is said; its answer is kept.

    Equation: service at stage 0, else keep. Reads ``STAGE``.
    """

    service: float = 0.0

    def __post_init__(self) -> None:
        whole = self.service >= 0.0 and self.service == int(self.service)
        require(whole, "one-model", f"service is the number of a service from 0 on, not {self.service:g}")
