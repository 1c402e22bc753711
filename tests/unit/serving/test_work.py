"""Work is conserved: where nothing but compute takes time, batching gains nothing and no load is served beyond it.

A request alone does all its work one after the other, so the loop of one is already at capacity.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from test_steady import CLOCK, FAST, STEP, lengths, replica

from drivetrain.cost.efficiency import IDEAL
from drivetrain.serving.steady import at_concurrency, max_rate

SLOW = replace(FAST, flops={"bf16": 1e10})
LOADS = tuple(float(c) for c in (1, 2, 3, 4, 6, 8, 12, 20, 50, 100, 1000))


def compute_bound(isl, osl, budget, max_seqs):
    return replica(lengths(isl, osl), budget, max_seqs, hardware=SLOW, eff=IDEAL)


def rates(prepared):
    return [at_concurrency(prepared, c).rate for c in LOADS]


@pytest.mark.parametrize(("isl", "osl"), [(64.0, 10.0), (512.0, 101.0), (4096.0, 1001.0)])
def test_a_stream_of_prompts_below_the_budget_is_not_served_beyond_the_work(isl, osl):
    prepared = compute_bound(isl, osl, 8192.0, 100.0)
    assert max_rate(prepared) <= 1.02 * at_concurrency(prepared, 1.0).rate


def test_a_stream_of_prompts_beyond_the_budget_is_not_served_beyond_the_work():
    prepared = compute_bound(4096.0, 1001.0, 512.0, 100.0)
    assert max_rate(prepared) <= 1.02 * at_concurrency(prepared, 1.0).rate


@pytest.mark.parametrize(("isl", "osl"), [(64.0, 10.0), (512.0, 10.0), (4096.0, 101.0)])
def test_more_concurrency_never_lowers_throughput_where_compute_binds(isl, osl):
    found = rates(compute_bound(isl, osl, 8192.0, 100.0))
    assert all(after >= before * (1 - 1e-4) for before, after in pairwise(found))


def test_more_concurrency_never_lowers_throughput_with_prompts_beyond_the_budget():
    found = rates(compute_bound(4096.0, 1001.0, 512.0, 100.0))
    assert all(after >= before * (1 - 1e-4) for before, after in pairwise(found))


def test_a_loop_is_not_served_beyond_the_work():
    found = rates(compute_bound(64.0, 10.0, 8192.0, 8.0))
    assert max(found) <= 1.02 * found[0]


@pytest.mark.parametrize("concurrency", [2.0, 6.0, 20.0])
def test_a_loop_never_drains_prompts_faster_than_the_budget_allows(concurrency):
    state = at_concurrency(replica(lengths(osl=2.0), max_seqs=concurrency, eff=CLOCK), concurrency)
    assert state.prefill_load <= 1.0
    assert state.rate <= 1.0 / (0.5 * STEP) * (1 + 1e-6)
    assert state.rate * state.e2e.mean == pytest.approx(concurrency, rel=1e-3)
