"""Laws of one replica under an open stream: queueing identities, order, monotonicity, scaling, energy."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.serving import report, steady
from drivetrain.serving.deployment import takes_turns
from drivetrain.serving.slo import METRICS, STATISTICS, Target
from strategies import halved_latencies, halved_overheads, redeploy, systems

ROUNDING = 1 + 1e-5  # the fixed point is solved to 1e-7, loads near saturation magnify it
loads = st.floats(0.02, 0.97)


def state_at(prepared, load):
    """The state at a share of what is stable, and its rate."""
    rate = load * steady.max_rate(prepared)
    state = steady.at_rate(prepared, rate)
    assert state.stable
    return state, rate


def means(state):
    return {m: state.latency(m).mean if state.stable else math.inf for m in METRICS}


@given(systems(), loads)
def test_littles_law(prepared, load):
    state, rate = state_at(prepared, load)
    assert state.in_system == pytest.approx(rate * state.e2e.mean, rel=1e-9)
    gaps = prepared.lengths.osl_mean - 1.0
    assert state.decoding == pytest.approx(rate * gaps * state.tpot.mean, rel=1e-9)
    assert state.decoding <= state.in_system * ROUNDING


@given(systems(), loads)
def test_end_to_end_is_the_first_token_and_the_rest(prepared, load):
    state, _ = state_at(prepared, load)
    gaps = prepared.lengths.osl_mean - 1.0
    assert state.e2e.mean == pytest.approx(state.ttft.mean + gaps * state.tpot.mean, rel=1e-9)
    assert state.ttft.mean >= state.queue_s >= 0.0


@given(systems(), loads)
def test_percentiles_are_ordered(prepared, load):
    state, _ = state_at(prepared, load)
    for metric in METRICS:
        latency = state.latency(metric)
        ordered = [latency.p50, latency.p90, latency.p95, latency.p99]
        assert ordered == sorted(ordered), metric
        assert min(latency.mean, latency.p50) > 0.0


@given(systems(), loads)
def test_what_runs_fits(prepared, load):
    state, _ = state_at(prepared, load)
    assert state.decoding <= prepared.max_seqs * ROUNDING
    assert state.mixed_frac >= 0.0
    assert state.mixed_frac <= 1.0 or takes_turns(prepared.deployment)
    assert 0.0 < state.prefill_load < 1.0
    assert state.prefill_tokens <= prepared.budget * prepared.deployment.cut.layout.dp * ROUNDING


@given(systems(), loads)
def test_power_lies_between_idle_and_tdp(prepared, load):
    state, _ = state_at(prepared, load)
    hw = prepared.deployment.hardware
    assert hw.idle_w * (1 - 1e-12) <= state.power_w <= hw.tdp_w * (1 + 1e-12)
    assert 0.0 < state.busy < 1.0 or state.busy == pytest.approx(1.0)


@given(systems(), loads, loads)
def test_a_lower_rate_never_gives_worse_latency_or_a_fuller_replica(prepared, a, b):
    """More replicas for the same traffic, seen from one of them."""
    low, high = sorted((a, b))
    calm, _ = state_at(prepared, low)
    busy, _ = state_at(prepared, high)
    for metric in METRICS:
        assert calm.latency(metric).mean <= busy.latency(metric).mean * ROUNDING, metric
    # decodes of other ranks hide in prompt steps, more of it as decodes grow slower
    hides = takes_turns(prepared.deployment) and prepared.deployment.cut.layout.dp > 1
    for field in ("in_system", "prefill_load", "queue_s", *(() if hides else ("mixed_frac",))):
        assert getattr(calm, field) <= getattr(busy, field) * ROUNDING, field


@given(systems(), loads, loads, st.sampled_from(["ttft", "e2e", "tpot"]), st.sampled_from(STATISTICS[1:]))
def test_a_lower_rate_never_gives_worse_percentiles(prepared, a, b, metric, statistic):
    low, high = sorted((a, b))
    calm = getattr(state_at(prepared, low)[0].latency(metric), statistic)
    busy = getattr(state_at(prepared, high)[0].latency(metric), statistic)
    assert calm <= busy * (1 + 2e-4)  # quantiles are bisected to 1e-4


@given(systems(), loads, st.floats(1.0, 50.0))
def test_burstier_arrivals_never_lower_the_mean_ttft(prepared, load, factor):
    state, rate = state_at(prepared, load)
    bursty = replace(prepared.lengths, arrival_cv2=prepared.lengths.arrival_cv2 * factor)
    assert means(steady.at_rate(replace(prepared, lengths=bursty), rate))["ttft"] >= state.ttft.mean / ROUNDING


@given(systems(), loads, st.sampled_from(["flops", "hbm_bytes_per_s", "links"]), st.floats(1.0, 5.0))
def test_more_flops_bandwidth_or_links_never_hurt_a_stream(prepared, load, resource, factor):
    state, rate = state_at(prepared, load)
    better = redeploy(prepared, hardware=prepared.deployment.hardware.scaled(**{resource: factor}))
    improved = means(steady.at_rate(better, rate))
    for metric, before in means(state).items():
        assert improved[metric] <= before * ROUNDING, metric


@given(systems(), st.sampled_from(["flops", "hbm_bytes_per_s", "links", "memory_bytes"]), st.floats(1.0, 5.0))
def test_more_of_any_resource_never_lowers_capacity(prepared, resource, factor):
    d = prepared.deployment
    better = redeploy(prepared, hardware=d.hardware.scaled(**{resource: factor}))
    assert steady.max_rate(better) * ROUNDING * ROUNDING >= steady.max_rate(prepared)


@given(systems(), loads)
def test_twice_every_rate_and_half_every_latency_halves_every_time(prepared, load):
    state, rate = state_at(prepared, load)
    d = prepared.deployment
    fast = redeploy(
        prepared,
        hardware=d.hardware.scaled(flops=2.0, hbm_bytes_per_s=2.0, links=2.0),
        efficiency=halved_overheads(d.efficiency),
        links=halved_latencies(d.links),
    )
    twice = steady.at_rate(fast, 2.0 * rate)
    for metric in METRICS:
        for statistic in STATISTICS:
            before, after = getattr(state.latency(metric), statistic), getattr(twice.latency(metric), statistic)
            assert after == pytest.approx(before / 2, rel=1e-5), (metric, statistic)
    assert twice.in_system == pytest.approx(state.in_system, rel=1e-5)
    assert twice.power_w == pytest.approx(state.power_w, rel=1e-5)


@given(systems())
def test_capacity_is_stable_and_one_percent_more_is_not(prepared):
    top = steady.max_rate(prepared)
    assert top > 0.0
    assert steady.at_rate(prepared, top).stable
    assert not steady.at_rate(prepared, 1.01 * top).stable


@given(systems(), st.sampled_from(METRICS), st.sampled_from(STATISTICS), st.floats(1.05, 20.0))
def test_capacity_within_a_target_keeps_it_and_one_percent_more_does_not(prepared, metric, statistic, slack):
    alone = getattr(steady.at_rate(prepared, 1e-3 * steady.max_rate(prepared)).latency(metric), statistic)
    target = Target(metric, statistic, slack * alone)
    top = steady.max_rate(prepared, (target,))
    assert 0.0 < top <= steady.max_rate(prepared)
    assert getattr(steady.at_rate(prepared, top).latency(metric), statistic) <= target.limit_s
    beyond = steady.at_rate(prepared, 1.01 * top)
    assert not beyond.stable or getattr(beyond.latency(metric), statistic) > target.limit_s


@given(systems())
def test_a_target_below_the_unloaded_latency_leaves_no_capacity(prepared):
    alone = steady.at_rate(prepared, 1e-9).ttft.mean
    assert steady.max_rate(prepared, (Target("ttft", "mean", 0.5 * alone),)) == 0.0


@given(systems(), loads)
def test_the_breakdown_sums_to_the_time_per_token_and_keeps_below_the_roofline(prepared, load):
    state, _ = state_at(prepared, load)
    use = report.utilisation(prepared, state)
    assert sum(use.breakdown_s.values()) == pytest.approx(state.tpot.mean, rel=1e-5)
    assert 0.0 < use.mbu <= 1.0
    flops = prepared.deployment.hardware.flops
    peak = flops[prepared.deployment.hardware.compute_dtype(prepared.deployment.cut.checkpoint.weight_dtype)]
    assert 0.0 < use.mfu <= max(flops.values()) / peak
