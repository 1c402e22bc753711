"""Task values: viable share, elasticity and willingness to pay by hand, at the edges, and the Pareto case."""

import math

import numpy as np
import pytest

from drivetrain.demand import value


def test_a_task_that_costs_its_median_value_is_worth_doing_half_the_time():
    assert value.viable_frac(2e-6, 1e6, 3.0, math.log(5.0), 1.7) == pytest.approx(0.5)


def test_free_tokens_leave_what_integration_costs():
    # cost 1 USD against median 4 USD and sigma 1: z = -ln 4
    assert value.viable_frac(0.0, 1e6, 1.0, math.log(4.0), 1.0) == pytest.approx(0.9171715, rel=1e-6)
    assert value.viable_frac(0.0, 1e6, 0.0, math.log(4.0), 1.0) == 1.0
    assert value.elasticity(0.0, 1e6, 1.0, math.log(4.0), 1.0) == 0.0
    assert value.elasticity(0.0, 1e6, 0.0, math.log(4.0), 1.0) == 0.0


def test_elasticity_by_hand():
    # z = 0: hazard phi(0) / 0.5; the tokens are 3 of 4 USD; sigma 2
    expected = 0.7978845608 / 2.0 * 0.75
    assert value.elasticity(3e-6, 1e6, 1.0, math.log(4.0), 2.0) == pytest.approx(expected, rel=1e-9)


def test_elasticity_stays_finite_far_in_the_tail():
    # the hazard of a normal grows as z
    far = float(value.elasticity(1e10, 1.0, 0.0, 0.0, 1.0))
    assert far == pytest.approx(math.log(1e10), rel=0.01)


def test_quantile_is_where_a_share_gives_up():
    assert value.quantile(0.5, 1e6, 1.0, math.log(4.0), 1.0) == pytest.approx(3e-6)
    assert value.quantile(0.99, 1e6, 1.0, math.log(4.0), 1.0) < 0.0


def test_pareto_tail_by_hand():
    assert value.pareto_viable_frac(4e-6, 1e6, 1.0, 0.5) == pytest.approx(0.5)
    assert value.pareto_viable_frac(1e-7, 1e6, 1.0, 0.5) == 1.0
    assert value.pareto_viable_frac(0.0, 1e6, 1.0, 0.5) == 1.0


def test_everything_broadcasts_over_draws():
    mu, sigma = np.zeros(5), np.linspace(0.5, 2.5, 5)
    assert value.viable_frac(1e-6, 2e6, 0.1, mu, sigma).shape == (5,)
    assert value.elasticity(1e-6, 2e6, 0.1, mu, sigma).shape == (5,)
