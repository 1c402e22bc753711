"""The verb and its command."""

from __future__ import annotations

import json
import tomllib

import pytest
import typer
from known_models import EXACT
from typer.testing import CliRunner

from drivetrain.catalogue.read_model import read_model
from drivetrain.cli.import_model import import_command
from drivetrain.verbs.import_model import import_model

app = typer.Typer()
app.command()(import_command)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "Tiny" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(EXACT["mixtral-8x22b"][1]))
    return path


def test_the_verb_prints_what_the_contract_names(config):
    found = import_model(config.parent)
    assert found["total_params"] == EXACT["mixtral-8x22b"][0]
    assert found["active_params"] < found["total_params"]
    assert found["kv_bytes_per_token"] == 56 * 2 * 8 * 128 * 2
    assert (found["name"], found["layers"], found["experts"], found["state_bytes_per_sequence"]) == ("tiny", 56, 8, 0)
    assert read_model(tomllib.loads(found["entry"]), "x").name == "tiny"
    json.dumps(found)


@pytest.mark.parametrize(
    ("format_", "says"),
    [("table", "140,630,071,296"), ("json", '"total_params": 140630071296'), ("toml", "[[layers]]")],
)
def test_the_command_prints_three_ways(config, format_, says):
    result = CliRunner().invoke(app, [str(config), "--format", format_])
    assert result.exit_code == 0
    assert says in result.stdout


def test_the_command_saves_an_entry(config, tmp_path):
    result = CliRunner().invoke(app, [str(config), "--save", str(tmp_path / "m.toml")])
    assert result.exit_code == 0
    assert tomllib.loads((tmp_path / "m.toml").read_text())["hidden"] == 6144
