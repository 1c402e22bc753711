"""The largest training run by year, and which ceiling holds it back with what probability (Monte Carlo).

Draws in which power, chips, data or latency would not have allowed the run of 2025 are left out: it happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError
from drivetrain.training.ceilings.draws import N_DRAWS, SEED, Draws, Floats, changed
from drivetrain.training.ceilings.limits import LIMITS, PHYSICAL, START

YEARS = tuple(range(2026, 2036))
LAST_YEAR = 2060


@dataclass(frozen=True, slots=True)
class Span:
    """10 %, half and 90 % of the draws lie below."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Year:
    """One year: FLOPs that each limit allows, the largest run (the least of them), and how often each is the least."""

    year: int
    limits: Mapping[str, Span]
    largest: Span
    binding: Mapping[str, float]

    @property
    def binds(self) -> str:
        """The limit that binds most often."""
        return max(self.binding, key=lambda name: self.binding[name])


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Draws of every limit: arrays of (draw, year). ``kept``: which of ``draws`` allow the run of 2025."""

    years: tuple[int, ...]
    limits: Mapping[str, Floats]
    start_flops: Floats
    draws: Draws
    kept: NDArray[np.bool_]

    @property
    def kept_frac(self) -> float:
        """Share of the draws that allow the run of 2025."""
        return float(self.kept.mean())

    def least(self, names: Sequence[str] | None = None) -> Floats:
        """The least of the limits ``names`` (all by default), by draw and year."""
        found: Floats = np.min([self.limits[name] for name in names or self.limits], axis=0)
        return found


def largest_runs(
    years: Sequence[int] = YEARS, *, scaled: Mapping[str, float] | None = None, n: int = N_DRAWS, seed: int = SEED
) -> tuple[Year, ...]:
    """The largest run of each year. ``scaled``: factors on single spreads, such as ``{"power.campus": 2.0}``.

    >>> one, = largest_runs([2030], n=2000)
    >>> round(sum(one.binding.values()), 9), one.largest.p10 < one.largest.p50 < one.largest.p90
    (1.0, True)
    """
    found = paths(years, scaled=scaled, n=n, seed=seed)
    return by_year(found)


def by_year(found: Paths) -> tuple[Year, ...]:
    """Draws by year as spans and odds."""
    return tuple(_year(found, i) for i in range(len(found.years)))


def paths(
    years: Sequence[int] = YEARS, *, scaled: Mapping[str, float] | None = None, n: int = N_DRAWS, seed: int = SEED
) -> Paths:
    """Draws of every limit over ``years``."""
    wrong = [year for year in years if not START <= year <= LAST_YEAR or year != int(year)]
    if wrong or not years:
        told = f"not {wrong[0]}" if wrong else "at least one of them"
        raise BadInputError(f"years of the largest run go from {START} to {LAST_YEAR}, {told}.")
    d = Draws(changed(scaled), n, seed)
    run = d["run.flops"]
    possible = np.min([LIMITS[name](d, START) for name in PHYSICAL], axis=0) >= run
    if not possible.any():
        raise BadInputError("no draw of these spreads allows the largest run of 2025: mend them.")
    limits = {
        name: np.column_stack([limit(d, year)[possible] for year in years]) for name, limit in LIMITS.items()
    }  # fmt: skip
    return Paths(tuple(int(year) for year in years), limits, run[possible], d, possible)


def worth_of_doubling(
    year: int, names: Sequence[str], *, scaled: Mapping[str, float] | None = None, n: int = N_DRAWS, seed: int = SEED
) -> dict[str, float]:
    """By how much the median largest run of ``year`` grows when one spread doubles, the others as they are."""
    before = dict(scaled or {})

    def median(now: Mapping[str, float]) -> float:
        return largest_runs([year], scaled=now, n=n, seed=seed)[0].largest.p50

    start = median(before)
    return {name: median(before | {name: 2.0 * before.get(name, 1.0)}) / start for name in names}


def _year(found: Paths, i: int) -> Year:
    columns = {name: limit[:, i] for name, limit in found.limits.items()}
    names = list(columns)
    least = np.argmin(np.stack(list(columns.values())), axis=0)
    binding = {name: float(np.mean(least == k)) for k, name in enumerate(names)}
    return Year(found.years[i], {name: span(v) for name, v in columns.items()}, span(found.least()[:, i]), binding)


def span(values: Floats) -> Span:
    """The three quantiles of draws."""
    low, mid, high = np.quantile(values, (0.1, 0.5, 0.9))
    return Span(float(low), float(mid), float(high))
