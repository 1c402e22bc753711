r"""One quarter's market for compute, by merit order: the rental price at which units offered are units asked for.

Offers are steps: each vintage there is, at its running cost, and last the accelerators that may be bought, at their
cost of a year (:func:`drivetrain.demand.vintage.annual_usd`) and as many as the least limit allows. At a rental price p
(USD per effective unit and year) an offer of cost c and power w per unit runs where ``p > c + w l``, l the price of
power: those that earn most per watt first, until the energised power is used. Offers rise with p and demand falls, so
one price clears; where it lies on a step the step runs in part. This is the optimum of the one-quarter linear program
(:mod:`drivetrain.demand.program`; the tests compare them).

Rents, with u units per accelerator, a its annuity, and x what it takes of the limit that binds::

    power                    l                                USD per watt and year
    packaging, hbm, budget   (p - c_new - w_new l) u / (a x)  USD per wafer, byte or dollar, once

The second is what one more unit of the limit would be worth to a buyer who expects the rent of today to fall as the
annuity says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.demand.limits import LIMITS, Limits, Room, room
from drivetrain.demand.vintage import Floats, Vintage, annual_usd, annuity, mix
from drivetrain.errors import BadInputError, InfeasibleError

Demand = Callable[[Floats], Floats]
NONE = -1  # binding: demand, no limit
HIGHEST_USD = 1e12
_ALL = 1.0 - 1e-6
_FINEST = 1e-14  # relative: prices cannot be told apart much below it


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be had, by step and draw: units, USD per unit and year, watts per unit. The last is to be bought."""

    units: Floats
    usd_per_unit_year: Floats
    w_per_unit: Floats


@dataclass(frozen=True, slots=True)
class Cleared:
    """The price of a unit for a year, units rented, those of each step, what one more watt is worth a year."""

    price_usd_per_unit_year: Floats
    units: Floats
    active: Floats
    power_usd_per_w_year: Floats


@dataclass(frozen=True, slots=True)
class Binding:
    """Which limit holds back supply most (an index of LIMITS, or NONE), and what one more unit of each is worth."""

    index: NDArray[np.int64]
    shadow_usd: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter as cleared: accelerators bought and idle by vintage (V, n), cost of a new unit, the limits' room."""

    cleared: Cleared
    binding: Binding
    bought: Floats
    idle: Floats
    new_usd_per_unit_year: Floats
    room: Room


@dataclass(frozen=True, slots=True)
class Training:
    """Units that training and research ask for at a price of reference, and how they respond to another."""

    units: Floats
    reference_usd: Floats
    elasticity: Floats

    def at(self, price: Floats) -> Floats:
        """Units asked for at ``price``, USD per unit and year."""
        found: Floats = self.units * (price / self.reference_usd) ** -self.elasticity
        return found


def needed_units(interactive: Floats, batch: Floats, peak_to_mean: Floats | float) -> Floats:
    """Units that mean loads of both kinds need: interactive its peak, and batch the trough first.

    >>> needed_units(np.array([100.0, 100.0]), np.array([50.0, 120.0]), 2.0).tolist()
    [200.0, 220.0]
    """
    found: Floats = np.maximum(peak_to_mean * interactive, interactive + batch)
    return found


def clear(
    offers: Offers, power_w: Floats, demand: Demand, *, guess: Floats | None = None, tolerance: float = 1e-9
) -> Cleared:
    """The price at which ``demand`` (units at a price, falling) meets the offers, for each draw.

    >>> one = np.ones((2, 1))
    >>> two = Offers(one * 100.0, np.array([[1000.0], [3000.0]]), one)
    >>> found = clear(two, np.array([1e9]), lambda price: 3e5 / price)
    >>> found.price_usd_per_unit_year.round(3).tolist(), found.active.round(3).tolist()
    ([3000.0], [[100.0], [0.0]])
    """
    from drivetrain.demand.merit import offered

    shape = np.broadcast_shapes(offers.units.shape, offers.usd_per_unit_year.shape, offers.w_per_unit.shape)
    units, usd, watts = (np.ascontiguousarray(np.broadcast_to(array, shape), dtype=float)
                         for array in (offers.units, offers.usd_per_unit_year, offers.w_per_unit))  # fmt: skip
    power = np.ascontiguousarray(np.broadcast_to(power_w, shape[1:]), dtype=float)
    _check(units, usd, watts, power)

    def supply(price: Floats, active: Floats | None = None) -> tuple[Floats, Floats]:
        total, worth = np.empty(shape[1]), np.empty(shape[1])
        offered(price, units, usd, watts, power, total, worth, np.empty((0, 0)) if active is None else active)
        return total, worth

    start = np.median(np.where(usd > 0, usd, 1.0), axis=0) if guess is None else guess
    low, high, most = _bracket(np.maximum(start, 1e-9), demand, supply)
    while np.any(high > low * (1.0 + max(tolerance, _FINEST))):
        middle = np.sqrt(low * high)
        asked = demand(middle)
        short = asked > supply(middle)[0]
        low, high, most = np.where(short, middle, low), np.where(short, high, middle), np.where(short, asked, most)
    return _settled(low, high, most, supply, shape, power, watts)


