r"""The back-tests of the outlook: five public series, each with plain forecasts and mechanisms beside them.

Mechanisms, with c(t) the packaging capacity (wafers a month, straight in logarithms between points), E electricity,
N installed compute (H100 equivalents), r the rent of an H100, P prices of the same models::

    revenue of a quarter   k \cdot c(its middle),      k = mean over the quarters before the cut
    electricity            E_0 + (mean N of the next year - mean N of the last) w load 8,760 h,   the rest stands still
    installed compute      N_0 + (revenue without networking) h / p / share,      h, p: H100 equivalents, price of one
    prices                 P_0 (r / r_0)^b,      b by least squares of logarithms before the cut

Mean N of a year in which it grows by g is ``N_end (1 - 1 / g) / ln g``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.series import Point, Series, series
from drivetrain.catalogue.spreads import choices
from drivetrain.demand.backtest import BackTest, Model, back_test, baselines
from drivetrain.demand.forecast import compound_growth
from drivetrain.units import HOURS_PER_YEAR, SECONDS_PER_HOUR

Floats = NDArray[np.float64]
STEM = "backtests"
QUARTER, FISCAL_END, YEAR_END = 0.25, "2025-01", "2024-12"
_QUARTERS = ("2025-04", "2025-07", "2025-10", "2026-01")  # fiscal 2026: the calendar year 2025 to within a month
_SOLD_MIDDLE = 2025.5
_VENDOR = "nvidia"


def every_test() -> list[BackTest]:
    """All back-tests of the outlook, in the order of money, energy, machines, tokens, prices."""
    return [revenue(), electricity(), fleet(), tokens(), prices()]


def revenue() -> BackTest:
    """NVIDIA's data-centre revenue, fiscal 2026 and the first quarter of 2027 from what was known in January 2025."""
    steps = {"growth of the last quarter": 1, "growth of three quarters": 3, "growth of a year": 4}
    led = "revenue per wafer as before, packaging capacity"
    models = [
        *baselines(12, steps),
        Model("packaging, as announced", "structural", f"{led} to double in 2025, and growth halved in 2026",
              lambda known, later: _packaged(known, later, _announced())),
        Model("packaging, as it came", "conditional", f"{led} as reported later", lambda known, later: _packaged(
            known, later, series("cowos-capacity").points)),
    ]  # fmt: skip
    caution = "Five quarters, all growing: any model that grows at about the right pace looks good."
    return back_test(series("nvidia-data-centre-revenue"), FISCAL_END, models, caution)


def electricity() -> BackTest:
    """Electricity of data centres in 2025 from that of 2024."""
    models = [
        *baselines(1, {}),
        Model("growth of 2017 to 2024", "baseline", "12 % a year", lambda known, later: _grown(
            known, later, _known("energy.growth_before"))),
        Model("growth of the United States", "baseline", "2018 to 2023, LBNL, for the world", lambda known, later: (
            _grown(known, later, _growth(series("us-data-centre-energy"))))),
        Model("fleet at its growth before", "structural", "AI machines grow 2.3x a year, the rest stands still",
              lambda known, _later: _energised(known, _fleet_before())),
        Model("fleet as it came", "conditional", "15 million H100 equivalents at the end of 2025, no more else",
              lambda known, _later: _energised(known, series("installed-h100e").points[-1].value)),
    ]  # fmt: skip
    return back_test(series("data-centre-energy"), YEAR_END, models,
                     "One point, itself derived (IEA: 17 % in 2025). It cannot tell luck from skill.")  # fmt: skip


