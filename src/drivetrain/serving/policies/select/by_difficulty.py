"""The model that the question needs."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import require
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.signals import DIFFICULTY, STAGE

Floats = NDArray[np.float64]

THRESHOLDS = 3


@jit
def choose(request: Floats, services: Floats, state: Floats, draws: Floats, options: Floats) -> int:
    """How many thresholds the difficulty reaches, at most the last service."""
    if request[STAGE] > 0.0:
        return -1
    level = 0
    for i in range(THRESHOLDS):
        if request[DIFFICULTY] >= options[i]:
            level += 1
    return int(min(level, services.shape[0] - 1))


@register("select", "by-difficulty", choose, reads=())
@dataclass(frozen=True, slots=True)
class ByDifficulty:
    """Easy requests to the first service, those of at least a threshold to the next, decided before anybody answers.

    Equation: service = number of thresholds that are at most the difficulty (0 to 1), at most the last; services stand
    in the order of their skill, the smallest first. Reads ``DIFFICULTY``, in practice the score of a classifier. So do:
    RouteLLM (a threshold on the win rate of the strong model, Ong et al. 2024, arXiv 2406.18665).
    """

    threshold: float = 0.5
    threshold_2: float = 1.0
    threshold_3: float = 1.0

    def __post_init__(self) -> None:
        rising = 0.0 <= self.threshold <= self.threshold_2 <= self.threshold_3
        require(rising, "by-difficulty", "thresholds are at least 0 and do not fall")
