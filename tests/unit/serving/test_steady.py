"""Closed forms: an engine whose step takes 10 ms whatever is in it turns the replica into textbook queues."""

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
from drivetrain.errors import BadInputError, LayoutError
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.loop_flow import circulate
from drivetrain.serving.marginal import marginals
from drivetrain.serving.steady import at_concurrency, at_rate, max_rate, prepare

STEP = 0.01
BF16 = Checkpoint("bf16", "bf16", {})
TINY = Model("tiny", (), "test", 64, 100, (LayerGroup(1, Attention(8, 8, 8, 8), Dense(64)),), False, 4096, (BF16,))
FAST = Hardware("fast", "fast", {"bf16": 1e25}, 1e25, 1e12, 1000.0, 100.0, Topology("switch", 8, 1e20, 8, 0.0, "x"))
CLOCK = replace(IDEAL, step_s=STEP)
ENGINE = Engine("e", (), "e", "1", "2026", True, 1024, 256, 0.9, 16, (), (), {})


def lengths(isl=512.0, osl=101.0, cv2=1.0):
    return Lengths(np.array([1.0]), np.array([isl]), np.array([osl]), np.array([isl]), cv2)


def replica(load, budget=1024.0, max_seqs=np.inf, hardware=FAST, eff=CLOCK):
    piece = cut(TINY, BF16, Layout(), "bf16")
    return prepare(deploy(piece, hardware, ENGINE, eff, DATASHEET), load, budget, max_seqs)


def test_every_token_takes_a_step():
    state = at_rate(replica(lengths()), 5.0)
    assert state.tpot.mean == pytest.approx(STEP, rel=1e-6)
    assert state.decoding == pytest.approx(5.0 * 100 * STEP, rel=1e-6)


def test_an_idle_replica_waits_half_a_step_and_takes_one():
    state = at_rate(replica(lengths()), 1e-6)
    assert state.ttft.mean == pytest.approx(1.5 * STEP, rel=1e-4)
    assert at_rate(replica(lengths(isl=4096.0)), 1e-6).ttft.mean == pytest.approx(4.5 * STEP, rel=1e-4)


@pytest.mark.parametrize("cv2", [0.5, 1.0])
def test_long_prompts_queue_as_kingman_says(cv2):
    """Prompts of 64 budgets are customers one by one; equal sizes add nothing to the arrivals' variance."""
    load = 0.6
    rate = load / (64.0 * STEP)
    state = at_rate(replica(lengths(isl=65536.0, osl=2.0, cv2=cv2)), rate)
    assert state.prefill_load == pytest.approx(load, rel=1e-6)
    assert state.queue_s == pytest.approx(load / (1 - load) * cv2 / 2 * 64.0 * STEP, rel=0.02)


def played(rate, cv2, prompts_a_step=2, n=200_000):
    """Times to the first token of requests of two tokens, step by step: each step runs the prompts that wait for it."""
    arrivals = np.cumsum(np.random.default_rng(1).gamma(1.0 / cv2, cv2 / rate, n)).tolist()
    ttft, now, decoding, first = np.empty(n), 0.0, 0, 0
    while first < n:
        now = now if decoding else max(now, arrivals[first])
        behind = first
        while behind < min(n, first + prompts_a_step) and arrivals[behind] <= now:
            behind += 1
        now += STEP
        ttft[first:behind] = now - np.array(arrivals[first:behind])
        decoding, first = behind - first, behind
    return ttft


