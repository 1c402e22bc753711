"""Vintages of accelerators: what one takes (wafer, memory, power, money), what it gives (units), when it is sold.

Every number is an array over draws, one for the central run. With ``w`` packages to the wafer, yield y, chip price P::

    memory = bytes p_hbm,   packaging = p_wafer / (w y),   logic = p_logic / (w y)
    vendor = P - memory - packaging - logic
    network = (P + server) f / (1 - f),   facility = kW / PUE k_site,   capital = their sum
    running = kW load 8,760 h p_electricity + m (P + server + network)                       USD a year

``vendor`` is what the designer of the chip keeps, of research and margin; it may be below nothing where a price is set
by the owner of the design. Facts: ``catalogue/data/supply.toml``. A unit is one ``h100-sxm-80gb`` serving with the
software of the start (:mod:`drivetrain.demand.productivity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.catalogue.spreads import choices, spreads
from drivetrain.errors import BadInputError
from drivetrain.units import HOURS_PER_YEAR

Floats = NDArray[np.float64]
STEM = "supply"
_W_PER_KW, _BYTES_PER_GB = 1e3, 1e9


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the capital of one accelerator goes, USD."""

    memory: Floats
    packaging: Floats
    logic: Floats
    vendor: Floats
    server: Floats
    network: Floats
    facility: Floats

    @property
    def total(self) -> Floats:
        """All of it."""
        found: Floats = np.sum([getattr(self, one.name) for one in fields(self)], axis=0)
        return found

    @property
    def chip(self) -> Floats:
        """Price of the accelerator itself."""
        found: Floats = self.memory + self.packaging + self.logic + self.vendor
        return found


@dataclass(frozen=True, slots=True)
class Vintage:
    """One kind of accelerator over the years it is sold.

    ``accelerator`` is the catalogue's, or what a projection starts from. ``wafers`` are wafers of advanced packaging
    per good accelerator, ``watts`` what the site needs for one, overhead included, ``weight`` its part of what is sold.
    """

    name: str
    accelerator: str
    hbm_generation: str
    from_year: Floats
    until_year: Floats
    weight: Floats
    hbm_bytes: Floats
    hbm_stacks: float
    wafers: Floats
    watts: Floats
    parts: Parts
    life_years: Floats
    running_usd_per_year: Floats
    energy_usd_per_year: Floats
    peak_flops: float
    units: Floats

    @property
    def capex_usd(self) -> Floats:
        """All capital of one, network and building included."""
        return self.parts.total

    def sold(self, year: float) -> NDArray[np.bool_]:
        """Whether it is on sale, by draw."""
        found: NDArray[np.bool_] = (self.from_year <= year) & (year < self.until_year)
        return found


def mids() -> dict[str, Floats]:
    """The middle of every spread: the central run."""
    return {name: np.array([one.mid]) for name, one in spreads(STEM).items()}


def names() -> tuple[str, ...]:
    """Vintages of the catalogue, in order of first sale.

    >>> names()[0], names()[-1]
    ('a100-sxm-80gb', 'rubin-nvl72')
    """
    known = {name.removesuffix(".sold_from"): one.value for name, one in choices(STEM).items()
             if name.endswith(".sold_from")}  # fmt: skip
    return tuple(sorted(known, key=lambda name: known[name]))


def known(at: Mapping[str, Floats], units: Mapping[str, Floats]) -> tuple[Vintage, ...]:
    """The vintages of the catalogue. ``units``: effective units of each by name.

    >>> h100 = known(mids(), {name: np.ones(1) for name in names()})[1]
    >>> h100.name, round(float(h100.capex_usd[0]), -3), round(float(h100.parts.memory[0]))
    ('h100-sxm-80gb', 68000.0, 1117)
    """
    missing = [name for name in names() if name not in units]
    if missing:
        raise BadInputError(f"no effective units are given for {', '.join(missing)}. Give one number for each vintage.")
    return tuple(_known(name, at, np.asarray(units[name], dtype=float)) for name in names())


def projected(
    base: Vintage,
    name: str,
    from_year: Floats,
    until_year: Floats,
    units: Floats,
    *,
    at: Mapping[str, Floats],
    watts_factor: Floats,
    memory_factor: Floats,
    price_factor: Floats,
    wafer_factor: Floats,
) -> Vintage:
    """A generation after ``base``: its price, power, memory and area times a factor each.

    Price is that of chip and server; both keep their split. Memory keeps its price per byte, and packaging and logic
    theirs per wafer, so that what the designer keeps is what is left.
    """
    chip, server = base.parts.chip * price_factor, base.parts.server * price_factor
    watts, wafers, hbm = base.watts * watts_factor, base.wafers * wafer_factor, base.hbm_bytes * memory_factor
    parts = _parts(at, chip, server, watts, wafers, hbm)
    energy, running = _running(at, parts, watts)
    return replace(
        base, name=name, from_year=from_year, until_year=until_year, units=units, watts=watts, wafers=wafers,
        hbm_bytes=hbm, hbm_stacks=base.hbm_stacks * float(np.median(memory_factor)), parts=parts,
        running_usd_per_year=running, energy_usd_per_year=energy, weight=_choice("projected.weight"),
    )  # fmt: skip


