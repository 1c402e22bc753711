"""Loops whose steps take 10 ms whatever is in them: rounds can be counted. Then loops played request by request."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Attention, Checkpoint, Dense, LayerGroup, Model
from drivetrain.comms.collectives import DATASHEET
from drivetrain.comms.topology import Topology
from drivetrain.cost.efficiency import IDEAL
from drivetrain.cost.hardware import Hardware
from drivetrain.serving import kernel
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.loop_flow import circulate
from drivetrain.serving.steady import prepare

STEP = 0.01
BF16 = Checkpoint("bf16", "bf16", {})
TINY = Model("tiny", (), "test", 64, 100, (LayerGroup(1, Attention(8, 8, 8, 8), Dense(64)),), False, 4096, (BF16,))
FAST = Hardware("fast", "fast", {"bf16": 1e25}, 1e25, 1e12, 1000.0, 100.0, Topology("switch", 8, 1e20, 8, 0.0, "x"))
ENGINE = Engine("e", (), "e", "1", "2026", True, 1024, 256, 0.9, 16, (), (), {})


def replica(isl=(512.0,), osl=(101.0,), *, budget=1024.0, max_seqs=np.inf, lanes=1, ranks=1, apart=False, away_s=0.0):
    n = len(isl)
    load = Lengths(np.full(n, 1.0 / n), np.array(isl), np.array(osl), np.array(isl), 1.0)
    piece = cut(TINY, BF16, Layout(), "bf16")
    found = prepare(deploy(piece, FAST, ENGINE, replace(IDEAL, step_s=STEP), DATASHEET), load, budget, max_seqs)
    numbers = found.scalars.copy()
    numbers[[kernel.APART, kernel.REQUEST_S, kernel.LANES, kernel.DP]] = float(apart), away_s, lanes, ranks
    return replace(found, scalars=numbers)


@pytest.mark.parametrize("in_step", [False, True])
@pytest.mark.parametrize("concurrency", [1.0, 2.0, 17.0])
def test_a_round_is_a_prompt_and_the_steps_of_an_answer(concurrency, in_step):
    flow = circulate(replica(isl=(16.0,)), concurrency, in_step)
    assert flow.tpot_s == pytest.approx(STEP)
    assert flow.rate == pytest.approx(concurrency / (101.0 * STEP), rel=0.01 if concurrency > 1 else 1e-9)


def test_prompts_apart_are_waited_for():
    """In step they come when everybody has ended, mixed they come at any time; either way others wait for them."""
    mixed, stepped = (circulate(replica(apart=True), 8.0, in_step) for in_step in (False, True))
    assert mixed.tpot_s > 1.03 * STEP
    # eight prompts are four steps: the request of the first waits for three of them, that of the last for none
    assert stepped.tpot_s == pytest.approx((100.0 + 1.5) / 100.0 * STEP, rel=1e-6)
    assert stepped.rate == pytest.approx(8.0 / (104.0 * STEP), rel=1e-6)


def test_prompts_without_end_leave_no_step_without_them():
    """A prompt is eight steps of the budget, an answer ten: one at a time is prefilled, whoever else is there."""
    for in_step in (False, True):
        flow = circulate(replica(isl=(8192.0,), osl=(11.0,)), 50.0, in_step)
        assert flow.mixed_frac == pytest.approx(1.0)
        assert flow.rate == pytest.approx(1.0 / (8.0 * STEP), rel=0.01)
        assert flow.decoding == pytest.approx(10.0 / 8.0, rel=0.02)


def test_who_is_away_decodes_no_token():
    """Away for thirty steps of a round of a hundred and one; who comes back in a step waits for the next."""
    near, far = (circulate(replica(isl=(16.0,), away_s=s), 20.0).rate for s in (0.0, 0.3))
    assert far / near == pytest.approx(101.0 / (101.0 + 30.5), rel=0.01)
    alone = circulate(replica(isl=(16.0,), away_s=0.3), 1.0).rate
    assert alone == pytest.approx(1.0 / (131.0 * STEP), rel=1e-6)


def test_a_core_that_stands_empty_takes_no_steps():
    flow = circulate(replica(away_s=5.0), 1.0)
    assert flow.step_s == pytest.approx(STEP)
    assert flow.decoding == pytest.approx(100.0 * STEP / (5.0 + 101.0 * STEP))


def test_what_does_not_fit_waits_and_makes_nothing_longer():
    slots = circulate(replica(max_seqs=8.0), 8.0)
    many = circulate(replica(max_seqs=8.0), 80.0)
    assert many == slots
    assert circulate(replica(max_seqs=8.0, away_s=0.3), 80.0).rate == pytest.approx(slots.rate, rel=1e-6)


def test_lanes_and_ranks_have_their_share():
    one = circulate(replica(), 4.0)
    lanes = circulate(replica(lanes=2), 8.0)
    assert lanes.rate == pytest.approx(2.0 * one.rate, rel=1e-6)
    assert circulate(replica(ranks=2), 8.0).rate == pytest.approx(2.0 * one.rate, rel=1e-6)
    between = [circulate(replica(lanes=2), c).rate for c in (8.0, 9.0, 10.0)]
    assert between[1] == pytest.approx(0.5 * (between[0] + between[2]))


def test_only_requests_of_one_length_march():
    various = replica(isl=(512.0, 256.0), osl=(101.0, 51.0), apart=True)
    assert circulate(various, 8.0, True) == circulate(various, 8.0, False)


def test_answers_of_one_token_are_prompts_only():
    flow = circulate(replica(osl=(1.0,)), 6.0)
    assert flow.rate == pytest.approx(2.0 / STEP)
    assert flow.decoding == 0.0


def played(prepared, n, concurrency, draw):
    """(Requests/s, mean gap of a token) of a rank played step by step: prompts first, each token a step."""
    budget, apart = prepared.budget, bool(prepared.scalars[kernel.APART])
    isl, osl = draw(n)
    waiting, left = list(range(concurrency)), []
    sent, now, decoded, tokens, ended, began = concurrency, 0.0, 0.0, 0, [], isl[0]
    while len(ended) < n - concurrency:
        room, decodes, new = budget - (0 if apart else len(left)), len(left), []
        prompts = bool(waiting)
        while waiting and room >= 1.0:
            size = min(began, room)
            room, began = room - size, began - size
            if began > 0.0:
                break
            new.append(waiting.pop(0))
            began = isl[waiting[0]] if waiting else 0.0
        now += STEP
        decoded += decodes * STEP
        if not (apart and prompts):
            tokens += decodes
            left = [k - 1 for k in left]
            over = left.count(0)
            ended += [now] * over
            left = [k for k in left if k > 0]
            for _ in range(over):
                began = began if waiting else isl[sent]
                waiting.append(sent)
                sent += 1
        left += [int(osl[r]) - 1 for r in new]
    start = len(ended) // 4
    return (len(ended) - start) / (now - ended[start]), decoded / tokens


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("isl", [300.0, 1500.0])
@pytest.mark.parametrize("concurrency", [3, 24])
def test_answers_that_end_at_random_are_followed_to_a_few_percent(isl, concurrency, apart):
    rng, prepared = np.random.default_rng(11), replica(isl=(isl,), osl=(61.0,), apart=apart)
    rate, gap = played(prepared, 6000, concurrency, lambda n: (np.full(n, isl), 1 + rng.geometric(1.0 / 60.0, n)))
    flow = circulate(prepared, float(concurrency))
    assert flow.rate == pytest.approx(rate, rel=0.05)
    assert flow.tpot_s == pytest.approx(gap, rel=0.05)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("isl", [300.0, 1500.0, 5000.0])
@pytest.mark.parametrize("concurrency", [3, 24])
def test_requests_of_one_length_march(isl, concurrency, apart):
    prepared = replica(isl=(isl,), osl=(61.0,), apart=apart)
    rate, gap = played(prepared, 60 * concurrency, concurrency, lambda n: (np.full(n, isl), np.full(n, 61)))
    flow = circulate(prepared, float(concurrency), in_step=True)
    assert flow.rate == pytest.approx(rate, rel=0.05)
    assert flow.tpot_s == pytest.approx(gap, rel=0.05)
