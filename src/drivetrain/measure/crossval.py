"""Errors on what a fit had not seen: whole curves, deployments, models or accelerators left out, fitted from the prior.

Every held-out fit starts from the prior, never from coefficients that have seen the rows it is scored on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.measure.fit import FIT_CONCURRENCY, Problem, Row, fit

Floats = NDArray[np.float64]
FOLDS = 5  # for curves and deployments, of which there are hundreds
EVALUATIONS = 7  # from the prior; more moves the left-out errors by less than half a point


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to leave rows out: by ``key``, each key by itself or keys dealt into ``folds``."""

    name: str
    key: Callable[[Row], str]
    folds: int | None = None


KINDS = (
    Kind("curve", lambda r: r.curve, FOLDS),
    Kind("deployment", lambda r: r.deployment, FOLDS),
    Kind("model", lambda r: r.model),
    Kind("accelerator", lambda r: r.accelerator),
)


def folds(rows: list[Row], kind: Kind) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """(name, rows held out) for each fold, in a fixed order that does not follow the order of the file."""
    keys = sorted({kind.key(r) for r in rows})
    if kind.folds is None:
        for key in keys:
            yield key, np.array([kind.key(r) == key for r in rows])
        return
    order = np.random.default_rng(7).permutation(len(keys))
    fold = {keys[k]: i % kind.folds for i, k in enumerate(order)}
    for number in range(min(kind.folds, len(keys))):
        yield f"fold {number + 1}", np.array([fold[kind.key(r)] == number for r in rows])


def left_out(
    problem: Problem,
    kind: Kind,
    progress: Callable[[int, int], None] = lambda _i, _n: None,
    evaluations: int = EVALUATIONS,
) -> Floats:
    """(n, 2): TPOT and TTFT of every row, predicted by a fit that had not seen its fold."""
    usable = usable_rows(problem)
    out = np.full((len(problem.rows), 2), np.nan)
    dealt = list(folds(problem.rows, kind))
    for number, (_, held) in enumerate(dealt):
        progress(number, len(dealt))
        found = fit(problem.subset(usable & ~held), evaluations)
        out[held] = problem.predict(found.x, held)[held]
    return out


def usable_rows(problem: Problem) -> NDArray[np.bool_]:
    """Rows that are worth their time in a fit."""
    return np.array([r.query.concurrency <= FIT_CONCURRENCY for r in problem.rows])
