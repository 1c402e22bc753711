"""Ceilings on training compute: whether fourfold growth ends by 2030, and which limit is met first (Monte Carlo).

Ranges of the limits are inside the probabilities; what is moved here is the claim itself and the scale of one limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed, stated

if TYPE_CHECKING:
    from drivetrain.training.ceilings.claim import ClaimTest
    from drivetrain.training.ceilings.largest import Year

_DRAWS = 4000
_PHYSICAL = ("power", "chips", "data", "latency")


def growth_inputs() -> Mapping[str, Input]:
    """The trend, the year, and factors on what the catalogue says of power, chips and data."""
    return {
        "growth": stated(4.0, "times a year", "epoch-scaling-2030", 3.0, 5.0),
        "year": claimed(2030.0, "year"),
        "power_factor": choice(1.0, "1", "power of sites over the catalogue's median", 0.5, 2.0),
        "chips_factor": choice(1.0, "1", "stock of chips over the catalogue's median", 0.5, 2.0),
        "data_factor": choice(1.0, "1", "stock of data over the catalogue's median", 0.5, 2.0),
        "likely": choice(2.0 / 3.0, "1", "probability from which a thing is likely"),
        "unlikely": choice(1.0 / 3.0, "1", "probability below which it is unlikely"),
    }


def tested(v: Values) -> ClaimTest:
    """The product's test of growth until a year."""
    scaled = (v["power_factor"], v["chips_factor"], v["data_factor"])
    return _tested(v["growth"], int(v["year"]), scaled)


@lru_cache(maxsize=64)
def _tested(growth: float, year: int, factors: tuple[float, float, float]) -> ClaimTest:
    from drivetrain.training.ceilings.claim import growth_claim

    return growth_claim(growth, year, scaled=_scaled(*factors), n=_DRAWS)


def _scaled(power: float, chips: float, data: float) -> dict[str, float]:
    named = {"power.now": power, "power.campus": power, "power.network": power, "chips.stock": chips,
             "data.text": data, "data.all": data}  # fmt: skip
    return {name: factor for name, factor in named.items() if factor != 1.0}


def _by_odds(c: Computed, v: Values) -> Verdict:
    if c.value >= v["likely"]:
        return "holds"
    return "holds under conditions" if c.value > v["unlikely"] else "wrong"


def _by_odds_of_a_part(c: Computed, v: Values) -> Verdict:
    """For claims wider than what is tested: an unlikely part does not make the whole wrong."""
    verdict = _by_odds(c, v)
    return "too loose" if verdict == "wrong" else verdict


# A04: does the trend meet a limit --------------------------------------------------------------------------------


def _told_slows(c: Computed, v: Values) -> str:
    test = tested(v)
    reached = test.growth_reached
    return (
        f"Growth by {v['growth']:g} a year until {v['year']:.0f} meets a limit of power, chips, data or latency with "
        f"probability {c.value:.0%}; what they allow still grows {reached.p50:.1f} times a year ({reached.p10:.1f} to "
        f"{reached.p90:.1f}), and a run of 2e29 FLOP, which Epoch AI judged feasible, is allowed with "
        f"{test.feasible_2e29:.0%}."
    )


register(Check(
    id="A04", quantity="probability that the trend meets a physical limit by the year", unit="probability",
    inputs=growth_inputs, compute=lambda v: tested(v).slows, judge=_by_odds, evidence=_told_slows,
    command="drivetrain claims A04 --set growth=4", moved={"growth": 2.0},
))  # fmt: skip


# A25: do all four ceilings come in --------------------------------------------------------------------------------


def ceilings_inputs() -> Mapping[str, Input]:
    """As for the trend, with how many ceilings the essay names."""
    base = dict(growth_inputs())
    del base["likely"], base["unlikely"]
    return {**base, "named": claimed(4.0, "ceilings"), "least": choice(1.0, "ceilings", "one is met at least")}


def ceilings_met(v: Values) -> float:
    """Expected number of the four ceilings that lie below the trend."""
    return sum(tested(v).below_trend[name] for name in _PHYSICAL)


def _judge_met(c: Computed, v: Values) -> Verdict:
    if c.value >= v["named"] - 0.5:
        return "holds"
    return "too loose" if c.value >= v["least"] else "wrong"


def _told_met(c: Computed, v: Values) -> str:
    below = tested(v).below_trend
    each = ", ".join(f"{name} {below[name]:.0%}" for name in _PHYSICAL)
    return (
        f"Of the four ceilings {c.value:.1f} are expected below the trend of {v['growth']:g} a year by {v['year']:.0f} "
        f"({each}); money comes before them with {below['spend']:.0%}, which the essay leaves out."
    )


