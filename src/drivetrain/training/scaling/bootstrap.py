"""How far a fitted law would move on other runs of the same kind: the bootstrap.

Runs are drawn again with replacement, as many as there are, and the law refitted from the fit's own place. The draws
are those of numpy's legacy generator, whose sequence is frozen: the same seed gives the same draws on any machine, and
seed 42 those of the replication study.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.fit import Tell, silent
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.objective import DELTA, Floats, Objective, Runs

DRAWS, SEED = 4000, 42
_LEAST, _MOST_SEED = 20, 2**32 - 1
_TOLD_EVERY = 20
_PRECISION = 1e-11, 2000  # smallest gain of a step, as a share; most steps


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """``rows``: ln e, ln a, ln b, alpha, beta of each draw; ``failed`` draws gave no law and are not among them."""

    rows: Floats
    failed: int

    @property
    def laws(self) -> Law:
        """All draws as one law of arrays."""
        e, a, b = np.exp(self.rows[:, :3]).T
        return Law(e, a, b, self.rows[:, 3], self.rows[:, 4])

    @property
    def mean(self) -> Floats:
        """Mean of the rows."""
        found: Floats = self.rows.mean(axis=0)
        return found

    @property
    def covariance(self) -> Floats:
        """Covariance of the rows."""
        found: Floats = np.cov(self.rows.T)
        return found


def bootstrap(
    runs: Runs, law: Law, n: int = DRAWS, seed: int = SEED, delta: float = DELTA, tell: Tell = silent
) -> Bootstrap:
    """``n`` refits of ``law`` on runs drawn again."""
    if n < _LEAST:
        raise BadInputError(f"{n} bootstrap draws say nothing on a range; take at least {_LEAST}, or 0 for none.")
    if not 0 <= seed <= _MOST_SEED:
        raise BadInputError(f"the seed is {seed}; it must be from 0 to {_MOST_SEED}.")
    goal, random = Objective(runs, delta), np.random.RandomState(seed)
    start, size = goal.place(law), len(runs)
    places = np.empty((n, len(start)))
    for i in range(n):
        again = np.bincount(random.choice(size, size, replace=True), minlength=size).astype(float)
        places[i] = goal.descend(start, *_PRECISION, again)[1]
        if (i + 1) % _TOLD_EVERY == 0 or i + 1 == n:
            tell("bootstrap", i + 1, n)
    rows = goal.logarithms(places)
    sound = np.all(np.isfinite(rows), axis=1) & np.all(rows[:, 3:] > 0, axis=1) & np.all(np.abs(rows) < 600.0, axis=1)
    if int(sound.sum()) < max(_LEAST, n // 2):
        raise BadInputError("most of the bootstrap's draws fit no law: the runs are too few or too much alike.")
    return Bootstrap(rows[sound], int(n - sound.sum()))
