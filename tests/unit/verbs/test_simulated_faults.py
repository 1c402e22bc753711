"""Faults as people write them: rates, draws, order, and what cannot be read."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.catalogue.wan import place
from drivetrain.errors import BadInputError
from drivetrain.serving.sim.records import DETECT, FAIL, NOTICE, PARTITION, RECOVER, SLOW
from drivetrain.verbs.simulated_faults import Faults, controls_of, read_faults
from simulated import pool

PLACES = (place("us"), place("us-west"), place("eu"))
POOLS = (pool(replicas=2, max_replicas=4), pool(replicas=1, max_replicas=1))


def drawn(faults, pools=POOLS, horizon_s=1e6, seed=1, slow=(), partition=()):
    return controls_of(pools, PLACES, faults, slow, partition, horizon_s, seed)


def test_texts_and_defaults():
    f, notes = read_faults("mtbf=1000h, repair=10min", "0.05 per hour, notice=30s")
    assert (f.failures_per_s, f.repair_s) == (1 / 3.6e6, 600.0)
    assert (f.reclaims_per_s, f.notice_s) == (0.05 / 3600, 30.0)
    assert f.detect_s == loader.economics()["failure_detection_s"].mid.value
    assert {a.what for a in notes} == {"--faults detect", "--spot back"}
    assert read_faults("", "") == (Faults(), [])
    on, notes = read_faults("on", "")
    assert on.failures_per_s == 1 / loader.economics()["accelerator_mtbf_s"].mid.value
    assert len(notes) == 3
    for text in ("rate=1.2/day", "1.2 per day", "rate = 0.05/h", "0.05"):
        assert read_faults("", text)[0].reclaims_per_s == pytest.approx(0.05 / 3600), text


@given(st.floats(1e-6, 1e-3), st.floats(0, 1e-3), st.floats(0, 1e4), st.integers(0, 2**63 - 1))
def test_every_replica_goes_down_and_comes_back_in_order(failures, reclaims, repair, seed):
    f = Faults(failures, repair, 10.0, reclaims, 120.0, repair)
    events = drawn(f, horizon_s=2e4, seed=seed)
    assert [e.time_s for e in events] == sorted(e.time_s for e in events)
    for replica in range(5):
        kinds = [e.kind for e in events if e.a == replica and e.kind != DETECT]
        text = "".join({FAIL: "f", RECOVER: "r", NOTICE: "n"}[kind] for kind in kinds)
        assert text.replace("nfr", "").replace("fr", "") == ""
        count = Counter(e.kind for e in events if e.a == replica)
        assert count[DETECT] == 2 * count[FAIL] == 2 * count[RECOVER]


def test_they_come_as_often_as_said():
    """Time between failures of a replica is exponential: count over many, within four sigma of Poisson."""
    n, horizon, rate = 400, 1e6, 1e-6
    events = drawn(Faults(rate, 0.0), (pool(replicas=n, max_replicas=n),), horizon)
    failures = sum(e.kind == FAIL for e in events)
    mean = n * horizon * rate
    assert abs(failures - mean) < 4 * math.sqrt(mean)
    eight = drawn(Faults(rate, 0.0), (pool(replicas=n, max_replicas=n, n_accelerators=8),), horizon)
    assert abs(sum(e.kind == FAIL for e in eight) - 8 * mean) < 4 * math.sqrt(8 * mean)


def test_repair_takes_repair_and_start():
    events = drawn(Faults(1e-4, 100.0, 10.0), (pool(replicas=1, max_replicas=1, cold_start_s=50.0),), 1e5)
    down = [e.time_s for e in events if e.kind == FAIL]
    up = [e.time_s for e in events if e.kind == RECOVER]
    assert np.subtract(up, down) == pytest.approx(150.0)
    seen = [e.time_s for e in events if e.kind == DETECT]
    assert sorted([*np.add(down, 10.0), *np.add(up, 10.0)]) == pytest.approx(sorted(seen))


def test_more_replicas_leave_the_others_alone():
    f = Faults(1e-4, 10.0, 1.0)
    few = drawn(f, (pool(replicas=2, max_replicas=2),), 1e5)
    many = drawn(f, (pool(replicas=6, max_replicas=6),), 1e5)
    assert [e for e in many if e.a < 2] == list(few)


def test_a_slow_replica_is_counted_among_those_there():
    (start, end) = drawn(Faults(), slow=("replica 2 x2.5 from 60s to 2min",))
    assert (start.time_s, start.kind, start.a, start.value) == (60.0, SLOW, 4, 2.5)  # after four of the first pool
    assert (end.time_s, end.a, end.value) == (120.0, 4, 1.0)
    assert len(drawn(Faults(), slow=("replica 0 x3 from 0s",))) == 1


def test_a_partition_is_between_two_regions():
    (event,) = drawn(Faults(), partition=("us-us-west from 100s to 160s",))
    assert (event.time_s, event.kind, event.a, event.b, event.value) == (100.0, PARTITION, 0, 1, 160.0)
    (event,) = drawn(Faults(), partition=("eu-usa from 1s to 2s",))
    assert (event.a, event.b) == (2, 0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: read_faults("mtfb=3h", ""), "Did you mean 'mtbf'"),
        (lambda: read_faults("mtbf=3 W", ""), "is in W"),
        (lambda: read_faults("mtbf=0s", ""), "above zero"),
        (lambda: read_faults("mtbf", ""), "knows no 'mtbf'"),
        (lambda: read_faults("", "notice=3s"), "how often a replica is reclaimed"),
        (lambda: read_faults("", "rate=3 per fortnight"), "as a rate"),
        (lambda: read_faults("", "rate=-1"), "above zero"),
        (lambda: drawn(Faults(1e-5), horizon_s=math.inf), "until when"),
        (lambda: drawn(Faults(), slow=("replica 9 x2 from 0s",)), "they count from 0 to 2"),
        (lambda: drawn(Faults(), slow=("all x2",)), "cannot read --slow"),
        (lambda: drawn(Faults(), slow=("replica 0 x0 from 1s",)), "above zero"),
        (lambda: drawn(Faults(), slow=("replica 0 x2 from 9s to 3s",)), "ends before"),
        (lambda: drawn(Faults(), partition=("us-eu for 3s",)), "cannot read --partition"),
        (lambda: drawn(Faults(), partition=("us-japan from 1s to 2s",)), "no pair"),
        (lambda: drawn(Faults(), partition=("us-eu from 5s to 2s",)), "ends before"),
    ],
)
def test_what_cannot_be_read(call, says):
    with pytest.raises(BadInputError, match=says):
        call()