register(Check(
    id="A25", quantity="ceilings expected below the trend by the year", unit="ceilings of four",
    inputs=ceilings_inputs, compute=ceilings_met, judge=_judge_met, evidence=_told_met,
    command="drivetrain claims A25 --set growth=4", moved={"growth": 2.0},
))  # fmt: skip


# A26: does scaling stop --------------------------------------------------------------------------------------------


def _told_stops(c: Computed, v: Values) -> str:
    reached = tested(v).growth_reached
    return (
        f"Physical limits hold the largest run below 1.5 times a year around {v['year']:.0f} with probability "
        f"{c.value:.0%}; the median path that they allow grows {reached.p50:.1f} times a year until then. The claim "
        "names no year; a later one can be set."
    )


register(Check(
    id="A26", quantity="probability that the largest run all but stops growing", unit="probability",
    inputs=lambda: growth_inputs(), compute=lambda v: tested(v).stops, judge=_by_odds_of_a_part, evidence=_told_stops,
    command="drivetrain claims A26 --set year=2030", moved={"year": 2034.0},
))  # fmt: skip


# A16, A33: what binds now ------------------------------------------------------------------------------------------


def now_inputs() -> Mapping[str, Input]:
    """The year that is now, and factors on single limits."""
    base = dict(growth_inputs())
    return {
        "year": claimed(2026.0, "year"),
        **{name: base[name] for name in ("power_factor", "chips_factor", "data_factor", "likely", "unlikely")},
        "spend_factor": choice(1.0, "1", "budgets over the catalogue's median", 0.5, 2.0),
    }


def year_of(v: Values) -> Year:
    """The largest run of a year by limit."""
    return _year(int(v["year"]), (v["power_factor"], v["chips_factor"], v["data_factor"]), v["spend_factor"])


@lru_cache(maxsize=64)
def _year(year: int, factors: tuple[float, float, float], spend: float) -> Year:
    from drivetrain.training.ceilings.largest import largest_runs

    scaled = _scaled(*factors) | ({"spend.usd": spend} if spend != 1.0 else {})
    return largest_runs([year], scaled=scaled, n=_DRAWS)[0]


def chips_and_links_bind(v: Values) -> float:
    """Probability that chips (their memory in them) or the latency of links bind the largest run of the year."""
    binding = year_of(v).binding
    return binding["chips"] + binding["latency"]


def _told_binds(c: Computed, v: Values) -> str:
    found = year_of(v)
    told = ", ".join(f"{name} {odds:.0%}" for name, odds in found.binding.items())
    return (
        f"The largest run of {v['year']:.0f} is bound by chips or links with probability {c.value:.0%} ({told}): the "
        f"chips that exist would allow {found.limits['chips'].p50 / found.largest.p50:.1f} times the run. Only the "
        "largest run is tested, not the industry, and the sentence leaves out power."
    )


register(Check(
    id="A16", quantity="probability that chips or links bind the largest run of the year", unit="probability",
    inputs=now_inputs, compute=chips_and_links_bind, judge=_by_odds_of_a_part, evidence=_told_binds,
    command="drivetrain claims A16 --set year=2026", moved={"spend_factor": 1e3, "power_factor": 50.0},
))  # fmt: skip


def power_tightest(v: Values) -> float:
    """Probability that power is the tightest of the physical limits in the year."""
    return _power_tightest(int(v["year"]), (v["power_factor"], v["chips_factor"], v["data_factor"]))


@lru_cache(maxsize=64)
def _power_tightest(year: int, factors: tuple[float, float, float]) -> float:
    import numpy as np

    from drivetrain.training.ceilings.largest import paths

    found = paths([year], scaled=_scaled(*factors), n=_DRAWS)
    return float(np.mean(found.limits["power"] <= found.least(_PHYSICAL)))


def _grid_inputs() -> Mapping[str, Input]:
    base = dict(now_inputs())
    del base["spend_factor"]
    return base


def _told_grid(c: Computed, v: Values) -> str:
    later = power_tightest({**v, "year": v["year"] + 4.0})
    spend = year_of({**v, "spend_factor": 1.0}).binding["spend"]
    return (
        f"Of power, chips, data and latency, power allows the smallest run of {v['year']:.0f} with probability "
        f"{c.value:.0%}, and with {later:.0%} four years later. Before all four, spending binds the largest run of "
        f"{v['year']:.0f} with {spend:.0%}."
    )


register(Check(
    id="A33", quantity="probability that power is the tightest physical limit of the year", unit="probability",
    inputs=_grid_inputs, compute=power_tightest, judge=_by_odds, evidence=_told_grid,
    command="drivetrain claims A33 --set year=2026", moved={"power_factor": 20.0, "year": 2030.0},
))  # fmt: skip
