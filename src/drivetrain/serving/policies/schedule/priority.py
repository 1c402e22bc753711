"""By class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ENQUEUED_S, PRIORITY

Floats = NDArray[np.float64]


@jit
def key(request: Floats, options: Floats) -> float:
    """The class; with aging the time of enqueueing, later by ``options[0]`` for each class."""
    if options[0] > 0.0:
        return float(options[0] * request[PRIORITY] + request[ENQUEUED_S])
    return float(request[PRIORITY])


@register("schedule", "priority", key, reads=())
@dataclass(frozen=True, slots=True)
class Priority:
    """The smaller priority number first, in a class the earlier.

    Equation: key = priority. With aging_s > 0: key = aging_s * priority + time of enqueueing, so that who has waited
    aging_s longer passes one class; 0 is off, and a class may starve. Reads ``PRIORITY``. So does vLLM
    (``--scheduling-policy priority``, smaller first, without aging).
    """

    aging_s: float = 0.0

    def __post_init__(self) -> None:
        not_negative("priority", aging_s=self.aging_s)
