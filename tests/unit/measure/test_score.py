"""The arithmetic of scores."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_the_interval_score_is_the_width_plus_ten_times_what_is_missed():
    hit, low, high = Pair(1, 1.1, 0.8, 1.25), Pair(1, 0.7, 0.8, 1.25), Pair(1, 2.0, 0.8, 1.25)
    width = math.log(1.25 / 0.8)
    assert score([hit]).interval_score80 == pytest.approx(width, abs=1e-6)
    assert score([low]).interval_score80 == pytest.approx(width + 10 * math.log(0.8 / 0.7), abs=1e-6)
    assert score([high]).interval_score80 == pytest.approx(width + 10 * math.log(2.0 / 1.25), abs=1e-6)
    assert score([hit, low, Pair(1, 9)]).interval_score80 == pytest.approx(width + 5 * math.log(0.8 / 0.7), abs=1e-6)
    assert score([Pair(1, 9)]).interval_score80 is None


@given(st.lists(st.floats(0.2, 5.0), min_size=40, max_size=40), st.floats(1.3, 3.0))
def test_the_interval_score_is_best_near_the_width_that_covers_eighty_percent(measured, factor):
    """A proper score: no symmetric interval, narrower or wider, scores better than the 80 % quantile of the misses."""

    def of(width: float) -> float:
        return score([Pair(1.0, m, math.exp(-width), math.exp(width)) for m in measured]).interval_score80

    right = sorted(abs(math.log(m)) for m in measured)[32 - 1]
    assert of(right) <= min(of(right * factor), of(right / factor)) + 1e-6


def test_nothing_to_score():
    assert score([]) is None


def test_groups_are_in_numeric_order_where_they_are_numbers():
    assert list(grouped(["128", "4", "b", "16", "a"], lambda text: text)) == ["4", "16", "128", "a", "b"]


def test_the_interval_holds_eighty_percent_of_a_log_normal():
    low, high = interval(2.0, 0.2)
    assert low * high == pytest.approx(4.0)
    assert high / 2.0 == pytest.approx(1.2922, rel=1e-3)
