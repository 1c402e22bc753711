"""The simulator in machine code against its plain Python reference, leaps against single steps, parts against whole."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulated as s
from drivetrain.serving import closed_loop, policies
from drivetrain.serving.sim import kernel, reference
from drivetrain.serving.sim import records as r

OF_REQUESTS = ("sent_s", "first_s", "finish_s", "status", "replica", "cached_tokens", "preemptions", "retries",
               "stages", "output_tokens", "parts")  # fmt: skip
TOTALS = ("gap_sum_s", "end_s", "on_s", "busy_s", "tokens_out", "steps", "series")
BY_STEP = ("gaps", "joules", "log")  # of a leap: bins at their edges, power of its mean step, one row of the log

# Options with which short examples reach what the defaults are too patient for.
TEXTS = {
    "route": ("round-robin", "random", "least-loaded", "power-of-two", "least-tokens:per_request=50", "session:bound=1",
              "prefix-aware:match=0.1,balance_abs=1,balance_rel=1", "prefix-events:weight=2,held=64",
              "weighted:queue=1,kv=1,inflight=1,prefix=1", "cheapest-region:ttft=20ms"),
    "admit": ("always", "always", "token-bucket:rate=20,burst=2", "slo-aware:ttft=30ms"),
    "schedule": ("fcfs", "priority:aging=50ms", "shortest:output=1,aging=1000"),
    "select": ("by-difficulty:threshold=0.3", "cascade:skill=0.3"),
    "scale": ("fixed", "target-concurrency:target=2,down_after=0", "target-queue:target=1,down_after=0",
              "predictive:target=2,down_after=0,tolerance=0"),
}  # fmt: skip


def assert_same(found: r.Outcome, expected: r.Outcome, names=(*OF_REQUESTS, *TOTALS, *BY_STEP)):
    """To 1e-9 s on every request, and as exact in all totals."""
    for name in names:
        x, y = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=name)


def assert_leaps_are_steps(leaping: r.Outcome, stepping: r.Outcome):
    assert_same(leaping, stepping, (*OF_REQUESTS, *TOTALS))
    assert leaping.gaps.sum() == stepping.gaps.sum()
    moved = np.abs(np.cumsum(leaping.gaps - stepping.gaps)).max()
    assert moved <= 2 + 0.01 * stepping.gaps.sum(), "gaps at the edge of two bins may count in either"
    np.testing.assert_allclose(leaping.joules, stepping.joules, rtol=1e-3)


def played_all_ways(fleet, requests, options):
    expected = reference.simulate(fleet, requests, options)
    stepping = kernel.simulate(fleet, requests, replace(options, leap=False))
    assert_same(stepping, expected)
    assert_leaps_are_steps(kernel.simulate(fleet, requests, options), stepping)
    return expected


@st.composite
def spiced(draw, features=s.EVERYTHING, n_max=14):
    """Cases whose policies have options that matter in short runs."""
    case = draw(s.cases(features, n_max))
    kinds = [kind for kind in TEXTS if kind != "select" or len(case.fleet.services) > 1]
    drawn = {kind: policies.parse(kind, draw(st.sampled_from(TEXTS[kind]))) for kind in kinds}
    return replace(case, fleet=replace(case.fleet, policies=replace(case.fleet.policies, **drawn)))


@given(s.cases())
@settings(max_examples=150)
def test_machine_code_is_the_reference(case):
    played_all_ways(case.fleet, case.requests, case.options)


@given(spiced(n_max=24))
@settings(max_examples=150)
def test_it_is_so_under_every_policy(case):
    played_all_ways(case.fleet, case.requests, case.options)


@given(s.cases(s.ONE_POOL, n_max=80))
def test_it_is_so_in_one_busy_pool(case):
    played_all_ways(case.fleet, case.requests, case.options)


@given(spiced(replace(s.EVERYTHING, cascade=False, scaling=False), n_max=60))
@settings(max_examples=40)
def test_it_is_so_when_many_fail(case):
    played_all_ways(case.fleet, case.requests, case.options)


@pytest.mark.parametrize("route", ["least-loaded", "prefix-aware", "prefix-events"])
def test_it_is_so_for_a_real_model_with_shared_prefixes(route):
    rng = np.random.default_rng(7)
    n, size = 120, 64
    isl, osl, group = rng.integers(200, 1500, n), rng.integers(1, 120, n), rng.integers(0, 5, n)
    names = [[1000 * g + j if j < 6 else 10**6 * (i + 1) + j for j in range((a + b) // size)]
             for i, (a, b, g) in enumerate(zip(isl, osl, group, strict=True))]  # fmt: skip
    sent = s.requests(np.cumsum(rng.exponential(0.02, n)), isl, osl, prefixes=names, hash_tokens=size)
    cache = r.Cache(blocks=320, block_tokens=16, prefix=True, host_blocks=600, host_s_per_token=1e-5)
    fleet = s.fleet(s.pool("llama-3.1-8b", cache=cache, replicas=3, frontend_s=0.005), event_lag_s=0.01,
                    policies=r.Policies(route=policies.parse("route", route)))  # fmt: skip
    outcome = played_all_ways(fleet, sent, r.Options(sample_s=0.5, log_steps=1000))
    assert outcome.cached_tokens.sum() > 0
    assert outcome.preemptions.sum() > 0


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-20b"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_load_test_is_the_closed_loop(name, apart):
    rng = np.random.default_rng(3)
    n, budget, most, concurrency = 200, 2048, 48, 32
    isl, osl = rng.integers(50, 3000, n), rng.integers(2, 200, n)
    step = s.step_model(name)
    ttft, tpot = np.zeros(n), np.zeros(n)
    *_, duration, steps = closed_loop.run(
        step.ops, step.collectives, step.scalars, step.spans, isl.astype(float), osl.astype(float), concurrency,
        float(budget), float(most), 1.0, apart, False, 0.0, 0.0, 1, 0, ttft, tpot,
    )  # fmt: skip
    rules = r.Rules("load test", token_budget=budget, max_num_seqs=most, mixed=not apart)
    fleet = s.fleet(s.pool(name, cache=r.Cache(blocks=10**6, block_tokens=16), rules=rules))
    outcome = kernel.simulate(fleet, s.requests(0.0, isl, osl, concurrency=concurrency))
    np.testing.assert_allclose(outcome.first_s - outcome.sent_s, ttft, rtol=0, atol=1e-9)
    np.testing.assert_allclose((outcome.finish_s - outcome.first_s) / (osl - 1), tpot, rtol=0, atol=1e-9)
    assert outcome.end_s == pytest.approx(duration, abs=1e-9)
    assert outcome.steps == steps
    assert outcome.leaps > 0


@given(s.cases(replace(s.EVERYTHING, successors=False, closed=False)), st.integers(1, 6))
def test_parts_are_the_whole(case, size):
    whole = kernel.simulate(case.fleet, case.requests, case.options)
    rows = range(len(case.requests))
    *parts, totals = kernel.stream(case.fleet, [cut(case.requests, rows[k : k + size]) for k in rows[::size]],
                                   case.options)  # fmt: skip
    seen = np.concatenate([np.zeros(0, int), *(part.rows for part in parts)])
    assert sorted(seen) == list(np.flatnonzero(np.isfinite(whole.sent_s)))
    for part in parts:
        for name in OF_REQUESTS:
            np.testing.assert_array_equal(getattr(part.done, name), getattr(whole, name)[part.rows])
        np.testing.assert_array_equal(part.done.isl, case.requests.isl[part.rows])
    for name in (*TOTALS, *BY_STEP):
        np.testing.assert_array_equal(getattr(totals, name), getattr(whole, name))


def cut(sent: r.Requests, rows: range) -> r.Requests:
    """Those rows, with their names."""
    keep = slice(rows[0], rows[-1] + 1)
    first = sent.hash_start[rows[0]]
    last = sent.hash_start[rows[-1]] + sent.hash_count[rows[-1]]
    columns = ("arrival_s", "isl", "osl", "priority", "session", "origin", "service", "difficulty", "after", "gap_s",
               "hash_count")  # fmt: skip
    return r.Requests(
        **{name: getattr(sent, name)[keep] for name in columns}, hash_start=sent.hash_start[keep] - first,
        hashes=sent.hashes[first:last], hash_tokens=sent.hash_tokens,
    )  # fmt: skip
