"""Training plus serving: Sardana et al.'s example, the limit of no serving, prices, bad input."""

import math

import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.lifetime import Serving, best_for_budget, cheapest_for_loss
from drivetrain.training.scaling.optimum import flops_for_loss, optimum

LAW = parametric()


def budget_of(law, params):
    """The budget whose optimum has ``params`` parameters."""
    low, high = 1e18, 1e28
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if optimum(law, middle).params < params else (low, middle)
    return low


def test_the_example_of_the_paper():
    """13B quality and 2T tokens: a 7B model trained for longer saves 1.7e22 FLOPs, 17 % (Hoffmann's coefficients)."""
    law = parametric("hoffmann-2022")
    usual = optimum(law, budget_of(law, 13e9))
    best = cheapest_for_loss(law, usual.loss, Serving(output_tokens=2e12))
    assert best.params == pytest.approx(7e9, rel=0.03)
    assert best.saved_frac == pytest.approx(0.17, abs=0.01)
    assert 6 * usual.params * usual.tokens + 2 * 13e9 * 2e12 - best.lifetime_flops == pytest.approx(1.7e22, rel=0.05)


def test_nothing_served_is_the_compute_optimum():
    plain, best = optimum(LAW, 1e24), best_for_budget(LAW, 1e24, Serving())
    assert best.params == pytest.approx(plain.params, rel=1e-9)
    assert best.serving_flops == 0.0
    again = cheapest_for_loss(LAW, plain.loss, Serving())
    assert again.training_flops == pytest.approx(1e24, rel=1e-9)
    assert again.saved_frac == pytest.approx(0.0, abs=1e-9)


def test_the_two_questions_answer_each_other():
    serving = Serving(input_tokens=3e13, output_tokens=1e13, output_price=3.0)
    best = best_for_budget(LAW, 1e24, serving)
    same = cheapest_for_loss(LAW, best.loss, serving)
    assert same.params == pytest.approx(best.params, rel=1e-6)
    assert same.lifetime_flops == pytest.approx(1e24, rel=1e-9)


def test_it_is_the_least_of_its_neighbours():
    serving, loss = Serving(output_tokens=1e13), 2.0
    best = cheapest_for_loss(LAW, loss, serving)
    for factor in (0.9, 0.99, 1.01, 1.1):
        params = best.params * factor
        tokens = LAW.tokens_for(loss, params)
        assert 6 * params * tokens + 2 * params * serving.weighted_tokens > best.lifetime_flops


def test_dear_writing_counts_as_more_tokens():
    cheap = cheapest_for_loss(LAW, 2.0, Serving(output_tokens=1e12, output_price=4.0))
    many = cheapest_for_loss(LAW, 2.0, Serving(output_tokens=4e12))
    assert cheap.params == pytest.approx(many.params, rel=1e-9)


def test_llama_3_8b_is_beyond_what_any_number_of_tokens_asks_for():
    """1,868 tokens per parameter is the optimum only of a life of more than 1e14 tokens."""
    loss = float(LAW.loss(8.03e9, 15e12))
    assert cheapest_for_loss(LAW, loss, Serving(output_tokens=1e13)).tokens_per_param < 15e12 / 8.03e9
    assert cheapest_for_loss(LAW, loss, Serving(output_tokens=1e16)).tokens_per_param > 15e12 / 8.03e9


def test_extreme_lives_stay_finite():
    for served in (1.0, 1e30):
        best = cheapest_for_loss(LAW, 1.9, Serving(output_tokens=served))
        assert math.isfinite(best.tokens)
        assert best.loss == pytest.approx(1.9, rel=1e-9)
        assert best.saved_frac >= -1e-9
    tiny = best_for_budget(LAW, 1e3, Serving(output_tokens=1e15))
    assert tiny.params > 0
    assert tiny.lifetime_flops == pytest.approx(1e3, rel=1e-6)


@pytest.mark.parametrize(
    "serving", [{"output_tokens": -1.0}, {"input_tokens": math.nan}, {"output_price": 0.0}, {"input_price": math.inf}]
)
def test_lives_that_are_none(serving):
    with pytest.raises(BadInputError):
        Serving(**serving)


def test_a_loss_below_the_floor_is_refused():
    with pytest.raises(BadInputError, match="irreducible"):
        cheapest_for_loss(LAW, LAW.e, Serving(output_tokens=1e12))
    assert flops_for_loss(LAW, LAW.e + 1e-3) > 1e30
