r"""Everything an outlook starts from, resolved at joint draws: classes, hardware, limits, fleet, prices of the start.

A draw gives every quantity of ``demand*.toml`` and ``supply*.toml`` one value (:func:`central`: the mids). The price of
a token at the start follows from the rent R of one unit (one H100) and a markup m::

    p_c = m R need_c / u,      u = utilisation of serving fleets

In the first quarter all that there is and can be bought at that rent is in use. Inference has the share f of mean work,
training the rest, so with S mean units that serve, a = interactive part of them, k the busiest hour over the mean and
u_t training's utilisation::

    supply(R) = S max(k a, 1) + S (1 - f) / (f u_t),      B = S / units that the counted tokens need

B is solved for: how many times more compute serves than our serving model needs for the tokens that are counted. A
share phi of what is beyond moves as tokens do (traffic that nobody publishes, serving behind the state of the art), the
rest is other work (recommendation, search, images, video, idle reserve) with a growth and an elasticity of its own::

    units(t) = (1 + (B - 1) phi) tokens(t) need + other(t),      other(0) = (B - 1) (1 - phi) tokens(0) need

Neither enters the price of a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.spreads import Spread, spreads
from drivetrain.demand import allocate, chain, classes, drivers, fleet, limits, vintage
from drivetrain.demand.classes import ClassValues, State, TaskClass
from drivetrain.demand.demand_curve import tokens_per_year
from drivetrain.demand.fleet import Fleet
from drivetrain.demand.limits import Limits
from drivetrain.demand.productivity import Productivity, projected, table
from drivetrain.demand.vintage import Vintage
from drivetrain.errors import BadInputError, InfeasibleError
from drivetrain.training.ceilings.draws import Draws
from drivetrain.units import HOURS_PER_YEAR, number

Floats = NDArray[np.float64]
At = Mapping[str, Floats]
_Record = TypeVar("_Record", ClassValues, State)
START_YEAR = 2026.0
QUARTER = 0.25
MONTHS_PER_YEAR = 12.0
_ALL = 1e18  # more units than anybody offers
_OVERLAP_YEARS = 1.0  # a generation is sold for this long beside the next
_MOST = {
    "finance.fall": 0.9, "serving.utilisation_frac": 1.0, "training.utilisation_frac": 1.0,
    "market.uncounted_like_tokens": 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """The start of an outlook. ``years`` are the beginnings of its quarters; arrays hold one value for each draw.

    ``values`` and ``states`` hold arrays (classes, draws) in the order of ``tasks``, ``need_s`` likewise (classes, 1).
    ``peak_flops`` is the dense bf16 rate of one accelerator, (vintages, draws): that of a projected generation follows
    ``projected.flops``. ``beyond`` is B, ``with_tokens`` the factor on counted tokens, 1 + (B - 1) phi.
    """

    at: At
    years: Floats
    tasks: tuple[TaskClass, ...]
    values: ClassValues
    states: State
    need_s: Floats
    vintages: tuple[Vintage, ...]
    peak_flops: Floats
    limits: Limits
    fleet: Fleet
    rows: Productivity
    rent_start_usd: Floats
    training_units_start: Floats
    other_units_start: Floats
    beyond: Floats
    with_tokens: Floats
    interactive_frac: Floats

    @property
    def n(self) -> int:
        """Number of draws."""
        return int(self.rent_start_usd.size)

    @property
    def interactive(self) -> NDArray[np.bool_]:
        """Which classes need an answer at once, (classes, 1)."""
        return np.array([[one.latency == "interactive"] for one in self.tasks])

    def efficiency(self, year: float, tokens_ratio: Floats, frozen: bool) -> Floats:
        """Tokens per unit-second against those of the start, (classes, draws)."""
        if frozen:
            return np.ones((len(self.tasks), self.n))
        by_class = drivers.by_class(year, self.at, self.rows, tokens_ratio=tokens_ratio)
        return np.stack([drivers.total(by_class[one.name]) * np.ones(self.n) for one in self.tasks])


def quantities(changed: Mapping[str, Spread] | None = None) -> dict[str, Spread]:
    """Every spread of demand and supply, those in ``changed`` in place of the catalogue's."""
    return {**spreads("demand"), **spreads("supply"), **(changed or {})}


def bounded(at: At) -> dict[str, Floats]:
    """``at`` with shares kept below what they can be: the far tails of their ranges are not.

    >>> bounded({"finance.fall": np.array([0.16, 1.05]), "market.markup": np.array([3.0])})["finance.fall"].tolist()
    [0.16, 0.9]
    """
    return {name: np.minimum(values, _MOST[name]) if name in _MOST else values for name, values in at.items()}


def central(known: Mapping[str, Spread]) -> dict[str, Floats]:
    """One draw, at the mids."""
    return {name: np.array([one.mid]) for name, one in known.items()}


def drawn(known: Mapping[str, Spread], n: int, seed: int) -> dict[str, Floats]:
    """``n`` joint draws; the same seed gives a quantity the same draws whatever else is changed."""
    draws = Draws(known, n, seed)
    return {name: draws[name] for name in known}


