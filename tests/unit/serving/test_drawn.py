"""Watts bend towards TDP and never pass it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.serving.kernel import drawn

watts = st.floats(1.0, 2000.0)


@given(static=watts, room=watts, less=st.floats(0.0, 1e4), more=st.floats(0.0, 1e4))
def test_more_work_draws_more_up_to_tdp(static, room, less, more):
    tdp = static + room
    low, high = sorted((less, more))
    assert static <= drawn(static, low, tdp) <= drawn(static, high, tdp) <= tdp * (1 + 1e-12)
    assert drawn(static, low, tdp) <= static + low + 1e-9


def test_little_work_adds_what_it_takes():
    assert drawn(300.0, 1.0, 700.0) == pytest.approx(301.0, rel=1e-4)
    assert drawn(300.0, 400.0, 700.0) == pytest.approx(300.0 + 400.0 * (1 - 0.36787944117144233))


def test_a_cap_below_static_power_is_the_draw():
    assert drawn(300.0, 50.0, 250.0) == 250.0
