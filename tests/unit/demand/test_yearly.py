"""Quarters added up: flows are sums, stocks those of the end, a part of a year is what there is of it."""

import numpy as np
import pytest

from drivetrain.demand.outlook import run
from drivetrain.demand.world import HOURS_PER_YEAR, drawn, quantities, world
from drivetrain.demand.yearly import years_of


@pytest.fixture(scope="module")
def both():
    quarters = run(world(drawn(quantities(), 25, 2), 2027.5))
    return quarters, years_of(quarters)


def test_years_are_in_order_and_the_last_may_be_short(both):
    quarters, years = both
    assert [one.year for one in years] == [2026, 2027]
    assert years[1].bought == pytest.approx(quarters[4].bought + quarters[5].bought)


def test_stocks_are_those_of_the_last_quarter(both):
    quarters, years = both
    assert years[0].accelerators is quarters[3].fleet
    assert years[0].power_w is quarters[3].power_w
    assert years[0].hbm_bytes is quarters[3].hbm_bytes


def test_rent_by_the_hour_is_a_mean_and_price_one_over_tokens(both):
    quarters, years = both
    rents = [one.rent_usd_per_unit_year for one in quarters[:4]]
    assert years[0].rent_usd_per_hour == pytest.approx(np.mean(rents, axis=0) / HOURS_PER_YEAR)
    assert years[0].price_usd_per_token * years[0].tokens.sum(axis=0) == pytest.approx(years[0].spent_on_tokens_usd)


def test_shares_of_what_binds_add_to_at_most_one(both):
    for one in both[1]:
        assert 0.0 <= sum(one.binding_frac.values()) <= 1.0 + 1e-12
        assert np.all((one.inference_frac > 0) & (one.inference_frac < 1))
