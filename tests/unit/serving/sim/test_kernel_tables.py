"""What keeps the kernel's tables: queues, timed events, names of entries, leaps, and room that is made for more."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulated as s
from drivetrain.cost.jit import jit
from drivetrain.serving.sim import kernel, reference
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.kernel import emission, growing, leap, loop, names, queue, setup, slots, timed
from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.kernel.run import Run
from drivetrain.serving.sim.kernel.world import world_of
from drivetrain.serving.sim.sketch import N_BINS, bin_of

ROWS = ("arrivals", "arrival_s", "isl", "osl", "priority", "session", "origin", "service", "difficulty", "gap_s",
        "hash_start", "hash_count", "hashes", "child_start", "children")  # fmt: skip


def world(n_slots=64, cache=None, hash_tokens=0):
    """Tables of a small fleet, and the world that compiled code sees."""
    fleet = s.fleet(s.pool(cache=cache or r.Cache(blocks=64, block_tokens=16)))
    a = setup.fleet_tables(fleet, r.Options(), hash_tokens, n_slots)
    for name in ROWS:
        a[name] = np.zeros(0, np.float64 if name in ("arrival_s", "difficulty", "gap_s") else np.int64)
    growing.grow(a)
    return a, world_of(a)


@jit
def taken_in_order(w, keys, out):
    """Slots in the order in which they leave the queue; every third one leaves at once and comes back."""
    for i in range(keys.shape[0]):
        one = slots.taken(w)
        w.slots[one].key = keys[i]
        w.slots[one].order = i
        queue.push(w, 0, one)
        if i % 3 == 2:
            queue.push(w, 0, queue.pop(w, 0))
    for i in range(keys.shape[0]):
        one = queue.pop(w, 0)
        out[i] = w.slots[one].order
        slots.give(w, one)
    return queue.first(w, 0)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_a_queue_goes_by_key_then_by_order(keys):
    _, w = world()
    out = np.zeros(len(keys), np.int64)
    assert taken_in_order(w, np.array(keys, dtype=np.float64), out) == -1
    assert list(out) == sorted(range(len(keys)), key=lambda i: (keys[i], i))


@jit
def removed_from_queue(w, keys, gone, out):
    for i in range(keys.shape[0]):
        w.slots[i].key = keys[i]
        w.slots[i].order = i
        queue.push(w, 0, i)
    queue.remove(w, 0, gone)
    for i in range(keys.shape[0] - 1):
        out[i] = queue.pop(w, 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_anybody_can_leave_a_queue(keys, data):
    _, w = world()
    gone = data.draw(st.integers(0, len(keys) - 1))
    out = np.zeros(len(keys) - 1, np.int64)
    removed_from_queue(w, np.array(keys, dtype=np.float64), gone, out)
    assert list(out) == sorted((i for i in range(len(keys)) if i != gone), key=lambda i: (keys[i], i))


@jit
def made_and_happened(w, times, out):
    for i in range(times.shape[0]):
        timed.make(w, times[i], 0, i, 0)
    for i in range(times.shape[0]):
        out[i] = w.timed[0].a
        timed.remove_first(w)


@given(st.lists(st.integers(0, 9), max_size=60))
def test_made_events_happen_by_time_then_in_the_order_of_making(times):
    _, w = world()
    out = np.zeros(len(times), np.int64)
    made_and_happened(w, np.array(times, dtype=np.float64), out)
    assert list(out) == sorted(range(len(times)), key=lambda i: times[i])


@jit
def named(w, adds, which, present):
    """Add (1) or drop (0) names one after another; then which are found."""
    for i in range(which.shape[0]):
        e = names.found(w, which[i] % 2, which[i])
        if adds[i] and e < 0:
            e = names.added(w, which[i] % 2, which[i])
            w.entries[e].where = t.ON_DEVICE
        elif not adds[i] and e >= 0:
            names.dropped(w, e)
    for name in range(present.shape[0]):
        present[name] = names.found(w, name % 2, name) >= 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=120))
def test_names_come_and_go(changes):
    a, w = world(cache=r.Cache(blocks=64, block_tokens=16, prefix=True), hash_tokens=16)
    present = np.zeros(31, np.bool_)
    named(w, np.array([c[0] for c in changes], np.bool_), np.array([c[1] for c in changes], np.int64), present)
    known = set()
    for adds, name in changes:
        (known.add if adds else known.discard)(name)
    assert set(np.flatnonzero(present)) == known
    assert len(a["entries"]) - a["clock"]["free_entries"][0] == len(known)
    growing.grow(a | {"clock": a["clock"]})
    assert (a["entry_places"] >= 0).sum() == len(known)


@jit
def ended_before(w, start, first, more, steps, time_s):
    lane = w.lanes[0]
    lane.start, lane.first, lane.more, lane.steps = start, first, more, steps
    return leap.boundaries_until(w, 0, time_s), leap.boundary(w, 0, steps)


@given(
    st.floats(1e-4, 0.1), st.one_of(st.just(0.0), st.floats(1e-18, 1e-3)), st.integers(1, 5000), st.floats(0, 1.1),
    st.floats(0, 1e4),
)  # fmt: skip
@settings(max_examples=200)
def test_the_step_that_a_leap_is_in(first, more, steps, share, start):
    _, w = world()
    end_s = ended_before(w, start, first, more, steps, 0.0)[1]
    time_s = start + share * (end_s - start)
    k = ended_before(w, start, first, more, steps, time_s)[0]
    at = [start + k_ * first + more * (0.5 * (k_ * (k_ - 1.0))) for k_ in (k, k + 1)]
    assert 0 <= k < steps
    assert k == 0 or at[0] < time_s
    assert k == steps - 1 or at[1] >= time_s


@jit
def counted(w, first, more, steps, n):
    emission.gaps(w, first, more, steps, n)


@given(st.floats(1e-8, 10.0), st.floats(0, 0.1), st.integers(1, 300), st.integers(1, 9))
def test_gaps_of_a_leap_count_as_one_by_one(first, more, steps, n):
    a, w = world()
    counted(w, first, more, steps, n)
    expected = np.zeros(N_BINS, np.int64)
    for k in range(steps):
        expected[bin_of(first + more * k)] += n
    np.testing.assert_array_equal(a["gaps"], expected)
    assert a["clock"]["gap_sum"][0] == pytest.approx(n * math.fsum(first + more * k for k in range(steps)))


def test_tables_grow_and_nothing_is_lost():
    # Far more at once than tables begin with: all at the same time, all lost at once, most given up.
    n = 5000
    pool = s.pool(replicas=2, cache=r.Cache(blocks=4000, block_tokens=16, prefix=True), frontend_s=0.01)
    prefixes = [[i % 900, 1000 + i] for i in range(n)]
    sent = s.requests(np.zeros(n), 40, 2, prefixes=prefixes, hash_tokens=16)
    failing = ((0.05, 0), (0.05, 1), (0.4, 0))
    fails = tuple(r.Control(at, kind, a) for at, a in failing for kind in (r.FAIL, r.RECOVER))
    fleet = s.fleet(pool, controls=fails, retry_s=0.25, max_retries=1, event_lag_s=0.01,
                    policies=r.Policies(route=r.Policy("prefix-events")))  # fmt: skip
    options = r.Options(sample_s=1e-4, log_steps=10**6)
    found, expected = kernel.simulate(fleet, sent, options), reference.simulate(fleet, sent, options)
    for name in ("status", "replica", "retries", "cached_tokens", "output_tokens"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.finish_s, expected.finish_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.series, expected.series, rtol=1e-9, atol=1e-9)
    assert {r.COMPLETED, r.LOST} <= set(found.status)


def test_what_a_router_index_forgets_leaves_its_table():
    n = 6000
    sent = s.requests(np.arange(n) * 0.01, 64, 1, prefixes=[[4 * i + j for j in range(4)] for i in range(n)],
                      hash_tokens=16)  # fmt: skip
    fleet = s.fleet(s.pool(replicas=2), index_ttl_s=1.0, policies=r.Policies(route=r.Policy("prefix-aware")))
    run = Run(fleet, r.Options(), 16, n)
    run.feed(sent)
    while run.advance() != loop.DONE:
        run.ended()
    assert len(run._arrays["seen"]) <= 1 << 14  # of 24,000 names sent, a second's worth is remembered at a time
