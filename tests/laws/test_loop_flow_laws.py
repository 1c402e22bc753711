"""Laws of loops: more requests never make fewer end, no request ends sooner than one alone, Little's law."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivetrain.serving.lengths import Lengths
from drivetrain.serving.loop_flow import circulate
from strategies import redeploy, systems

concurrencies = st.one_of(st.integers(1, 16).map(float), st.floats(1.0, 1000.0))
ROUNDING = 1 + 1e-6


@st.composite
def alike(draw):
    """A deployment whose requests are all as its first ones are."""
    p = draw(systems())
    n = p.lengths
    one = Lengths(np.ones(1), n.isl[:1], n.osl[:1], n.computed[:1], n.arrival_cv2)
    found = redeploy(p, lengths=one)
    assume(found.max_seqs >= 1)
    return found


@given(alike(), concurrencies, concurrencies)
def test_more_requests_in_step_never_make_fewer_end(prepared, a, b):
    low, high = sorted((a, b))
    assert circulate(prepared, low, True).rate <= circulate(prepared, high, True).rate * ROUNDING


@given(alike(), concurrencies)
def test_nobody_in_step_is_done_sooner_than_alone(prepared, concurrency):
    alone, flow = circulate(prepared, 1.0, True), circulate(prepared, concurrency, True)
    assert flow.rate <= concurrency * alone.rate * ROUNDING
    assert flow.tpot_s >= alone.tpot_s / ROUNDING


@given(st.one_of(alike(), systems()), concurrencies, st.booleans())
def test_a_round_holds_an_answer_and_decodes_are_counted_alike(prepared, concurrency, in_step):
    flow = circulate(prepared, concurrency, in_step)
    gaps = float(prepared.lengths.weight @ (prepared.lengths.osl - 1.0))
    assert flow.rate * gaps * flow.tpot_s == pytest.approx(flow.decoding, rel=1e-6)
    assert flow.decoding <= min(concurrency, prepared.max_seqs) * ROUNDING
    assert flow.mixed_frac >= 0.0
    assert flow.step_s > 0.0
