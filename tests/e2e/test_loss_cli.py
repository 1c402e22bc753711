"""``drivetrain predict loss`` from the command line."""

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from drivetrain.cli.train_loss import predict_loss_command

APP = typer.Typer()
APP.command()(predict_loss_command)


def run(*words, width="80"):
    return CliRunner().invoke(APP, list(words), env={"COLUMNS": width})


@pytest.mark.parametrize("words", [(), ("--flops", "5.88e23"), ("--target-loss", "2.0", "--unique-tokens", "300B")])
def test_people_see_laws_ranges_and_what_comes_next(words):
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "…" not in done.output
    assert "chinchilla: L = 1.817 + 477.8/N^0.3473" in done.output
    assert "next: drivetrain" in done.output
    if words:
        assert "17.9 (4.22–65.8)" in done.output or "3.7x" in done.output


def test_scripts_get_every_law():
    answer = json.loads(run("-p", "70B", "--tokens", "1.4T", "-f", "json").stdout)
    assert answer["laws"][0]["loss"]["value"] == pytest.approx(1.973, abs=1e-3)
    rows = list(csv.DictReader(io.StringIO(run("--flops", "1e23", "-f", "csv").stdout)))
    assert {row["law"] for row in rows} >= {"chinchilla", "hoffmann-2022"}


@pytest.mark.parametrize("words", [(), ("-p", "70B", "--tokens", "15T", "--law", "chinchilla,moe")])
def test_a_picture_is_drawn(tmp_path, words):
    target = tmp_path / "laws.svg"
    assert run(*words, "--plot", str(target)).exit_code == 0
    text = target.read_text(encoding="utf-8")
    assert "Best loss of a budget" in text
    assert "ludziejewski-2025" not in text  # its optimum depends on the experts
