"""Memory laws: parts sum to what there is, and what is said to fit does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.serving import report, steady
from drivetrain.serving.deployment import sequence_bytes
from drivetrain.serving.steady import prepare
from strategies import lengths, machines, systems


@given(systems())
def test_memory_parts_sum_to_what_the_engine_may_use(prepared):
    m = prepared.memory
    assert m.weights + m.workspace + m.overhead + m.cache == pytest.approx(m.capacity, rel=1e-12)
    assert m.capacity == pytest.approx(m.physical * prepared.deployment.engine.memory_frac)
    assert m.weights == prepared.deployment.cut.resident.weights_bytes


@given(systems())
def test_sequences_that_fit_really_fit(prepared):
    m, dp = prepared.memory, prepared.deployment.cut.layout.dp
    assert m.fits >= dp  # the strategy leaves room for one a rank
    assert m.short <= 0.0
    assert m.fits / dp * m.sequence_bytes <= m.cache * (1 + 1e-12)


@given(systems())
def test_what_does_not_hold_one_sequence_holds_none(prepared):
    d, m = prepared.deployment, prepared.memory
    short = 1.0 - (m.cache - 0.99 * m.sequence_bytes) / m.capacity
    small = replace(d, hardware=d.hardware.scaled(memory_bytes=short))
    again = prepare(small, prepared.lengths, prepared.budget).memory
    assert again.fits == 0.0
    assert again.short > 0.0


@given(systems(), st.floats(1.0, 4.0))
def test_more_memory_never_holds_fewer_sequences(prepared, factor):
    d = prepared.deployment
    larger = replace(d, hardware=d.hardware.scaled(memory_bytes=factor))
    assert prepare(larger, prepared.lengths, prepared.budget).memory.fits >= prepared.memory.fits


@given(systems(), st.floats(0.05, 0.99))
def test_reported_memory_sums_to_the_accelerator(prepared, load):
    state = steady.at_rate(prepared, load * steady.max_rate(prepared))
    parts = report.memory_bytes(prepared, state)
    usable = parts.pop("usable")
    assert sum(parts.values()) == pytest.approx(usable, rel=1e-12)
    assert min(parts.values()) >= 0.0
    assert 0.0 <= report.kv_occupancy(prepared, state) <= 1.0


@given(machines(), lengths(max_isl=3000, max_osl=300))
def test_a_sequence_is_sized_as_the_mean_over_its_decode_life(machine, load):
    """Against a walk over every token of every class, each weighted by the tokens it decodes."""
    one = sequence_bytes(machine.piece, load)
    sizes, weights = [], []
    for w, isl, osl in zip(load.weight, load.isl, load.osl, strict=True):
        for k in range(int(osl)):
            sizes.append(machine.piece.resident.sequence_bytes(isl + k + 0.5))
            weights.append(w)
    assert one.mean == pytest.approx(np.average(sizes, weights=weights), rel=1e-9)
    if all(term.span is None for term in machine.piece.resident.cache):  # a filling window is spread less evenly
        spread = np.sqrt(np.average((np.array(sizes) - one.mean) ** 2, weights=weights))
        # a walk in whole tokens misses what a token spreads within itself
        assert one.sigma == pytest.approx(spread, rel=1e-2, abs=machine.piece.resident.sequence_bytes(1.0))
