"""Laws of the closed loop: C requests circulate, the next is sent when one ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError
from drivetrain.serving import report, steady
from strategies import systems

concurrencies = st.one_of(st.integers(1, 16).map(float), st.floats(1.0, 1000.0))
ROUNDING = 1 + 1e-4  # the rate is bisected to 1e-6


@given(systems(), concurrencies, concurrencies)
def test_more_concurrency_never_lowers_throughput(prepared, a, b):
    low, high = sorted((a, b))
    assert steady.at_concurrency(prepared, low).rate <= steady.at_concurrency(prepared, high).rate * ROUNDING


@given(systems(), concurrencies)
def test_all_requests_are_somewhere(prepared, concurrency):
    """Little's law: rate times the time of a round is the concurrency."""
    state = steady.at_concurrency(prepared, concurrency)
    assert state.stable
    assert state.rate * state.e2e.mean == pytest.approx(concurrency, rel=1e-3)
    assert state.in_system == pytest.approx(concurrency, rel=1e-3)


@given(systems(), concurrencies)
def test_no_more_decode_than_circulate_or_fit(prepared, concurrency):
    state = steady.at_concurrency(prepared, concurrency)
    assert state.decoding <= min(concurrency, prepared.max_seqs) * ROUNDING


@given(systems(), concurrencies)
def test_throughput_never_beats_one_request_alone_times_the_concurrency(prepared, concurrency):
    alone = steady.at_concurrency(prepared, 1.0)
    assert steady.at_concurrency(prepared, concurrency).rate <= concurrency * alone.rate * ROUNDING


@given(systems())
def test_a_request_alone_waits_for_nobody(prepared):
    state = steady.at_concurrency(prepared, 1.0)
    assert state.queue_s == 0.0
    assert state.mixed_frac == 0.0
    assert state.others == 0.0
    assert state.e2e.mean * state.rate == pytest.approx(1.0, rel=1e-4)


@given(systems(), concurrencies)
def test_percentiles_are_ordered_in_the_loop(prepared, concurrency):
    state = steady.at_concurrency(prepared, concurrency)
    for metric in ("ttft", "tpot", "itl", "e2e"):
        latency = state.latency(metric)
        ordered = [latency.p50, latency.p90, latency.p95, latency.p99]
        assert ordered == sorted(ordered), metric


@given(systems(), concurrencies)
def test_the_breakdown_sums_to_the_time_per_token_in_the_loop(prepared, concurrency):
    state = steady.at_concurrency(prepared, concurrency)
    use = report.utilisation(prepared, state)
    assert sum(use.breakdown_s.values()) == pytest.approx(state.tpot.mean, rel=1e-4)


@given(systems(), st.sampled_from([0.0, 0.5, -1.0, float("nan")]))
def test_a_loop_of_less_than_one_request_is_refused(prepared, concurrency):
    with pytest.raises(BadInputError):
        steady.at_concurrency(prepared, concurrency)
