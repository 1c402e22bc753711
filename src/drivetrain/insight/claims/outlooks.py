"""Runs of the outlook that claims are checked on: one set of quantities is an input of every such claim.

The inputs fix their quantities; all others are drawn, the same draws each time, so that a difference is that of the
input. Runs are kept for the life of the process: claims share them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.insight.claims.check import Computed, Input, Values

if TYPE_CHECKING:
    from drivetrain.catalogue.spreads import Spread
    from drivetrain.demand.outlook import Quarter
    from drivetrain.demand.question import Grows
    from drivetrain.demand.world import World
    from drivetrain.demand.yearly import Year

Floats = NDArray[np.float64]
DRAWS, SEED, END_YEAR = 256, 0, 2031
QUANTITIES = {
    "training_growth": "training.growth",
    "inference_start": "world.inference_frac",
    "shrink_per_year": "software.shrink_per_year",
    "arrival_zeta": "world.arrival_zeta",
}
ADOPTION = "adoption_speed"  # multiplies the imitation of every class
KEPT = "kept_per_year"  # of the tasks of every class, those that stay with data centres a year later
_LEAST = 1e-9
_CHOSEN = "choice: imitation of every class over that of the catalogue"


@dataclass(frozen=True, slots=True)
class Outlook:
    """A run: how it started, its quarters and years, draws along the last axis."""

    world: World
    quarters: Sequence[Quarter]
    years: Sequence[Year]


def outlook_inputs(ranged: Collection[str] = (*QUANTITIES, ADOPTION), **more: Input) -> Mapping[str, Input]:
    """The quantities that every claim on the outlook has as inputs, and ``more`` of its own.

    Those in ``ranged`` are moved to their ends for the range: two runs each, shared where claims move the same.
    """
    from drivetrain.demand.world import quantities

    known = quantities()
    found = {name: _of(known[key]) for name, key in QUANTITIES.items()}
    found[ADOPTION] = Input(1.0, "1", _CHOSEN, 0.6, 1.6)
    kept = {name: one if name in ranged else replace(one, low=None, high=None) for name, one in found.items()}
    return {**kept, **more}


def ran(v: Values, switches: tuple[str, ...] = (), *, frozen: bool = False) -> Outlook:
    """The outlook at these inputs, to the end of 2030; ``frozen`` without gains of software."""
    return _ran(_key(v), switches, frozen)


def answered(v: Values) -> Mapping[tuple[str, bool], Grows]:
    """What efficiency does to each measure, by (measure, under the limits of supply)."""
    return _answered(_key(v))


def ratio(outlook: Outlook, name: str) -> Floats:
    """A field of the last year over that of the first, by draw."""
    return np.asarray(getattr(outlook.years[-1], name) / getattr(outlook.years[0], name))


def tokens_ratio(outlook: Outlook) -> Floats:
    """Tokens of the last year over those of the first, by draw."""
    return np.asarray(outlook.years[-1].tokens.sum(axis=0) / outlook.years[0].tokens.sum(axis=0))


def median(values: Floats) -> float:
    """The middle draw.

    >>> median(np.array([3.0, 1.0, 2.0]))
    2.0
    """
    return float(np.median(values))


def span(values: Floats) -> tuple[float, float]:
    """The 10th and the 90th percentile over draws."""
    low, high = np.quantile(values, [0.1, 0.9])
    return float(low), float(high)


def ranges(c: Computed, values: Floats, digits: str) -> str:
    """Both ranges in words: that over draws, and the ledger's own, which moves one input after the other.

    >>> ranges(Computed(2.0, 1.5, 3.0), np.array([1.0, 2.0, 3.0]), ".1f")
    '1.2 to 2.8 over draws, 1.5 to 3.0 as inputs move one at a time'
    """
    low, high = span(values)
    one = f"{c.low:{digits}} to {c.high:{digits}} as inputs move one at a time"
    return f"{low:{digits}} to {high:{digits}} over draws, {one}"


def point(name: str, month: str, low: float | None = None, high: float | None = None) -> Input:
    """One value of a public series, its unit as the series has it."""
    from drivetrain.catalogue.series import series

    one = series(name)
    found = next(point for point in one.points if point.month == month)
    return Input(found.value, one.unit, f"{found.source}, {month}", low, high)


def _of(one: Spread) -> Input:
    return Input(one.mid, one.dimension, f"{one.stated.source}, {one.stated.seen}", one.low, one.high)


def _key(v: Values) -> tuple[tuple[str, float], ...]:
    asked = tuple((name, float(v[name])) for name in (*QUANTITIES, ADOPTION))
    return (*asked, (KEPT, float(v.get(KEPT, 1.0))))


@lru_cache(maxsize=64)
def _ran(key: tuple[tuple[str, float], ...], switches: tuple[str, ...], frozen: bool) -> Outlook:
    from drivetrain.demand.outlook import run
    from drivetrain.demand.yearly import years_of

    world = _world(key, switches)
    quarters = run(world, frozen=frozen)
    return Outlook(world, quarters, years_of(quarters))


@lru_cache(maxsize=32)
def _answered(key: tuple[tuple[str, float], ...]) -> Mapping[tuple[str, bool], Grows]:
    from drivetrain.demand.question import answer

    base = _ran(key, (), False)
    return {(one.measure, one.limited): one for one in answer(base.world, base.years)}


@lru_cache(maxsize=32)
def _world(key: tuple[tuple[str, float], ...], switches: tuple[str, ...]) -> World:
    from drivetrain.demand import classes
    from drivetrain.demand.switches import switched
    from drivetrain.demand.world import drawn, quantities, world

    asked = dict(key)
    known = quantities()
    fixed = {QUANTITIES[name]: asked[name] for name in QUANTITIES}
    fixed |= {f"{one.name}.imitation": asked[ADOPTION] * known[f"{one.name}.imitation"].mid for one in classes.known()}
    growth = [f"{one.name}.tasks_growth" for one in classes.known()]
    known |= {name: _times(known[name], asked[KEPT]) for name in growth}
    fixed = {name: max(value, _LEAST) for name, value in fixed.items()}  # draws are lognormal
    known |= {name: replace(known[name], low=value, mid=value, high=value) for name, value in fixed.items()}
    return world(drawn(switched(known, switches), DRAWS, SEED), float(END_YEAR))


def _times(one: Spread, factor: float) -> Spread:
    return replace(one, low=one.low * factor, mid=one.mid * factor, high=one.high * factor)
