"""The whole horizon of one outlook as a linear program, on the demand curves that the sequence of quarters came to.

The sequence (:mod:`drivetrain.demand.outlook`) is myopic and sees one region; the program has perfect foresight,
regions and power in each. Its duals are the shadow prices. Both get the same demand, quarter by quarter, and the same
limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from drivetrain.demand import demand_curve, limits, program_loads
from drivetrain.demand.classes import ClassValues, State
from drivetrain.demand.demand_curve import Blocks
from drivetrain.demand.outlook import Quarter
from drivetrain.demand.program import Load, Problem, Solution, problem, solve
from drivetrain.demand.world import START_YEAR, Floats, World

_Record = TypeVar("_Record", ClassValues, State)
_ELASTIC_BLOCKS, _ELASTIC_SPAN = 12, 5.0  # steps of a constant elasticity, up to this multiple of the first rent


def planned(world: World, quarters: Sequence[Quarter], draw: int = 0, *, contracted_frac: float = 0.0) -> Solution:
    """The optimum over the quarters of a run, at one of its draws.

    ``contracted_frac`` of every load must be served, whatever it is worth; where
    the limits do not allow that an :class:`~drivetrain.errors.InfeasibleError` says which, when and by how much.
    """
    return solve(asked(world, quarters, draw, contracted_frac=contracted_frac))


def asked(world: World, quarters: Sequence[Quarter], draw: int = 0, *, contracted_frac: float = 0.0) -> Problem:
    """The program itself."""
    loads = [*_serving(world, quarters, draw), _training(world, draw), _other(world, draw)]
    loads = [replace(one, contracted_frac=contracted_frac) for one in loads]
    budget = np.stack([one.budget_usd_per_year for one in quarters])
    allowed = replace(world.limits, budget_usd_per_year=budget)
    rate = _one(world, "finance.rate", draw)
    return problem(world.vintages, world.fleet, allowed, loads, rate, draw)


def _serving(world: World, quarters: Sequence[Quarter], draw: int) -> list[Load]:
    """A load a class, the compute beyond the counted tokens included."""
    busy, markup, peak = (
        _one(world, name, draw) for name in ("serving.utilisation_frac", "market.markup", "serving.peak_to_mean")
    )
    found = []
    for c, task in enumerate(world.tasks):
        values = _row(world.values, c, draw)
        curves = [_curve(values, one, c, draw) for one in quarters]
        need = np.array([float(world.need_s[c, 0] / one.efficiency[c, draw]) for one in quarters])
        load = program_loads.serving(
            task.name, curves, need, task.regions if task.latency == "interactive" else None,
            peak_to_mean=peak, utilisation_frac=busy, markup=markup,
        )  # fmt: skip
        found.append(replace(load, units=load.units * float(world.with_tokens[draw])))
    return found


def _curve(values: ClassValues, one: Quarter, c: int, draw: int) -> Blocks:
    state, price = _row(one.states, c, draw), one.asked.prices[c, draw : draw + 1]
    years = one.year - START_YEAR
    return program_loads.around(lambda at: demand_curve.tokens_per_year(values, state, years, at), price)


def _training(world: World, draw: int) -> Load:
    running, first = _one(world, "training.utilisation_frac", draw), world.training_units_start
    return _elastic(world, "training", first, "training.growth", "training.elasticity", running, draw)


def _other(world: World, draw: int) -> Load:
    """Serving that no token is counted for; its busiest hour as of interactive work."""
    busiest = max(_one(world, "serving.peak_to_mean", draw) * float(world.interactive_frac[draw]), 1.0)
    first = world.other_units_start
    return _elastic(world, "other", first, "market.other_growth", "market.other_elasticity", 1.0 / busiest, draw)


def _elastic(
    world: World, name: str, start: Floats, growth: str, elasticity: str, running: float, draw: int
) -> Load:  # fmt: skip
    near, late, settle = (_at(world.at[key], draw) for key in (growth, f"{growth}_late", "limits.settle"))
    first = start[draw : draw + 1]
    units = np.array([float(limits.grown(first, near, late, settle, year - START_YEAR)[0]) for year in world.years])
    load = program_loads.training(
        units, float(world.rent_start_usd[draw]), _one(world, elasticity, draw), utilisation_frac=running,
        n_blocks=_ELASTIC_BLOCKS, span=_ELASTIC_SPAN,
    )  # fmt: skip
    return replace(load, name=name)


def _one(world: World, name: str, draw: int) -> float:
    return float(_at(world.at[name], draw)[0])


def _row(stacked: _Record, c: int, draw: int) -> _Record:
    """One class at one draw out of arrays (classes, draws)."""
    return type(stacked)(**{one.name: getattr(stacked, one.name)[c, draw : draw + 1] for one in fields(stacked)})


def _at(values: Floats, draw: int) -> Floats:
    return values[draw : draw + 1] if values.size > 1 else values
