"""The table of replayed runs: measured, predicted, range and error of each figure, and what was left out."""

import csv

import pytest

from drivetrain.report.validate_requests import print_requests
from drivetrain.verbs.validate import validate


@pytest.fixture
def folder(tmp_path):
    run = {"model": "meta-llama/Llama-3.1-8B", "accelerator": "L40S", "vllm_version": "0.19.0", "tp": "2"}
    runs = [{"run": "pair", **run}, {"run": "lost", **run, "model": "nobody/knows-it"}]
    requests = [{"run": "pair", "arrival_s": i, "input_tokens": 300, "output_tokens": 30, "ttft_s": 0.1, "e2e_s": 2.0}
                for i in range(6)]  # fmt: skip
    for name, rows in (("runs.csv", runs), ("requests.csv", requests)):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return tmp_path


def test_ranges_errors_notes_and_reasons_are_shown(folder, capsys):
    print_requests(validate("requests", folder).summary)
    shown = capsys.readouterr().out
    assert "p10 to p90" in shown
    assert shown.count(" to ") >= 5
    assert "the 2 cards reach each other is not recorded" in shown
    assert "requests.csv has no requests of this run.  [lost]" in shown
    line = next(line for line in shown.splitlines() if line.strip().startswith("TTFT mean"))
    assert line.split()[2] == "0.1"  # measured, s
    assert line.rstrip().endswith("%")


def test_a_fit_shows_its_factors_and_no_range(folder, capsys):
    print_requests(validate("requests", folder, calibrate_on="first-half").summary)
    shown = capsys.readouterr().out
    assert "p10 to p90" not in shown
    assert "network x" in shown