def bind(cleared: Cleared, offers: Offers, allowed: Room, units_per_new: Floats, annuity_frac: Floats) -> Binding:
    """Which limit binds, and its rent. ``units_per_new``: of one new accelerator; ``annuity_frac`` repays a dollar."""
    new, most = cleared.active[-1], np.broadcast_to(offers.units, cleared.active.shape)[-1]
    cost, watts = (np.broadcast_to(a, cleared.active.shape)[-1] for a in (offers.usd_per_unit_year, offers.w_per_unit))
    power = cleared.power_usd_per_w_year
    on_sale = (most > 0) | (allowed.most <= 0)
    rent = np.where(
        on_sale & (new >= most * _ALL), np.maximum(cleared.price_usd_per_unit_year - cost - watts * power, 0.0), 0.0
    )
    rent = np.where(rent > 1e-6 * cleared.price_usd_per_unit_year, rent, 0.0)
    counts = np.stack([allowed.accelerators[name] for name in LIMITS[:3]])
    least = np.argmin(counts, axis=0)
    shadow = {
        name: np.where(least == k, rent * units_per_new / (annuity_frac * np.maximum(allowed.taken[name], 1e-300)), 0.0)
        for k, name in enumerate(LIMITS[:3])
    }
    shadow["power"] = power
    rents_power = power * (cleared.active * offers.w_per_unit).sum(axis=0)
    index = np.where(rent > 0, least, NONE)
    index = np.where((power > 0) & (rents_power > rent * new), LIMITS.index("power"), index)
    return Binding(index, shadow)


def quarter(
    counts: Floats,
    vintages: Sequence[Vintage],
    limits: Limits,
    t: int,
    demand: Demand,
    *,
    rate: Floats,
    fall_per_year: Floats,
    guess: Floats | None = None,
    tolerance: float = 1e-6,
) -> Quarter:
    """Clear quarter ``t`` with accelerators ``counts`` (V, n) there: offers, price, purchases, binding limit."""
    n = counts.shape[1]
    year = float(limits.years[t])

    def rows(*values: Floats) -> Floats:
        return np.stack([np.broadcast_to(value, n) for value in values])

    units, watts = rows(*(v.units for v in vintages)), rows(*(v.watts for v in vintages))
    running = rows(*(v.running_usd_per_year for v in vintages))
    shares = np.broadcast_to(mix(vintages, year + limits.dt_years / 2.0), counts.shape)

    def mean(values: Floats) -> Floats:
        return np.asarray((shares * values).sum(axis=0))

    capex = rows(*(v.capex_usd for v in vintages))
    takes = {"packaging": mean(rows(*(v.wafers for v in vintages))),
             "hbm": mean(rows(*(v.hbm_bytes for v in vintages))), "budget": mean(capex)}  # fmt: skip
    allowed = room(limits, t, takes)
    nothing = shares.sum(axis=0) == 0
    per_new = np.where(nothing, 1.0, mean(units))
    most = np.where(nothing, 0.0, allowed.most)
    cost = mean(rows(*(annual_usd(v, rate, fall_per_year) for v in vintages))) / per_new
    offers = Offers(
        np.vstack([counts * units, most * per_new]), np.vstack([running / units, cost]),
        np.vstack([watts / units, mean(watts) / per_new]),
    )  # fmt: skip
    found = clear(offers, limits.power_w[t], demand, guess=guess, tolerance=tolerance)
    yearly = mean(rows(*(annuity(rate, v.life_years, fall_per_year) for v in vintages)))
    binding = bind(found, offers, allowed, per_new, np.where(nothing, 1.0, yearly))
    bought = shares * (found.active[-1] / per_new)
    return Quarter(found, binding, bought, np.maximum(counts - found.active[:-1] / units, 0.0), cost, allowed)


Supply = Callable[..., tuple[Floats, Floats]]


def _bracket(guess: Floats, demand: Demand, supply: Supply) -> tuple[Floats, Floats, Floats]:
    """Prices with too much asked for and with too much offered, and what is asked for at the first."""
    low, high, factor = guess / 1.2, guess * 1.2, 1.5
    floor, ceiling = guess * 1e-12, np.maximum(guess * 1e6, HIGHEST_USD)
    most = demand(low)
    while True:
        dear = (most < supply(low)[0]) & (low > floor)
        if not dear.any():
            break
        low, high = np.where(dear, low / factor, low), np.where(dear, low, high)
        most, factor = demand(low), factor * 1.5
    factor, least = 1.5, demand(high)
    while True:
        offered = supply(high)[0]
        cheap = least > offered
        if not cheap.any():
            return low, high, most
        if np.any(high[cheap] >= ceiling[cheap]):
            raise InfeasibleError(
                f"supply is {(least - offered).max():.3g} units short of a demand that does not fall at any price below"
                f" {ceiling.min():.0e} USD a year. Raise a limit (packaging, hbm, budget, power) or lower fixed demand."
            )
        low, most = np.where(cheap, high, low), np.where(cheap, least, most)
        high = np.where(cheap, high * factor, high)
        least, factor = demand(high), factor * 1.5


def _settled(
    low: Floats, high: Floats, asked: Floats, supply: Supply, shape: tuple[int, ...], power: Floats, watts: Floats
) -> Cleared:
    """Between the last two prices: as much as both sides want, the step in between in part."""
    below, above = np.zeros(shape), np.zeros(shape)
    least, _ = supply(low, below)
    most, worth = supply(high, above)
    units = np.clip(np.minimum(most, asked), least, most)
    part = np.where(most > least, (units - least) / np.where(most > least, most - least, 1.0), 0.0)
    active = below + (above - below) * part
    used = (active * watts).sum(axis=0)
    return Cleared(np.sqrt(low * high), units, active, np.where(used >= power * _ALL, worth, 0.0))


def _check(units: Floats, usd: Floats, watts: Floats, power: Floats) -> None:
    for name, values in (("units", units), ("costs", usd), ("watts", watts), ("the power", power)):
        if np.any(~np.isfinite(values)) or np.any(values < 0):
            raise BadInputError(
                f"{name} of the offers must be finite and not negative. Look at the spread they come from."
            )
