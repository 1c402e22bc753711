"""``drivetrain calibrate`` from the command line."""

import csv
import tomllib

import pytest

from drivetrain.cli.main import main
from drivetrain.cost.efficiency import efficiency
from drivetrain.verbs.calibrate import FILE_NAME

COLUMNS = ("row_id", "engine", "model", "accelerator", "weight_dtype", "concurrency_requests", "n_gpus",
           "input_tokens_mean", "output_tokens_mean", "tpot_s", "ttft_s")  # fmt: skip


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["drivetrain", "calibrate", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


@pytest.fixture
def file(tmp_path):
    """Four runs of a deployment twice as slow as predicted, and one unreadable row."""
    path = tmp_path / "runs.csv"
    rows = [(f"r{i}", "vllm", "llama-3.1-8b", "h100-sxm", "bf16", c, 1, 512, 128, t, 0.2)
            for i, (c, t) in enumerate(((1, 0.014), (2, 0.0145), (4, 0.0150), (8, 0.016)))]  # fmt: skip
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows([*rows, ("bad", "vllm", "llama-3.1-8b", "h100-sxm", "bf16", "many", 1, 512, 128, 1, 1)])
    return path


def test_what_moved_is_shown_and_the_result_can_be_used(file, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine"
    assert run(monkeypatch, file, "--out", folder) == 0
    shown = capsys.readouterr()
    assert "4 of 5 rows fitted" in shown.out
    assert "bad" in shown.out
    assert "many" in shown.out
    assert "DRIVETRAIN_CALIBRATION" in shown.out
    content = tomllib.loads((folder / FILE_NAME).read_text())
    assert content["fit"]["n"] == 4
    before = efficiency("vllm", "hopper").kernel_s
    efficiency.cache_clear()
    monkeypatch.setenv("DRIVETRAIN_CALIBRATION", str(folder))
    try:
        assert efficiency("vllm", "hopper").kernel_s > before * 1.05
    finally:
        monkeypatch.delenv("DRIVETRAIN_CALIBRATION")
        efficiency.cache_clear()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("{missing}",), "cannot read"),
        (("{columns}",), "missing column"),
        (("{runs}", "--out", "{runs}"), "measurements itself"),
        (("{runs}", "--out", "no/such/folder/cal.toml"), "Create it first"),
    ],
)
def test_bad_input_is_one_line(file, tmp_path, monkeypatch, capsys, words, told):
    columns = tmp_path / "columns.csv"
    columns.write_text("row_id,engine\n1,vllm\n")
    names = {"missing": tmp_path / "none.csv", "columns": columns, "runs": file}
    assert run(monkeypatch, *(w.format(**names) for w in words)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert told in error[-1]
    assert error[-1].startswith("error: DT")


def test_a_folder_variable_that_names_nothing_is_said(file, monkeypatch, capsys):
    monkeypatch.setenv("DRIVETRAIN_CALIBRATION", "/no/such/folder")
    efficiency.cache_clear()
    try:
        assert run(monkeypatch, file) == 2
        assert "DRIVETRAIN_CALIBRATION" in capsys.readouterr().err
    finally:
        efficiency.cache_clear()
