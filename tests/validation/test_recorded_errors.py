"""The errors that mlperf.toml and power.toml record are those that this version makes."""

from pathlib import Path

import pytest

from drivetrain.cost.efficiency import calibration
from drivetrain.measure import mlperf, power
from drivetrain.measure.score import score
from drivetrain.measure.table import read

FOLDER = Path(__file__).resolve().parents[3] / "shared/validation"
ADVICE = "refit after a change of the serving calibration: tools/fit_mlperf.py, tools/fit_power.py"


def found(kind, name):
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"needs ../shared/validation/{name}")
    return kind.outcomes(read(file, kind.REQUIRED))


@pytest.mark.parametrize("scenario", ["Offline", "Server"])
def test_mlperf(scenario):
    outcomes = [o for o in found(mlperf, "mlperf_inference_v5_1.csv") if o.keys.get("scenario") == scenario]
    now = score(o.pairs["output_tokens_per_s"] for o in outcomes if o.pairs)
    recorded = calibration("mlperf")["error"]["in_sample"][scenario.lower()]
    assert now.n == recorded["n"]
    assert now.median_abs == pytest.approx(recorded["median_abs"], abs=0.02), ADVICE


def test_power():
    outcomes = found(power, "mlenergy_llm.csv")
    for accelerator, generation in (("h100-sxm-80gb", "hopper"), ("b200-sxm-180gb", "blackwell")):
        here = [o.pairs for o in outcomes if o.pairs and o.keys["accelerator"] == accelerator]
        recorded = calibration("power")["generation"][generation]
        assert len(here) == recorded["n"]
        for metric, key in (("power_at_measured_rate", ""), ("power", "own_")):
            in_sample = score(pairs[metric] for pairs in here).mean_abs
            left_out = recorded[f"mean_abs_{key}models_left_out"]
            assert left_out - 0.04 < in_sample < left_out + 0.005, ADVICE
