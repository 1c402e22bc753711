"""The arithmetic of scores."""

import pytest

from drivetrain.measure.score import Pair, grouped, score
from drivetrain.measure.spread import interval


def test_errors_are_signed_and_summed_up_as_the_contract_says():
    pairs = [Pair(1.1, 1.0), Pair(0.8, 1.0), Pair(3.0, 2.0), Pair(1.0, 1.0)]
    found = score(pairs)
    assert [round(p.error, 3) for p in pairs] == [0.1, -0.2, 0.5, 0.0]
    assert found.n == 4
    assert found.median_abs == pytest.approx(0.15)
    assert found.mean_abs == pytest.approx(0.2)
    assert found.p90_abs == pytest.approx(0.41)
    assert found.bias == pytest.approx(0.05)
    assert found.coverage80 is None


def test_coverage_counts_measurements_inside_the_interval():
    inside, outside, without = Pair(1, 1.2, 0.8, 1.25), Pair(1, 1.3, 0.8, 1.25), Pair(1, 9)
    assert score([inside, outside, without]).coverage80 == 0.5


def test_nothing_to_score():
    assert score([]) is None


def test_groups_are_in_numeric_order_where_they_are_numbers():
    assert list(grouped(["128", "4", "b", "16", "a"], lambda text: text)) == ["4", "16", "128", "a", "b"]


def test_the_interval_holds_eighty_percent_of_a_log_normal():
    low, high = interval(2.0, 0.2)
    assert low * high == pytest.approx(4.0)
    assert high / 2.0 == pytest.approx(1.2922, rel=1e-3)
