r"""The years in sequence: each quarter's market clears, the fleet changes, demand moves on.

In a quarter, at a rent r (USD per unit and year), a class with tokens Q_c(p) and efficiency e_c since the start asks
for

    p_c = m r need_c / (e_c u),     units_c = b Q_c(p_c) need_c / (e_c u)

of mean units (b: traffic that nobody counts), other serving for units with a growth and elasticity of its own, and all
together for the capacity ``max(k interactive, interactive + batch) + training / u_t``.
:mod:`drivetrain.demand.allocate` finds the rent at which that is what the fleet and purchases offer. Afterwards every
class moves on at the price it saw. Capital follows earnings: with q the rent over what a new unit costs a year, the
budget of a quarter is its trend times ``(q of the quarter before / q of the start)^response``, within a factor of 4.

Two worlds over the same draws differ in what was changed and in nothing else: with ``frozen`` the software of the start
stays (hardware does not), with ``still`` no newer hardware is ever sold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.demand import allocate, chain, demand_curve, fleet, limits
from drivetrain.demand.classes import State
from drivetrain.demand.fleet import Fleet
from drivetrain.demand.vintage import Vintage
from drivetrain.demand.world import MONTHS_PER_YEAR, QUARTER, START_YEAR, Floats, World
from drivetrain.units import JOULES_PER_KWH

_TOLERANCE = 1e-5  # of the rent
_CAPITAL_MOST = 4.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for at a rent: prices, tokens a year, mean units (classes, draws); other units; capacity."""

    prices: Floats
    tokens: Floats
    units: Floats
    other: Floats
    training: Floats
    capacity: Floats

    @property
    def serving(self) -> Floats:
        """Mean units that serve, other work included."""
        return np.asarray(self.units.sum(axis=0) + self.other)


@dataclass(frozen=True, slots=True)
class Quarter:
    """One quarter. Rates are per year, counts of accelerators (vintages, draws), the fleet that of the quarter's end.

    ``peak_flops`` is the dense bf16 rate of the accelerators at work, by purpose; ``energy_j`` what they draw in the
    quarter, site included, as ``cost.load_frac`` of ``power_w``; ``capital_usd`` and ``rent_usd`` are
    the ledgers of :mod:`drivetrain.demand.chain`; ``states`` those in which demand was when it cleared.
    """

    year: float
    rent_usd_per_unit_year: Floats
    asked: Asked
    efficiency: Floats
    states: State
    bought: Floats
    fleet: Floats
    idle: Floats
    peak_flops: Mapping[str, Floats]
    power_w: Floats
    energy_j: Floats
    hbm_bytes: Floats
    hbm_bought_bytes: Floats
    capital_usd: Mapping[str, Floats]
    rent_usd: Mapping[str, Floats]
    budget_usd_per_year: Floats
    binding: NDArray[np.int64]
    shadow_usd: Mapping[str, Floats]


def run(
    world: World, *, frozen: bool = False, still: bool = False, seen: Callable[[int], None] | None = None
) -> list[Quarter]:
    """Every quarter of ``world`` in order. ``seen`` is told the number of each quarter done."""
    hardware = _unchanged(world) if still else world.vintages
    states, there, rent, served = world.states, world.fleet, world.rent_start_usd, np.zeros(world.n)
    first = earned = np.ones(world.n)
    tokens_start = MONTHS_PER_YEAR * world.at["world.tokens_per_month"]
    found = []
    for t, year in enumerate(world.years.tolist()):
        there, _ = fleet.retire(there, hardware, year)
        before = there.by_vintage(len(hardware))
        efficiency = world.efficiency(year, 1.0 + served / tokens_start, frozen)
        ask = asking(world, states, efficiency, t)
        allowed = _financed(world.limits, t, earned, world.at["market.capital_response"])
        cleared = allocate.quarter(
            before, hardware, allowed, t, lambda price, ask=ask: ask(price).capacity,  # type: ignore[misc]
            rate=world.at["finance.rate"], fall_per_year=world.at["finance.fall"], guess=rent, tolerance=_TOLERANCE,
        )  # fmt: skip
        rent = cleared.cleared.price_usd_per_unit_year
        q = rent / cleared.new_usd_per_unit_year
        first = q if t == 0 else first
        earned = np.where(np.isfinite(q / first), q / first, 1.0)
        asked = ask(rent)
        there = fleet.buy(there, cleared.bought, year)
        there, _ = fleet.scrap(there, cleared.idle, np.minimum(world.at["fleet.scrap_frac"] * QUARTER, 1.0))
        found.append(_record(world, hardware, year, asked, efficiency, states, before, cleared, there,
                             allowed.budget_usd_per_year[t]))  # fmt: skip
        served = served + QUARTER * asked.tokens.sum(axis=0)
        states = demand_curve.advance(world.values, states, year - START_YEAR, asked.prices, QUARTER)
        if seen is not None:
            seen(t + 1)
    return found


