"""Which coefficients hold for which framework, generation and release."""

import pytest

from drivetrain.cost.efficiency import calibration
from drivetrain.errors import FileError
from drivetrain.training.coefficients import NAMES, coefficients, resolved


def test_factors_multiply():
    raw = calibration("training")
    found = resolved(raw, "foundry", "ampere")
    assert found["gemm"] == pytest.approx(raw["base"]["gemm"] * raw["generation"]["ampere"]["gemm"])
    kernel = raw["kernel"]["flash-1"]
    assert found["attention"] == pytest.approx(raw["base"]["attention"] * kernel["attention"] * kernel["ampere"])
    assert set(found) == set(NAMES)


def test_facts_of_a_framework():
    old, new = (resolved(calibration("training"), name, "ampere") for name in ("megatron-2022", "megatron"))
    assert (old["unfused"], new["unfused"]) == (1.0, 0.0)
    assert old["tp_exposed"] == 1.0 > new["tp_exposed"]


def test_relatives_and_unmeasured_generations():
    assert coefficients("megatron", "blackwell-ultra")[0].gemm == coefficients("megatron", "blackwell")[0].gemm
    assert coefficients("megatron", "hopper")[1] == "calibrated"
    amd, tier = coefficients("megatron", "cdna3")
    assert tier == "roofline"
    assert amd.gemm < coefficients("megatron", "hopper")[0].gemm  # published kernels keep half of the peak there
    assert coefficients("something-new", "some-chip")[1] == "roofline"


def test_releases_improve_and_stop_at_the_last_measured():
    paces = [coefficients("megatron", "hopper", year)[0].pace for year in (2026.0, 2026.5, 2026.7, 2030.0)]
    assert paces[0] >= paces[1] >= paces[2] == paces[3]


def test_missing_entries_are_named():
    raw = calibration("training")
    with pytest.raises(FileError, match="gemm"):
        resolved({**raw, "base": {k: v for k, v in raw["base"].items() if k != "gemm"}}, "", "hopper")


def test_shares_stay_within_what_is_possible():
    raw = calibration("training")
    high = {**raw, "base": {**raw["base"], "gemm": 5.0, "ep_exposed": 9.0, "dp_overlap": 4.0}}
    found = resolved(high, "megatron", "hopper")
    assert found["gemm"] < 1
    assert found["ep_exposed"] == 1.0
    assert found["dp_overlap"] < 1
