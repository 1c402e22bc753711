"""Tokens a task and kinds of task: growth that fades, response to price, bounds."""

import numpy as np
import pytest

from drivetrain.demand.tokens import arrivals, grown, per_task


def test_growth_without_fading_is_compound():
    assert grown(1.5, 4.0) == pytest.approx(1.5**4)


def test_fading_growth_starts_at_its_rate_and_ends_at_its_sum():
    assert grown(2.0, 1e-6, 3.0) == pytest.approx(1.0 + 1e-6 * np.log(2.0), rel=1e-12)
    assert grown(2.0, 1e6, 3.0) == pytest.approx(8.0)
    assert grown(2.0, np.array([0.0, 1.0, 2.0]), 3.0).tolist() == sorted(grown(2.0, np.array([0.0, 1.0, 2.0]), 3.0))


def test_tokens_respond_to_price_by_eta():
    at = per_task(1000.0, 1.0, 0.0, np.array([1e-6, 1e-7]), 1e-6, 0.4)
    assert at.tolist() == pytest.approx([1000.0, 1000.0 * 10**0.4])
    assert per_task(1000.0, 1.0, 0.0, 1e-9, 1e-6, 0.0) == 1000.0


def test_kinds_of_task_arrive_and_are_bounded_both_ways():
    assert arrivals(1e-6, 1e-6, 0.3, 4.0) == 1.0
    assert arrivals(1e-7, 1e-6, 0.3, 4.0) == pytest.approx(10**0.3)
    assert arrivals(1e-12, 1e-6, 0.3, 4.0) == 4.0
    assert arrivals(1.0, 1e-6, 0.3, 4.0) == 0.25
