"""Closed forms of two pools whose every step takes 10 ms, joined by links that do what their rate says."""

from dataclasses import replace

import numpy as np
import pytest
from test_steady import BF16, CLOCK, ENGINE, STEP, TINY, lengths
from test_transfer import NETWORKED, PLAIN

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.disaggregation import handovers
from drivetrain.catalogue.model import LayerGroup, Recurrent
from drivetrain.errors import BadInputError
from drivetrain.serving import steady
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.disagg import Pool, at_concurrency, at_rate, disaggregated, max_rate
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.pool_pairs import pair_problem
from drivetrain.serving.pools import prefill_at
from drivetrain.serving.slo import Target

VLLM, SGLANG, TRTLLM = (handovers()[name] for name in ("vllm", "sglang", "trtllm"))
QUIET = 1e-6  # requests/s: nobody else is there


def pools(load=None, handover=TRTLLM, *, eff=CLOCK, budget=1024.0, x=1, y=1, max_seqs=np.inf, nic=None, memory=None):
    hardware = NETWORKED
    if nic is not None:
        hardware = replace(hardware, topology=replace(hardware.topology, nic_bytes_per_s=nic))
    if memory is not None:
        hardware = replace(hardware, memory_bytes=memory)
    d = deploy(cut(TINY, BF16, Layout(), "bf16"), hardware, ENGINE, eff, PLAIN)
    return disaggregated(
        Pool(d, budget, np.inf, x), Pool(d, budget, max_seqs, y), load or lengths(), handover, "network"
    )


def way(d):
    """The time of the cache of the only class, alone on its link."""
    return d.transfer.seconds[0]


def test_a_request_alone_is_a_prompt_its_cache_and_a_place_in_the_batch():
    d = pools()
    state = at_rate(d, QUIET)
    # one step for the prompt, no step of others before it; the decode replica's step under way is half gone
    assert state.ttft.mean == pytest.approx(STEP + way(d) + STEP / 2, rel=1e-4)
    assert state.tpot.mean == pytest.approx(STEP, rel=1e-6)
    assert state.e2e.mean == pytest.approx(state.ttft.mean + 100 * STEP, rel=1e-9)


def test_where_decode_makes_the_first_token_it_takes_one_step_more():
    prefill, decode = at_rate(pools(handover=TRTLLM), QUIET), at_rate(pools(handover=VLLM), QUIET)
    assert decode.ttft.mean - prefill.ttft.mean == pytest.approx(STEP, rel=1e-3)
    assert decode.tpot.mean == pytest.approx(prefill.tpot.mean, rel=1e-6)


def test_chunks_leave_while_the_prompt_is_computed():
    long = lengths(isl=4096.0)  # four steps of 1024 tokens
    whole, chunks = pools(long), pools(long, replace(TRTLLM, sends="chunk"))
    layers = pools(long, replace(TRTLLM, sends="layer"))
    assert at_rate(whole, QUIET).ttft.mean == pytest.approx(4 * STEP + way(whole) + STEP / 2, rel=1e-4)
    hidden = at_rate(whole, QUIET).ttft.mean - at_rate(chunks, QUIET).ttft.mean
    assert hidden == pytest.approx(0.75 * way(whole), rel=1e-4)
    assert at_rate(layers, QUIET).ttft.mean == pytest.approx(at_rate(whole, QUIET).ttft.mean, rel=1e-9)  # one layer


def test_request_overhead_is_met_once():
    assert at_rate(pools(eff=replace(CLOCK, request_s=0.2)), QUIET).ttft.mean == pytest.approx(
        at_rate(pools(), QUIET).ttft.mean + 0.2, rel=1e-4
    )


@pytest.mark.parametrize("cv2", [0.5, 1.0, 4.0])
def test_prompts_of_a_full_step_wait_as_in_a_single_server(cv2):
    """Prompts of one budget, a step each: Kingman's wait, the step under way not counted beside it.

    Bursts wait for longer than that, by Lindley's recursion: each waits for what the one before leaves.
    """
    rate = 60.0
    load = rate * STEP
    state = at_rate(pools(lengths(isl=1024.0, osl=2.0, cv2=cv2), x=1, y=100), rate)
    wait = load / (1 - load) * cv2 / 2 * STEP
    if cv2 > 1.0:
        gained = np.cumsum(1.0 - np.random.default_rng(1).gamma(1.0 / cv2, cv2 / load, 1_000_000))
        lindley = float((gained - np.minimum.accumulate(np.minimum(gained, 0.0))).mean()) * STEP
        assert lindley > 1.2 * wait
        wait = lindley
    assert state.prefill.ttft.mean == pytest.approx(wait + STEP, rel=0.02 if cv2 <= 1.0 else 0.2)
    assert state.prefill.queue_s == pytest.approx(wait, rel=1e-6 if cv2 <= 1.0 else 0.2)


def test_capacity_is_that_of_the_narrowest_stage():
    by_prompts = pools(lengths(osl=2.0))
    assert max_rate(by_prompts) == pytest.approx(1 / (0.5 * STEP), rel=0.01)
    assert max_rate(pools(lengths(osl=2.0), x=2)) == pytest.approx(2 / (0.5 * STEP), rel=0.01)
    by_slots = pools(lengths(osl=1002.0), max_seqs=20.0)
    assert max_rate(by_slots) == pytest.approx(20.0 / (1001 * STEP), rel=0.02)
    assert max_rate(pools(lengths(osl=1002.0), max_seqs=20.0, y=3)) == pytest.approx(60.0 / (1001 * STEP), rel=0.02)
    by_link = pools(lengths(osl=2.0), nic=1e6)
    assert max_rate(by_link) == pytest.approx(1 / way(by_link), rel=0.01)


