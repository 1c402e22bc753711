from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.cost.efficiency import IDEAL, SHARES, capped
from drivetrain.errors import FileError

ROUNDING = 1 + 1e-12


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("share", [0.0, -0.1, 1.001, float("nan")])
def test_a_share_is_above_zero_and_at_most_one(name, share):
    with pytest.raises(FileError, match=name):
        replace(IDEAL, **{name: share})


@pytest.mark.parametrize(
    "wrong",
    [
        {"exposed": 1.1},
        {"exposed": -0.1},
        {"kernel_s": -1e-9},
        {"step_s": -1.0},
        {"sequence_s": -1.0},
        {"network": -1.0},
    ],
)
def test_overheads_are_not_negative(wrong):
    with pytest.raises(FileError, match=r"^DT020"):
        replace(IDEAL, **wrong)


@given(st.floats(1e-3, 20.0), st.floats(1e-3, 20.0), st.floats(0.05, 1.0))
def test_a_capped_share_keeps_its_order_and_stays_below_share_and_cap(a, b, cap):
    low, high = sorted((a, b))
    assert capped(low, cap) <= capped(high, cap) * ROUNDING <= cap * ROUNDING**2
    assert capped(low, cap) <= low * ROUNDING
    assert capped(0.5 * cap, cap) == pytest.approx(0.5 * cap, rel=1e-5)
