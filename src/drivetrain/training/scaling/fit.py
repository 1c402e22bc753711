"""Fitting the parametric law to training runs, by descent from many starts.

The starts are the grid of the replication study, 4,500 places, with a descent from each and from the best end once
more to full precision. The objective has flats on which one term is nothing, and its value at a start says little on
where the descent ends: on the Chinchilla runs a third of the grid reach the minimum. How many ends agree is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from drivetrain.cost import jit
from drivetrain.errors import BadInputError
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.objective import DELTA, Floats, Objective, Runs

Tell = Callable[[str, int, int], None]
LEAST_RUNS = 12
STARTS = 4500
_LEAST_SIZES = 3
_AGREE = 1e-4
_TOLD_EVERY = 50
# ln a, ln b, ln e, alpha, beta: the grid of Hoffmann et al. 2022 as Besiroglu et al. used it.
_GRID = (
    (0, 5, 10, 15, 20, 25),
    (0, 5, 10, 15, 20, 25),
    (-1, -0.5, 0, 0.5, 1),
    (0, 0.5, 1, 1.5, 2),
    (0, 0.5, 1, 1.5, 2),
)
_COARSE = 1e-9, 1000  # smallest gain of a step, as a share; most steps
_FINE = 1e-15, 5000


def silent(_what: str, _done: int, _total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted law: ``objective`` is the summed Huber loss, ``errors`` ln of predicted over measured loss by run.

    ``agreeing`` of ``starts`` descents ended at the same objective.
    """

    law: Law
    objective: float
    errors: Floats
    starts: int
    agreeing: int


def fit(runs: Runs, delta: float = DELTA, tell: Tell = silent, starts: int = STARTS) -> Fit:
    """The law that minimises the objective on ``runs``; ``starts``: how many places of the grid, evenly taken."""
    jit.ready("scaling")
    check(runs)
    if starts < 1:
        raise BadInputError(f"{starts} starts are none; take at least 1.")
    goal = Objective(runs, delta)
    n, d = goal.centre
    grid = np.array([(a - alpha * n, b - beta * d, e, alpha, beta) for a, b, e, alpha, beta in product(*_GRID)])
    order = np.linspace(0, len(grid) - 1, min(starts, len(grid))).astype(int)
    ends = []
    for i, start in enumerate(grid[order]):
        ends.append(goal.descend(start, *_COARSE))
        if (i + 1) % _TOLD_EVERY == 0 or i + 1 == len(order):
            tell("starts", i + 1, len(order))
    values = np.array([value for value, _ in ends])
    at = goal.descend(ends[int(np.argmin(values))][1], *_FINE)[1]
    best = goal.value(at)
    agreeing = int(np.sum(values * delta <= best * (1.0 + _AGREE) + 1e-12))
    return Fit(law_at(goal, at), best, goal.errors(at), len(order), agreeing)


def refit(runs: Runs, start: Law, delta: float = DELTA) -> Fit:
    """As :func:`fit`, from one start: for runs that differ little from those ``start`` was fitted on."""
    goal = Objective(runs, delta)
    at = goal.descend(goal.place(start), *_FINE)[1]
    return Fit(law_at(goal, at), goal.value(at), goal.errors(at), 1, 1)


def check(runs: Runs) -> None:
    """Refuse runs that cannot tell five coefficients apart."""
    if len(runs) < LEAST_RUNS:
        raise BadInputError(f"{len(runs)} runs are too few to fit five coefficients; at least {LEAST_RUNS} are needed.")
    for name, values in (("parameters", runs.params), ("tokens", runs.tokens), ("loss", runs.losses)):
        if not np.all(np.isfinite(values) & (values > 0)):
            raise BadInputError(f"{name} of every run must be a finite number above 0.")
    for name, values in (("model sizes", runs.params), ("numbers of tokens", runs.tokens)):
        if len(np.unique(values)) < _LEAST_SIZES:
            raise BadInputError(f"the runs need at least {_LEAST_SIZES} different {name} for their exponent to show.")


def law_at(goal: Objective, at: Floats) -> Law:
    """The law at coordinates; an error where the losses do not fall with size or data."""
    e, a, b, alpha, beta = goal.logarithms(at)
    for name, exponent in (("model size", alpha), ("tokens", beta)):
        if not exponent > 0:
            raise BadInputError(f"the losses of these runs do not fall with {name}: no scaling law describes them.")
    with np.errstate(over="ignore"):
        values = np.exp([e, a, b])
    if not np.all(np.isfinite(values) & (values > 0)):
        raise BadInputError("the runs do not determine the law: its scale coefficients run away. Add sizes and tokens.")
    return Law(float(values[0]), float(values[1]), float(values[2]), float(alpha), float(beta))
