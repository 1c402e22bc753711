"""Ranges: those of the reference bootstrap inside, wider and told outside."""

import json
import math

import pytest
from test_scaling_law import REFERENCE

from drivetrain.catalogue import scaling
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training.scaling.known import mixture, parametric, repeated
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.uncertainty import decades_beyond, draws, estimated_loss, estimated_optimum, notes


def test_the_ratio_at_the_budget_of_chinchilla():
    """80 % of the bootstrap lie between 9.9 and 29.0 tokens per parameter."""
    ratio = estimated_optimum(5.88e23).tokens_per_param
    low, high = 9.860127, 29.006661
    if REFERENCE.exists():
        reference = json.loads(REFERENCE.read_text())["opt_at_5.88e23"]
        assert (low, high) == pytest.approx((reference["ratio_p10"], reference["ratio_p90"]), rel=1e-6)
    assert ratio.p10 == pytest.approx(low, rel=0.03)
    assert ratio.p90 == pytest.approx(high, rel=0.03)
    assert ratio.wide_p10 < ratio.p10 < ratio.value < ratio.p90 < ratio.wide_p90


def test_coefficients_spread_as_in_the_reference():
    if not REFERENCE.exists():
        pytest.skip("needs ../shared/facts/chinchilla_refit_reference.json")
    import numpy as np

    reference, drawn = json.loads(REFERENCE.read_text())["bootstrap"], draws()
    for name, values in (("E", drawn.e), ("A", drawn.a), ("B", drawn.b), ("alpha", drawn.alpha), ("beta", drawn.beta)):
        for q, key in ((0.1, "p10"), (0.5, "median"), (0.9, "p90")):
            assert np.quantile(values, q) == pytest.approx(reference[name][key], rel=0.06), (name, key)


def test_the_ratio_is_surest_where_the_runs_are():
    def width(flops):
        ratio = estimated_optimum(flops).tokens_per_param
        return ratio.p90 / ratio.p10

    assert width(1e20) < 1.3 < width(1e23) < width(1e26) < width(1e29)


def test_inside_nothing_is_told_and_outside_it_is():
    inside, outside = estimated_optimum(1e20), estimated_optimum(1e26)
    assert inside.decades_beyond == 0.0
    assert inside.notes == ()
    assert (inside.tokens_per_param.wide_p10, inside.tokens_per_param.wide_p90) == (
        inside.tokens_per_param.p10, inside.tokens_per_param.p90)  # fmt: skip
    assert outside.decades_beyond == pytest.approx(3.886, abs=0.01)
    assert "3.9 decades" in outside.notes[0]


def test_a_single_run_scatters_also_inside():
    loss = estimated_optimum(1e20).loss
    assert loss.wide_p90 - loss.wide_p10 > 3 * (loss.p90 - loss.p10)


def test_the_published_interval_of_the_refit_covers_its_value():
    loss = estimated_loss(70e9, 1.4e12)
    assert loss.p10 < loss.value < loss.p90
    assert loss.value == pytest.approx(parametric().loss(70e9, 1.4e12))


def test_odd_ratios_are_told():
    entry = scaling.law()
    assert any("tokens per parameter" in note for note in notes(entry, 8e9, 15e12))
    assert not any("tokens per parameter" in note for note in notes(entry, 70e9, 1.4e12))


def test_laws_without_draws_have_a_range_of_runs_and_form_only():
    near, far = (estimated_loss(n, 20 * n, "hoffmann-2022") for n in (1e9, 1e12))
    assert (near.p10, far.p90) == (None, None)
    assert draws("hoffmann-2022") is None
    # inside the runs: their scatter, 0.75 % of the loss, at 1.2816 standard deviations
    assert near.wide_p90 / near.value == pytest.approx(math.exp(1.28155 * 0.0075), rel=1e-6)
    assert far.wide_p90 / far.value > near.wide_p90 / near.value
    assert near.wide_p10 * near.wide_p90 == pytest.approx(near.value**2)
    told = notes(scaling.law("hoffmann-2022"), 1e12, 2e13)
    assert any("nobody told how sure" in note for note in told)
    assert not any("nobody told" in note for note in notes(scaling.law(), 1e12, 2e13))


def test_where_compute_is_not_known_sizes_tell():
    entry = scaling.law("moe")
    assert decades_beyond(entry, 2.7e9, 1e12) == 0.0
    assert decades_beyond(entry, 2.7e10, 1e12) == pytest.approx(2.0)
    assert "unverified" in notes(entry, 2.7e9, 1e12)[0]


def test_forms_are_not_confused():
    assert isinstance(parametric("muennighoff"), Law)
    with pytest.raises(BadInputError, match="mixture"):
        parametric("moe")
    with pytest.raises(BadInputError, match="muennighoff-2023"):
        repeated("chinchilla")
    with pytest.raises(BadInputError, match="ludziejewski-2025"):
        mixture("chinchilla")
    with pytest.raises(UnknownNameError, match="chinchilla"):
        parametric("chinchila")


def test_the_same_draws_each_time():
    first = draws().a.copy()
    assert (draws().a == first).all()
    assert not (draws(seed=3).a == first).all()
