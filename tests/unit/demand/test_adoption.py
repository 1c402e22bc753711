"""Bass diffusion: by hand, at its edges, against the differential equation."""

import numpy as np
import pytest

from drivetrain.demand.adoption import rate, step


def test_without_imitation_the_gap_closes_exponentially():
    assert step(0.2, 1.0, 0.1, 0.0, 5.0) == pytest.approx(1.0 - 0.8 * np.exp(-0.5))


def test_without_innovation_nothing_starts():
    assert step(0.0, 0.8, 0.0, 0.5, 10.0) == 0.0


def test_logistic_by_hand():
    # y0 = 1/2 with imitation 1 for ln 3 years: odds 1 become 3
    assert step(0.4, 0.8, 0.0, 1.0, np.log(3.0)) == pytest.approx(0.6)


def test_what_no_longer_pays_is_given_up():
    assert step(0.9, 0.5, 0.03, 0.4, 1.0, churn_per_year=0.2) == pytest.approx(0.5 + 0.4 * np.exp(-0.2))
    assert step(0.9, 0.0, 0.03, 0.4, 1.0, churn_per_year=0.2) == pytest.approx(0.9 * np.exp(-0.2))


def test_nothing_worth_doing_and_nothing_done_stays_so():
    assert step(0.0, 0.0, 0.03, 0.4, 1.0) == 0.0


def test_a_very_long_step_stays_finite():
    assert step(0.01, 0.7, 0.05, 2.0, 1e6) == pytest.approx(0.7)


def test_a_short_step_follows_the_rate():
    years = 1e-6
    grown = step(0.1, 0.6, 0.03, 0.5, years)
    assert (grown - 0.1) / years == pytest.approx(rate(0.1, 0.6, 0.03, 0.5), rel=1e-5)