@pytest.mark.parametrize("cv2", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("load", [0.6, 0.85])
def test_prompts_within_a_budget_wait_for_steps_that_run_several(cv2, load):
    """Half a budget each, two run at once: Kingman's queue of single prompts beside the step under way is too long."""
    rate = load / (0.5 * STEP)
    state = at_rate(replica(lengths(osl=2.0, cv2=cv2)), rate)
    assert state.prefill_load == pytest.approx(load, rel=1e-6)
    seen = played(rate, cv2)
    assert state.ttft.mean == pytest.approx(seen.mean(), rel=0.12)
    assert state.ttft.p95 == pytest.approx(np.quantile(seen, 0.95), rel=0.25)
    if cv2 <= 1.0:
        assert state.queue_s < load / (1 - load) * cv2 / 2 * 0.5 * STEP


def test_capacity_is_the_prompt_queue_or_the_slots():
    assert max_rate(replica(lengths(osl=2.0))) == pytest.approx(1 / (0.5 * STEP), rel=1e-4)
    slots = max_rate(replica(lengths(osl=1001.0), max_seqs=20.0))
    assert slots == pytest.approx(20.0 / (1000 * STEP), rel=0.01)  # the prompt holds its slot a little, too


@pytest.mark.parametrize("concurrency", [1.0, 4.0, 16.0])
def test_a_loop_turns_over_once_in_prompt_and_decode(concurrency):
    state = at_concurrency(replica(lengths()), concurrency)
    assert state.tpot.mean == pytest.approx(STEP, rel=1e-6)
    assert state.rate == pytest.approx(concurrency / (state.ttft.mean + 100 * STEP), rel=1e-3)


@pytest.mark.parametrize("in_step", [False, True])
def test_a_loop_has_the_flow_of_its_requests(in_step):
    """1500 tokens are one step and half of another: prompts side by side share steps."""
    prepared = replica(lengths(isl=1500.0, osl=41.0))
    flow, state = circulate(prepared, 12.0, in_step), at_concurrency(prepared, 12.0, in_step)
    assert (state.rate, state.decoding) == (flow.rate, flow.decoding)
    assert state.tpot.mean == pytest.approx(flow.tpot_s)
    assert state.ttft.mean + 40.0 * state.tpot.mean == pytest.approx(state.e2e.mean)
    assert state.rate * state.e2e.mean == pytest.approx(12.0)


def test_requests_beyond_the_slots_wait_their_turn():
    eight, many = (at_concurrency(replica(lengths(), max_seqs=8.0), c) for c in (8.0, 80.0))
    assert many.rate == eight.rate
    assert many.ttft.mean - eight.ttft.mean == pytest.approx(72.0 / eight.rate, rel=1e-3)


def test_power_is_static_where_nothing_is_moved():
    state = at_rate(replica(lengths()), 100.0)
    assert state.power_w == pytest.approx(IDEAL.static_power * 1000.0, rel=1e-3)
    assert at_rate(replica(lengths()), 1e-9).power_w == pytest.approx(100.0, rel=1e-3)


def test_an_overloaded_stream_is_not_stable_and_has_no_latency():
    state = at_rate(replica(lengths()), 1e6)
    assert not state.stable
    assert np.isnan(state.ttft.mean)


def test_only_what_binds_has_a_marginal_gain():
    prepared = replica(lengths(osl=2.0))
    gains = {m.resource: m.capacity_gain_frac for m in marginals(prepared, (), max_rate(prepared))}
    assert gains["engine_overhead"] == pytest.approx(1 / 0.9 - 1, rel=1e-3)
    for resource in ("hbm_bandwidth", "compute", "network", "hbm_capacity"):
        assert gains[resource] == pytest.approx(0.0, abs=1e-4)
    assert marginals(prepared, (), 0.0) == []


def test_a_replica_that_holds_no_sequence_says_so():
    with pytest.raises(BadInputError, match="no sequence fits"):
        at_concurrency(replica(lengths(), hardware=replace(FAST, memory_bytes=1.0)), 4.0)


def test_ranks_that_do_not_tile_a_domain_are_refused():
    piece = cut(TINY, BF16, Layout(tp=8), "bf16")
    narrow = replace(FAST, topology=replace(FAST.topology, domain=4))
    with pytest.raises(LayoutError, match="no scale-out network"):
        deploy(piece, narrow, ENGINE, CLOCK, DATASHEET)
