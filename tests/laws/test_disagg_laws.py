"""Laws of prefill and decode pools: conservation, order, what more of anything can do, and what disaggregation buys."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivetrain.catalogue.disaggregation import handovers
from drivetrain.cost.efficiency import Efficiency
from drivetrain.serving import steady
from drivetrain.serving.disagg import Pool, at_rate, disaggregated, max_rate
from drivetrain.serving.pools import prefill_at
from drivetrain.serving.report import utilisation
from drivetrain.serving.slo import METRICS
from strategies import redeploy, systems

ROUNDING = 1 + 1e-5
loads = st.floats(0.02, 0.95)
counts = st.integers(1, 40)
handings = st.builds(
    lambda base, sends, reserves: replace(base, sends=sends, reserves=reserves),
    st.sampled_from(list(handovers().values())),
    st.sampled_from(["prompt", "chunk", "layer"]),
    st.sampled_from(["transfer", "prefill"]),
)


def divided(prepared, handover, x=1, y=1):
    pools = (Pool(prepared.deployment, prepared.budget, prepared.max_seqs, n) for n in (x, y))
    return disaggregated(*pools, prepared.lengths, handover, "network")


@given(systems(), handings, counts, counts, loads)
def test_what_goes_in_is_inside_for_as_long_as_it_takes(prepared, handover, x, y, load):
    d = divided(prepared, handover, x, y)
    rate = load * max_rate(d)
    assume(rate > 0.0)
    state = at_rate(d, rate)
    assert state.stable
    assert state.in_system == pytest.approx(rate * state.e2e.mean, rel=1e-9)
    gaps = float(d.lengths.weight @ np.maximum(d.lengths.osl - 1.0, 0.0))
    assert state.e2e.mean == pytest.approx(state.ttft.mean + gaps * state.tpot.mean, rel=1e-6)
    parts = state.prefill.ttft.mean + state.transfer_s + state.admission_s
    assert state.ttft.mean == pytest.approx(parts, rel=1e-9)
    assert min(state.prefill.ttft.mean, state.transfer_s, state.queue_s) >= 0.0
    assert state.prefill.rate * x == pytest.approx(rate)
    assert state.decode.rate * y == pytest.approx(rate * d.decoded_frac)
    assert 0.0 <= state.link_use_frac < 1.0


@given(systems(), handings, loads)
def test_percentiles_are_ordered(prepared, handover, load):
    d = divided(prepared, handover)
    rate = load * max_rate(d)
    assume(rate > 0.0)
    state = at_rate(d, rate)
    for metric in METRICS:
        latency = state.latency(metric)
        ordered = [latency.p50, latency.p90, latency.p95, latency.p99]
        assert ordered == sorted(ordered), metric
        assert min(latency.mean, latency.p90) > 0.0, metric


@given(systems(), handings, counts, counts)
def test_accelerators_are_those_of_both_pools(prepared, handover, x, y):
    d = divided(prepared, handover, x, y)
    assert d.n_accelerators == (x + y) * prepared.deployment.cut.layout.n_accelerators


@given(systems(), handings, counts, counts)
def test_no_more_work_is_done_than_each_pool_can_do(prepared, handover, x, y):
    d = divided(prepared, handover, x, y)
    most = max_rate(d)
    assert most <= x * steady.max_rate(d.prefill.prepared) * ROUNDING
    assert most * d.decoded_frac <= y * steady.max_rate(d.decode) * ROUNDING


@given(systems(), handings, loads, st.integers(2, 7))
def test_a_larger_fleet_of_the_same_proportion_is_the_same(prepared, handover, load, factor):
    one, many = divided(prepared, handover, 2, 3), divided(prepared, handover, 2 * factor, 3 * factor)
    rate = load * max_rate(one)
    assume(rate > 0.0)
    a, b = at_rate(one, rate), at_rate(many, factor * rate)
    for metric in METRICS:
        assert b.latency(metric).mean == pytest.approx(a.latency(metric).mean, rel=1e-6)


@given(systems(), handings, loads, st.floats(1.0, 1e6))
def test_faster_links_never_delay_the_first_token(prepared, handover, load, factor):
    slow = divided(prepared, handover)
    fast = replace(slow, transfer=replace(slow.transfer, seconds=slow.transfer.seconds / factor))
    rate = load * max_rate(slow)
    assume(rate > 0.0)
    a, b = at_rate(slow, rate), at_rate(fast, rate)
    assert b.ttft.mean <= a.ttft.mean * ROUNDING
    assert b.e2e.mean <= a.e2e.mean * ROUNDING
    assert b.transfer_s <= a.transfer_s * ROUNDING
    assert max_rate(fast) * ROUNDING >= max_rate(slow)


@given(systems(), handings, loads)
def test_decoding_apart_is_never_slower_than_beside_prompts(prepared, handover, load):
    d = divided(prepared, handover, x=1000)
    rate = load * min(steady.max_rate(prepared), max_rate(d))
    assume(rate > 0.0)
    together, apart = steady.at_rate(prepared, rate), at_rate(d, rate)
    assume(together.stable and apart.stable)
    assert apart.tpot.mean <= together.tpot.mean * ROUNDING
    assert apart.itl.mean <= together.itl.mean * ROUNDING


@given(systems(), handings, loads)
def test_more_replicas_of_either_pool_never_delay(prepared, handover, load):
    d = divided(prepared, handover, 2, 2)
    rate = load * max_rate(d)
    assume(rate > 0.0)
    base = at_rate(d, rate)
    for more in (d.sized(3, 2), d.sized(2, 3)):
        state = at_rate(more, rate)
        assert state.stable
        assert state.ttft.mean <= base.ttft.mean * 1.01
        assert state.e2e.mean <= base.e2e.mean * 1.01


@given(systems(), st.sampled_from(["prompt", "chunk", "layer"]), loads)
def test_streaming_in_finer_pieces_never_delays(prepared, sends, load):
    base = replace(handovers()["trtllm"], reserves="transfer")
    whole, finer = (divided(prepared, replace(base, sends=s)) for s in ("prompt", sends))
    rate = load * max_rate(whole)
    assume(rate > 0.0)
    assert at_rate(finer, rate).ttft.mean <= at_rate(whole, rate).ttft.mean * ROUNDING


@given(systems(), handings, loads)
def test_a_prompt_waits_no_longer_than_where_decodes_run_too(prepared, handover, load):
    d = divided(prepared, handover)
    rate = load * steady.max_rate(d.prefill.prepared)
    alone, solver = prefill_at(d.prefill, rate), steady.at_rate(d.prefill.prepared, rate)
    assert alone.stable == solver.stable
    assume(solver.stable)
    assert alone.ttft.mean <= solver.ttft.mean * ROUNDING
    # what is left out is at most the step under way
    assert solver.ttft.mean - alone.ttft.mean <= solver.ttft.mean - solver.queue_s


# Whatever an efficiency charges steps with prompts alone, so that a term that is added later is drawn, too.
ON_PROMPTS = [f.name for f in fields(Efficiency) if f.name.startswith("prefill_") and f.name.endswith("_s")]


@given(systems(), handings, counts, counts, loads, st.lists(st.floats(0.0, 1e-4), min_size=8, max_size=8))
def test_the_parts_of_a_step_sum_to_the_time_per_token_in_both_pools(prepared, handover, x, y, load, extra):
    eff = replace(prepared.deployment.efficiency, **dict(zip(ON_PROMPTS, extra, strict=False)), experts_s=extra[-1])
    d = divided(redeploy(prepared, efficiency=eff), handover, x, y)
    rate = load * max_rate(d)
    assume(rate > 0.0)
    state = at_rate(d, rate)
    decode = utilisation(d.decode, state.decode)
    assert sum(decode.breakdown_s.values()) == pytest.approx(state.tpot.mean, rel=1e-5)
    prompts = utilisation(d.prefill.prepared, state.prefill)
    assert sum(prompts.breakdown_s.values()) == pytest.approx(state.prefill.tpot.mean, rel=1e-5)
