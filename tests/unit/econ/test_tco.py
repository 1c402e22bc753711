from dataclasses import fields, replace

import pytest

from drivetrain.econ.hourly import Ownership, owned_usd_per_hour
from drivetrain.econ.tco import Hardware, Terms, capital_for, hourly, yearly_capital
from drivetrain.errors import BadInputError

CLUSTER = Hardware(17_100.0, 6_650.0, 7_500.0, kw=1.37)
TERMS = Terms(
    discount_rate_frac=0.085, server_years=5.0, load_frac=0.76, pue=1.1, usd_per_kwh=0.0826, maintenance_frac=0.02,
    staff_usd_per_year=255.0, facility_usd_per_kw=12_000.0, facility_years=20.0,
)  # fmt: skip


def test_an_hour_by_hand():
    found = hourly(CLUSTER, TERMS)
    factor, rooms = 0.085 / (1 - 1.085**-5), 0.085 / (1 - 1.085**-20)
    assert found.accelerator == pytest.approx(17_100 * factor / 8760)
    assert found.server == pytest.approx(6_650 * factor / 8760)
    assert found.network == pytest.approx(7_500 * factor / 8760)
    assert found.facility == pytest.approx(1.37 * 12_000 * rooms / 8760)
    assert found.electricity == pytest.approx(1.37 * 0.76 * 1.1 * 0.0826)
    assert found.maintenance == pytest.approx(0.02 * 31_250 / 8760)
    assert found.staff == pytest.approx(255 / 8760)


def test_rented_rooms_are_paid_by_the_month():
    rented = replace(TERMS, facility_usd_per_kw=0.0, colocation_usd_per_kw_month=150.0)
    assert hourly(CLUSTER, rented).facility == pytest.approx(1.37 * 150 * 12 / 8760)


def test_without_residual_and_staff_it_is_the_cost_of_the_own_basis():
    terms = replace(TERMS, staff_usd_per_year=0.0)
    same = Ownership(31_250.0, 1.0, 0.0, 0.02, 0.085, 5.0, 12_000.0, 20.0, 1.37, 0.76, 1.1, 0.0826)
    assert hourly(CLUSTER, terms).total == pytest.approx(owned_usd_per_hour(same))


@pytest.mark.parametrize("years", [3.0, 5.5])
def test_what_is_had_back_is_worth_its_share_discounted(years):
    """Buying for 1000 and selling for 300 at the end is worth what the yearly payments are."""
    paid = yearly_capital(1000.0, 0.1, years, 0.3)
    worth = paid * (1 - 1.1**-years) / 0.1
    assert worth == pytest.approx(1000.0 - 300.0 * 1.1**-years)


def test_the_price_that_an_hour_leaves_is_the_price_that_gives_the_hour():
    capital = capital_for(1.95, 1.72, TERMS)
    assert hourly(Hardware(capital, 0.0, 0.0, 1.72), TERMS).total == pytest.approx(1.95)


def test_an_hour_that_leaves_nothing_is_refused():
    with pytest.raises(BadInputError, match="leaves nothing"):
        capital_for(0.2, 1.72, TERMS)


@pytest.mark.parametrize("name", [f.name for f in fields(Terms)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "much", True])
def test_terms_that_are_no_amounts_are_named(name, value):
    with pytest.raises(BadInputError, match=name):
        replace(TERMS, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("server_years", 0.0), ("facility_years", 0.0), ("pue", 0.9), ("load_frac", 1.2), ("residual_frac", 1.5),
     ("discount_rate_frac", 12.0)],
)  # fmt: skip
def test_terms_out_of_range_are_named(name, value):
    with pytest.raises(BadInputError, match=name):
        replace(TERMS, **{name: value})


def test_hardware_that_costs_less_than_nothing_is_named():
    with pytest.raises(BadInputError, match="network_usd"):
        replace(CLUSTER, network_usd=-1.0)


def test_another_price_keeps_the_proportions():
    twice = CLUSTER.at(62_500.0)
    assert twice.capital_usd == pytest.approx(62_500.0)
    assert twice.server_usd / twice.capital_usd == pytest.approx(CLUSTER.server_usd / CLUSTER.capital_usd)
