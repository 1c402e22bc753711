"""Limits of supply: trends by hand, the sums of published forecasts, regions, room for purchases."""

import numpy as np
import pytest

from drivetrain.demand import limits
from drivetrain.demand.vintage import mids
from drivetrain.errors import BadInputError

QUARTERS = 2026.0 + 0.25 * np.arange(40)


@pytest.fixture(scope="module")
def central():
    return limits.of(mids(), QUARTERS)


def test_growth_goes_from_near_to_late():
    x = [
        float(limits.grown(np.ones(1), np.array([2.0]), np.array([1.1]), np.array([3.0]), t)[0])
        for t in (0.0, 0.01, 40.0, 41.0)
    ]
    assert x[0] == 1.0
    assert np.log(x[1]) / 0.01 == pytest.approx(np.log(2.0), rel=0.01)
    assert x[3] / x[2] == pytest.approx(1.1, rel=1e-4)


def test_flows_of_the_first_year_have_the_stated_mean():
    at = mids() | {"packaging.lead": np.zeros(1), "hbm.lead": np.zeros(1)}
    central = limits.of(at, QUARTERS)
    for name, key in (("packaging", "packaging.wafers"), ("hbm", "hbm.bytes"), ("budget", "budget.usd")):
        assert central.flow(name)[:4].mean() == pytest.approx(at[key][0], rel=0.01)


def test_what_is_made_goes_into_service_later(central):
    at = mids() | {"hbm.lead": np.full(1, 0.5)}
    at_once = limits.of(at | {"hbm.lead": np.zeros(1)}, QUARTERS)
    late = limits.of(at, QUARTERS)
    assert late.hbm_bytes_per_year[2:] == pytest.approx(at_once.hbm_bytes_per_year[:-2])
    assert late.budget_usd_per_year == pytest.approx(at_once.budget_usd_per_year)


def test_power_added_until_2030_is_mckinseys(central):
    """125 GW of AI data centres from 2025 to 2030; energised stocks never fall."""
    added = float(central.power_w[20, 0] - mids()["power.stock"][0])
    assert added == pytest.approx(125e9, rel=0.08)
    assert np.all(np.diff(central.power_w, axis=0) > 0)


def test_capital_until_2030_is_near_mckinseys(central):
    """5.2 trillion USD for AI from 2025 to 2030, about 0.4 of it in 2025."""
    spent = float(central.budget_usd_per_year[:20].sum() * 0.25)
    assert 4.4e12 < spent < 6.5e12


def test_regions_share_all_of_the_power(central):
    assert set(central.power_region_w) == set(limits.REGIONS)
    assert np.sum(list(central.power_region_w.values()), axis=0) == pytest.approx(central.power_w)
    at, total = mids(), {}
    for group in ("region-stock", "region-added"):
        total[group] = sum(float(at[f"{group}.{name}"][0]) for name in limits.REGIONS)
    stock = float(at["power.stock"][0])
    for name in limits.REGIONS:
        first = stock * float(at[f"region-stock.{name}"][0]) / total["region-stock"]
        added = (central.power_w[:, 0] - stock) * float(at[f"region-added.{name}"][0]) / total["region-added"]
        assert central.power_region_w[name][:, 0] == pytest.approx(first + added)


def test_power_is_an_integral_of_what_is_added():
    at = mids()
    for key in ("growth", "growth_late"):
        at[f"power.{key}"] = np.ones(1)
    flat = limits.of(at, QUARTERS)
    expected = at["power.stock"] + at["power.added"] * (QUARTERS[:, None] + 0.125 - 2026.0)
    assert flat.power_w == pytest.approx(expected)


def test_power_that_grows_evenly_is_its_integral():
    """18 GW a year in the middle of 2026, times 1.2 a year: 18 (1.2^(t - 0.5) - 1.2^-0.5) / ln 1.2."""
    at = mids() | {"power.growth": np.full(1, 1.2), "power.growth_late": np.full(1, 1.2)}
    years = QUARTERS[:, None] + 0.125 - 2026.0
    expected = at["power.stock"] + 18e9 * (1.2 ** (years - 0.5) - 1.2**-0.5) / np.log(1.2)
    assert limits.of(at, QUARTERS).power_w == pytest.approx(expected, rel=1e-4)


def test_limits_do_not_depend_on_the_grid(central):
    years = limits.of(mids(), 2026.0 + np.arange(10.0), dt_years=1.0)
    assert years.power_w[3, 0] == pytest.approx(float(central.power_w[13:15].mean()), rel=1e-3)


def test_room_is_the_least_of_the_limits(central):
    takes = {"packaging": np.array([0.1]), "hbm": np.array([3e11]), "budget": np.array([9e4])}
    found = limits.room(central, 2, takes)
    for name in limits.LIMITS[:3]:
        assert found.accelerators[name] == pytest.approx(central.flow(name)[2] * 0.25 / takes[name])
    assert found.most == min(found.accelerators.values())
    free = limits.room(central, 2, {**takes, "hbm": np.zeros(1)})
    assert free.accelerators["hbm"] == np.inf


@pytest.mark.parametrize(
    ("years", "says"),
    [([2027.0, 2026.0], "out of order"), ([], "out of order"), ([2024.0, 2025.0], "supply is known from 2026")],
)
def test_bad_years_are_refused(years, says):
    with pytest.raises(BadInputError, match=says):
        limits.of(mids(), np.array(years))


def test_power_is_no_flow(central):
    with pytest.raises(BadInputError, match="packaging, hbm or budget"):
        central.flow("power")
