"""What slower or faster steps do to capacity, fleet and flow of random systems."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivetrain.measure.spread import Z80
from drivetrain.measure.uncertainty import Uncertainty
from drivetrain.serving.purchase import Packing
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import at_concurrency, at_rate, max_rate
from drivetrain.verbs.moves import NO_END, Demand, planned, predicted
from drivetrain.verbs.ranges import SURE, Ends
from strategies import halved_latencies, halved_overheads, redeploy, systems

LOOSE = Packing(1, 1, 1, 0)
TWICE = math.log(2.0) / Z80  # the sigma whose ends are half and double
BISECTED = 2e-4
slack = st.floats(1.05, 10.0)


def unsure(sigma):
    return Uncertainty("known", sigma, sigma, sigma, 0.0, ())


def reachable(prepared, factor):
    """A TPOT target that is ``factor`` times what an idle replica reaches."""
    rate = 1e-3 * max_rate(prepared)
    return (Target("tpot", "p95", factor * at_rate(prepared, rate).tpot.p95),)


def twice_as_fast(prepared):
    d = prepared.deployment
    return redeploy(prepared, hardware=d.hardware.scaled(flops=2, hbm_bytes_per_s=2, links=2),
                    efficiency=halved_overheads(d.efficiency), links=halved_latencies(d.links))  # fmt: skip


@given(systems(), slack)
def test_the_fast_end_is_a_machine_that_much_faster(prepared, factor):
    targets = reachable(prepared, factor)
    state = at_rate(prepared, 0.1 * max_rate(prepared, targets))
    moves = predicted(prepared, state, targets, unsure(TWICE), SURE, closed=False)
    fast = max_rate(twice_as_fast(prepared), targets)
    assert moves.capacity.high * max_rate(prepared, targets) == pytest.approx(fast, rel=BISECTED)


@given(systems(), slack)
def test_the_slow_end_of_the_faster_machine_is_the_machine(prepared, factor):
    targets, fast = reachable(prepared, factor), twice_as_fast(prepared)
    state = at_rate(fast, 0.1 * max_rate(fast, targets))
    moves = predicted(fast, state, targets, unsure(TWICE), SURE, closed=False)
    slow = max_rate(prepared, targets)
    assert moves.capacity.low * max_rate(fast, targets) == pytest.approx(slow, rel=BISECTED)


@given(systems(), slack, st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.integers(1, 50))
def test_a_less_certain_plan_has_no_narrower_fleet(prepared, factor, sigma, more, replicas):
    targets = reachable(prepared, factor)
    capacity = max_rate(prepared, targets)
    demand = Demand(replicas * capacity * 0.97, targets)
    state = at_rate(prepared, demand.peak_rate / replicas)
    one, other = (planned(prepared, state, LOOSE, replicas, capacity, demand, unsure(s), SURE)
                  for s in (sigma, sigma + more))  # fmt: skip
    for name in ("capacity", "fleet"):
        before, after = getattr(one, name), getattr(other, name)
        assert after.low <= before.low * (1 + BISECTED) <= (1 + BISECTED) ** 2
        assert after.high >= before.high * (1 - BISECTED) >= (1 - BISECTED) ** 2


@given(systems(), st.floats(0.0, 0.5), st.integers(1, 200))
def test_without_targets_capacity_is_as_uncertain_as_a_step(prepared, sigma, replicas):
    capacity, f = max_rate(prepared), math.exp(Z80 * sigma)
    demand = Demand(capacity * replicas * 0.9999, ())
    state = at_rate(prepared, 0.5 * capacity)
    moves = planned(prepared, state, LOOSE, replicas, capacity, demand, unsure(sigma), SURE)
    assert (moves.capacity.low, moves.capacity.high) == pytest.approx((1 / f, f))
    assert moves.fleet.high * replicas == pytest.approx(replicas * f, abs=1.0 + 1e-3 * replicas * f)
    assert moves.fleet.low * replicas == pytest.approx(max(1.0, replicas / f), abs=1.0 + 1e-3 * replicas)


@given(systems())
def test_where_the_slow_end_cannot_keep_the_targets_there_is_no_upper_end(prepared):
    # bursts crowd at any rate, so that a replica of a burst stream is never idle
    prepared = replace(prepared, lengths=replace(prepared.lengths, arrival_cv2=min(prepared.lengths.arrival_cv2, 1.0)))
    targets = reachable(prepared, 1.05)
    capacity = max_rate(prepared, targets)
    assume(capacity > 0)
    state = at_rate(prepared, 0.1 * capacity)
    moves = planned(prepared, state, LOOSE, 3, capacity, Demand(2.9 * capacity, targets), unsure(0.5), SURE)
    assert moves.capacity.low == 0.0
    assert math.isinf(moves.fleet.high)
    assert moves.notes == (NO_END,)


@given(systems(), st.floats(0.0, 0.5))
def test_a_fleet_that_misses_or_is_larger_than_needed_is_not_made_smaller(prepared, sigma):
    capacity = max_rate(prepared)
    state, price = at_rate(prepared, 0.1 * capacity), Ends(0.5, 2.0)
    missing = planned(prepared, state, LOOSE, 5, 0.0, Demand(5.0, ()), unsure(sigma), price)
    assert (missing.fleet, missing.capacity, missing.price) == (SURE, SURE, price)
    roomy = planned(prepared, state, LOOSE, 50, capacity, Demand(capacity, ()), unsure(sigma), price)
    assert roomy.fleet == SURE


@given(systems(), st.floats(0.0, 0.5), st.floats(0.02, 0.9))
def test_a_stream_flows_as_asked_unless_the_slow_end_is_full(prepared, sigma, load):
    state = at_rate(prepared, load * max_rate(prepared))
    flow = predicted(prepared, state, (), unsure(sigma), SURE, closed=False).flow
    assert flow.high == 1.0
    assert flow.low == pytest.approx(min(1.0, math.exp(-Z80 * sigma) / load), rel=BISECTED)


@given(systems(), st.floats(0.0, 0.5), st.sampled_from([1.0, 4.0, 1000.0]))
def test_a_loop_flows_as_fast_as_its_requests_return(prepared, sigma, concurrency):
    assume(prepared.max_seqs >= 1)
    state = at_concurrency(prepared, concurrency)
    same = predicted(prepared, state, (), unsure(sigma), SURE, closed=True).flow
    f = math.exp(Z80 * sigma)
    assert (same.low, same.high) == pytest.approx((1 / f, f))
    first = predicted(prepared, state, (), replace(unsure(0.0), ttft=sigma), SURE, closed=True).flow
    share = (state.ttft.mean - state.queue_s) / state.e2e.mean  # waits are as long as the steps of others
    assert first.low == pytest.approx(1 / (1 + share * (f - 1)), rel=1e-6)
