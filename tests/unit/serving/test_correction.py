"""The correction of percentiles: bound to rise, held at the edges of its fit, off where nothing was played."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivetrain.serving import correction, kernel, steady
from strategies import systems

N = correction.N_FIXED + correction.N_MOVING
inside = arrays(float, N, elements=st.floats(-8.0, 8.0))


def value(output, y0, features):
    a, b = np.empty(correction.N_A), np.empty(correction.N_B)
    correction.hidden(features, a, b)
    return correction.corrected(output, y0, 1.0, a, b)


@given(inside, st.integers(0, 11), st.integers(0, correction.N_MOVING - 1), st.floats(0.0, 5.0), st.floats(0.0, 2.0))
def test_what_rises_with_the_rate_never_lowers_a_percentile(features, output, which, more, longer):
    other = features.copy()
    other[correction.N_FIXED + which] += more
    before, after = value(output, 1.5, features), value(output, 1.5 * (1.0 + longer), other)
    assert after >= before * (1.0 - 1e-12)
    assert before > 0.0


@given(inside)
def test_features_are_held_at_the_edges_of_the_fit(features):
    held = np.clip(features, correction._LOW, correction._HIGH)
    for output in range(len(correction.OUTPUTS)):
        assert value(output, 2.0, features) == value(output, 2.0, held)


def test_tables_are_whole():
    assert len(correction.OUTPUTS) == 12
    assert (correction._HIGH >= correction._LOW).all()
    assert (correction._W >= 0.0).all()
    assert (correction._V >= 0.0).all()
    assert correction._V.any(), "no fit was read"


@given(systems(), st.floats(0.05, 0.9))
def test_means_and_short_answers_and_loops_are_the_algebras(prepared, load):
    scalars = prepared.scalars.copy()
    scalars[kernel.CORRECTED] = 0.0
    plain = replace(prepared, scalars=scalars)
    rate = load * steady.max_rate(prepared)
    one, other = steady.at_rate(prepared, rate), steady.at_rate(plain, rate)
    for metric in ("ttft", "tpot", "itl", "e2e"):
        assert one.latency(metric).mean == other.latency(metric).mean
    gaps = float(prepared.lengths.weight @ (prepared.lengths.osl - 1.0)) / scalars[kernel.YIELD]
    if gaps < correction.LEAST_GAPS:
        assert one == other

    assert steady.at_concurrency(prepared, 1.0) == steady.at_concurrency(plain, 1.0)
