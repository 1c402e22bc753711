"""The fleet: what is there at the start, ages by hand, purchases and scrapping."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.demand import fleet, vintage
from drivetrain.errors import BadInputError


@pytest.fixture(scope="module")
def made():
    return vintage.known(vintage.mids(), {name: np.ones(1) for name in vintage.names()})


def test_the_start_is_the_installed_compute_and_draws_its_power(made):
    """15 million H100 equivalents of 8-bit peak; more than 10 GW of chips, about twice that with all around them."""
    now = fleet.start(vintage.mids(), made)
    counts = now.by_vintage(len(made))[:, 0]
    compute = sum(n * fleet._h100e(one.accelerator) for one, n in zip(made, counts, strict=True))
    assert compute == pytest.approx(15e6)
    assert 14e9 < sum(n * one.watts[0] for one, n in zip(made, counts, strict=True)) < 22e9
    by_name = dict(zip([one.name for one in made], counts, strict=True))
    assert by_name["rubin-nvl72"] == 0.0
    assert by_name["trainium2"] == pytest.approx(1.4e6, rel=0.1)  # Epoch's revised count
    assert np.all(now.bought_year < 2026.0)


def one_kind(life=3.0):
    base = vintage.known(vintage.mids(), {name: np.ones(1) for name in vintage.names()})[1]
    return [replace(base, life_years=np.array([life, life + 1.0]))]


def test_cohorts_go_at_the_end_of_their_life_by_draw():
    now = fleet.Fleet(np.array([0, 0]), np.array([2024.0, 2025.0]), np.array([[10.0, 10.0], [20.0, 20.0]]))
    now, gone = fleet.retire(now, one_kind(), 2026.75)
    assert gone.tolist() == [[0.0, 0.0]]
    now, gone = fleet.retire(now, one_kind(), 2027.0)
    assert gone.tolist() == [[10.0, 0.0]]
    now, gone = fleet.retire(now, one_kind(), 2028.0)
    assert gone.tolist() == [[20.0, 10.0]]
    now, gone = fleet.retire(now, one_kind(), 2029.0)
    assert gone.tolist() == [[0.0, 20.0]]
    assert len(now.vintage) == 0


def test_purchases_are_a_cohort_of_their_own():
    now = fleet.Fleet(np.array([0]), np.array([2024.0]), np.array([[10.0, 10.0]]))
    now = fleet.buy(now, np.array([[5.0, 0.0]]), 2026.0)
    assert now.by_vintage(1).tolist() == [[15.0, 10.0]]
    now, _ = fleet.retire(now, one_kind(), 2027.0)
    assert now.by_vintage(1).tolist() == [[5.0, 10.0]]
    with pytest.raises(BadInputError, match="negative"):
        fleet.buy(now, np.array([[-1.0, 0.0]]), 2026.0)


def test_idle_accelerators_are_scrapped_in_part_and_never_more_than_there_are():
    now = fleet.Fleet(np.array([0, 0]), np.array([2024.0, 2025.0]), np.array([[10.0, 0.0], [30.0, 0.0]]))
    left, gone = fleet.scrap(now, np.array([[20.0, 5.0]]), np.array([0.5, 0.5]))
    assert gone.tolist() == [[10.0, 0.0]]
    assert left.count.tolist() == [[7.5, 0.0], [22.5, 0.0]]
    left, _ = fleet.scrap(now, np.array([[100.0, 0.0]]), np.array([1.0, 1.0]))
    assert left.by_vintage(1).tolist() == [[0.0, 0.0]]


def test_a_fleet_of_unknown_kinds_has_no_start():
    with pytest.raises(BadInputError, match="fleet of the start"):
        fleet.start(vintage.mids(), [replace(one_kind()[0], name="nothing-like-it")])
