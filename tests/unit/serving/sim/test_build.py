"""Pools built from deployments: the same numbers as the steady state has, in the units of the simulator."""

import math
from dataclasses import replace

import numpy as np
import pytest
from deployments_to_build import HOPPER, deployment

from drivetrain.arch.layout import Layout
from drivetrain.arch.memory import CacheTerm
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.errors import BadInputError, DoesNotFitError, UnsupportedError
from drivetrain.serving import closed_loop, kernel
from drivetrain.serving.deployment import scalars
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.reuse import host_bytes_per_s
from drivetrain.serving.sim.build import Setup, cache_of, pool_of, prefix_problem, rules_of, windows_follow
from drivetrain.serving.sim.build_start import checkpoint_bytes, cold_start_s
from drivetrain.serving.sim.records import DECODE, PREFILL, Fleet, Options, Requests
from drivetrain.serving.sim.reference import simulate
from drivetrain.serving.steady import prepare

DRAFTS = "speculative=ngram"


def holding(d, state=0.0, **spans):
    """``d`` with other cache terms: ``all`` and ``window`` bytes a token, ``state`` bytes a sequence."""
    terms = tuple(CacheTerm(value, None if name == "all" else 128) for name, value in spans.items())
    return replace(d, cut=replace(d.cut, resident=replace(d.cut.resident, cache=terms, state_bytes=state)))


@pytest.mark.parametrize(
    ("model", "layout", "techniques"),
    [
        ("llama-3.1-8b", Layout(), ""),
        ("llama-3.1-8b", Layout(tp=2, pp=2), "power-cap=0.7"),
        ("qwen3-30b-a3b", Layout(dp=2, ep=2), "two-batch-overlap=on"),
        ("gpt-oss-20b", Layout(), "speculative=eagle,acceptance=0.6"),
    ],
)
def test_a_pool_has_the_scalars_of_the_steady_state(model, layout, techniques):
    d = deployment(model, layout, techniques=techniques)
    p = prepare(d, lengths_of(fixed(1000, 100)), 4096.0, 512.0)
    pool = pool_of(d, 4096.0, 512.0, Setup())
    n = scalars(d, 4096.0, p.max_seqs)
    assert pool.step.scalars.tolist() == n[:4].tolist()
    assert np.array_equal(pool.step.ops, d.coefficients.ops)
    assert pool.step.spans.tolist() == p.contexts.spans.tolist()
    assert (pool.pp, pool.dp, pool.n_accelerators) == (layout.pp, layout.dp, layout.n_accelerators)
    assert (pool.static_w, pool.tdp_w, pool.idle_w) == (n[kernel.STATIC_W], n[kernel.TDP_W], n[kernel.IDLE_W])
    assert pool.frontend_s == n[kernel.REQUEST_S] > 0.0
    assert (pool.step.verified, pool.step.hidden_frac) == (n[kernel.VERIFY], n[kernel.OVERLAP])
    expected = sum(pool.step.acceptance**j for j in range(pool.step.verified))
    assert expected == pytest.approx(n[kernel.YIELD])
    # blocks hold as many tokens as bytes do, up to one block of each core
    one = sum(term.bytes_per_token for term in d.cut.resident.cache if term.span is None)
    cache = pool.cache.blocks * pool.cache.block_tokens * one * layout.pp
    assert cache <= p.memory.cache < cache + (pool.cache.block_tokens * one) * layout.pp


def test_the_closed_loop_of_a_built_pool_is_that_of_the_harness():
    """Prompts of several chunks, more in flight than one step takes: every request to a nanosecond."""
    for engine in ("vllm", "sglang"):
        d = deployment(engine=engine)
        pool = replace(pool_of(d, 2048.0, 64.0, Setup()), frontend_s=0.0)
        rng, n, concurrency = np.random.default_rng(7), 60, 12
        isl, osl = rng.integers(300, 3000, n), rng.integers(2, 60, n)
        ttft, tpot = np.empty(n), np.empty(n)
        closed_loop.run(
            d.coefficients.ops, d.coefficients.collectives, pool.step.scalars, pool.step.spans, isl.astype(float),
            osl.astype(float), concurrency, 2048.0, float(concurrency), 1.0, engine == "sglang", False, 0.0, 0.0, 1, 0,
            ttft, tpot,
        )  # fmt: skip
        out = simulate(Fleet(pools=(pool,)), looping(isl, osl, concurrency), Options())
        assert out.first_s - out.sent_s == pytest.approx(ttft, abs=1e-9), engine
        assert (out.finish_s - out.first_s) / (osl - 1) == pytest.approx(tpot, abs=1e-9), engine