def test_caches_on_their_way_take_room():
    load = lengths(osl=201.0)
    one = pools(load).decode.memory
    tight = (one.weights + one.workspace + one.overhead + 5 * one.sequence_bytes) / ENGINE.memory_frac
    slow, fast = (pools(load, nic=nic, memory=tight) for nic in (2e5, 2e9))
    assert slow.decode.memory.fits == fast.decode.memory.fits == 4
    rate = float(0.5 / way(slow))
    full = at_rate(slow, rate).decode.queue_s
    assert full > 2 * at_rate(fast, rate).decode.queue_s
    early = replace(slow, handover=replace(TRTLLM, reserves="prefill"))  # held from before the prompt on
    assert at_rate(early, rate).decode.queue_s > full
    room = slow.prefill.prepared.memory.fits  # the prefill side holds what has not left yet
    assert prefill_at(slow.prefill, rate, 0.9 * room / rate).queue_s > prefill_at(slow.prefill, rate).queue_s
    assert not prefill_at(slow.prefill, rate, room / rate).stable


def test_requests_of_one_token_end_in_the_prefill_pool():
    ones = lengths(osl=1.0)
    assert pools(ones).decoded_frac == 0.0
    assert pools(ones, VLLM).decoded_frac == 1.0
    half = Lengths(
        np.array([0.5, 0.5]), np.array([512.0, 512.0]), np.array([1.0, 101.0]), np.array([512.0, 512.0]), 1.0
    )
    d = pools(half)
    assert d.decoded_frac == 0.5
    state = at_rate(d, 1.0)
    assert state.decode.rate == pytest.approx(0.5)
    assert state.ttft.mean == pytest.approx(state.prefill.ttft.mean + 0.5 * (way(d) + STEP / 2), rel=0.01)


def test_fewer_tokens_out_need_fewer_decode_replicas():
    rates = [max_rate(pools(lengths(osl=osl), max_seqs=20.0, x=1000)) for osl in (1001.0, 101.0, 11.0, 3.0)]
    assert rates == sorted(rates)
    assert rates[-1] > 100 * rates[0]


def test_twice_the_fleet_takes_twice_the_load_alike():
    one, two = at_rate(pools(), 20.0), at_rate(pools(x=2, y=2), 40.0)
    for metric in ("ttft", "tpot", "itl", "e2e"):
        assert two.latency(metric) == one.latency(metric)
    assert two.in_system == pytest.approx(2 * one.in_system)


@pytest.mark.parametrize("concurrency", [1.0, 4.0, 32.0])
def test_a_loop_turns_over_in_prompt_transfer_and_decode(concurrency):
    d = pools()
    state = at_concurrency(d, concurrency)
    assert state.rate * state.e2e.mean == pytest.approx(concurrency, rel=1e-3)
    assert state.tpot.mean == pytest.approx(STEP, rel=1e-6)
    if concurrency == 1.0:
        assert state.ttft.mean == pytest.approx(STEP + way(d) + STEP / 2, rel=1e-3)


def test_a_loop_beyond_the_slots_waits():
    eight, many = (at_concurrency(pools(max_seqs=8.0), c) for c in (8.0, 80.0))
    assert many.rate == pytest.approx(eight.rate, rel=0.15)
    assert many.in_system == 80.0
    assert many.ttft.mean > 5 * eight.ttft.mean


def test_overload_has_no_latency():
    state = at_rate(pools(), 1e6)
    assert not state.stable
    assert np.isnan(state.ttft.mean)
    assert max_rate(pools(), (Target("ttft", "mean", 1e-9),)) == 0.0


def test_memory_that_holds_nothing_is_an_error_in_a_loop():
    with pytest.raises(BadInputError, match="no sequence fits"):
        at_concurrency(pools(memory=1.0), 4.0)
    with pytest.raises(BadInputError, match="at least 1"):
        at_concurrency(pools(), 0.5)


def test_the_decode_pool_is_the_solver_on_what_reaches_it():
    d = pools(x=2, y=3)
    state = at_rate(d, 30.0)
    own = steady.at_rate(d.decode, 10.0)
    assert state.decode == own
    assert state.tpot == own.tpot
    assert state.itl == own.itl


def test_engines_say_which_layouts_they_hand_over_between():
    tp4, tp8, pp2 = Layout(tp=4), Layout(tp=8), Layout(tp=4, pp=2)
    assert pair_problem(VLLM, TINY, tp4, tp8) == ""
    assert "same pp" in pair_problem(VLLM, TINY, pp2, tp8)
    assert pair_problem(TRTLLM, TINY, pp2, tp8) == ""
    state = Recurrent("mamba2", 8, 64, 64, 64, 0, 1.0, "bf16")
    hybrid = replace(TINY, layers=(*TINY.layers, LayerGroup(1, state, TINY.layers[0].ffn)))
    assert "recurrent" in pair_problem(VLLM, hybrid, tp4, tp8)
    assert pair_problem(VLLM, hybrid, tp4, tp4) == ""
    assert "alike" in pair_problem(TRTLLM, hybrid, tp4, tp4)
    fewer = replace(TINY.layers[0].mixer, n_kv_heads=4)
    uneven = replace(TINY, layers=(*TINY.layers, LayerGroup(1, fewer, TINY.layers[0].ffn)))
    assert "alike" in pair_problem(TRTLLM, uneven, tp4, tp4)
    windowed = replace(TINY.layers[0].mixer, window=128)
    sliding = replace(TINY, layers=(*TINY.layers, LayerGroup(1, windowed, TINY.layers[0].ffn)))
    assert pair_problem(TRTLLM, sliding, tp4, tp4) == ""
