"""Tokens seen again: the published check values, limits, the optimum."""

import numpy as np
import pytest

from drivetrain.errors import BadInputError, InfeasibleError
from drivetrain.training.scaling.known import parametric, repeated
from drivetrain.training.scaling.optimum import optimum
from drivetrain.training.scaling.repeated import (
    repeated_flops_for_loss,
    repeated_flops_for_tokens,
    repeated_optimum,
)

LAW = repeated()


def test_the_published_check_values():
    assert LAW.loss(6.34e9, 242e9, 25e9) == pytest.approx(2.2256440889984477, rel=1e-7)
    assert LAW.loss(8.67e9, 178e9, 25e9) == pytest.approx(2.2269634075087867, rel=1e-7)


def test_the_published_allocation():
    """README of datablations: 227B tokens, 9.1 epochs, 6.8B parameters."""
    best = repeated_optimum(LAW, 6 * 8.67e9 * 178e9, 25e9)
    assert best.tokens == pytest.approx(227e9, rel=0.005)
    assert best.epochs == pytest.approx(9.1, abs=0.05)
    assert best.params == pytest.approx(6.8e9, rel=0.005)


def test_four_epochs_are_nearly_as_good_as_new_data():
    """The finding of the paper's abstract."""
    assert LAW.effective_tokens(4e11, 1e11) / 4e11 > 0.9
    assert LAW.effective_tokens(40e11, 1e11) / 40e11 < 0.45


def test_no_number_of_epochs_is_worth_more_than_its_limit():
    assert LAW.effective_tokens(1e18, 1e11) == pytest.approx(LAW.most_tokens(1e11), rel=1e-9)


def test_tokens_seen_once_are_worth_themselves():
    assert LAW.effective_tokens(1e11, 2e11) == LAW.effective_tokens(1e11, 1e11) == 1e11
    small = 1e8  # below the size that 1e11 tokens ask for
    assert LAW.loss(small, 1e11, 1e11) == pytest.approx(parametric("muennighoff").loss(small, 1e11), rel=1e-12)


def test_plenty_of_data_gives_the_plain_optimum():
    plain, best = optimum(LAW.law, 1e22), repeated_optimum(LAW, 1e22, 1e16)
    assert best.params == pytest.approx(plain.params, rel=1e-3)
    assert best.loss == pytest.approx(plain.loss, rel=1e-7)
    assert best.epochs == 1.0


def test_arrays_are_as_single_values():
    sizes = np.array([1e9, 6.34e9, 1e11])
    assert LAW.loss(sizes, 242e9, 25e9)[1] == pytest.approx(LAW.loss(6.34e9, 242e9, 25e9), rel=1e-14)


@pytest.mark.parametrize("unique", [0.0, -1.0, float("nan")])
def test_no_data_at_all(unique):
    with pytest.raises(BadInputError, match="unique"):
        repeated_optimum(LAW, 1e22, unique)


def test_a_loss_and_its_budget_are_inverse():
    best = repeated_optimum(LAW, 1e22, 25e9)
    assert repeated_flops_for_loss(LAW, best.loss, 25e9) == pytest.approx(1e22, rel=1e-4)
    assert repeated_flops_for_tokens(LAW, best.tokens, 25e9) == pytest.approx(1e22, rel=1e-3)
    with pytest.raises(InfeasibleError, match="is the limit"):
        repeated_flops_for_loss(LAW, LAW.least_loss(25e9), 25e9)


def test_no_model_and_no_number_of_epochs_passes_the_least_loss():
    least = LAW.least_loss(25e9)
    assert LAW.loss(1e16, 1e17, 25e9) == pytest.approx(least, rel=1e-6)
    assert LAW.loss(1e16, 1e17, 25e9) >= least - 1e-12


def test_tokens_for_a_loss_reach_it():
    for params, loss in ((1e9, 2.7), (6e9, 2.3), (6e9, 2.9)):
        tokens = LAW.tokens_for(loss, params, 25e9)
        if tokens > 25e9:
            assert LAW.loss(params, tokens, 25e9) == pytest.approx(loss, rel=1e-9)
        else:
            assert LAW.law.loss(params, tokens) == pytest.approx(loss, rel=1e-9)
    assert LAW.tokens_for(2.0, 6e9, 25e9) == np.inf