def asking(world: World, states: State, efficiency: Floats, t: int) -> Callable[[Floats], Asked]:
    """What is asked for in quarter ``t`` as a function of the rent."""
    at, years = world.at, float(world.years[t]) - START_YEAR
    busy = at["serving.utilisation_frac"]
    unit_years = chain.units(np.ones(1), world.need_s, busy) / efficiency
    trained = limits.grown(
        world.training_units_start, at["training.growth"], at["training.growth_late"], at["limits.settle"], years
    )
    training = allocate.Training(trained, world.rent_start_usd, at["training.elasticity"])
    rest = limits.grown(
        world.other_units_start, at["market.other_growth"], at["market.other_growth_late"], at["limits.settle"], years
    )
    other = allocate.Training(rest, world.rent_start_usd, at["market.other_elasticity"])
    live, running = world.interactive, at["training.utilisation_frac"]
    priced, used = at["market.markup"] * unit_years, world.with_tokens * unit_years

    def ask(rent: Floats) -> Asked:
        prices = priced * rent
        tokens = demand_curve.tokens_per_year(world.values, states, years, prices)
        units = tokens * used
        more, train = other.at(rent), training.at(rent)
        serving = units.sum(axis=0) + more
        peak = (units * live).sum(axis=0) + more * world.interactive_frac
        capacity = allocate.needed_units(peak, serving - peak, at["serving.peak_to_mean"]) + train / running
        return Asked(prices, tokens, units, more, train, capacity)

    return ask


def _financed(trend: limits.Limits, t: int, earned: Floats, response: Floats) -> limits.Limits:
    """The limits of quarter ``t`` where capital has followed what a new unit earned, against the start."""
    usd = trend.budget_usd_per_year.copy()
    usd[t] = usd[t] * np.clip(earned**response, 1.0 / _CAPITAL_MOST, _CAPITAL_MOST)
    return replace(trend, budget_usd_per_year=usd)


def _unchanged(world: World) -> tuple[Vintage, ...]:
    """The hardware of the start, sold for ever, and nothing newer."""
    here = [bool(counts.any()) for counts in world.fleet.by_vintage(len(world.vintages))]
    sold = [one.until_year if one.until_year.max() < START_YEAR else np.full(1, np.inf) for one in world.vintages]
    return tuple(
        replace(one, until_year=until if there else one.from_year)
        for one, there, until in zip(world.vintages, here, sold, strict=True)
    )


def _record(
    world: World, hardware: tuple[Vintage, ...], year: float, asked: Asked, efficiency: Floats, states: State,
    before: Floats, cleared: allocate.Quarter, after: Fleet, budget: Floats,
) -> Quarter:  # fmt: skip
    """A quarter's record; ``before`` are the accelerators there when it began, ``after`` the fleet at its end."""
    working, stock = before - cleared.idle + cleared.bought, after.by_vintage(len(hardware))

    def summed(name: str, counts: Floats) -> Floats:
        return np.asarray(np.sum([getattr(one, name) * n for one, n in zip(hardware, counts, strict=True)], axis=0))

    rent = cleared.cleared.price_usd_per_unit_year
    flops_per_unit = (world.peak_flops * working).sum(axis=0) / np.maximum(summed("units", working), 1e-300)
    paid = chain.rent(hardware, before + cleared.bought, working, cleared.cleared.units, rent,
                      rate=world.at["finance.rate"], dt_years=QUARTER)  # fmt: skip
    energy_j = paid["electricity"] / world.at["cost.usd_per_kwh"] * JOULES_PER_KWH
    return Quarter(
        year, rent, asked, efficiency, states, cleared.bought, stock, cleared.idle,
        {"inference": asked.serving * flops_per_unit, "training": asked.training * flops_per_unit},
        summed("watts", working), energy_j, summed("hbm_bytes", stock), summed("hbm_bytes", cleared.bought),
        chain.capital(hardware, cleared.bought),
        paid,
        budget, cleared.binding.index, cleared.binding.shadow_usd,
    )  # fmt: skip
