import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_arrays import options, pools

from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch
from drivetrain.serving.policies import signals as s

SCALES = policies.BUILT_IN["scale"]
DAMPED = [name for name in SCALES if name != "fixed"]


def desired(text, row, state):
    policy = policies.parse("scale", text)
    return policies.python_function("scale", policy.name)(row, state, options("scale", text))


def pool(now_s=15.0, ready=4, **columns):
    row = np.zeros(s.N_POOL)
    row[s.NOW_S], row[s.READY], row[s.MOST], row[s.INTERVAL_S] = now_s, ready, 20.0, 15.0
    for name, value in columns.items():
        row[getattr(s, name.upper())] = value
    return row


@pytest.mark.parametrize("name", SCALES)
@given(rows=st.lists(pools(), min_size=1, max_size=6))
def test_machine_code_and_python_agree_bit_for_bit(name, rows):
    python, machine = np.zeros(s.N_STATE), np.zeros(s.N_STATE)
    for row in sorted(rows, key=lambda r: r[s.NOW_S]):
        expected = desired(name, row, python)
        found = dispatch.desired(SCALES.index(name), row, machine, options("scale", name))
        assert np.float64(found).tobytes() == np.float64(expected).tobytes()
        assert machine.tobytes() == python.tobytes()


@pytest.mark.parametrize("name", DAMPED)
@given(rows=st.lists(pools(), min_size=1, max_size=12), down=st.sampled_from([0, 15, 300]))
def test_whole_numbers_within_bounds(name, rows, down):
    state = np.zeros(s.N_STATE)
    for row in sorted(rows, key=lambda r: r[s.NOW_S]):
        found = desired(f"{name}:down_after={down}", row, state)
        assert found == int(found)
        assert 1.0 <= found <= row[s.MOST]


@given(pools())
def test_fixed_leaves_all_as_it_is(row):
    assert desired("fixed", row, np.zeros(s.N_STATE)) == row[s.READY] + row[s.STARTING]


def test_target_concurrency_divides_requests_in_flight():
    text = "target-concurrency:target=10,down_after=0"
    for inflight, expected in ((0, 1), (10, 1), (41, 4), (44, 4), (45, 5), (1000, 20), (36, 4), (29, 3)):
        # 4 are there; within a tenth of them nothing changes
        assert desired(text, pool(pool_inflight=inflight), np.zeros(s.N_STATE)) == expected, inflight


@pytest.mark.parametrize("name", ["target-concurrency", "predictive"])
def test_it_shrinks_after_a_quiet_time_to_the_most_that_was_needed_in_it(name):
    state, text = np.zeros(s.N_STATE), f"{name}:target=10,down_after=60s"
    needs = {15: 20, 30: 30, 45: 10, 60: 10}
    for now_s, inflight in needs.items():
        assert desired(text, pool(now_s, pool_inflight=inflight), state) == 4
    assert desired(text, pool(75.0, pool_inflight=10), state) == 3, "60 s after 15 s, 3 the most in between"
    assert desired(text, pool(90.0, ready=3, pool_inflight=10), state) == 3, "and the wait begins anew"


def test_a_busy_moment_begins_the_wait_anew():
    state, text = np.zeros(s.N_STATE), "target-concurrency:target=10,down_after=60s"
    for now_s, inflight in ((15, 10), (30, 10), (45, 40), (60, 10), (75, 10), (90, 10), (105, 10)):
        assert desired(text, pool(now_s, pool_inflight=inflight), state) == 4
    assert desired(text, pool(120, pool_inflight=10), state) == 1


def test_target_queue_grows_by_the_queue_and_shrinks_by_the_cache():
    text = "target-queue:target=5,kv=50%,down_after=0"
    state = np.zeros(s.N_STATE)
    assert desired(text, pool(pool_queue=40, pool_kv_frac=0.9), state) == 8
    assert desired(text, pool(pool_queue=1, pool_kv_frac=0.1), state) == 4, "somebody waits: not fewer"
    assert desired(text, pool(pool_queue=0, pool_kv_frac=0.9), state) == 4, "nobody waits: not more"
    assert desired(text, pool(pool_queue=0, pool_kv_frac=0.25), state) == 2


def test_predictive_sees_a_ramp_before_it_has_come():
    predictive, reactive = np.zeros(s.N_STATE), np.zeros(s.N_STATE)
    seen, answered = [], []
    for tick in range(1, 41):
        # 1 request a second more at each tick, each in flight for 10 s
        row = pool(15.0 * tick, ready=1, pool_inflight=10.0 * tick, arrivals_per_s=float(tick), cold_start_s=135.0)
        row[s.MOST] = 1000.0
        seen.append(desired("predictive:target=10,tolerance=0", row, predictive))
        answered.append(desired("target-concurrency:target=10,tolerance=0", row, reactive))
    assert answered == [float(t) for t in range(1, 41)]
    # smoothing has settled: arrivals of tick 40 + (135 + 15) / 15 = 50
    assert seen[-1] == pytest.approx(50.0, abs=1.0)
    assert all(ahead >= now for ahead, now in zip(seen, answered, strict=True))


@given(rate=st.floats(0, 100), inflight=st.integers(0, 640))
def test_predictive_of_a_steady_load_is_target_concurrency(rate, inflight):
    ahead, now = np.zeros(s.N_STATE), np.zeros(s.N_STATE)
    for tick in range(1, 10):
        row = pool(15.0 * tick, pool_inflight=inflight, arrivals_per_s=rate, cold_start_s=60.0)
        assert desired("predictive", row, ahead) == desired("target-concurrency", row, now)
