"""Recorded runs: read, replayed, fitted, scored. The simulator makes them here, so that the truth is known."""

import csv

import numpy as np
import pytest

from drivetrain.errors import BadInputError, FileError
from drivetrain.measure import recorded_fit
from drivetrain.measure.recorded import own_efficiency, replay
from drivetrain.measure.recorded_read import read_runs
from drivetrain.measure.recorded_score import validate_requests
from drivetrain.verbs.validate import validate

RUN = {"run": "a", "model": "meta-llama/Llama-3.1-8B", "accelerator": "H100", "vllm_version": "0.19.0", "tp": "1",
       "dp": "1", "max_num_seqs": "32", "max_num_batched_tokens": "2048", "dtype": "bfloat16"}  # fmt: skip


def write(folder, runs, requests):
    for name, rows in (("runs.csv", runs), ("requests.csv", requests)):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def requests(run="a", n=60, seed=1):
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1 / 12, n))
    lengths = zip(arrival, rng.integers(200, 2000, n), rng.integers(50, 300, n), strict=True)
    return [{"run": run, "request_id": f"r{i}", "arrival_s": t, "input_tokens": isl, "output_tokens": osl}
            for i, (t, isl, osl) in enumerate(lengths)]  # fmt: skip


def measured_by(folder, factors=None):
    """The folder with latencies as a server would have them whose coefficients are off by ``factors``."""
    (run,), _ = read_runs(folder)
    eff = own_efficiency(run)
    played, _ = replay(run, recorded_fit.Fitted(factors, (), 0, 0).on(eff) if factors else eff)
    rows = requests()
    for i, row in enumerate(rows):
        row |= {metric: getattr(played, metric)[i] for metric in ("ttft_s", "tpot_s", "e2e_s")}
    return write(folder, [RUN], rows)


def test_what_the_simulator_recorded_is_replayed_exactly(tmp_path):
    folder = measured_by(write(tmp_path, [RUN], requests()))
    (run,) = validate("requests", folder).summary["runs"]
    errors = [value for name, value in run.items() if name.endswith("_error_frac")]
    assert len(errors) == 7
    assert errors == pytest.approx([0.0] * 7, abs=1e-6)
    assert any("KV capacity not recorded" in note for note in run["notes"])


def test_a_fit_finds_the_factors_and_predicts_the_second_half(tmp_path):
    # overhead is a small part of these steps, so that only a large factor on it tells itself from one on the cache
    folder = measured_by(write(tmp_path, [RUN], requests()), {"cache_bandwidth": 1.0, "compute": 0.7,
                                                              "network": 1.0, "overhead": 3.0})  # fmt: skip
    plain = validate_requests(folder, "", lambda *_: None).summary["runs"][0]
    fitted = validate_requests(folder, "first-half", lambda *_: None).summary["runs"][0]
    assert abs(plain["tpot_mean_error_frac"]) > 0.05
    for metric in ("tpot", "e2e"):  # priors hold a little back
        off = abs(fitted[f"{metric}_mean_error_frac"])
        assert off < 0.03
        assert off < 0.4 * abs(plain[f"{metric}_mean_error_frac"])
    assert fitted["n"] == 30
    assert fitted["fitted"]["factors"]["overhead"] > 1.5


def test_ids_may_repeat_from_run_to_run_and_a_run_that_cannot_be_played_is_named(tmp_path):
    strange = RUN | {"run": "b", "model": "nobody/knows-it"}
    folder = write(tmp_path, [RUN, strange], requests() + requests("b"))
    found, skipped = read_runs(folder)
    assert [run.run for run in found] == ["a"]
    assert skipped[0]["row_id"] == "b"
    assert "nobody/knows-it" in skipped[0]["reason"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("output_tokens", "0", "whole number"), ("input_tokens", "-3", "negative"), ("arrival_s", "nan", "finite"),
     ("arrival_s", "", "blank"), ("input_tokens", "2.5", "whole number")],
)  # fmt: skip
def test_a_bad_cell_names_its_request(tmp_path, column, value, said):
    rows = requests(n=5)
    rows[2][column] = value
    with pytest.raises(BadInputError, match="line 4") as caught:
        validate("requests", write(tmp_path, [RUN], rows))
    assert said in str(caught.value)
    assert column in str(caught.value)


def test_missing_files_and_unknown_runs_are_said(tmp_path):
    with pytest.raises(FileError, match="not a folder"):
        validate("requests", tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"no runs\.csv"):
        validate("requests", tmp_path)
    folder = write(tmp_path, [RUN], requests(n=8))
    with pytest.raises(BadInputError, match="Did you mean 'first-half'"):
        validate("requests", folder, calibrate_on="first-hlf")
    with pytest.raises(BadInputError, match="no measured latencies"):
        validate("requests", folder, calibrate_on="a")
    with pytest.raises(BadInputError, match="goes with recorded requests"):
        validate("serving", folder / "runs.csv", calibrate_on="a")