def looping(isl, osl, concurrency):
    none, zeros = np.zeros(len(isl), dtype=np.int64), np.zeros(len(isl))
    return Requests(
        arrival_s=zeros, isl=isl, osl=osl, priority=none, session=none - 1, origin=none, service=none, difficulty=zeros,
        after=none - 1, gap_s=zeros, hash_start=none, hash_count=none, hashes=none[:0], concurrency=concurrency,
    )  # fmt: skip


def test_limits_are_shared_by_ranks_and_lanes():
    d = deployment("qwen3-30b-a3b", Layout(dp=2, ep=2))
    assert rules_of(d, 2048.0, 1000.0, Setup()).max_num_seqs == 500
    lanes = deployment(layout=Layout(tp=2, pp=2))
    assert rules_of(lanes, 2048.0, 1000.0, Setup()).max_num_seqs == 500
    whole, halves = deployment(layout=Layout(tp=2)), cache_of(lanes, 2048.0, Setup())
    # two stages hold half the layers each, two lanes half the sequences: as many blocks a lane, and what weights left
    assert halves.blocks > cache_of(whole, 2048.0, Setup()).blocks


def test_rules_are_the_engines():
    chunked = Setup(chunked=True)
    assert rules_of(deployment(engine="vllm"), 8192.0, 256.0, chunked).mixed
    assert not rules_of(deployment(engine="sglang"), 8192.0, 256.0, chunked).mixed
    old = deployment(engine="vllm-0.6")
    assert rules_of(old, 8192.0, 256.0, chunked).mixed
    assert not rules_of(old, 8192.0, 256.0, Setup()).mixed  # whole prompts go first
    assert rules_of(old, 8192.0, 256.0, Setup()).watermark_frac == 0.01
    assert rules_of(deployment(engine="trtllm"), 8192.0, 256.0, chunked).reserve_output_frac == 1.0
    assert rules_of(deployment(engine="vllm"), 8192.0, 256.0, Setup(mixed=False)).mixed is False


def test_prompts_in_turns_are_whole_and_apart():
    rules = rules_of(deployment(techniques="chunked-prefill=off"), 8192.0, 256.0, Setup(chunked=True))
    assert (rules.chunked, rules.mixed) == (False, False)


def test_the_least_important_is_preempted_where_priorities_rule():
    for engine, can in (("vllm", True), ("trtllm", False)):
        d = deployment(engine=engine)
        assert rules_of(d, 8192.0, 256.0, Setup(by_priority=True)).priority_preempts is can
        assert not rules_of(d, 8192.0, 256.0, Setup()).priority_preempts


def test_who_gives_way_is_the_engines():
    for engine, fewest in (("vllm", False), ("sglang", True), ("sglang-0.4", True), ("trtllm", False)):
        assert rules_of(deployment(engine=engine), 8192.0, 256.0, Setup()).fewest_preempts is fewest
    drafting = deployment(engine="sglang", techniques=DRAFTS)
    assert not rules_of(drafting, 8192.0, 256.0, Setup()).fewest_preempts  # its batch is cut from the end


def test_drafts_leave_the_prefix_cache_on():
    d, named = deployment(techniques=DRAFTS), Setup(hash_tokens=64)
    cache = cache_of(d, 2048.0, named)
    assert cache.state_blocks > 0  # room for the tokens they look ahead
    assert cache.prefix
    assert prefix_problem(d, named) == ""


def test_windows_and_states_take_the_same_for_life():
    d = holding(deployment(), state=65536.0, all=1024.0, window=2048.0)
    cache = cache_of(d, 2048.0, Setup(hash_tokens=64))
    assert cache.window_spans == (128.0,)
    assert cache.window_blocks == (2048.0 / (16 * 1024),)
    assert cache.state_blocks == 4.0
    assert cache.prefix  # the window is taken to be there where the other layers have the prefix


def test_which_layers_serve_prefixes():
    named = Setup(hash_tokens=64)
    assert prefix_problem(deployment("gpt-oss-20b"), named) == ""
    assert windows_follow(deployment("gpt-oss-20b"))
    assert not windows_follow(deployment())
    recurrent = deployment("nvidia-nemotron-nano-9b-v2")
    assert "keep a state" in prefix_problem(recurrent, named)
    assert not cache_of(recurrent, 2048.0, named).prefix
    assert "window only" in prefix_problem(holding(deployment(), window=2048.0), named)


def test_a_model_that_keeps_no_token_for_ever_counts_states_only():
    cache = cache_of(holding(deployment(), state=1e6), 2048.0, Setup())
    assert cache.block_tokens == 0
    assert cache.state_blocks == 1e6 / 65536
    assert cache.blocks > 1000


