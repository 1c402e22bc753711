"""How uncertain a prediction is: wider for what is new, wider outside what was measured."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.cost.efficiency import calibration
from drivetrain.measure import spread, uncertainty
from drivetrain.measure.uncertainty import WIDENING, Setting

BOX = {"released": ["2025-06", "2026-03"], "weights": ["bf16", "fp8"], "concurrency": [4, 512],
       "input_tokens": [1000, 8000], "output_tokens": [100, 8000], "accelerators_per_replica": [1, 8]}  # fmt: skip
CALIBRATION = {
    "fit": {"models": ["seen"], "accelerators": ["chip"]},
    "spread": {"known_tpot": 0.1, "known_ttft": 0.3, "new_model_tpot": 0.2, "new_model_ttft": 0.5,
               "new_accelerator_tpot": 0.05, "new_accelerator_ttft": 0.4},
    "evidence": {"base": BOX, "generation.gen": BOX, "engine.narrow": BOX | {"concurrency": [4, 64]}},
}  # fmt: skip
ERROR = "mean_abs_models_left_out"
POWER = {"base": {ERROR: 0.1}, "generation": {"gen": {ERROR: 0.05}, "other": {ERROR: 0.2}}}
INSIDE = Setting("seen", "chip", "gen", "engine", True, "2026-01", "bf16", 32.0, 2000.0, 500.0, 4)


@pytest.fixture(autouse=True)
def _own_calibration(monkeypatch):
    use(monkeypatch, CALIBRATION)


def use(monkeypatch, serving):
    files = {"serving": serving, "power": POWER, "lineage": {"gen-ultra": "gen"}}
    for module in (spread, uncertainty):
        monkeypatch.setattr(module, "calibration", files.__getitem__)


def sigmas(setting, assumed=()):
    found = uncertainty.uncertainty(setting, assumed)
    return found.tpot, found.ttft, found.power


def test_what_is_like_the_measurements_has_the_spread_of_the_fit():
    found = uncertainty.uncertainty(INSIDE)
    assert (found.kind, found.distance, found.notes) == ("known", 0.0, ())
    assert sigmas(INSIDE) == pytest.approx((0.1, 0.3, 1.2533 * 0.05))


def test_what_is_new_in_both_ways_adds_both_excesses_and_narrows_nothing():
    model, part = replace(INSIDE, model="other"), replace(INSIDE, accelerator="other")
    assert sigmas(model)[:2] == pytest.approx((0.2, 0.5))
    assert sigmas(part)[:2] == pytest.approx((0.1, 0.4))  # 0.05 would be narrower than what was seen
    both = uncertainty.uncertainty(replace(model, accelerator="other"))
    assert (both.tpot, both.ttft) == pytest.approx((0.2, math.sqrt(0.5**2 + 0.4**2 - 0.3**2)))
    assert both.kind == "new_accelerator"
    assert both.notes == ("model other is not in the fit", "accelerator other is not in the fit")
    unfitted = uncertainty.uncertainty(replace(INSIDE, fitted=False))
    assert (unfitted.kind, unfitted.notes) == ("new_accelerator", ("engine on gen is not in the fit",))


def test_the_distance_is_the_logarithm_outside_the_box_and_named():
    found = uncertainty.uncertainty(replace(INSIDE, concurrency=1024.0))
    assert found.distance == pytest.approx(math.log(2))
    assert found.tpot == pytest.approx(0.1 * (1 + WIDENING * math.log(2)))
    assert found.notes == ("concurrency 1,024 above the measured 4 to 512",)
    two = uncertainty.uncertainty(replace(INSIDE, concurrency=1024.0, input_tokens=500.0))
    assert two.distance == pytest.approx(math.sqrt(2) * math.log(2))
    assert two.notes[1] == "input tokens 500 below the measured 1,000 to 8,000"


@pytest.mark.parametrize(
    ("change", "distance", "says"),
    [
        ({"weights": "nvfp4"}, 1.0, "no nvfp4 weights"),
        ({"released": "2027-03"}, 1.0, "engine of 2027-03, after the measured 2025-06 to 2026-03"),
        ({"released": "2024-12"}, 0.5, "before"),
        ({"released": "2026-04"}, 0.0, ""),  # a month is no distance
        ({"released": ""}, 0.0, ""),
        ({"engine": "narrow", "concurrency": 128.0}, math.log(2), "above the measured 4 to 64"),
        ({"generation": "gen-ultra", "concurrency": 1024.0}, math.log(2), "above the measured 4 to 512"),
        ({"accelerators_per_replica": 16}, math.log(2), "accelerators of a replica 16"),
        ({"concurrency": 0.01}, math.log(4), "concurrency 1 below"),  # a request is never less than one
    ],
)
def test_each_setting_is_looked_up_in_what_was_measured(change, distance, says):
    found = uncertainty.uncertainty(replace(INSIDE, **change))
    assert found.distance == pytest.approx(distance)
    assert len(found.notes) == bool(says)
    assert says in "".join(found.notes)


def test_what_rests_on_nothing_is_assumed_and_wider():
    found = uncertainty.uncertainty(INSIDE, ["pools: not measured"])
    assert (found.kind, found.distance, found.notes) == ("assumed", 1.0, ("pools: not measured",))
    assert found.ttft == pytest.approx(0.3 * (1 + WIDENING))


def test_a_calibration_without_evidence_widens_nothing(monkeypatch):
    use(monkeypatch, {name: table for name, table in CALIBRATION.items() if name != "evidence"})
    far = replace(INSIDE, concurrency=1e5, weights="int4", released="2030-01")
    assert sigmas(far) == sigmas(INSIDE)


def test_power_that_was_never_measured_takes_the_widest():
    assert spread.power_spread("gen") == pytest.approx(1.2533 * 0.05)
    assert spread.power_spread("unknown") == pytest.approx(1.2533 * 0.2)


settings = st.builds(
    Setting,
    model=st.sampled_from(["seen", "other"]), accelerator=st.sampled_from(["chip", "other"]),
    generation=st.sampled_from(["gen", "gen-ultra", "unknown"]), engine=st.sampled_from(["engine", "narrow"]),
    fitted=st.booleans(), released=st.sampled_from(["2024-01", "2026-01", "2028-06"]),
    weights=st.sampled_from(["bf16", "int4"]), concurrency=st.floats(1.0, 1e4), input_tokens=st.floats(1.0, 1e5),
    output_tokens=st.floats(1.0, 1e5), accelerators_per_replica=st.sampled_from([1, 4, 8, 64]),
)  # fmt: skip
# (what makes a setting worse known, by how much)
WORSE = [{"model": "other"}, {"accelerator": "other"}, {"fitted": False}, {"weights": "int4"}, {"released": "2031-01"}]


@given(settings, st.sampled_from(WORSE))
def test_what_is_newer_is_never_narrower(setting, change):
    before, after = sigmas(setting), sigmas(replace(setting, **change))
    if "released" in change and setting.released == "2024-01":
        return  # from one side to the other
    assert all(a >= b - 1e-12 for a, b in zip(after, before, strict=True))


@given(settings, st.sampled_from(["concurrency", "input_tokens", "output_tokens"]), st.floats(1.0, 100.0))
def test_farther_outside_is_never_narrower(setting, name, factor):
    edge = 1.0 if getattr(setting, name) < BOX[name][0] else 1e9
    value = getattr(setting, name)
    farther = max(value / factor, edge) if edge == 1.0 else value * factor
    before, after = sigmas(setting), sigmas(replace(setting, **{name: farther}))
    assert all(a >= b - 1e-12 for a, b in zip(after, before, strict=True))


@given(settings, st.integers(0, 3))
def test_more_assumptions_are_never_narrower(setting, n):
    assert sigmas(setting, ["x"] * (n + 1)) > sigmas(setting, ["x"] * n)


def test_the_calibration_that_ships_says_what_it_was_fitted_on():
    evidence = calibration("serving")["evidence"]
    assert {"base", "generation.hopper", "generation.blackwell"} <= set(evidence)
    for name, box in evidence.items():
        for key in ("concurrency", "input_tokens", "output_tokens", "accelerators_per_replica", "released"):
            assert len(box[key]) == 2, name
            assert box[key][0] <= box[key][1], name
