"""The quarters in sequence: what clears, what changes, and what two worlds share."""

import numpy as np
import pytest

from drivetrain.demand.outlook import asking, run
from drivetrain.demand.world import central, drawn, quantities, world


@pytest.fixture(scope="module")
def sample():
    return world(drawn(quantities(), 30, 5), 2028.0)


@pytest.fixture(scope="module")
def quarters(sample):
    return run(sample)


def test_the_first_quarter_clears_near_the_rent_of_the_start():
    middle = world(central(quantities()), 2026.25)
    (first,) = run(middle)
    assert first.rent_usd_per_unit_year == pytest.approx(middle.rent_start_usd, rel=0.02)


def test_what_is_asked_for_is_what_works(sample, quarters):
    """Capacity asked for at the rent is rented, to the tolerance of the clearing."""
    for one in quarters:
        assert np.all(one.asked.capacity > 0)
        assert one.asked.serving == pytest.approx(one.asked.units.sum(axis=0) + one.asked.other)
        assert np.all(one.power_w <= sample.limits.power_w[quarters.index(one)] * (1 + 1e-6))


def test_a_fall_of_rents_beyond_all_of_them_is_a_steep_one():
    """A draw in the tail of ``finance.fall`` lies above 1: it is read as 0.9, so costs stay finite."""
    ends = [run(world({**central(quantities()), "finance.fall": np.array([fall])}, 2026.5)) for fall in (1.05, 0.9)]
    for above, steep in zip(*ends, strict=True):
        assert np.all(np.isfinite(above.rent_usd_per_unit_year))
        assert above.rent_usd_per_unit_year == pytest.approx(steep.rent_usd_per_unit_year)


def test_demand_falls_with_the_rent(sample):
    ask = asking(sample, sample.states, np.ones((len(sample.tasks), sample.n)), 0)
    low, high = ask(sample.rent_start_usd), ask(2.0 * sample.rent_start_usd)
    assert np.all(high.capacity < low.capacity)
    assert np.all(high.tokens <= low.tokens)
    assert high.prices == pytest.approx(2.0 * low.prices)


def test_a_fleet_at_the_end_is_what_was_there_and_bought_less_what_went(sample, quarters):
    counts = sample.fleet.by_vintage(len(sample.vintages))
    for one in quarters:
        assert np.all(one.fleet <= counts + one.bought + 1e-6)
        counts = one.fleet


def test_purchases_keep_to_their_limits(sample, quarters):
    for t, one in enumerate(quarters):
        spent = sum(one.capital_usd.values())
        assert np.all(spent <= one.budget_usd_per_year * 0.25 * (1 + 1e-6))
        assert np.all(one.hbm_bought_bytes <= sample.limits.hbm_bytes_per_year[t] * 0.25 * (1 + 1e-6))


def test_still_hardware_sells_nothing_newer(sample):
    there = sample.fleet.by_vintage(len(sample.vintages)).any(axis=1)
    for one in run(sample, still=True):
        assert not one.bought[~there].any()


def test_progress_is_told_quarter_by_quarter(sample):
    seen = []
    run(sample, seen=seen.append)
    assert seen == list(range(1, len(sample.years) + 1))
