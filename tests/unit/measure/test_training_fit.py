"""The fit finds what made the data, and the shipped calibration is what the fit says it is."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_training import DENSE, table_of

from drivetrain.cost.efficiency import calibration
from drivetrain.measure import table, training_fit
from drivetrain.measure.training_priors import FITTED, PRIORS
from drivetrain.measure.training_runs import read_run
from drivetrain.training.coefficients import NAMES, resolved

CSV = Path(__file__).resolve().parents[4] / "shared/validation/training_runs.csv"


@pytest.fixture(scope="module")
def runs():
    rows = [
        DENSE | {"id": f"{model}{seq}{accel}{recompute}", "source_id": source, "model": model, "seq": str(seq),
                 "mbs": str(max(1, 16384 // seq)), "gbs_seqs": str(8 * max(1, 16384 // seq)), "accel": accel,
                 "recompute": recompute}
        for source, accel in (("one", "H100-SXM-80G"), ("two", "A100-SXM-80G"))
        for model in ("mpt-1b", "mpt-3b", "mpt-7b") for seq in (512, 2048, 8192, 32768)
        for recompute in ("none", "full")
    ]  # fmt: skip
    return [read_run(raw) for raw in table_of(*rows).rows]


def truth():
    x = np.zeros(len(FITTED))
    names = list(FITTED)
    x[names.index(("generation", "hopper", "gemm"))] = -0.1
    x[names.index(("kernel", "flash-1", "attention"))] = 0.2
    return x


def test_the_fit_recovers_what_made_the_data(runs):
    data = training_fit.problem(runs)
    made = data.tokens_per_s(training_fit.calibrated(truth()))
    played = [replace(run, measured=float(speed)) for run, speed in zip(data.runs, made, strict=True)]
    before = data.tokens_per_s(PRIORS)
    found = training_fit.fit(training_fit.problem(played))
    after = data.tokens_per_s(training_fit.calibrated(found))
    # the pull to the priors leaves a third of the way
    assert np.abs(np.log(after / made)).mean() < 0.4 * np.abs(np.log(before / made)).mean()
    names = list(FITTED)
    assert found[names.index(("kernel", "flash-1", "attention"))] > 0.1
    assert found[names.index(("generation", "hopper", "gemm"))] < 0


def test_what_no_row_touches_stays_at_its_prior(runs):
    found = training_fit.fit(training_fit.problem(runs))
    for name in (("generation", "tpu-v7", "gemm"), ("kernel", "splash", "attention"), ("base", "ep_exposed")):
        assert found[list(FITTED).index(name)] == pytest.approx(0.0, abs=1e-9)


def test_left_out_means_left_out(runs):
    """Speeding one source up changes the predictions of the other only."""
    faster = [replace(run, measured=run.measured * 1.3) if run.source == "one" else run for run in runs]
    before, after = training_fit.left_out(runs), training_fit.left_out(faster)
    one = np.array([run.source == "one" for run in runs])
    assert np.array_equal(before[one], after[one])
    assert np.abs(after[~one] / before[~one] - 1).max() > 0.01


def test_priors_are_whole_and_fitted_entries_exist():
    assert set(PRIORS["base"]) == set(NAMES)
    for path in FITTED:
        entry = PRIORS
        for part in path:
            entry = entry[part]
        assert entry > 0
    assert resolved(PRIORS, "megatron", "hopper")["gemm"] == PRIORS["base"]["gemm"]


def test_shipped_calibration_meets_its_bars():
    error = calibration("training")["error"]
    left_out = error["left_out"]
    assert left_out["macro"]["mean_abs"] <= 0.15
    assert left_out["macro"]["median_abs"] <= 0.09
    for source, found in left_out.items():
        if source != "macro":
            assert found["mean_abs"] <= 0.25, source
            assert abs(found["log_bias"]) <= 0.08, source
            assert found["mean_abs"] <= found["constant_mfu_mean_abs"] + 0.03, source
    assert 0.7 <= error["coverage80"]["all"] <= 0.9
    rungs = [found["rungs"] for found in error["ladder"].values()]
    near = [found["within_5_points"] + found["faster_than_the_first"] for found in error["ladder"].values()]
    assert sum(near) >= 0.9 * sum(rungs)  # what is faster than its first rung contradicts itself
    assert all(found["median"] <= 0.05 for found in error["ladder"].values())


def test_shipped_calibration_is_the_fit_of_the_file():
    if not CSV.exists():
        pytest.skip("needs ../shared/validation/training_runs.csv")
    shipped = calibration("training")
    if shipped["fit"]["sha256"] != table.digest(CSV):
        pytest.skip("the file has changed since the fit: run tools/fit_training.py")
    runs = [run for raw in table.read(CSV, ("id",), "id").rows if (run := read_run(raw)).measured]
    data = training_fit.problem(runs)
    off = data.tokens_per_s(shipped) / np.array([run.measured for run in runs]) - 1.0
    for source, found in shipped["error"]["in_sample"].items():
        if source != "macro":
            mine = np.array([run.source == source for run in runs])
            assert np.abs(off[mine]).mean() == pytest.approx(found["mean_abs"], abs=0.002), source


def test_calibration_file_can_be_read():
    path = Path(training_fit.__file__).parents[1] / "cost/calibration/training.toml"
    assert set(tomllib.loads(path.read_text())) >= {"base", "generation", "framework", "kernel", "release", "spread"}
