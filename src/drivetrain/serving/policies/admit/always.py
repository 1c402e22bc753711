"""Everybody."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register

Floats = NDArray[np.float64]


@jit
def admit(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats) -> bool:
    """Yes."""
    return True


@register("admit", "always", admit, reads=())
@dataclass(frozen=True, slots=True)
class Always:
    """Every request is taken, however long the queues.

    Equation: yes. Reads nothing. So do by default: vLLM, SGLang and TensorRT-LLM servers without a limit of their own.
    """
