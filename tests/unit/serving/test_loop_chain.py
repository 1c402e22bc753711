"""Shares of a chain against its definition, solved another way."""

import numpy as np
import pytest

from drivetrain.serving.loop_chain import shares


def moves(done, completes, end, rounds=200_000, seed=3):
    """Shares of steps of a core played step by step."""
    rng, n = np.random.default_rng(seed), len(done) - 1
    seen, w = np.zeros(n + 1), n
    for _ in range(rounds):
        seen[w] += 1
        whole = int(done[w])
        finished = whole + int(rng.random() < done[w] - whole)
        w += -finished + int(rng.binomial(n - w, end) if completes[w] else 0)
    return seen / rounds


def test_one_request_waits_a_step_in_each_round():
    for gaps in (1.0, 7.0, 250.0):
        found = shares(np.array([0.0, 1.0]), np.array([True, True]), 1.0 / gaps)
        assert found == pytest.approx([gaps / (1.0 + gaps), 1.0 / (1.0 + gaps)], rel=1e-12)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("rate", [0.4, 1.7, 9.0])
def test_shares_are_those_of_steps_played_one_by_one(apart, rate):
    waiting = np.arange(10.0)
    done = np.minimum(waiting, rate)
    completes = waiting == 0.0 if apart else np.full(10, True)
    np.testing.assert_allclose(shares(done, completes, 0.15), moves(done, completes, 0.15), atol=0.006)


def test_as_many_prompts_are_done_as_requests_complete():
    waiting = np.arange(61.0)
    done = np.minimum(0.8 * waiting, 3.3)
    share = shares(done, np.full(61, True), 0.02)
    assert share.sum() == pytest.approx(1.0)
    assert share @ done == pytest.approx(0.02 * share @ (60.0 - waiting), rel=1e-9)


def test_a_crowd_that_never_clears_is_told_from_one_that_is_always_there():
    """Far from the states that it stays in the chain's probabilities are beyond what a float holds."""
    done = np.minimum(np.arange(401.0), 0.05)
    share = shares(done, np.full(401, True), 1.0 / 20.0)
    assert share @ done == pytest.approx(0.05, rel=1e-9)
    assert share @ (400.0 - np.arange(401.0)) == pytest.approx(1.0, rel=1e-6)
