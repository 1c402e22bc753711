"""The small model first, the large one for what it fails."""
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

SKILLS = 3


@jit
def choose(request: Floats, services: Floats, state: Floats, draws: Floats, options: Floats) -> int:
    """The service of this stage, if there is one and all before it failed."""
    stage = int(request[STAGE])
    if stage >= services.shape[0] or stage > SKILLS:
        return -1
    for i in range(stage):
        if request[DIFFICULTY] <= options[i]:
            return -1
    return stage


@register("select", "cascade", choose, reads=())
@dataclass(frozen=True, slots=True)
class Cascade:
    """The first service answers; where the request is too hard for it the next answers again, and so on.

    Equation: at stage k > 0 the request goes to service k if its difficulty (0 to 1) is above the skill of each service
    before, and is kept otherwise. With difficulties drawn evenly, 1 - skill is the share that escalates; tokens of all
    stages are made and paid for. Reads ``DIFFICULTY``: in practice a judge of the answer. So do: FrugalGPT (Chen,
    Zaharia, Zou 2023, arXiv 2305.05176).
    """

    skill: float = 0.7
    skill_2: float = 1.0
    skill_3: float = 1.0

    def __post_init__(self) -> None:
        for value in (self.skill, self.skill_2, self.skill_3):
            require(0.0 <= value <= 1.0, "cascade", f"a skill is 0 to 1, not {value:g}")
