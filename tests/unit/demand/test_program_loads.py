"""Loads from demand curves: tokens, units and money agree."""

import numpy as np
import pytest

from drivetrain.demand import program_loads as loads
from drivetrain.demand.chain import SECONDS_PER_YEAR
from drivetrain.demand.demand_curve import Blocks
from drivetrain.errors import BadInputError

CURVE = Blocks(np.array([[3e-6], [1e-6]]), np.array([[1e15], [4e15]]))
NEED_S = np.array([1e-3, 5e-4])


def test_a_block_is_worth_its_tokens_and_takes_their_units():
    one = loads.serving(
        "chat", [CURVE, CURVE], NEED_S, {"b": 1.0, "a": 3.0}, peak_to_mean=1.8, utilisation_frac=0.6, places="ab"
    )
    assert one.units.shape == (2, 2, 2)
    assert one.units.sum(axis=(0, 1)) == pytest.approx(5e15 * NEED_S / SECONDS_PER_YEAR)
    assert one.units[0] == pytest.approx(3.0 * one.units[1])
    worth = (one.units * one.usd_per_unit_year).sum(axis=(0, 1))
    assert worth == pytest.approx([3e-6 * 1e15 + 1e-6 * 4e15] * 2)
    assert (one.peak, one.mean, one.anywhere) == (pytest.approx(3.0), pytest.approx(1 / 0.6), False)


def test_batch_runs_anywhere_without_a_peak_and_pays_for_compute_alone():
    one = loads.serving("batch", [CURVE], NEED_S[:1], None, peak_to_mean=1.8, utilisation_frac=0.6, markup=2.0)
    assert one.units.shape == (1, 2, 1)
    assert (one.peak, one.anywhere) == (0.0, True)
    assert (one.units * one.usd_per_unit_year).sum() == pytest.approx(7e9 / 2.0)


def test_training_follows_its_elasticity_within_its_span():
    one = loads.training(np.array([100.0, 200.0]), 2e4, 0.7, utilisation_frac=0.8, n_blocks=40, span=10.0)
    for t, at_reference in enumerate((100.0, 200.0)):
        for price in (4e3, 2e4, 1e5):
            asked = one.units[0, one.usd_per_unit_year[0, :, t] >= price, t].sum()
            assert asked == pytest.approx(at_reference * (price / 2e4) ** -0.7, rel=0.06)
    assert one.units.sum(axis=(0, 1)) == pytest.approx(np.array([100.0, 200.0]) * 10**0.7)
    assert one.peak == one.mean == 1.25


@pytest.mark.parametrize(
    "change", [{"peak_to_mean": 0.5}, {"utilisation_frac": 0.0}, {"utilisation_frac": 1.2}, {"markup": 0.5}]
)
def test_loads_that_make_no_sense_are_refused(change):
    said = {"peak_to_mean": 1.8, "utilisation_frac": 0.6} | change
    with pytest.raises(BadInputError, match="load chat"):
        loads.serving("chat", [CURVE], NEED_S[:1], None, **said)


def test_every_quarter_needs_its_curve():
    with pytest.raises(BadInputError, match="1 demand curves for 2 quarters"):
        loads.serving("chat", [CURVE], NEED_S, None, peak_to_mean=1.8, utilisation_frac=0.6)
    with pytest.raises(BadInputError, match="elasticity"):
        loads.training(np.ones(2), 2e4, 0.0, utilisation_frac=0.8)


@pytest.mark.parametrize(("regions", "says"), [({"atlantis": 1.0}, "region atlantis is not one of"), ({}, "no region")])
def test_users_live_in_regions_of_the_program(regions, says):
    with pytest.raises(BadInputError, match=says):
        loads.serving("chat", [CURVE], NEED_S[:1], regions, peak_to_mean=1.8, utilisation_frac=0.6)


def test_steps_around_a_price_keep_what_is_asked_for_and_cap_its_worth():
    def asked(price):
        return 1e15 * (price / 1e-6) ** -0.8

    price = np.array([1e-6, 5e-6])
    steps = loads.around(asked, price)
    total = steps.tokens_per_year.sum(axis=0)
    assert total == pytest.approx(asked(price * min(loads.AROUND)))
    assert np.all(steps.price_usd_per_token.max(axis=0) == price * max(loads.AROUND))
    assert np.all(np.diff(steps.price_usd_per_token, axis=0) < 0)
    above = np.where(steps.price_usd_per_token >= price, steps.tokens_per_year, 0.0).sum(axis=0)
    assert above == pytest.approx(asked(price), rel=1e-9)
