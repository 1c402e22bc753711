"""The list, show and check commands, through typer as a user would call them."""

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from drivetrain.cli import catalogue
from drivetrain.verbs.catalogue import list_entries, show_entry

app = typer.Typer()
app.command("list")(catalogue.list_command)
app.command("show")(catalogue.show_command)
app.add_typer(catalogue.catalogue_app, name="catalogue")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


KINDS = ["accelerators", "servers", "fabrics", "engines", "prices", "grids", "instances"]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_fit_a_terminal(kind):
    result = run("list", kind)
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 100
    for row in list_entries(kind):
        assert row["name"] in result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_machine_formats_agree(kind):
    parsed = json.loads(run("list", kind, "--format", "json").stdout)
    table = list(csv.DictReader(io.StringIO(run("list", kind, "--format", "csv").stdout)))
    assert [row["name"] for row in parsed] == [row["name"] for row in table]
    assert list(parsed[0]) == list(table[0])


def test_show_with_sources_marks_the_used_value():
    result = run("show", "h100-sxm", "--sources")
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines) <= 100
    used = next(line for line in lines if "3.35 TB/s" in line and "aiconfigurator" in line)
    other = next(line for line in lines if "3.07 TB/s" in line)
    assert used.strip().startswith("*")
    assert "*" not in other
    assert "2026-11" in used


def test_show_json_lists_every_value():
    shown = json.loads(run("show", "h100-sxm", "--sources", "--format", "json").stdout)
    assert (shown["entry"], shown["name"]) == ("accelerator", "h100-sxm-80gb")
    bandwidth = [value for value in shown["values"] if value["field"] == "hbm_bytes_per_s"]
    assert [value["used"] for value in bandwidth] == [True, False, False]
    assert all(value["source"] and value["seen"] and value["kind"] for value in shown["values"])


def test_show_finds_every_kind():
    found = {
        name: show_entry(name)["entry"] for name in ("h100", "dgx-h100", "ib-ndr", "vllm", "germany", "p5.48xlarge")
    }
    assert found == {"h100": "accelerator", "dgx-h100": "server", "ib-ndr": "fabric", "vllm": "engine",
                     "germany": "region", "p5.48xlarge": "instance"}  # fmt: skip
    assert "server gb200-nvl72" in show_entry("gb200-nvl72")["see_also"]


def test_check_command(overlay, h100_text):
    assert run("catalogue", "check").exit_code == 0
    overlay("accelerators", "h100-sxm-80gb", h100_text.replace('"1979 TFLOP/s"', '"3958 TFLOP/s"'))
    result = run("catalogue", "check")
    assert result.exit_code == 2
    assert "h100-sxm-80gb.toml: flops.fp8" in result.stdout
