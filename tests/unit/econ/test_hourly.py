from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.econ.hourly import Ownership, capital_recovery_factor, owned_usd_per_hour

H100 = Ownership(
    chip_usd=22000.0, server_multiplier=1.64, network_frac=0.19, maintenance_frac=0.02, discount_rate=0.1,
    server_years=5.0, facility_usd_per_kw=12000.0, facility_years=15.0, kw=1.2, load_frac=0.8, pue=1.25,
    usd_per_kwh=0.08,
)  # fmt: skip


@given(st.floats(1e-12, 0.5), st.floats(1.0, 30.0))
def test_yearly_payments_are_worth_the_loan(rate, years):
    """An annuity of the factor, discounted continuously compounded over whole and broken years, is worth 1."""
    factor = capital_recovery_factor(rate, years)
    assert factor >= 1.0 / years * (1 - 1e-12)
    if rate >= 1e-3:
        worth = factor * (1.0 - (1.0 + rate) ** -years) / rate
        assert worth == pytest.approx(1.0, rel=1e-9)


def test_whole_years_discount_to_one():
    factor = capital_recovery_factor(0.07, 6)
    assert sum(factor / 1.07**year for year in range(1, 7)) == pytest.approx(1.0)


@pytest.mark.parametrize("rate", [1e-6, 1e-9, 1e-12, 1e-17])
def test_a_vanishing_rate_is_no_interest(rate):
    assert capital_recovery_factor(rate, 4) == pytest.approx(0.25, rel=1e-5)


def test_owning_by_hand():
    server = 22000.0 * 1.64 / 0.81
    capital = server * (0.1 / (1 - 1.1**-5) + 0.02)
    facility = 12000.0 * 1.2 * (0.1 / (1 - 1.1**-15))
    electricity = 1.2 * 0.8 * 1.25 * 0.08
    assert owned_usd_per_hour(H100) == pytest.approx((capital + facility) / 8760 + electricity)


def test_the_facility_is_paid_per_critical_kilowatt_so_pue_moves_electricity_alone():
    more = owned_usd_per_hour(replace(H100, pue=1.35)) - owned_usd_per_hour(H100)
    assert more == pytest.approx(1.2 * 0.8 * 0.10 * 0.08)


@pytest.mark.parametrize(
    "field",
    ["chip_usd", "server_multiplier", "network_frac", "maintenance_frac", "discount_rate", "facility_usd_per_kw", "kw",
     "load_frac", "pue", "usd_per_kwh"],
)  # fmt: skip
def test_dearer_inputs_cost_more(field):
    assert owned_usd_per_hour(replace(H100, **{field: getattr(H100, field) * 1.1})) > owned_usd_per_hour(H100)


@pytest.mark.parametrize("field", ["server_years", "facility_years"])
def test_a_longer_life_costs_less_an_hour(field):
    assert owned_usd_per_hour(replace(H100, **{field: getattr(H100, field) + 1})) < owned_usd_per_hour(H100)
