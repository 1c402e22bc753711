r"""Does efficiency shrink the fleet or grow it? Pairs of worlds over the same draws, with the gains and without.

For a measure x (compute, dollars, HBM, power) over the years asked, by draw::

    ratio = x(gains as drawn) / x(software of the start for ever),      P(grows) = share of draws with ratio > 1.001

and P(shrinks) with ratio < 0.999; under a limit that binds in both worlds neither is the case. Asked twice: under the
limits of supply, which can hold both worlds to the same fleet, and with supply that grows to whatever is paid for,
which shows demand alone. The response of demand is the elasticity

    eps = sum_c w_c eps_c,      w_c = share of compute of class c,      C ~ e^(1 - eps)

of :mod:`drivetrain.demand.demand_curve` in the long run, at the prices of the year: an output, by class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.demand import demand_curve
from drivetrain.demand.limits import Limits
from drivetrain.demand.outlook import Quarter, run
from drivetrain.demand.world import START_YEAR, Floats, World
from drivetrain.demand.yearly import Year, years_of

MEASURES = ("compute", "dollars", "hbm", "power")
_PLENTY = 1e3  # times the limits: none binds
_SAME = 1e-3  # ratios this near to 1 are no difference


@dataclass(frozen=True, slots=True)
class Grows:
    """What efficiency did to one measure: how likely it grew or shrank, and by how much (quantiles of the ratio)."""

    measure: str
    limited: bool
    probability: float
    shrinks: float
    p10: float
    p50: float
    p90: float


def answer(world: World, with_gains: Sequence[Year], *, seen: Callable[[int], None] | None = None) -> list[Grows]:
    """Every measure, limited and not; ``with_gains`` are the years of ``run(world)``. Runs three more worlds."""
    without = years_of(run(world, frozen=True, seen=seen))
    plenty = replace(world, limits=_plenty(world.limits))
    free = [years_of(run(plenty, frozen=frozen, seen=seen)) for frozen in (False, True)]
    found = []
    for limited, (gains, none) in ((True, (with_gains, without)), (False, (free[0], free[1]))):
        first, second = _measured(gains), _measured(none)
        for name in MEASURES:
            ratio = first[name] / second[name]
            low, middle, high = (float(np.quantile(ratio, share)) for share in (0.1, 0.5, 0.9))
            more, less = float((ratio > 1.0 + _SAME).mean()), float((ratio < 1.0 - _SAME).mean())
            found.append(Grows(name, limited, more, less, low, middle, high))
    return found


def elasticities(world: World, quarter: Quarter) -> Floats:
    """Long-run price elasticity of tokens by class (classes, draws), positive."""
    years, prices = quarter.year - START_YEAR, quarter.asked.prices
    return demand_curve.elasticity_long(world.values, quarter.states, years, prices)


def mean_elasticity(world: World, quarter: Quarter) -> Floats:
    """Over all classes, weighted by the compute they use."""
    weights = quarter.asked.units / quarter.asked.units.sum(axis=0)
    return np.asarray((elasticities(world, quarter) * weights).sum(axis=0))


def _measured(years: Sequence[Year]) -> Mapping[str, Floats]:
    """Sums over the years of what flows, the last of what stands."""
    return {
        "compute": np.sum([one.total_flop for one in years], axis=0),
        "dollars": np.sum([one.spend_usd for one in years], axis=0),
        "hbm": np.sum([one.hbm_bought_bytes for one in years], axis=0),
        "power": years[-1].power_w,
    }


def _plenty(limits: Limits) -> Limits:
    return replace(
        limits,
        packaging_wafers_per_year=limits.packaging_wafers_per_year * _PLENTY,
        hbm_bytes_per_year=limits.hbm_bytes_per_year * _PLENTY,
        budget_usd_per_year=limits.budget_usd_per_year * _PLENTY,
        power_w=limits.power_w * _PLENTY,
        power_region_w={name: watts * _PLENTY for name, watts in limits.power_region_w.items()},
    )