def test_the_prefix_cache_is_off_for_a_reason():
    d, named = deployment(), Setup(hash_tokens=64)
    assert cache_of(d, 2048.0, named).prefix
    assert prefix_problem(d, named) == ""
    assert prefix_problem(d, Setup()) == "the requests name no prefixes"
    assert prefix_problem(d, replace(named, prefix_cache=False)) == "off"
    assert "default" in prefix_problem(deployment(engine="vllm-0.6"), named)
    assert prefix_problem(deployment(engine="vllm-0.6"), replace(named, prefix_cache=True)) == ""
    assert "decode" in prefix_problem(d, replace(named, role=DECODE))
    with pytest.raises(BadInputError, match="multiple of 16"):
        cache_of(d, 2048.0, Setup(hash_tokens=24))
    assert not cache_of(d, 2048.0, Setup(hash_tokens=24, prefix_cache=False)).prefix


def test_host_memory_holds_evicted_blocks():
    d = deployment(techniques="kv-offload=64GB")
    cache = cache_of(d, 2048.0, Setup(hash_tokens=64))
    token = sum(term.bytes_per_token for term in d.cut.resident.cache)
    assert cache.host_blocks == math.floor(64e9 / (16 * token))
    assert cache.host_s_per_token == pytest.approx(token / host_bytes_per_s(HOPPER))
    assert cache_of(d, 2048.0, Setup(hash_tokens=64, host_bytes=0.0)).host_blocks == 0
    assert cache_of(d, 2048.0, Setup()).host_blocks == 0  # nothing is ever found there


def test_no_room_for_cache_is_an_error():
    big = deployment("llama-3.1-70b")
    with pytest.raises(DoesNotFitError, match=r"llama-3.1-70b leaves no memory for cache on h100-sxm-80gb at tp1"):
        pool_of(big, 2048.0, 64.0, Setup())


def test_a_compressed_cache_is_refused():
    with pytest.raises(UnsupportedError, match="predict serve"):
        pool_of(deployment(techniques="kv-compression=0.5"), 2048.0, 64.0, Setup())


def test_pools_of_prompts_and_of_answers_are_those_of_disaggregation():
    d = deployment(techniques="speculative=eagle")
    prompts, answers = (pool_of(d, 2048.0, 64.0, Setup(role=role)) for role in (PREFILL, DECODE))
    assert (prompts.step.verified, answers.step.verified) == (1, 4)
    assert answers.step.scalars[3] == 0.0 < prompts.step.scalars[3]  # no launches of prompts there
    assert prompts.frontend_s == answers.frontend_s == d.coefficients.request_s
    assert answers.prefill_tokens_per_s == 0.0 < prompts.prefill_tokens_per_s


def test_the_prefill_rate_is_that_of_full_steps():
    d = deployment()
    pool = pool_of(d, 2048.0, 64.0, Setup(isl=2048.0))
    p = prepare(d, lengths_of(fixed(2048, 1)), 2048.0)
    full = kernel.step(
        d.coefficients.ops, d.coefficients.collectives, p.scalars, 0.0, 2048.0, 1.0, 2048.0, np.zeros(1),
        p.contexts.prefill[:, 0], np.array([2048.0]),
    )[0]  # fmt: skip
    assert pool.prefill_tokens_per_s == pytest.approx(2048.0 / full, rel=1e-6)
    long = pool_of(d, 2048.0, 64.0, Setup(isl=65536.0))
    assert long.prefill_tokens_per_s < pool.prefill_tokens_per_s
    twice = pool_of(deployment(layout=Layout(tp=1, pp=2)), 2048.0, 64.0, Setup(isl=2048.0))
    assert twice.prefill_tokens_per_s == pytest.approx(2.0 * pool.prefill_tokens_per_s, rel=0.5)


def test_a_cold_start_reads_what_a_server_holds():
    known = loader.economics()
    rate, start = known["weight_read_bytes_per_s"].mid.value, known["engine_start_s"].mid.value
    one = deployment("llama-3.1-70b", Layout(tp=8)).cut
    assert checkpoint_bytes(one) == pytest.approx(141e9, rel=0.01)
    assert cold_start_s(one, 8) == pytest.approx(start + checkpoint_bytes(one) / rate)
    assert cold_start_s(one, 4) == pytest.approx(start + 4 * one.resident.weights_bytes / rate)
    copies = deployment("qwen3-30b-a3b", Layout(dp=8, ep=8)).cut
    assert cold_start_s(copies, 8) <= start + checkpoint_bytes(copies) / rate + 1e-9
