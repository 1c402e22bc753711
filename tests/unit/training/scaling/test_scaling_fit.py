"""Fitting: a known law is found again, the gradient is the derivative, the bootstrap repeats, bad runs are told."""

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.bootstrap import bootstrap
from drivetrain.training.scaling.fit import fit, refit
from drivetrain.training.scaling.holdout import holdout
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.objective import Objective, Runs

TRUE = Law(1.7, 300.0, 1500.0, 0.33, 0.36)
SOME = 300  # starts: a fraction of the default


def runs(n=60, noise=0.0, law=TRUE, seed=0, low=18.5, high=21.5):
    random = np.random.default_rng(seed)
    flops = 10.0 ** random.uniform(low, high, n)
    params = np.sqrt(flops / 6 / 20) * np.exp(random.uniform(-1.2, 1.2, n))
    tokens = flops / 6 / params
    return Runs(params, tokens, law.loss(params, tokens) * np.exp(noise * random.standard_normal(n)))


@pytest.fixture(scope="module")
def noisy():
    some = runs(noise=0.005)
    return some, fit(some, starts=SOME)


def coefficients(law):
    return [law.e, law.a, law.b, law.alpha, law.beta]


def test_a_law_without_noise_is_found_again():
    found = fit(runs(), starts=SOME)
    assert coefficients(found.law) == pytest.approx(coefficients(TRUE), rel=1e-3)
    assert found.objective < 1e-8
    assert np.abs(found.errors).max() < 1e-5


def test_noise_moves_it_a_little(noisy):
    some, found = noisy
    assert found.law.e == pytest.approx(TRUE.e, rel=0.1)
    assert found.law.alpha == pytest.approx(TRUE.alpha, rel=0.3)
    assert found.agreeing >= 3
    assert Objective(some).value(Objective(some).place(TRUE)) > found.objective


def test_outliers_hardly_move_it(noisy):
    some, found = noisy
    losses = some.losses.copy()
    losses[:3] *= 1.5
    spoilt = fit(Runs(some.params, some.tokens, losses), starts=SOME)
    middle = 1e9, 2e10
    assert spoilt.law.loss(*middle) == pytest.approx(found.law.loss(*middle), rel=0.003)


def test_the_gradient_is_the_derivative():
    goal = Objective(runs(noise=0.003))
    at = goal.place(TRUE) + np.array([0.02, -0.01, 0.01, 0.003, -0.002])
    weights = np.random.default_rng(3).integers(0, 4, 60).astype(float)
    step = 1e-7
    for given in (None, weights):
        slopes = [(goal(at + step * axis, given)[0] - goal(at - step * axis, given)[0]) / (2 * step)
                  for axis in np.eye(5)]  # fmt: skip
        assert goal(at, given)[1] == pytest.approx(slopes, rel=1e-4, abs=2e-3)


def test_coordinates_and_back():
    goal = Objective(runs())
    e, a, b, alpha, beta = goal.logarithms(goal.place(TRUE))
    assert [np.exp(e), np.exp(a), np.exp(b), alpha, beta] == pytest.approx(coefficients(TRUE), rel=1e-12)
    assert goal.value(goal.place(TRUE)) == pytest.approx(0.0, abs=1e-15)


def test_refitting_the_same_runs_stays(noisy):
    some, found = noisy
    again = refit(some, found.law)
    assert again.objective == pytest.approx(found.objective, rel=1e-9)
    assert coefficients(again.law) == pytest.approx(coefficients(found.law), rel=1e-4)


def test_the_bootstrap_repeats_and_holds_the_truth(noisy):
    some, found = noisy
    first, second, other = (bootstrap(some, found.law, 60, seed) for seed in (7, 7, 8))
    assert np.array_equal(first.rows, second.rows)
    assert not np.array_equal(first.rows, other.rows)
    assert first.failed == 0
    low, high = np.quantile(first.laws.e, (0.01, 0.99))
    assert low < TRUE.e < high
    assert first.covariance.shape == (5, 5)
    assert first.mean[3] == pytest.approx(found.law.alpha, rel=0.2)


def test_a_warm_start_finds_what_many_starts_find(noisy):
    """The bootstrap descends from the fit only; for some resamples compare with the whole search."""
    some, found = noisy
    random = np.random.default_rng(5)
    for _ in range(3):
        rows = random.choice(len(some), len(some))
        again = Runs(some.params[rows], some.tokens[rows], some.losses[rows])
        assert refit(again, found.law).objective <= fit(again, starts=SOME).objective * (1 + 1e-6)


def test_errors_beyond_the_runs_are_small_for_a_true_law_and_grow_for_a_bent_one():
    good = runs(120, noise=0.002)
    straight = holdout(good, fit(good, starts=SOME))
    assert len(straight.cuts) == 6
    assert straight.loss_error < 0.02
    bent = Runs(good.params, good.tokens, good.losses * (1 + 0.01 * np.log10(good.flops / good.flops.min()) ** 2))
    assert holdout(bent, fit(bent, starts=SOME)).loss_error > 2 * straight.loss_error


def test_too_few_runs_leave_nothing_out():
    few = runs(13)
    assert holdout(few, fit(few, starts=SOME)).loss_error is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: Runs(r.params[:11], r.tokens[:11], r.losses[:11]), "too few"),
        (lambda r: Runs(r.params * 0 + 1e9, r.tokens, r.losses), "model sizes"),
        (lambda r: Runs(r.params, r.tokens * 0 + 1e9, r.losses), "numbers of tokens"),
        (lambda r: Runs(-r.params, r.tokens, r.losses), "above 0"),
        (lambda r: Runs(r.params, r.tokens, r.losses * np.nan), "finite"),
        (lambda r: Runs(r.params, r.tokens, 1.5 + 0.1 * np.log(r.params)), r"do not fall|run away"),
    ],
)
def test_runs_that_no_law_describes(change, told):
    with pytest.raises(BadInputError, match=told):
        fit(change(runs()), starts=SOME)


def test_bootstraps_that_say_nothing(noisy):
    some, found = noisy
    with pytest.raises(BadInputError, match="at least 20"):
        bootstrap(some, found.law, 5)
    with pytest.raises(BadInputError, match="seed"):
        bootstrap(some, found.law, 50, seed=-1)
    with pytest.raises(BadInputError, match="starts"):
        fit(some, starts=0)
