"""``drivetrain validate outlook`` as people and scripts meet it."""

from __future__ import annotations

import csv
import io
import json

from typer.testing import CliRunner

from drivetrain.cli.main import app


def run(*args: str) -> str:
    found = CliRunner().invoke(app, ["validate", "outlook", *args], env={"COLUMNS": "100"})
    assert found.exit_code == 0, found.output
    return found.stdout


def test_json_has_points_models_and_failures_of_every_series():
    found = json.loads(run("--format", "json"))
    assert found["kind"] == "outlook"
    assert "do not prove" in found["note"]
    for one in found["series"]:
        assert one["train"]
        assert one["test"]
        assert {"model", "kind", "mape_frac", "bias_frac", "predicted"} <= set(one["models"][0])
        assert all(len(model["predicted"]) == len(one["test"]) for model in one["models"])
        assert any(model["kind"] == "baseline" for model in one["models"])


def test_table_names_what_failed_and_fits_the_terminal():
    text = run()
    assert "growth of three quarters" in text
    assert "7.7%" in text
    assert "failed: log trend misses by" in text
    assert "conditional" in text
    assert max(map(len, text.splitlines())) <= 100


def test_csv_has_a_row_for_each_prediction():
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv"))))
    assert {row["series"] for row in rows} >= {"google-tokens", "data-centre-energy"}
    assert all(float(row["predicted"]) > 0 < float(row["measured"]) for row in rows)
