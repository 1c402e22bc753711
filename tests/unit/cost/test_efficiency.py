from dataclasses import replace

import pytest

from drivetrain.cost.efficiency import IDEAL, SHARES
from drivetrain.errors import FileError


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