def annuity(rate: Floats, years: Floats, fall_per_year: Floats | float = 0.0) -> Floats:
    """First of the yearly payments that repay one dollar, each ``fall_per_year`` less than the one before.

    ``1 = a sum_k (1 - f)^(k - 1) / (1 + r)^k``, k = 1..years: with f = 0 the capital recovery factor, with r = 0 and
    f = 0 one over the years.

    >>> annuity(np.array([0.10, 0.0]), np.array([5.0, 4.0])).round(4).tolist()
    [0.2638, 0.25]
    """
    step = np.log1p(-np.asarray(fall_per_year, dtype=float)) - np.log1p(np.asarray(rate, dtype=float))
    level = step == 0.0
    series = np.where(level, years, np.expm1(years * step) / np.expm1(np.where(level, 1.0, step)))
    found: Floats = (1.0 + rate) / series
    return found


def annual_usd(vintage: Vintage, rate: Floats, fall_per_year: Floats | float = 0.0) -> Floats:
    """What one costs in its first year, capital and running."""
    found: Floats = vintage.capex_usd * annuity(rate, vintage.life_years, fall_per_year) + vintage.running_usd_per_year
    return found


def mix(vintages: Sequence[Vintage], year: float, ramp_years: float | None = None) -> Floats:
    """Share of each vintage in the accelerators sold at ``year``: (vintages, draws), sums to 1 (0: before the first).

    A vintage's weight grows over ``ramp_years`` from its first sale and falls over the same before its last. Where
    none is on sale, because the next one is late, the newest there is stays on sale.
    """
    ramp = float(choices(STEM)["sales.ramp"].value) if ramp_years is None else ramp_years
    weights = np.stack(np.broadcast_arrays(*(_on_sale(one, year, ramp) for one in vintages)))
    began = np.stack(
        np.broadcast_arrays(*(np.where(one.from_year <= year, one.from_year, -np.inf) for one in vintages))
    )
    began = np.broadcast_to(began, np.broadcast_shapes(began.shape, weights.shape))
    newest = (np.arange(len(vintages))[:, None] == began.argmax(axis=0)) & np.isfinite(began)
    weights = np.where(weights.sum(axis=0) > 0, weights, newest)
    total = weights.sum(axis=0)
    found: Floats = np.where(total > 0, weights / np.where(total > 0, total, 1.0), 0.0)
    return found


def _on_sale(one: Vintage, year: float, ramp: float) -> Floats:
    edge = max(ramp, 1e-9)
    up = np.clip((year - one.from_year) / edge, 0.05, 1.0)
    down = np.clip((one.until_year - year) / edge, 0.05, 1.0)
    found: Floats = np.where(one.sold(year), one.weight * np.minimum(up, down), 0.0)
    return found


def _known(name: str, at: Mapping[str, Floats], units: Floats) -> Vintage:
    fact = loader.load("accelerators", name)
    watts = at[f"{name}.watts"]
    wafers = 1.0 / (at[f"{name}.packages_per_wafer"] * np.minimum(at["packaging.yield_frac"], 1.0))
    hbm = np.full_like(watts, fact.memory_bytes)
    parts = _parts(at, at[f"{name}.chip_usd"], at[f"{name}.server_usd"], watts, wafers, hbm)
    energy, running = _running(at, parts, watts)
    return Vintage(
        name, name, fact.memory_type, _choice(f"{name}.sold_from"), _choice(f"{name}.sold_until"),
        _choice(f"{name}.weight"), hbm, float(choices(STEM)[f"{name}.stacks"].value), wafers, watts, parts,
        at["fleet.life"], running, energy, fact.flops["bf16"], units,
    )  # fmt: skip


def _parts(at: Mapping[str, Floats], chip: Floats, server: Floats, watts: Floats, wafers: Floats, hbm: Floats) -> Parts:
    memory = hbm / _BYTES_PER_GB * at["cost.hbm_usd_per_gb"]
    packaging, logic = wafers * at["cost.packaging_usd_per_wafer"], wafers * at["cost.logic_usd_per_wafer"]
    share = at["cost.network_frac"]
    return Parts(
        memory, packaging, logic, chip - memory - packaging - logic, server,
        (chip + server) * share / (1.0 - share), watts / _W_PER_KW / at["cost.pue"] * at["cost.facility_usd_per_kw"],
    )  # fmt: skip


def _running(at: Mapping[str, Floats], parts: Parts, watts: Floats) -> tuple[Floats, Floats]:
    """Electricity, and electricity with upkeep, USD a year."""
    load = np.minimum(at["cost.load_frac"], 1.0)
    energy: Floats = watts / _W_PER_KW * load * HOURS_PER_YEAR * at["cost.usd_per_kwh"]
    upkeep = at["cost.maintenance_frac"] * (parts.chip + parts.server + parts.network)
    return energy, energy + upkeep


def _choice(name: str) -> Floats:
    return np.array([float(choices(STEM)[name].value)])
