"""First come, first served."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.registry import register

Floats = NDArray[np.float64]


@jit
def key(request: Floats, options: Floats) -> float:
    """Equal for all: the earliest enqueued of equals goes first."""
    return 0.0


@register("schedule", "fcfs", key, reads=())
@dataclass(frozen=True, slots=True)
class Fcfs:
    """In the order in which they came.

    Equation: key = 0; equal keys go by time of enqueueing. Reads nothing. So do: vLLM (``--scheduling-policy fcfs``,
    its default), SGLang (``--schedule-policy fcfs``), TensorRT-LLM.
    """
