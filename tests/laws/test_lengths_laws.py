"""Contexts of a workload against sums over every token."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.serving.lengths import decode_context, prefill_context
from strategies import lengths

spans = st.one_of(st.just(math.inf), st.integers(1, 4000).map(float))
small = lengths(max_isl=3000, max_osl=300)


def attended(first, last, span):
    """Sum of min(k, span) over the tokens between two positions, each taken at its middle."""
    return float(np.minimum(np.arange(first, last) + 0.5, span).sum())


@given(small, spans)
def test_decode_context_is_the_mean_over_decoded_tokens(load, span):
    total = sum(w * attended(s, s + o, span) for w, s, o in zip(load.weight, load.isl, load.osl, strict=True))
    assert decode_context(load, span) == pytest.approx(total / load.osl_mean, rel=1e-9)


@given(small, spans)
def test_prefill_context_is_the_mean_over_computed_tokens(load, span):
    expected = [attended(s - c, s, span) / c for s, c in zip(load.isl, load.computed, strict=True)]
    assert prefill_context(load, span) == pytest.approx(expected, rel=1e-9)


@given(small, spans, spans)
def test_a_longer_span_never_shortens_the_context_and_bounds_it(load, a, b):
    near, far = sorted((a, b))
    assert decode_context(load, near) <= decode_context(load, far) * (1 + 1e-12)
    assert decode_context(load, near) <= near * (1 + 1e-12)
    assert np.all(prefill_context(load, near) <= np.minimum(prefill_context(load, far), near) * (1 + 1e-12))
