"""The shortest job first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import not_negative
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import ENQUEUED_S, ISL, OSL

Floats = NDArray[np.float64]


@jit
def key(request: Floats, options: Floats) -> float:
    """Prompt tokens, output tokens by their weight, and what arriving later costs."""
    return float(request[ISL] + options[0] * request[OSL] + options[1] * request[ENQUEUED_S])


@register("schedule", "shortest", key, reads=())
@dataclass(frozen=True, slots=True)
class Shortest:
    """The request with the fewest tokens first.

    Equation: key = isl + output * osl + aging_tokens_per_s * time of enqueueing. With output = 0, the default, only the
    prompt counts, which is known; another weight takes the output length as known too, as clients that state it or a
    predictor would have it. With aging a request of n tokens more is passed by n / aging seconds of waiting; 0 is off,
    and long ones may starve. Reads ``ISL`` and ``OSL``. So do: research schedulers that predict lengths (Fu et al.
    2024, arXiv 2408.15792).
    """

    output: float = 0.0
    aging_tokens_per_s: float = 0.0

    def __post_init__(self) -> None:
        not_negative("shortest", output=self.output, aging_tokens_per_s=self.aging_tokens_per_s)
