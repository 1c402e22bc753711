"""The parametric law and its optimum: published values, closed forms by hand, bad input."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.law import Law, training_flops
from drivetrain.training.scaling.optimum import (
    flops_for_loss,
    flops_for_tokens,
    loss_exponent,
    marginal_loss,
    marginal_return,
    optimum,
    params_exponent,
    ratio_exponent,
)

REFERENCE = Path(__file__).resolve().parents[5] / "shared/facts/chinchilla_refit_reference.json"
GOPHER_FLOPS = 5.88e23


def test_the_corrected_law_at_the_budget_of_chinchilla():
    best = optimum(parametric(), GOPHER_FLOPS)
    assert best.params == pytest.approx(74.0e9, rel=1e-3)
    assert best.tokens == pytest.approx(1.325e12, rel=1e-3)
    assert best.tokens_per_param == pytest.approx(17.91, abs=0.01)
    assert best.loss == pytest.approx(1.9733, abs=1e-4)
    assert params_exponent(parametric()) == pytest.approx(0.5139, abs=1e-4)


def test_the_published_law_at_the_same_budget():
    best = optimum(parametric("hoffmann-2022"), GOPHER_FLOPS)
    assert best.params == pytest.approx(40.7427e9, rel=1e-5)
    assert best.tokens == pytest.approx(2.405341e12, rel=1e-5)
    assert best.tokens_per_param == pytest.approx(59.04, abs=0.01)


def test_the_reference_refit_is_what_the_catalogue_holds():
    if not REFERENCE.exists():
        pytest.skip("needs ../shared/facts/chinchilla_refit_reference.json")
    reference, law = json.loads(REFERENCE.read_text()), parametric()
    for name, value in (("E", law.e), ("A", law.a), ("B", law.b), ("alpha", law.alpha), ("beta", law.beta)):
        assert value == pytest.approx(reference["drop5"][name], rel=1e-6), name
    assert optimum(law, GOPHER_FLOPS).loss == pytest.approx(reference["opt_at_5.88e23"]["loss"], rel=1e-7)


def test_ten_times_the_budget_leaves_two_thirds_of_the_excess_at_any_scale():
    law = parametric()
    for flops in (1e19, 1e23, 1e27):
        ten = marginal_return(law, flops)
        assert (ten.loss_after - law.e) / (ten.loss_before - law.e) == pytest.approx(ten.excess_kept, rel=1e-9)
    assert ten.excess_kept == pytest.approx(0.663, abs=0.001)
    assert ten.to_halve == pytest.approx(48.6, abs=0.1)
    assert loss_exponent(law) == pytest.approx(0.1785, abs=1e-4)


def test_the_slope_is_the_derivative():
    law, flops, step = parametric(), 1e24, 1e-5
    up, down = (optimum(law, flops * 10**s).loss for s in (step, -step))
    assert marginal_loss(law, flops) == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_inverses():
    law = parametric()
    assert law.tokens_for(law.loss(7e9, 2e12), 7e9) == pytest.approx(2e12, rel=1e-9)
    assert law.params_for(law.loss(7e9, 2e12), 2e12) == pytest.approx(7e9, rel=1e-9)
    assert flops_for_loss(law, optimum(law, 1e24).loss) == pytest.approx(1e24, rel=1e-9)
    assert flops_for_tokens(law, optimum(law, 1e24).tokens) == pytest.approx(1e24, rel=1e-9)


def test_a_model_too_small_needs_infinite_data():
    law = parametric()
    assert law.tokens_for(1.9, 1e8) == math.inf
    assert np.isinf(law.tokens_for(1.9, np.array([1e8, 1e12]))).tolist() == [True, False]
    assert law.params_for(1.9, 1e8) == math.inf


def test_gpt_3_was_trained_on_a_twelfth_of_its_data():
    """175B parameters on 300B tokens: by the rule of 20, and by the law."""
    assert pytest.approx(11.7, abs=0.05) == 20 * 175e9 / 300e9
    law = parametric()
    same_flops = optimum(law, training_flops(175e9, 300e9))
    assert same_flops.params < 175e9 / 3
    assert same_flops.loss < law.loss(175e9, 300e9)


def test_the_ratio_falls_with_scale_under_the_corrected_law_and_rises_under_the_published():
    assert ratio_exponent(parametric()) < 0 < ratio_exponent(parametric("hoffmann"))


@pytest.mark.parametrize("flops", [0.0, -1.0, math.nan, math.inf])
def test_budgets_that_are_none(flops):
    with pytest.raises(BadInputError, match="budget"):
        optimum(parametric(), flops)


@pytest.mark.parametrize("loss", [1.8, 0.0, -1.0, math.nan])
def test_losses_nobody_reaches(loss):
    with pytest.raises(BadInputError, match=r"out of reach|finite"):
        flops_for_loss(parametric(), loss)


def test_coefficients_are_positive():
    with pytest.raises(BadInputError, match="alpha"):
        Law(1.0, 1.0, 1.0, 0.0, 0.3)
    with pytest.raises(BadInputError, match="b above"):
        Law(1.0, 1.0, np.array([1.0, -1.0]), 0.3, 0.3)
