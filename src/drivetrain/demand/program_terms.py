"""What the linear program of supply is asked: kinds of accelerators, loads, limits. Checked as they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivetrain.catalogue.spreads import choices
from drivetrain.demand.fleet import Fleet
from drivetrain.demand.limits import Limits
from drivetrain.demand.vintage import STEM, Floats, Vintage, mix
from drivetrain.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of accelerator: what one gives, takes and costs; from when to when it is sold."""

    name: str
    units: float
    watts: float
    wafers: float
    hbm_bytes: float
    capex_usd: float
    running_usd_per_year: float
    life_years: float
    from_year: float
    until_year: float

    @classmethod
    def of(cls, one: Vintage, draw: int = 0) -> Kind:
        """A vintage at one of its draws."""

        def at(values: Floats) -> float:
            return float(np.asarray(values)[draw if np.size(values) > 1 else 0])

        return cls(
            one.name, at(one.units), at(one.watts), at(one.wafers), at(one.hbm_bytes), at(one.capex_usd),
            at(one.running_usd_per_year), at(one.life_years), at(one.from_year), at(one.until_year),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """Demand of one class, in blocks of falling worth.

    ``units``: mean units each block needs, (regions, blocks, quarters), one region where ``anywhere``;
    ``usd_per_unit_year`` what a block is worth, same shape. ``peak`` and ``mean`` are units of capacity per mean unit
    in the busiest hour and on average: interactive (peak to mean, 1), batch (0, 1), training (1 / u, 1 / u) at
    sustained utilisation u. ``contracted_frac`` must be served, whatever it is worth.
    """

    name: str
    units: Floats
    usd_per_unit_year: Floats
    peak: float = 1.0
    mean: float = 1.0
    anywhere: bool = False
    contracted_frac: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A horizon of ``n_quarters`` from ``start_year``. Flows are per year, (quarters,); power is (regions, quarters).

    ``installed``: accelerators of the start still alive, (kinds, regions, quarters). ``share_most``: what part of a
    quarter's purchases a kind may have, (kinds, quarters), 0 where it is not sold; without it anything on sale.
    """

    start_year: float
    dt_years: float
    discount_rate: float
    regions: tuple[str, ...]
    kinds: tuple[Kind, ...]
    loads: tuple[Load, ...]
    installed: Floats
    power_w: Floats
    packaging_wafers_per_year: Floats
    hbm_bytes_per_year: Floats
    budget_usd_per_year: Floats
    share_most: Floats | None = None
    _flows: Mapping[str, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        flows = {"packaging": self.packaging_wafers_per_year, "hbm": self.hbm_bytes_per_year,
                 "budget": self.budget_usd_per_year}  # fmt: skip
        object.__setattr__(self, "_flows", flows)
        _check(self)

    @property
    def n_quarters(self) -> int:
        """Quarters of the horizon."""
        return int(self.power_w.shape[1])

    @property
    def discounts(self) -> Floats:
        """What a dollar of each quarter is worth at the start."""
        return np.asarray((1.0 + self.discount_rate) ** (-self.dt_years * np.arange(self.n_quarters)), dtype=np.float64)

    def flow(self, name: str) -> Floats:
        """What a year allows of packaging, hbm or budget, by quarter."""
        return self._flows[name]

    def label(self, quarter: int) -> str:
        """A quarter as people write it."""
        year = self.start_year + quarter * self.dt_years + 1e-9
        return f"{int(year)}Q{int((year % 1) * 4) + 1}"


def problem(
    vintages: Sequence[Vintage], fleet: Fleet, limits: Limits, loads: Sequence[Load], discount_rate: float,
    draw: int = 0,
) -> Problem:  # fmt: skip
    """The program of one draw: the fleet of the start is spread over the regions as their power is.

    A kind may exceed its share of sales (:func:`drivetrain.demand.vintage.mix`) by the factor ``sales.give``.
    """
    regions = tuple(limits.power_region_w)
    power = np.stack([limits.power_region_w[name][:, draw] for name in regions])
    shares = power[:, 0] / power[:, 0].sum()
    alive = np.zeros((len(vintages), len(limits.years)))
    for kind, bought, count in zip(fleet.vintage, fleet.bought_year, fleet.count[:, draw], strict=True):
        life = np.broadcast_to(vintages[kind].life_years, fleet.count.shape[1:])[draw]
        alive[kind] += np.where(limits.years - bought < life - 1e-9, count, 0.0)
    return Problem(
        float(limits.years[0]), limits.dt_years, discount_rate, regions, tuple(Kind.of(one, draw) for one in vintages),
        tuple(loads), alive[:, None, :] * shares[None, :, None], power, limits.packaging_wafers_per_year[:, draw],
        limits.hbm_bytes_per_year[:, draw], limits.budget_usd_per_year[:, draw], _shares(vintages, limits, draw),
    )  # fmt: skip


def _shares(vintages: Sequence[Vintage], limits: Limits, draw: int) -> Floats:
    give = float(choices(STEM)["sales.give"].value)
    found = []
    for year in limits.years:
        sold = mix(vintages, float(year) + limits.dt_years / 2.0)
        found.append(np.minimum(give * sold[:, draw if sold.shape[1] > 1 else 0], 1.0))
    return np.stack(found, axis=1)


def _check(p: Problem) -> None:
    if p.power_w.shape != (len(p.regions), p.n_quarters) or p.n_quarters < 1:
        raise BadInputError(f"power is given as {p.power_w.shape}, not by region and quarter {len(p.regions)} x T.")
    shape = (len(p.kinds), *p.power_w.shape)
    if p.installed.shape != shape:
        raise BadInputError(f"installed accelerators are given as {p.installed.shape}, not {shape}.")
    if p.discount_rate < 0 or p.dt_years <= 0:
        raise BadInputError("the discount rate is negative or the quarter has no length. Mend them.")
    for name in ("packaging", "hbm", "budget"):
        if p.flow(name).shape != (p.n_quarters,):
            raise BadInputError(f"{name} is given for {p.flow(name).shape} quarters, not {p.n_quarters}.")
    arrays = [("installed", p.installed), ("power", p.power_w), *((name, p.flow(name)) for name in p._flows)]
    if p.share_most is not None:
        if p.share_most.shape != (len(p.kinds), p.n_quarters):
            raise BadInputError(f"shares of sales are given as {p.share_most.shape}, not by kind and quarter.")
        sums = p.share_most.sum(axis=0)
        if np.any((sums > 0) & (sums < 1.0 - 1e-9)):
            raise BadInputError(
                "the most that every kind may have of a quarter's purchases sums to less than all of it."
            )
        arrays.append(("shares of sales", p.share_most))
    for load in p.loads:
        regions = 1 if load.anywhere else len(p.regions)
        if load.units.ndim != 3 or load.units.shape[0] != regions or load.units.shape[2] != p.n_quarters:
            raise BadInputError(
                f"load {load.name}: units are {load.units.shape}, not ({regions}, blocks, {p.n_quarters})."
            )
        if load.usd_per_unit_year.shape != load.units.shape:
            raise BadInputError(f"load {load.name}: units and worth have different shapes.")
        if not 0.0 <= load.contracted_frac <= 1.0 or min(load.peak, load.mean) < 0:
            raise BadInputError(f"load {load.name}: contracted_frac must be from 0 to 1, peak and mean not negative.")
        arrays += [(f"load {load.name}", load.units), (f"worth of {load.name}", load.usd_per_unit_year)]
    for kind in p.kinds:
        numbers = (kind.units, kind.watts, kind.wafers, kind.hbm_bytes, kind.capex_usd, kind.running_usd_per_year)
        arrays.append((kind.name, np.array(numbers)))
        if kind.units <= 0 or kind.life_years < p.dt_years:
            raise BadInputError(f"{kind.name}: units must be above 0 and its life at least a quarter.")
    for name, values in arrays:
        if np.any(~np.isfinite(values)) or np.any(values < 0):
            raise BadInputError(f"{name} holds a negative or infinite number. Supply and demand are not negative.")