def fleet() -> BackTest:
    """Installed compute at the end of 2025 from that at the end of 2024."""
    income = series("nvidia-data-centre-revenue")
    models = [
        *baselines(1, {}),
        Model("growth of 2019 to 2024", "baseline", "NVIDIA's stock grew 2.3x a year", lambda known, later: _grown(
            known, later, _known("fleet.growth_before"))),
        Model("revenue as forecast", "structural", "growth of three quarters carried on, over today's price of a chip",
              lambda known, _later: _bought(known, _forecast_income(income))),
        Model("revenue as it came, NVIDIA alone", "conditional", "reported revenue over the price of a chip",
              lambda known, _later: _bought(known, _income(income))),
        Model("revenue as it came, all vendors", "conditional", "the same, with NVIDIA as 60 % of all, at both ends",
              lambda known, _later: _bought(known, _income(income)) / _known("fleet.nvidia_frac")),
    ]  # fmt: skip
    return back_test(series("installed-h100e"), YEAR_END, models,
                     "One point, and the definition changed: NVIDIA alone in 2024, all vendors in 2025.")  # fmt: skip


def tokens() -> BackTest:
    """Tokens across Google's products after July 2025."""
    models = [
        *baselines(3, {"growth of the last step": 1, "growth of all steps": 2}),
        Model("demand model, central run", "in-sample", "growth of the outlook's tokens from the start of 2026; its "
              "parameters were chosen when these counts were known", _outlook_tokens),
    ]  # fmt: skip
    return back_test(series("google-tokens"), "2025-07", models,
                     "Two points of one company, whose count changed what it covers.")  # fmt: skip


def prices() -> BackTest:
    """Prices of the same models after June 2025."""
    models = [
        *baselines(16, {"growth of the last step": 1, "growth of a year": 12}),
        Model("rent of an H100", "conditional", "prices follow the rent as they did before", _with_rent),
    ]
    return back_test(series("matched-model-price"), "2025-06", models,
                     "Fifteen months of one index of list prices; months are not independent.")  # fmt: skip


def _known(name: str) -> float:
    return float(choices(STEM)[name].value)


def _at(points: Sequence[Point], years: Floats) -> Floats:
    """Values at ``years``, straight in logarithms; held at the ends."""
    return np.exp(np.interp(years, [p.year for p in points], np.log([p.value for p in points])))


def _announced() -> list[Point]:
    """Capacity as it was known at the end of 2024: the two points before, doubling in 2025, half that growth after."""
    before = [point for point in series("cowos-capacity").points if point.month <= YEAR_END]
    last, factor = before[-1], _known("packaging.announced_factor")
    later = [(1.0, factor), (2.0, factor * (1.0 + (factor - 1.0) / 2.0))]
    return [*before, *(Point("", last.year + years, last.value * times, "projected", last.source, False, "")
                       for years, times in later)]  # fmt: skip


def _packaged(known: Series, later: Sequence[Point], capacity: Sequence[Point]) -> Floats:
    def middle(points: Sequence[Point]) -> Floats:
        return np.array([point.year - QUARTER / 2.0 for point in points])

    fitted = [point for point in known.points if point.year - QUARTER >= capacity[0].year - 1.0 / 12.0]
    per_wafer = np.mean([point.value for point in fitted] / _at(capacity, middle(fitted)))
    return np.asarray(per_wafer * _at(capacity, middle(later)))


def _grown(known: Series, later: Sequence[Point], per_year: float) -> Floats:
    last = known.points[-1]
    return np.array([last.value * per_year ** (point.year - last.year) for point in later])


def _growth(one: Series) -> float:
    first, last = one.points[-2], one.points[-1]
    return float((last.value / first.value) ** (1.0 / (last.year - first.year)))


def _fleet_before() -> float:
    """All vendors' compute at the end of 2025, had it grown as NVIDIA's had."""
    at_cut = series("installed-h100e").points[0].value / _known("fleet.nvidia_frac")
    return at_cut * _known("fleet.growth_before")


