"""Vintages: facts hang together with published totals, parts sum, generations scale, sales ramp."""

import numpy as np
import pytest

from drivetrain.catalogue import loader
from drivetrain.catalogue.spreads import choices, spreads
from drivetrain.demand import vintage
from drivetrain.econ.hourly import capital_recovery_factor
from drivetrain.errors import BadInputError


@pytest.fixture(scope="module")
def made():
    return {one.name: one for one in vintage.known(vintage.mids(), {name: np.ones(1) for name in vintage.names()})}


def test_every_row_of_supply_names_a_source_that_exists():
    rows = [*spreads(vintage.STEM).values(), *choices(vintage.STEM).values()]
    assert len(rows) > 150
    assert {row.stated.source for row in rows} <= set(loader.sources())
    assert all((row.stated.kind == "assumed") == (row.stated.source == "assumption") for row in rows)


def test_every_vintage_is_an_accelerator_of_the_catalogue_with_its_memory(made):
    for name, one in made.items():
        assert one.hbm_bytes[0] == loader.load("accelerators", name).memory_bytes
        assert 4e9 < one.hbm_bytes[0] / one.hbm_stacks < 45e9


def test_capital_per_gigawatt_is_what_builders_say(made):
    """35 billion USD a GW (Bernstein, Blackwell), 50 to 60 (NVIDIA, Rubin); H100 clusters 45,810 to 51,613 a GPU."""
    per_gw = {name: float(one.capex_usd[0] / one.watts[0]) for name, one in made.items()}
    assert 33.0 < per_gw["gb200-nvl72"] < 44.0
    assert 44.0 < per_gw["rubin-nvl72"] < 60.0
    cluster = made["h100-sxm-80gb"].parts
    assert 43_000 < float(cluster.total[0] - cluster.facility[0]) < 52_000


def test_shares_of_a_rack_are_near_the_published_ones(made):
    """Bernstein: accelerators 39 %, network 13 %, mechanical and electrical 33 % of a data centre's capital."""
    parts = made["gb200-nvl72"].parts
    share = {name: float(getattr(parts, name)[0] / parts.total[0]) for name in ("chip", "network", "facility")}
    assert share["chip"] == pytest.approx(0.39, abs=0.08)
    assert share["network"] == pytest.approx(0.13, abs=0.06)
    assert share["facility"] == pytest.approx(0.33, abs=0.06)


def test_cost_of_making_a_chip_is_near_the_published_one(made):
    """6,400 USD a B200 and 3,320 an H100, of which memory 45 and 41 %."""
    for name, usd in (("b200-sxm-180gb", 6400.0), ("h100-sxm-80gb", 3320.0)):
        parts = made[name].parts
        cost = float((parts.memory + parts.packaging + parts.logic)[0])
        assert cost == pytest.approx(usd, rel=0.15)
        assert 0.33 < float(parts.memory[0]) / cost < 0.5


def test_parts_sum_and_the_chip_is_its_price(made):
    one = made["b200-sxm-180gb"]
    parts = one.parts
    assert parts.total == pytest.approx(parts.chip + parts.server + parts.network + parts.facility)
    assert parts.chip[0] == pytest.approx(33_000.0)
    assert parts.network[0] / (parts.chip + parts.server + parts.network)[0] == pytest.approx(0.16)
    assert parts.facility[0] == pytest.approx(2.17 / 1.2 * 12_500.0)  # by power of the machines, overhead taken out
    assert one.energy_usd_per_year[0] == pytest.approx(2.17 * 0.76 * 8760 * 0.0826)
    upkeep = one.running_usd_per_year - one.energy_usd_per_year
    assert upkeep[0] == pytest.approx(0.03 * (parts.chip + parts.server + parts.network)[0])


def test_an_h100_hour_costs_what_it_is_rented_for(made):
    """2.95 USD an hour is the median on demand in May 2026, 1.99 the cheapest."""
    at = vintage.mids()
    hour = float(vintage.annual_usd(made["h100-sxm-80gb"], at["finance.rate"], at["finance.fall"])[0]) / 8760
    assert 1.99 < hour < 3.3


def test_an_annuity_without_a_fall_is_the_capital_recovery_factor():
    for rate, years in ((0.1, 5.0), (0.0, 4.0), (0.07, 5.5)):
        found = vintage.annuity(np.array([rate]), np.array([years]))
        assert found[0] == pytest.approx(capital_recovery_factor(rate, years))


def test_buyers_who_expect_a_fall_ask_for_more_now():
    steady, falling = (vintage.annuity(np.array([0.1]), np.array([6.0]), fall)[0] for fall in (0.0, 0.2))
    assert falling > 1.3 * steady


def test_a_generation_scales_price_power_area_and_memory(made):
    at, rubin = vintage.mids(), made["rubin-nvl72"]
    two = np.array([2.0])
    later = vintage.projected(
        rubin, "rubin-nvl72+1", np.array([2028.5]), np.array([2031.0]), np.array([20.0]), at=at, watts_factor=two,
        memory_factor=two, price_factor=two, wafer_factor=two,
    )  # fmt: skip
    assert later.accelerator == "rubin-nvl72"
    for name in ("memory", "packaging", "logic", "vendor", "server", "network", "facility"):
        assert getattr(later.parts, name) == pytest.approx(2.0 * getattr(rubin.parts, name))
    assert later.running_usd_per_year == pytest.approx(2.0 * rubin.running_usd_per_year)
    assert (later.watts, later.wafers, later.hbm_bytes) == (2 * rubin.watts, 2 * rubin.wafers, 2 * rubin.hbm_bytes)
    dearer = vintage.projected(
        rubin, "x", np.array([2028.5]), np.array([2031.0]), np.array([20.0]), at=at, watts_factor=two,
        memory_factor=two, price_factor=3 * two, wafer_factor=two,
    )  # fmt: skip
    assert dearer.parts.memory == pytest.approx(later.parts.memory)
    assert np.all(dearer.parts.vendor > later.parts.vendor)


def test_a_new_accelerator_ramps_and_an_old_one_fades(made):
    two = [made["gb300-nvl72"], made["rubin-nvl72"]]
    shares = [vintage.mix(two, year)[1, 0] for year in (2026.5, 2026.7, 2027.0, 2027.2, 2027.3)]
    assert shares[0] == 0.0
    assert all(np.diff(shares) > 0)
    assert shares[-1] == 1.0
    every = vintage.mix(list(made.values()), 2026.6)
    assert every.sum(axis=0) == pytest.approx(1.0)
    assert not vintage.mix(two, 2020.0).any()


def test_the_newest_stays_on_sale_until_another_comes(made):
    two = [made["rubin-nvl72"], made["gb300-nvl72"]]
    assert vintage.mix(two, 2040.0)[:, 0].tolist() == [1.0, 0.0]


def test_sales_may_differ_by_draw(made):
    rubin, other = made["rubin-nvl72"], made["gb300-nvl72"]
    from dataclasses import replace

    late = replace(rubin, from_year=np.array([2026.5, 2028.0]))
    shares = vintage.mix([other, late], 2027.0)
    assert shares.shape == (2, 2)
    assert shares[1, 0] > 0.4
    assert shares[1, 1] == 0.0


def test_missing_units_are_named():
    with pytest.raises(BadInputError, match=r"mi300x.*Give one number"):
        vintage.known(vintage.mids(), {name: np.ones(1) for name in vintage.names() if name != "mi300x"})
