"""Quantiles of mixtures against draws, exact distributions and each other."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from drivetrain.serving.percentiles import (
    QUANTILES,
    Z,
    itl_quantile,
    latency_quantile,
    normal_below,
    normal_quantile,
    tpot_quantile,
)

shares = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=14)
chances = st.one_of(st.just(0.0), st.floats(0.01, 1.0))
means = st.one_of(st.just(0.0), st.floats(1e-3, 50.0))


def beyond(y, weight, own, p_one, mean_one, p_other, mean_other):
    """P(own + waits > y), as written down."""

    def tail(x, p, mean):
        return 0.0 if p == 0.0 or mean == 0.0 else p * math.exp(-x * p / mean)

    left = [(1 - tail(y - x, p_one, mean_one)) * (1 - tail(y - x, p_other, mean_other)) if y >= x else 0 for x in own]
    return 1.0 - float(weight @ np.array(left))


@settings(max_examples=200)
@given(shares, st.randoms(use_true_random=False), chances, means, chances, means,
       st.sampled_from(QUANTILES))  # fmt: skip
def test_a_latency_quantile_is_where_the_share_beyond_it_is_what_it_says(w, random, p_one, one, p_other, other, q):
    weight = np.array(w) / sum(w)
    own = np.array([random.uniform(0.01, 10.0) for _ in w])
    case = weight, own, p_one, p_one * one, p_other, p_other * other
    y = latency_quantile(q, *case)
    slack = 2e-4 * y + own.max() / 100  # waits far shorter than own times are left out
    assert beyond(y + slack, *case) <= 1 - q + 1e-9 <= beyond(max(y - slack, 0.0), *case) + 2e-9


def test_a_latency_quantile_without_waits_is_that_of_the_classes():
    weight, own = np.array([0.5, 0.3, 0.2]), np.array([3.0, 1.0, 2.0])
    found = [latency_quantile(q, weight, own, 0.0, 0.0, 0.0, 0.0) for q in QUANTILES]
    assert found == pytest.approx([2.0, 3.0, 3.0, 3.0])


def test_an_exponential_wait_has_its_own_quantiles():
    """P(wait > y) = 0.4 exp(-0.4 y / 2): nine tenths wait no longer than 5 ln 4."""
    one = np.ones(1)
    assert latency_quantile(0.9, one, one, 0.4, 2.0, 0.0, 0.0) == pytest.approx(1 + 5 * math.log(4), rel=1e-4)
    assert latency_quantile(0.5, one, one, 0.4, 2.0, 0.0, 0.0) == pytest.approx(1.0)


def draws(weight, steps, deviation, skew, t, excess, n=400_000):
    """Requests of the classes with Gamma losses: mean ``t + excess / steps``."""
    rng = np.random.default_rng(7)
    of = rng.choice(len(weight), n, p=weight)
    shape = 4.0 / skew**2
    scaled = (rng.gamma(shape, 1.0, n) - shape) / math.sqrt(shape)
    return t + excess / steps[of] + deviation[of] * scaled


@pytest.mark.parametrize("at", range(4))
def test_a_tpot_quantile_is_that_of_shifted_gamma_draws(at):
    weight, steps = np.array([0.2, 0.5, 0.3]), np.array([10.0, 100.0, 400.0])
    t, t_decode, excess, each2 = 0.02, 0.015, 0.05, 4e-4
    found = tpot_quantile(at, weight, steps, t, t_decode, 1e30, excess, 0.0, each2, 0.0, 0.0)
    seen = []
    for share, n in zip(weight, steps, strict=True):
        deviation = math.sqrt(each2 / n)
        skew = 2.0 * deviation / (t + excess / n - t_decode)
        seen.append(draws(np.ones(1), np.array([n]), np.array([deviation]), skew, t, excess)[: int(share * 400_000)])
    assert found == pytest.approx(np.quantile(np.concatenate(seen), QUANTILES[at]), rel=0.02)


def test_a_tpot_quantile_of_one_class_without_prompts_is_normal():
    one = np.ones(1)
    for at, z in enumerate(Z):
        found = tpot_quantile(at, one, 50.0 * one, 0.02, 0.02, 1e30, 0.0, 0.0, 0.0, 0.003, 0.0)
        assert found == pytest.approx(0.02 + z * 0.003, rel=3e-3)


@settings(max_examples=100)
@given(shares, st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 0.01))
def test_tpot_quantiles_are_in_order_and_not_far_beyond_the_longest_step(w, once2, each2, batch):
    weight = np.array(w) / sum(w)
    steps = np.geomspace(1.0, 1000.0, len(w))
    found = [
        tpot_quantile(at, weight, steps, 0.02, 0.015, 0.1, 0.3, 1e-2 * once2, 1e-2 * each2, batch, 0.0)
        for at in range(4)
    ]
    assert all(after >= before * (1 - 1e-4) for before, after in pairwise(found))  # each is searched for by itself
    assert found[0] >= 0.0


def test_normal_shares_and_quantiles():
    z = np.linspace(-4.0, 4.0, 81)
    assert [normal_below(x) for x in z] == pytest.approx(stats.norm.cdf(z), abs=2.6e-4)
    p = np.linspace(0.001, 0.999, 99)
    assert [normal_quantile(x) for x in p] == pytest.approx(stats.norm.ppf(p), abs=6e-4)


def test_gaps_within_a_step_are_nothing_and_those_between_are_steps():
    assert itl_quantile(0, 0.01, 0.05, 0.02, 0.0, 0.0, 1.0, 1.0) == 0.01
    assert itl_quantile(3, 0.01, 0.05, 0.02, 0.0, 0.0, 1.0, 1.0) == 0.05
    assert itl_quantile(0, 0.01, 0.05, 0.02, 0.0, 0.0, 1.0, 3.0) == 0.0
