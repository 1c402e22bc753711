"""What an architecture is worth in compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.gain import chosen_gain, gain_of, with_gain
from drivetrain.training.scaling.known import mixture, parametric
from drivetrain.training.scaling.optimum import flops_for_loss, optimum


@given(st.floats(1.01, 32.0), st.floats(1.01, 32.0))
def test_more_experts_are_worth_more_and_the_range_holds_the_value(a, b):
    few, many = sorted((a, b))
    assert gain_of(few).value <= gain_of(many).value
    for gain in (gain_of(few), gain_of(many)):
        assert 1.0 < gain.p10 <= gain.value <= gain.p90


def test_a_dense_model_is_worth_itself_and_beyond_the_fit_nothing_is_added():
    assert (gain_of(1.0).value, gain_of(1.0).note) == (1.0, "")
    assert gain_of(200.0).value == gain_of(32.0).value
    assert "taken as 32" in gain_of(200.0).note
    assert "unverified" in gain_of(8.0).note


def test_it_is_the_mixtures_own_gain_at_the_largest_run_of_the_fit():
    """The dense law needs g times the FLOPs for the loss that 16 experts reach with 2.7B active parameters."""
    law, n = mixture(), 16.0
    flops = next(
        10.0 ** (20 + k / 1000) for k in range(5000) if optimum(law.at(n), 10.0 ** (20 + k / 1000)).params > 2.7e9
    )
    wanted = float(flops_for_loss(law.at(1), float(optimum(law.at(n), flops).loss))) / flops
    assert gain_of(n).value == pytest.approx(wanted, rel=0.01)


@given(st.floats(0.2, 20.0), st.floats(1e20, 1e26))
def test_a_gain_is_that_many_times_the_compute(gain, flops):
    law = parametric()
    best = optimum(with_gain(law, gain), flops)
    assert best.loss == pytest.approx(optimum(law, flops * gain).loss, rel=1e-9)
    assert 6.0 * best.params * best.tokens == pytest.approx(flops, rel=1e-9)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_gains_that_are_none_are_refused(value):
    with pytest.raises(BadInputError, match="compute gain"):
        chosen_gain(value)
