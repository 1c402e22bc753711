r"""Limits of supply over the years: packaging, HBM, capital, energised power. Arrays of (quarter, draw).

Each flow starts at its rate of 2026 and grows at a rate that settles from the near one g to the late one h over tau
years (t since the start; the flow of a quarter is taken at its middle, and the rate of 2026 at the middle of 2026)::

    ln x(t) = ln x_0 + ln h  t + (ln g - ln h) tau (1 - e^(-t / tau))

Wafers and HBM are made a lead time before the accelerators they are in go into service. Power is a stock: what was
energised at the start plus what was added until the quarter's middle, so it never falls. A grid that takes four years
to connect somebody is in its growth, not in a delay of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drivetrain.demand.vintage import Floats
from drivetrain.errors import BadInputError

LIMITS = ("packaging", "hbm", "budget", "power")
UNIT = {"packaging": "wafer", "hbm": "byte", "budget": "USD", "power": "W-year"}
REGIONS = ("americas", "europe", "china", "asia-pacific")
START_YEAR = 2026.0
_MIDDLE = 0.5  # flows are stated as the mean of the first year
_MADE_BEFORE = ("packaging", "hbm")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be made a year, and the power there is. ``years`` are the beginnings of the quarters."""

    years: Floats
    dt_years: float
    packaging_wafers_per_year: Floats
    hbm_bytes_per_year: Floats
    budget_usd_per_year: Floats
    power_w: Floats
    power_region_w: Mapping[str, Floats]

    def flow(self, name: str) -> Floats:
        """Of packaging, hbm or budget, what a year allows: (T, n)."""
        if name not in LIMITS[:3]:
            raise BadInputError(f"'{name}' is no limit of what is made. Write packaging, hbm or budget.")
        found: Floats = {"packaging": self.packaging_wafers_per_year, "hbm": self.hbm_bytes_per_year,
                         "budget": self.budget_usd_per_year}[name]  # fmt: skip
        return found


@dataclass(frozen=True, slots=True)
class Room:
    """How many accelerators of a quarter's mix each flow allows, by limit, and what one takes of it."""

    accelerators: Mapping[str, Floats]
    taken: Mapping[str, Floats]

    @property
    def most(self) -> Floats:
        """The least of them."""
        found: Floats = np.min(np.stack(list(self.accelerators.values())), axis=0)
        return found


def grown(start: Floats, near: Floats, late: Floats, settle_years: Floats, years: Floats | float) -> Floats:
    """A flow ``years`` after its start, its growth going from ``near`` to ``late`` a year.

    >>> grown(np.array([10.0]), np.array([2.0]), np.array([2.0]), np.array([3.0]), 2.0).round(9).tolist()
    [40.0]
    """
    gone = settle_years * -np.expm1(-years / settle_years)
    found: Floats = start * np.exp(np.log(late) * years + (np.log(near) - np.log(late)) * gone)
    return found


def of(at: Mapping[str, Floats], years: Floats, dt_years: float = 0.25) -> Limits:
    """The limits in each quarter that begins at one of ``years``.

    >>> from drivetrain.demand.vintage import mids
    >>> one = of(mids(), np.array([2026.0, 2030.75]))
    >>> (one.power_w[:, 0] / 1e9).round(0).tolist()
    [22.0, 141.0]
    """
    if len(years) == 0 or np.any(np.diff(years) <= 0):
        raise BadInputError("the quarters of an outlook are out of order. Give them from the first to the last.")
    if years[0] < START_YEAR:
        raise BadInputError(f"supply is known from {START_YEAR:g} on, not from {years[0]:g}. Start later.")
    wafers, hbm, usd = (
        np.stack([_flow(at, group, key, year + dt_years / 2.0) for year in years])
        for group, key in (("packaging", "wafers"), ("hbm", "bytes"), ("budget", "usd"))
    )
    stock, by_region = _power(at, years + dt_years / 2.0)
    return Limits(np.asarray(years, dtype=float), dt_years, wafers, hbm, usd, stock, by_region)


def room(limits: Limits, quarter: int, takes: Mapping[str, Floats]) -> Room:
    """How many accelerators a quarter's flows allow, where one takes ``takes`` of packaging, hbm and budget."""
    counts = {}
    for name in LIMITS[:3]:
        allowed, each = np.broadcast_arrays(limits.flow(name)[quarter] * limits.dt_years, takes[name])
        counts[name] = np.divide(allowed, each, out=np.full(allowed.shape, np.inf), where=each > 0)
    return Room(counts, dict(takes))


def _flow(at: Mapping[str, Floats], group: str, key: str, year: float) -> Floats:
    years = year - START_YEAR - _MIDDLE - (at[f"{group}.lead"] if group in _MADE_BEFORE else 0.0)
    return grown(at[f"{group}.{key}"], at[f"{group}.growth"], at[f"{group}.growth_late"], at["limits.settle"], years)


def _power(at: Mapping[str, Floats], moments: Floats) -> tuple[Floats, dict[str, Floats]]:
    """Energised power at each moment, in all and by region."""
    grid = np.linspace(START_YEAR, float(moments[-1]), max(2, int(np.ceil((moments[-1] - START_YEAR) * 8)) + 1))
    rates = np.stack([_flow(at, "power", "added", year) for year in grid])
    steps = (rates[1:] + rates[:-1]) / 2.0 * np.diff(grid)[:, None]
    added = np.vstack([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])
    at_moments = _between(grid, added, moments)
    stock = at["power.stock"] + at_moments
    first, later = _shares(at, "region-stock"), _shares(at, "region-added")
    return stock, {name: at["power.stock"] * first[name] + at_moments * later[name] for name in REGIONS}


def _between(grid: Floats, values: Floats, moments: Floats) -> Floats:
    """Values of (grid, draw) at each moment, by straight lines."""
    above = np.clip(np.searchsorted(grid, moments), 1, len(grid) - 1)
    part = ((moments - grid[above - 1]) / (grid[above] - grid[above - 1]))[:, None]
    found: Floats = values[above - 1] * (1.0 - part) + values[above] * part
    return found


def _shares(at: Mapping[str, Floats], group: str) -> dict[str, Floats]:
    total = np.sum([at[f"{group}.{name}"] for name in REGIONS], axis=0)
    return {name: at[f"{group}.{name}"] / total for name in REGIONS}
