"""The start of an outlook: everything in use at the rent of the start, shares as known, draws that stay put."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.demand import chain
from drivetrain.demand.demand_curve import tokens_per_year
from drivetrain.demand.world import MONTHS_PER_YEAR, START_YEAR, central, drawn, quantities, world
from drivetrain.errors import BadInputError, InfeasibleError


@pytest.fixture(scope="module")
def middle():
    return world(central(quantities()), 2028.0)


@pytest.fixture(scope="module")
def sample():
    return world(drawn(quantities(), 40, 3), 2027.0)


def test_quarters_run_from_the_start_until_before_the_end(middle):
    assert middle.years.tolist() == [2026.0 + 0.25 * k for k in range(8)]
    assert middle.n == 1
    with pytest.raises(BadInputError, match="no quarter"):
        world(central(quantities()), START_YEAR)


def test_tokens_of_the_start_are_the_worlds(sample):
    busy = np.minimum(sample.at["serving.utilisation_frac"], 1.0)
    price = sample.at["market.markup"] * chain.price_per_token(sample.rent_start_usd, sample.need_s, busy)
    tokens = tokens_per_year(sample.values, sample.states, 0.0, price).sum(axis=0)
    assert tokens == pytest.approx(MONTHS_PER_YEAR * sample.at["world.tokens_per_month"], rel=1e-9)


def test_serving_has_the_share_that_is_known_and_divides_into_counted_and_other(sample):
    busy = np.minimum(sample.at["serving.utilisation_frac"], 1.0)
    price = sample.at["market.markup"] * chain.price_per_token(sample.rent_start_usd, sample.need_s, busy)
    counted = chain.units(tokens_per_year(sample.values, sample.states, 0.0, price), sample.need_s, busy).sum(axis=0)
    serving = counted * sample.with_tokens + sample.other_units_start
    enough = sample.beyond >= 1.0
    assert enough.any()
    assert serving[enough] == pytest.approx((counted * sample.beyond)[enough], rel=1e-9)
    share = np.clip(sample.at["world.inference_frac"], 0.01, 0.99)
    assert (serving / (serving + sample.training_units_start))[enough] == pytest.approx(share[enough], rel=1e-9)


def test_a_later_generation_has_the_flops_that_its_growth_gives(middle):
    n, growth = middle.rows.n_projected, float(middle.at["projected.flops"][0])
    base = next(one for one in middle.vintages if one.name == middle.rows.base)
    last = middle.peak_flops[-n:, 0]
    assert last == pytest.approx([base.peak_flops * growth**k for k in range(1, n + 1)])
    assert np.all(middle.peak_flops[:-n, 0] == [one.peak_flops for one in middle.vintages[:-n]])


def test_frozen_software_is_all_ones_and_else_none(middle):
    one = np.ones(1)
    assert np.all(middle.efficiency(2030.0, 50.0 * one, frozen=True) == 1.0)
    assert np.all(middle.efficiency(2030.0, 50.0 * one, frozen=False) > 1.0)
    assert middle.efficiency(2026.0, one, frozen=False) == pytest.approx(np.ones((len(middle.tasks), 1)))


def test_tokens_that_need_more_than_there_is_say_by_how_much():
    known = quantities()
    one = known["world.tokens_per_month"]
    many = {one.name: replace(one, low=one.low * 100, mid=one.mid * 100, high=one.high * 100)}
    with pytest.raises(InfeasibleError, match=r"short by [\d.,]+ million .*fleet\.h100e.*power\.stock"):
        world(central(quantities(many)), 2027.0)


def test_a_rent_below_every_running_cost_is_told():
    known = quantities()
    cheap = {"market.rental_start": replace(known["market.rental_start"], low=1e-3, mid=1e-3, high=1e-3)}
    with pytest.raises(InfeasibleError, match=r"0\.001 USD an H100-hour.*market\.rental_start"):
        world(central(quantities(cheap)), 2027.0)
