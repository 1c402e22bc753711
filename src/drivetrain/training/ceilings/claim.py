"""The claim that training compute grows fourfold a year until power, chips, data or latency stop it by 2030, tested.

Three readings, with the physical limits alone and with spending as well:

* *slows*: the trend ``C_2025 growth^t`` lies above the least limit by that year;
* *stops*: the largest run grows by less than ``STOPPED`` a year over the last two years;
* *each binds*: all four physical ceilings lie below the trend, as a list of four suggests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError
from drivetrain.training.ceilings.draws import N_DRAWS, SEED, Floats
from drivetrain.training.ceilings.largest import Paths, Span, paths, span
from drivetrain.training.ceilings.limits import PHYSICAL, START

GROWTH, BY = 4.0, 2030
STOPPED = 1.5
EPOCH_2030_FLOPS = 2e29  # "likely feasible by 2030", Sevilla et al. 2024
_LIKELY, _UNLIKELY = 2.0 / 3.0, 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class ClaimTest:
    """What becomes of growth by ``growth`` a year until ``year``; probabilities from 0 to 1.

    ``trend_flops`` the trend's run of that year; ``largest`` the run that all limits allow, ``physical`` that power,
    chips, data and latency allow; ``growth_reached`` a year of ``physical`` since 2025. ``slows`` and ``stops`` by the
    physical limits, ``slows_with_spend`` by any; ``below_trend`` by limit; ``first`` which of the physical ones the
    trend meets first, where it meets one by then; ``all_below`` all four; ``feasible_2e29`` by the physical ones.
    ``year_met``: median year in which the trend meets the first of them, None beyond the years looked at.
    """

    growth: float
    year: int
    trend_flops: Span
    largest: Span
    physical: Span
    growth_reached: Span
    slows: float
    slows_with_spend: float
    stops: float
    below_trend: Mapping[str, float]
    first: Mapping[str, float]
    all_below: float
    feasible_2e29: float
    year_met: int | None
    verdict: str


def growth_claim(
    growth: float = GROWTH, year: int = BY, *, scaled: Mapping[str, float] | None = None, n: int = N_DRAWS,
    seed: int = SEED,
) -> ClaimTest:  # fmt: skip
    """Test that growth by ``growth`` a year ends by ``year``.

    >>> test = growth_claim(n=2000)
    >>> test.slows >= test.all_below, test.slows_with_spend >= test.slows
    (True, True)
    """
    if not (np.isfinite(growth) and growth > 1.0):
        raise BadInputError(f"growth of {growth} a year is none; give a factor above 1, such as 4.")
    if year < START + 2:
        raise BadInputError(
            f"the claim is tested over at least two years; give a year from {START + 2} on, not {year}."
        )
    years = tuple(range(START, year + 6))
    found = paths(years, scaled=scaled, n=n, seed=seed)
    at = year - START
    trend = found.start_flops[:, None] * growth ** np.arange(len(years))
    physical = found.least(PHYSICAL)
    below = {name: float(np.mean(found.limits[name][:, at] < trend[:, at])) for name in found.limits}
    met = np.asarray(physical < trend)
    slows = float(np.mean(np.any(met[:, : at + 1], axis=1)))
    met_by_any = np.asarray(found.least() < trend)[:, 1:]  # spending of 2025 is an estimate of that very run
    stops = float(np.mean((physical[:, at] / physical[:, at - 2]) ** 0.5 < STOPPED))
    every = np.all([found.limits[name][:, at] < trend[:, at] for name in PHYSICAL], axis=0)
    return ClaimTest(
        growth=growth,
        year=year,
        trend_flops=span(trend[:, at]),
        largest=span(found.least()[:, at]),
        physical=span(physical[:, at]),
        growth_reached=span((physical[:, at] / found.start_flops) ** (1.0 / at)),
        slows=slows,
        slows_with_spend=float(np.mean(np.any(met_by_any[:, :at], axis=1))),
        stops=stops,
        below_trend=below,
        first=_first(found, trend, at),
        all_below=float(np.mean(every)),
        feasible_2e29=float(np.mean(physical[:, at] >= EPOCH_2030_FLOPS)),
        year_met=_median_year(met, years),
        verdict=f"growth by {growth:g} a year until {year} meets a physical limit: {_word(slows)}; "
        f"growth stops (below {STOPPED:g} a year): {_word(stops)}",
    )


def _first(found: Paths, trend: Floats, at: int) -> dict[str, float]:
    """Which physical limit the trend meets first, as shares of the draws in which it meets one by then."""
    ratios = np.stack([found.limits[name][:, : at + 1] / trend[:, : at + 1] for name in PHYSICAL])
    met = np.any(np.less(ratios, 1.0), axis=0)
    year = np.argmax(met, axis=1)
    which = np.argmin(np.take_along_axis(ratios, year[None, :, None], axis=2)[:, :, 0], axis=0)
    some = np.any(met, axis=1)
    return {name: float(np.mean(which[some] == k)) if some.any() else 0.0 for k, name in enumerate(PHYSICAL)}


def _median_year(met: NDArray[np.bool_], years: tuple[int, ...]) -> int | None:
    reached = np.mean(np.logical_or.accumulate(met, axis=1), axis=0)
    return next((year for year, share in zip(years, reached, strict=True) if share >= 0.5), None)


def _word(probability: float) -> str:
    if probability >= _LIKELY:
        return f"likely ({probability:.0%})"
    return (
        f"unlikely ({probability:.0%})" if probability <= _UNLIKELY else f"about as likely as not ({probability:.0%})"
    )
