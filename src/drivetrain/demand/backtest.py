"""Back-tests: a series cut at a month, forecast from what was known then, and scored on what came.

With predictions p_i of measured y_i::

    MAPE = mean |p_i / y_i - 1|,      bias = median (p_i / y_i - 1)

Four kinds of forecast stand side by side, so that nobody takes one for another:

* ``baseline``: arithmetic on the series alone (:mod:`drivetrain.demand.forecast`);
* ``structural``: a mechanism, with inputs that were public at the cut;
* ``conditional``: the same mechanism given something that came later (the capacity, the rent, the fleet): it tests the
  mechanism, and is no forecast;
* ``in-sample``: from parameters chosen when these data were known: it shows agreement and tests nothing.

A test of one to fifteen points informs and does not prove.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.series import Point, Series
from drivetrain.demand.forecast import Forecast, compound_growth, damped_growth, errors, last_value, log_trend
from drivetrain.errors import BadInputError

Floats = NDArray[np.float64]
Kind = Literal["baseline", "structural", "conditional", "in-sample"]
_DAMPED_LEAST = 4


@dataclass(frozen=True, slots=True)
class Model:
    """A forecast by name: what it assumes, and which values it gives at the months of the test."""

    name: str
    kind: Kind
    note: str
    predict: Callable[[Series, Sequence[Point]], Floats]


@dataclass(frozen=True, slots=True)
class Score:
    """One model on one test: its predictions in the series' unit, and their errors."""

    model: str
    kind: Kind
    note: str
    predicted: tuple[float, ...]
    mape_frac: float
    bias_frac: float


@dataclass(frozen=True, slots=True)
class BackTest:
    """One series, cut: points to learn from, points to forecast, every model's score and what did not work."""

    series: str
    title: str
    unit: str
    train: tuple[Point, ...]
    test: tuple[Point, ...]
    scores: tuple[Score, ...]
    failed: tuple[str, ...]
    caution: str

    def score(self, model: str) -> Score:
        """The score of one model."""
        return next(one for one in self.scores if one.model == model)


def cut(one: Series, last_month: str, until: str = "9999-12") -> tuple[Series, tuple[Point, ...]]:
    """The series up to ``last_month``, and its measured points after it until ``until``."""
    known = tuple(point for point in one.measured() if point.month <= last_month)
    later = tuple(point for point in one.measured() if last_month < point.month <= until)
    if not known or not later:
        raise BadInputError(f"series {one.name} has no points on both sides of {last_month}.")
    return Series(one.name, one.title, one.unit, one.source, one.seen, known), later


def back_test(
    one: Series, last_month: str, models: Sequence[Model], caution: str, *, until: str = "9999-12"
) -> BackTest:
    """Every model fitted on ``one`` up to ``last_month`` and scored on what is measured after it."""
    known, later = cut(one, last_month, until)
    measured = np.array([point.value for point in later])
    scores = []
    for model in models:
        predicted = model.predict(known, later)
        mape, bias = errors(predicted, measured)
        told = tuple(float(value) for value in predicted)
        scores.append(Score(model.name, model.kind, model.note, told, mape, bias))
    return BackTest(one.name, one.title, one.unit, known.points, later, tuple(scores), failures(scores), caution)


def baselines(n_points: int, steps: Mapping[str, int]) -> list[Model]:
    """Plain forecasts for a series of ``n_points``; ``steps`` names growth over the last so many intervals."""
    found = [Model("last value", "baseline", "nothing changes", _plain(last_value))]
    for name, back in steps.items():
        if n_points > back:
            found.append(Model(name, "baseline", "carried on", _plain(compound_growth(back))))
    if n_points > 1:
        found.append(Model("log trend", "baseline", "straight line through the logarithms", _plain(log_trend)))
    if n_points >= _DAMPED_LEAST:
        found.append(Model("damped growth", "baseline", "the last growth, fading as it did", _plain(damped_growth)))
    return found


def failures(scores: Sequence[Score]) -> tuple[str, ...]:
    """What did not work: growth that is worse than no change, mechanisms that are worse than the best baseline."""
    plain = [one for one in scores if one.kind == "baseline"]
    best = min(plain, key=lambda one: one.mape_frac)
    still = next((one for one in plain if one.model == "last value"), None)
    found = []
    for one in scores:
        told = f"{one.model} misses by {one.mape_frac:.1%}"
        if one.kind == "baseline" and still is not None and one.mape_frac > still.mape_frac:
            found.append(f"{told}, more than 'nothing changes' ({still.mape_frac:.1%})")
        elif one.kind != "baseline" and one.mape_frac > best.mape_frac:
            found.append(f"{told}, more than the best baseline, {best.model} ({best.mape_frac:.1%})")
    return tuple(found)


def _plain(forecast: Forecast) -> Callable[[Series, Sequence[Point]], Floats]:
    def predict(known: Series, later: Sequence[Point]) -> Floats:
        x, y = (np.array([getattr(point, name) for point in known.points]) for name in ("year", "value"))
        return forecast(x, y, np.array([point.year for point in later]))

    return predict
