"""Laws of scaling on random coefficients: optima are optima, more never hurts, limits are those of the plain law."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.lifetime import Serving, best_for_budget, cheapest_for_loss
from drivetrain.training.scaling.mixture import Mixture, compute_gain
from drivetrain.training.scaling.optimum import (
    flops_for_loss,
    flops_for_tokens,
    loss_exponent,
    marginal_return,
    optimum,
    ratio_exponent,
)
from drivetrain.training.scaling.repeated import Repeated, repeated_optimum

ROUNDING = 1e-9


def powers(low, high):
    return st.floats(low, high).map(lambda x: 10.0**x)


laws = st.builds(
    Law, e=st.floats(0.5, 3.0), a=powers(1.0, 4.0), b=powers(1.0, 4.5), alpha=st.floats(0.15, 0.6),
    beta=st.floats(0.15, 0.6),
)  # fmt: skip
budgets = powers(17.0, 28.0)
served = powers(8.0, 17.0)
repeats = st.builds(Repeated, laws, st.floats(1.0, 40.0), st.floats(1.0, 40.0))
mixtures = st.builds(
    Mixture, c=st.floats(0.5, 2.0), a=powers(1.0, 3.0), delta=st.floats(0.1, 0.4), alpha=st.floats(0.15, 0.4),
    gamma=st.floats(0.0, 0.02), b=powers(1.0, 3.0), omega=st.floats(0.0, 0.6), beta=st.floats(0.15, 0.3),
    zeta=st.floats(0.0, 0.05),
)  # fmt: skip


@given(laws, powers(6.0, 13.0), powers(8.0, 16.0), st.floats(1.01, 10.0))
def test_more_parameters_or_tokens_never_raise_the_loss(law, params, tokens, factor):
    assert law.e < law.loss(params * factor, tokens) <= law.loss(params, tokens)
    assert law.loss(params, tokens * factor) <= law.loss(params, tokens)


@given(laws, powers(6.0, 13.0), powers(8.0, 16.0))
def test_level_curves_lead_back(law, params, tokens):
    loss = law.loss(params, tokens)
    assume(law.b * tokens**-law.beta > 1e-6 * loss)
    assume(law.a * params**-law.alpha > 1e-6 * loss)
    assert law.tokens_for(loss, params) == pytest.approx(tokens, rel=1e-6)
    assert law.params_for(loss, tokens) == pytest.approx(params, rel=1e-6)


@given(laws, budgets)
def test_the_optimum_is_stationary_and_spends_the_budget(law, flops):
    best = optimum(law, flops)
    assert 6.0 * best.params * best.tokens == pytest.approx(flops, rel=1e-12)
    by_size = law.alpha * law.a * best.params**-law.alpha
    assert by_size == pytest.approx(law.beta * law.b * best.tokens**-law.beta, rel=1e-9)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert law.loss(best.params * factor, best.tokens / factor) >= best.loss


@given(laws, budgets)
def test_the_closed_form_is_the_numeric_optimum(law, flops):
    best = optimum(law, flops)
    found = minimize_scalar(lambda n: float(law.loss(math.exp(n), flops / 6 / math.exp(n))),
                            bounds=(math.log(best.params) - 8, math.log(best.params) + 8), method="bounded",
                            options={"xatol": 1e-10})  # fmt: skip
    assert found.fun == pytest.approx(best.loss, rel=1e-12)
    assert math.exp(found.x) == pytest.approx(best.params, rel=1e-2)


@given(laws, budgets, st.floats(1.01, 1e4))
def test_more_budget_lowers_the_loss_towards_the_floor(law, flops, factor):
    more = marginal_return(law, flops, factor)
    assert law.e < more.loss_after <= more.loss_before
    excess = (more.loss_after - law.e) / (more.loss_before - law.e)
    assert excess == pytest.approx(more.excess_kept, rel=1e-6)
    assert more.excess_kept == pytest.approx(factor ** -loss_exponent(law), rel=1e-12)


@given(laws, budgets)
def test_budgets_losses_and_tokens_are_inverses(law, flops):
    best = optimum(law, flops)
    assume(best.loss - law.e > 1e-7 * law.e)
    assert flops_for_loss(law, float(best.loss)) == pytest.approx(flops, rel=1e-4)
    assert flops_for_tokens(law, best.tokens) == pytest.approx(flops, rel=1e-9)


@given(laws, budgets, st.floats(1.5, 100.0))
def test_the_ratio_moves_with_scale_by_its_exponent(law, flops, factor):
    before, after = (optimum(law, c).tokens_per_param for c in (flops, flops * factor))
    assert after / before == pytest.approx(factor ** ratio_exponent(law), rel=1e-9)


@given(laws, budgets)
def test_many_laws_at_once_are_each_alone(law, flops):
    other = Law(law.e + 0.1, 2 * law.a, law.b, law.alpha, 0.9 * law.beta)
    both = Law(*(np.array([getattr(law, k), getattr(other, k)]) for k in ("e", "a", "b", "alpha", "beta")))
    together = optimum(both, flops)
    for i, one in enumerate((law, other)):
        assert together.params[i] == pytest.approx(optimum(one, flops).params, rel=1e-12)
        assert together.loss[i] == pytest.approx(optimum(one, flops).loss, rel=1e-12)


# ---------------------------------------------------------------- serving


@given(laws, budgets, served)
def test_the_lifetime_optimum_is_stationary_and_reaches_the_loss(law, flops, tokens):
    serving, loss = Serving(output_tokens=tokens), float(optimum(law, flops).loss)
    assume(loss - law.e > 1e-4 * law.e)
    best = cheapest_for_loss(law, loss, serving)
    assert best.loss == pytest.approx(loss, rel=1e-6)
    assert best.params <= optimum(law, flops).params * (1 + 1e-6)
    assert best.tokens >= optimum(law, flops).tokens * (1 - 1e-6)
    assert best.saved_frac >= -1e-6
    for factor in (0.98, 1.02):
        params = best.params * factor
        needed = law.tokens_for(best.loss, params)
        assert 6 * params * needed + 2 * params * tokens >= best.lifetime_flops * (1 - ROUNDING)


@given(laws, budgets)
def test_without_serving_it_tends_to_the_plain_optimum(law, flops):
    plain, gaps = optimum(law, flops), []
    for share in (1e-2, 1e-4, 1e-6):
        best = best_for_budget(law, flops, Serving(output_tokens=share * plain.tokens))
        gaps.append(abs(math.log(best.params / plain.params)))
    assert gaps[0] >= gaps[1] >= gaps[2] - 1e-9
    assert gaps[2] < 1e-5
    assert best_for_budget(law, flops, Serving()).params == pytest.approx(plain.params, rel=1e-9)


@given(laws, budgets, served, st.floats(1.1, 100.0))
def test_more_serving_means_a_smaller_model_trained_for_longer(law, flops, tokens, factor):
    loss = float(optimum(law, flops).loss)
    assume(loss - law.e > 1e-4 * law.e)
    few, many = (cheapest_for_loss(law, loss, Serving(output_tokens=t)) for t in (tokens, tokens * factor))
    assert many.params <= few.params * (1 + ROUNDING)
    assert many.tokens >= few.tokens * (1 - ROUNDING)
    assert many.lifetime_flops > few.lifetime_flops


@given(laws, budgets, served, st.floats(1.1, 100.0))
def test_a_larger_lifetime_budget_never_means_more_loss(law, flops, tokens, factor):
    serving = Serving(output_tokens=tokens)
    less, more = (best_for_budget(law, flops * f, serving) for f in (1.0, factor))
    assert more.loss <= less.loss * (1 + ROUNDING)
    assert less.lifetime_flops == pytest.approx(flops, rel=1e-6)
    assert less.loss >= optimum(law, flops).loss * (1 - ROUNDING)


# ---------------------------------------------------------------- repetition


@given(repeats, powers(8.0, 15.0), powers(8.0, 15.0))
def test_repeats_are_worth_no_more_than_new_tokens(law, tokens, unique):
    worth = law.effective_tokens(tokens, unique)
    assert worth <= tokens * (1 + ROUNDING)
    assert worth >= min(tokens, unique) * (1 - ROUNDING)
    assert worth <= law.most_tokens(unique) * (1 + ROUNDING)


@given(repeats, powers(6.0, 12.0), powers(8.0, 14.0), powers(8.0, 14.0), st.floats(1.1, 100.0))
def test_more_tokens_or_more_unique_ones_never_hurt(law, params, tokens, unique, factor):
    before = law.loss(params, tokens, unique)
    assert law.loss(params, tokens * factor, unique) <= before * (1 + ROUNDING)
    assert law.loss(params, tokens, unique * factor) <= before * (1 + ROUNDING)
    assert before >= law.law.loss(params, tokens) * (1 - ROUNDING)


@given(repeats, powers(19.0, 25.0), powers(9.0, 13.0))
def test_the_optimum_with_repeats_beats_its_neighbours_and_not_the_plain_one(law, flops, unique):
    best, plain = repeated_optimum(law, flops, unique), optimum(law.law, flops)
    assert best.loss >= plain.loss * (1 - ROUNDING)
    assert 6 * best.params * best.tokens == pytest.approx(flops, rel=1e-9)
    for factor in (0.5, 0.97, 1.03, 2.0):
        assert law.loss(best.params * factor, best.tokens / factor, unique) >= best.loss * (1 - ROUNDING)
    assert best.loss <= law.loss(plain.params, plain.tokens, unique) * (1 + ROUNDING)


@given(repeats, powers(19.0, 24.0))
def test_enough_unique_data_gives_the_plain_optimum(law, flops):
    plain = optimum(law.law, flops)
    best = repeated_optimum(law, flops, 1e3 * float(plain.tokens))
    assert best.loss == pytest.approx(plain.loss, rel=1e-6)
    assert best.epochs == 1.0


# ---------------------------------------------------------------- mixtures


@given(mixtures, powers(18.0, 24.0))
def test_one_expert_is_a_dense_model(law, flops):
    dense = law.at(1)
    assert (dense.e, dense.a, dense.b, dense.alpha, dense.beta) == (law.c, law.a, law.b, law.alpha, law.beta)
    assert compute_gain(law, 1, flops) == pytest.approx(1.0, rel=1e-6)