def world(at: At, end_year: float) -> World:
    """Resolve an outlook from the start of 2026 until before ``end_year``."""
    if end_year <= START_YEAR:
        raise BadInputError(f"an outlook that ends in {end_year:g} has no quarter; it starts in {START_YEAR:g}.")
    at = bounded(at)
    years = np.arange(START_YEAR, end_year - 1e-9, QUARTER)
    rows, tasks = table(), classes.known()
    vintages = _vintages(at, rows)
    by_name = classes.all_of(at, tasks)
    rent = at["market.rental_start"] * HOURS_PER_YEAR
    markup, busy = at["market.markup"], at["serving.utilisation_frac"]
    need = np.array([[rows.need_s[one.name]] for one in tasks])
    prices = markup * chain.price_per_token(rent, need, busy)
    begun = classes.start(
        by_name, dict(zip(by_name, prices, strict=True)), MONTHS_PER_YEAR * at["world.tokens_per_month"]
    )
    values, states = (
        _stacked(list(by_name.values()), rent.size),
        _stacked([begun[one.name] for one in tasks], rent.size),
    )
    there, allowed = fleet.start(at, vintages, START_YEAR), limits.of(at, years, QUARTER)
    counted = chain.units(tokens_per_year(values, states, 0.0, prices), need, busy)
    capacity = _offered(at, there, vintages, allowed, rent)
    serving, training, live = _split(at, tasks, counted, capacity)
    needed = counted.sum(axis=0)
    beyond, like_tokens = serving / needed, at["market.uncounted_like_tokens"]
    _check_start(at, needed, serving)
    extra = np.maximum(beyond - 1.0, 0.0)  # a draw whose tokens need more than there is begins short, rent rising
    return World(at, years, tasks, values, states, need, vintages, _peak_flops(at, vintages, rows), allowed, there,
                 rows, rent, training, extra * (1.0 - like_tokens) * needed, beyond, 1.0 + extra * like_tokens,
                 live)  # fmt: skip


def _vintages(at: At, rows: Productivity) -> tuple[Vintage, ...]:
    power = rows.power
    known = vintage.known(at, {name: np.full(1, power[name]) for name in vintage.names()})
    by_name = {one.name: one for one in known}
    later = projected(at, rows)
    ends = [after.from_year + _OVERLAP_YEARS for after in later[1:]]
    found = [
        vintage.projected(
            by_name[one.base], one.name, one.from_year, end, one.units, at=at, watts_factor=one.watts_factor,
            memory_factor=one.memory_factor, price_factor=one.price_factor, wafer_factor=one.wafer_factor,
        )
        for one, end in zip(later, [*ends, np.full(1, np.inf)], strict=True)
    ]  # fmt: skip
    return (*known, *found)


def _peak_flops(at: At, vintages: tuple[Vintage, ...], rows: Productivity) -> Floats:
    n_known = len(vintages) - rows.n_projected
    factor = [at["projected.flops"] ** max(i + 1 - n_known, 0) for i in range(len(vintages))]
    return np.stack([one.peak_flops * by for one, by in zip(vintages, factor, strict=True)])


def _check_start(at: At, needed: Floats, serving: Floats) -> None:
    """The middle draw's counted tokens must fit in what is offered at the start."""
    asked, offered = float(np.median(needed)), float(np.median(serving))
    if asked <= offered:
        return
    if offered <= 0.0:
        raise InfeasibleError(
            f"no accelerator earns its running cost at a rent of {number(float(np.median(at['market.rental_start'])))} "
            "USD an H100-hour, so nothing serves. Raise market.rental_start or lower cost.usd_per_kwh."
        )
    there, gigawatts = (float(np.median(at[name])) for name in ("fleet.h100e", "power.stock"))
    raise InfeasibleError(
        f"the tokens counted at the start need {number(asked / 1e6)} million units (H100 equivalents) where "
        f"{number(offered / 1e6)} million serve at that rent: short by {number((asked - offered) / 1e6)} million "
        f"({(asked - offered) / offered:.0%}). The fleet is {number(there / 1e6)} million (fleet.h100e) on "
        f"{number(gigawatts / 1e9)} GW (power.stock). Raise these or lower world.tokens_per_month."
    )


def _offered(at: At, there: Fleet, vintages: tuple[Vintage, ...], allowed: Limits, rent: Floats) -> Floats:
    """Units that the fleet and the purchases of the first quarter offer at the rent of the start."""
    cleared = allocate.quarter(
        there.by_vintage(len(vintages)), vintages, allowed, 0, lambda price: np.where(price < rent, _ALL, 0.0),
        rate=at["finance.rate"], fall_per_year=at["finance.fall"], guess=rent,
    )  # fmt: skip
    return cleared.cleared.units


def _split(at: At, tasks: tuple[TaskClass, ...], counted: Floats, capacity: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean units that serve and train in the first quarter, and the interactive share.

    ``counted`` are the units that the counted tokens need, ``capacity`` all that is offered.
    """
    live = np.array([[one.latency == "interactive"] for one in tasks])
    interactive = (counted * live).sum(axis=0) / counted.sum(axis=0)
    frac = np.clip(at["world.inference_frac"], 0.01, 0.99)
    training = (1.0 - frac) / frac
    busiest = np.maximum(at["serving.peak_to_mean"] * interactive, 1.0)
    serving = capacity / (busiest + training / at["training.utilisation_frac"])
    return serving, serving * training, interactive


def _stacked(rows: Sequence[_Record], n: int) -> _Record:
    """One record with arrays (classes, draws) out of one record a class."""
    return type(rows[0])(**{
        one.name: np.stack([np.broadcast_to(getattr(row, one.name), n) for row in rows]) for one in fields(rows[0])
    })  # fmt: skip