def _energised(known: Series, fleet_end: float) -> Floats:
    """J a year: that of the year before and what the fleet's growth adds at the draw of what is sold in between."""
    from drivetrain.demand.vintage import mids

    before = _known("fleet.growth_before")
    at_cut = series("installed-h100e").points[0].value / _known("fleet.nvidia_frac")
    more = _mean_of_year(fleet_end, fleet_end / at_cut) - _mean_of_year(at_cut, before)
    _, h100e, watts = _sold()
    load = float(mids()["cost.load_frac"][0])
    added = more * watts / h100e * load * HOURS_PER_YEAR * SECONDS_PER_HOUR
    return np.array([known.points[-1].value + added])


def _mean_of_year(at_end: float, growth: float) -> float:
    """Mean of a stock that grows evenly in logarithms.

    >>> round(_mean_of_year(2.0, 2.0), 4)   # from 1 to 2
    1.4427
    """
    return at_end * (1.0 - 1.0 / growth) / float(np.log(growth))


def _sold() -> tuple[float, float, float]:
    """(USD to the vendor, H100 equivalents, W of the site) of the mean accelerator NVIDIA sells in mid 2025."""
    from drivetrain.catalogue import loader
    from drivetrain.demand.vintage import known, mids, mix, names

    every = known(mids(), {name: np.ones(1) for name in names()})
    ours = [one for one in every if loader.load("accelerators", one.accelerator).vendor.lower() == _VENDOR]
    shares = mix(ours, _SOLD_MIDDLE)[:, 0]
    h100 = next(one.peak_flops for one in ours if one.name == "h100-sxm-80gb")

    def mean(values: list[float]) -> float:
        return float(shares @ np.array(values))

    return (mean([float(one.parts.chip[0]) for one in ours]), mean([one.peak_flops / h100 for one in ours]),
            mean([float(one.watts[0]) for one in ours]))  # fmt: skip


def _bought(known: Series, income_usd: float) -> Floats:
    usd, h100e, _ = _sold()
    return np.array([known.points[-1].value + income_usd / usd * h100e])


def _income(one: Series) -> float:
    """Reported revenue of fiscal 2026 without networking."""
    network = series("nvidia-networking-revenue").points
    found = [point for point in one.points if point.month in _QUARTERS]
    return float(sum(p.value - float(_at(network, np.array([p.year]))[0]) for p in found))


def _forecast_income(one: Series) -> float:
    """The same from what was known in January 2025; networking at its share of the quarter last reported."""
    before = [point for point in one.points if point.month <= FISCAL_END]
    x, y = (np.array([getattr(point, name) for point in before]) for name in ("year", "value"))
    years = np.array([point.year for point in one.points if point.month in _QUARTERS])
    network = series("nvidia-networking-revenue").points[0]
    share = network.value / next(point.value for point in before if point.month == network.month)
    return float(compound_growth(3)(x, y, years).sum() * (1.0 - share))


def _outlook_tokens(known: Series, later: Sequence[Point]) -> Floats:
    """The last count, grown as all tokens of the outlook do at the mids; its first rate of growth before 2026."""
    from drivetrain.demand.outlook import run
    from drivetrain.demand.world import START_YEAR, central, quantities, world

    quarters = run(world(central(quantities()), START_YEAR + 1.0))
    logs = np.log([float(one.asked.tokens.sum()) for one in quarters])
    begun = [one.year + QUARTER / 2.0 for one in quarters]
    slope = (logs[1] - logs[0]) / QUARTER

    def level(year: float) -> float:
        return float(logs[0] + slope * (year - begun[0]) if year < begun[0] else np.interp(year, begun, logs))

    last = known.points[-1]
    return np.array([last.value * np.exp(level(point.year) - level(last.year)) for point in later])


def _with_rent(known: Series, later: Sequence[Point]) -> Floats:
    def rents(points: Sequence[Point]) -> Floats:
        return np.log(_at(series("h100-rental").points, np.array([point.year for point in points])))

    value = np.log([point.value for point in known.points])
    exponent, _ = np.polyfit(rents(known.points), value, 1)
    return np.asarray(np.exp(value[-1] + exponent * (rents(later) - rents(known.points)[-1])))
