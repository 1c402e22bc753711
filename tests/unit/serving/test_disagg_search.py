"""The search over pools: replicas as few as can be, limits kept, nothing that could not hand over."""

import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.arch.pools import parse_pools
from drivetrain.scenario import scenario_of
from drivetrain.serving.disagg import at_rate
from drivetrain.serving.disagg_fleet import miss
from drivetrain.serving.pool_purchase import bill
from drivetrain.serving.pool_sizing import fewest
from drivetrain.serving.search import Traffic
from drivetrain.serving.slo import parse_slo
from drivetrain.verbs.disagg import by_offer, disaggregated_plan, rank
from drivetrain.verbs.resolve import resolve

SLO = "ttft_p95=1s,tpot_p95=20ms"


@cache
def question(**choices):
    scenario = scenario_of({"model": "llama-3.1-8b", "isl": 4000, "osl": 200, "rate": 40.0, "slo": SLO,
                            "accelerators": "h100-sxm"} | choices)  # fmt: skip
    resolved = resolve(scenario)
    return resolved, Traffic(resolved.lengths, scenario.rate, 1.1 * scenario.rate), parse_slo(scenario.slo)


@cache
def planned(**choices):
    return disaggregated_plan(*question(**choices))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 400))
def test_the_fewest_are_found_from_anywhere(answer, start, most):
    asked = []

    def good(n):
        asked.append(n)
        return n >= answer

    found = fewest(good, start, most)
    assert found == (answer if answer <= max(start, most) else None)
    assert min(asked) >= 1
    assert len(asked) <= 40


def test_no_replica_can_be_spared():
    plan = planned()
    fleet = plan.best
    assert fleet.meets
    d = fleet.deployment
    x, y = d.prefill_replicas, d.decode_replicas
    assert x + y > 2
    for fewer in ((x - 1, y), (x, y - 1)):
        if min(fewer) >= 1:
            assert miss(plan.question, at_rate(d.sized(*fewer), plan.question.traffic.peak_rate)) > 1.0


@pytest.mark.parametrize("slo", [SLO, "e2e_p95=4s", "ttft_p95=600ms,e2e_mean=3s"])
def test_no_other_numbers_of_the_same_replicas_are_cheaper(slo):
    plan = planned(slo=slo)
    fleet = plan.best
    d, q = fleet.deployment, plan.question
    for x in range(1, 3 * d.prefill_replicas + 2):
        for y in range(1, 3 * d.decode_replicas + 2):
            n = bill(fleet.prefill, x, fleet.decode, y)[0].n_accelerators
            if n < fleet.n_accelerators:
                assert miss(q, at_rate(d.sized(x, y), q.traffic.peak_rate)) > 1.0, (x, y)


def test_what_is_ranked_meets_and_is_in_order():
    plan = planned()
    costs = [fleet.usd_per_hour for fleet in plan.ranked]
    assert costs == sorted(costs)
    for fleet in plan.ranked:
        state = at_rate(fleet.deployment, plan.question.traffic.peak_rate)
        assert state.ttft.p95 <= 1.0
        assert state.tpot.p95 <= 0.02
        assert fleet.n_accelerators == fleet.deployment.n_accelerators
    assert plan.n_evaluated > 100


@pytest.mark.parametrize("objective", ["energy", "accelerators", "latency"])
def test_each_objective_is_smallest_in_its_own_measure(objective):
    best = planned(objective=objective).best
    other = planned().best
    worst = 1.11 if objective == "latency" else 1.0 + 1e-9
    assert best.score(objective) <= other.score(objective) * worst
    assert rank([other, best], objective)[0].score(objective) <= best.score(objective) * worst


def test_layouts_are_those_asked_for():
    resolved, traffic, targets = question()
    pools = parse_pools("prefill: tp2, decode: tp4")
    plan = disaggregated_plan(resolved, traffic, targets, layouts=pools)
    for fleet in plan.fleets:
        assert fleet.prefill.deployment.cut.layout == pools.prefill
        assert fleet.decode.deployment.cut.layout == pools.decode


def test_limits_bound_both_pools_together():
    resolved, traffic, targets = question()
    n = planned().best.n_accelerators
    less = replace(resolved.limits, accelerators=n - 1)
    plan = disaggregated_plan(resolved, traffic, targets, limits=less)
    assert all(fleet.n_accelerators < n for fleet in plan.fleets)
    assert plan.best is None  # the fewest that keep the targets are no longer allowed


def test_engines_that_hand_nothing_over_have_no_plan():
    assert planned(engines="llamacpp", accelerators="h100-sxm", allow_unverified=True) is None
    assert planned(accelerators="tpu-v6e", engines="vllm") is None
    with_unknown = planned(engines="vllm-0.8")
    assert with_unknown is None or not with_unknown.ranked


def test_requests_of_one_token_have_nothing_to_hand_over_where_prefill_makes_it():
    plan = planned(osl=1, slo="", engines="sglang")
    assert plan is None


def test_pools_of_two_accelerators_are_tried_where_both_are_named():
    plan = planned(accelerators="h100-sxm,h200-sxm")
    pairs = {(f.prefill.offer.hardware.name, f.decode.offer.hardware.name) for f in plan.fleets}
    assert ("h100-sxm-80gb", "h200-sxm-141gb") in pairs
    assert len(by_offer(plan.ranked)) == len({p for p in pairs if p})
    mixed = next(f for f in plan.fleets if f.prefill.offer.name != f.decode.offer.name)
    assert mixed.deployment.transfer.via == "network"
    assert len(mixed.lines) == 2
    assert plan.best.usd_per_hour <= planned().best.usd_per_hour * (1 + 1e-9)


def test_a_balanced_fleet_is_never_dearer_than_a_whole_one():
    plan = planned()
    per_request = plan.best.usd_per_hour / 3600 / plan.capacity(plan.best)
    assert plan.balanced_usd_per_request(plan.best) <= per_request * 1.02
    assert plan.balanced_rate(plan.best) > 0.0
    prefill, decode = plan.utilisation(plan.best)
    assert 0.0 < prefill <= 1.02
    assert 0.0 < decode <= 1.02


def test_unattainable_targets_leave_the_closest_miss():
    plan = planned(slo="ttft_p95=10ms")
    assert not plan.ranked
    assert plan.best is None
    assert plan.closest.violation > 1.0
    assert math.isfinite(plan.closest.violation)
