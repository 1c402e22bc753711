"""Mixtures of experts: what the paper finds holds under the coefficients as shipped."""

from itertools import pairwise

import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import mixture
from drivetrain.training.scaling.mixture import best_experts, compute_gain
from drivetrain.training.scaling.optimum import optimum

LAW = mixture()
EXPERTS = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("params", [1e8, 4e8, 1e9, 2.7e9])
@pytest.mark.parametrize("per_param", [10, 20, 100])
def test_more_experts_lower_the_loss_where_it_was_fitted(params, per_param):
    losses = [LAW.at(n).loss(params, params * per_param) for n in EXPERTS]
    assert all(a > b for a, b in pairwise(losses))


def test_the_gain_grows_with_tokens():
    def gain(tokens):
        return LAW.at(1).loss(1e9, tokens) - LAW.at(8).loss(1e9, tokens)

    assert gain(2e9) < gain(1e10) < gain(1e11)


def test_optimal_mixtures_have_fewer_active_parameters_and_more_tokens():
    found = [optimum(LAW.at(n), 1e21) for n in EXPERTS]
    assert all(a.params > b.params and a.tokens < b.tokens for a, b in pairwise(found))


def test_experts_save_compute_severalfold():
    gains = [compute_gain(LAW, n, 1e21) for n in EXPERTS]
    assert gains[0] == pytest.approx(1.0)
    assert all(a < b for a, b in pairwise(gains))
    assert 3.0 < gains[-1] < 6.0


def test_the_best_of_some():
    n, best = best_experts(LAW, 1e21, (1, 8, 4))
    assert n == 8
    assert best == optimum(LAW.at(8), 1e21)
    with pytest.raises(BadInputError, match="choose"):
        best_experts(LAW, 1e21, ())


@pytest.mark.parametrize("n", [0, 0.5, -3, float("nan"), 1e12])
def test_numbers_of_experts_that_mean_nothing(n):
    with pytest.raises(BadInputError, match="experts"):
        LAW.at(n)
