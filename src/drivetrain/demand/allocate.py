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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.demand.clearing import ALL, Cleared, Demand, Offers, ShortError, clear
from drivetrain.demand.limits import LIMITS, UNIT, Limits, Room, room
from drivetrain.demand.vintage import Floats, Vintage, annual_usd, annuity, mix
from drivetrain.units import number

__all__ = [
    "NONE",
    "Binding",
    "Cleared",
    "Offers",
    "Quarter",
    "ShortError",
    "Training",
    "bind",
    "clear",
    "needed_units",
    "quarter",
]
NONE = -1  # binding: demand, no limit


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


def bind(cleared: Cleared, offers: Offers, allowed: Room, units_per_new: Floats, annuity_frac: Floats) -> Binding:
    """Which limit binds, and its rent. ``units_per_new``: of one new accelerator; ``annuity_frac`` repays a dollar."""
    new, most = cleared.active[-1], np.broadcast_to(offers.units, cleared.active.shape)[-1]
    cost, watts = (np.broadcast_to(a, cleared.active.shape)[-1] for a in (offers.usd_per_unit_year, offers.w_per_unit))
    power = cleared.power_usd_per_w_year
    on_sale = (most > 0) | (allowed.most <= 0)
    rent = np.where(
        on_sale & (new >= most * ALL), np.maximum(cleared.price_usd_per_unit_year - cost - watts * power, 0.0), 0.0
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
    try:
        found = clear(offers, limits.power_w[t], demand, guess=guess, tolerance=tolerance)
    except ShortError as error:
        raise ShortError(error.units, error.highest_usd, _lacking(error.units, offers, limits, t, allowed)) from None
    yearly = mean(rows(*(annuity(rate, v.life_years, fall_per_year) for v in vintages)))
    binding = bind(found, offers, allowed, per_new, np.where(nothing, 1.0, yearly))
    bought = shares * (found.active[-1] / per_new)
    return Quarter(found, binding, bought, np.maximum(counts - found.active[:-1] / units, 0.0), cost, allowed)


def _lacking(units: Floats, offers: Offers, limits: Limits, t: int, allowed: Room) -> str:
    """Which limit lacks how much in the draw that is shortest, were new accelerators to give the units."""
    i, year = int(np.argmax(units)), float(limits.years[t])
    power_w = float(limits.power_w[t, i if limits.power_w.shape[1] > 1 else 0])
    texts = []
    if float((offers.units * offers.w_per_unit)[:, i].sum()) > power_w:
        texts.append(f"power by {number(float(units[i] * offers.w_per_unit[-1, i]) / 1e9)} GW")
    name = min(LIMITS[:3], key=lambda one: allowed.accelerators[one][i])
    most = float(allowed.accelerators[name][i])
    if most > 0 and offers.units[-1, i] > 0:
        lacking = (
            float(units[i] / offers.units[-1, i]) * most * float(np.broadcast_to(allowed.taken[name], units.shape)[i])
        )
        texts.append(f"{name} by {number(lacking)} {UNIT[name]}s")
    return f" in {year:g}: short of {' and '.join(texts)}" if texts else f" in {year:g}, when nothing is on sale"
