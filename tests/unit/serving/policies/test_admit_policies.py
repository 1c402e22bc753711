import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_arrays import admitted, decision, decisions, endpoints, options

from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch
from drivetrain.serving.policies import signals as s

ADMITS = policies.BUILT_IN["admit"]


@pytest.mark.parametrize("name", ADMITS)
@given(d=decisions(), times=st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_machine_code_and_python_agree_bit_for_bit(name, d, times):
    python, machine = d.copy(), d.copy()
    text = f"{name}:burst=2,rate=0.1" if name == "token-bucket" else name
    for time_s in sorted(times):
        python.request[s.TIME_S] = machine.request[s.TIME_S] = time_s
        expected = admitted(text, python)
        found = dispatch.admit(
            ADMITS.index(name), machine.request, machine.endpoints, machine.state, machine.draws, options("admit", text)
        )
        assert found is expected
        assert machine.state.tobytes() == python.state.tobytes()


@given(d=decisions())
def test_always_admits(d):
    assert admitted("always", d) is True


@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    rate=st.floats(0.1, 5),
    burst=st.integers(1, 5),
)
def test_a_bucket_gives_out_no_more_than_it_got_and_wastes_nothing(gaps, rate, burst):
    d, text = decision(endpoints(1)), f"token-bucket:rate={rate!r},burst={burst}"
    times = np.cumsum(gaps)
    taken = []
    for time_s in times:
        d.request[s.TIME_S] = time_s
        if admitted(text, d):
            taken.append(time_s)
        else:
            # refused only when less than one token is there: what is missing explains it
            assert d.state[0] + 1.0 > burst
        assert -1e-9 <= d.state[0] <= burst
    taken = np.array(taken)
    for i in range(len(taken)):
        within = taken[i:] - taken[i]
        assert (np.arange(1, len(within) + 1) <= burst + rate * within + 1e-6).all()
    assert len(taken) >= min(len(times), burst)


def test_a_bucket_by_hand():
    d = decision(endpoints(1))
    seen = []
    for time_s in (0.0, 0.0, 0.0, 0.5, 1.0, 10.0, 10.0, 10.0):
        d.request[s.TIME_S] = time_s
        seen.append(admitted("token-bucket:rate=1/s,burst=2", d))
    assert seen == [True, True, False, False, True, True, True, False]


@given(d=decisions(), ttft=st.floats(0.001, 50))
def test_slo_aware_admits_exactly_when_an_endpoint_is_quick_enough(d, ttft):
    rows = d.endpoints[d.alive]
    rate = rows[:, s.PREFILL_TOKENS_PER_S]
    work = rows[:, s.INFLIGHT_TOKENS] + d.request[s.ISL]
    wait = np.divide(work, rate, out=np.zeros(len(rows)), where=rate > 0)
    assert admitted(f"slo-aware:ttft={ttft!r}", d) is bool((wait + 2.0 * rows[:, s.NETWORK_S] <= ttft).any())


def test_slo_aware_by_hand():
    # (9000 + 1000) tokens / 10,000 a second + 2 * 20 ms = 1.04 s
    d = decision(endpoints(1, inflight_tokens=9000, prefill_tokens_per_s=1e4, network_s=0.02))
    assert admitted("slo-aware:ttft=1.05s", d)
    assert not admitted("slo-aware:ttft=1.03s", d)
    d.endpoints[0, s.ALIVE] = 0.0
    assert not admitted("slo-aware:ttft=1h", d)
