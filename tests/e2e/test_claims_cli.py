"""``drivetrain claims`` as people and scripts meet it, and the commands that its findings name."""

from __future__ import annotations

import csv
import importlib
import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivetrain.cli import main as cli
from drivetrain.insight.claims import ledger
from drivetrain.insight.claims.text import claims

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {check.command: name for name, check in ledger.all_checks().items()}


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *args])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture(scope="module")
def whole() -> list[dict]:
    """The whole ledger as JSON, once for all tests."""
    result = CliRunner().invoke(cli.app, ["claims", "--format", "json"])
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_json_is_the_list_of_the_contract(whole):
    assert [row["id"] for row in whole] == list(claims())
    for row in whole:
        assert {"id", "claim", "computed", "unit", "range", "verdict", "evidence", "command"} <= set(row)
        assert row["verdict"] in ledger.VERDICTS
        assert (row["computed"] is None) == (row["range"] is None) == (row["verdict"] == ledger.UNTESTED)
        assert row["evidence"]
        assert row["command"].startswith("drivetrain ")


def test_enough_claims_are_computed_on_their_own(whole):
    assert sum(row["computed"] is not None and row["same_as"] is None for row in whole) >= 100


def test_verdicts_are_of_every_kind(whole):
    assert {"holds", "holds under conditions", "too loose", "wrong"} <= {row["verdict"] for row in whole}


def test_the_page_has_the_ids_and_verdicts_of_the_ledger(whole):
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        tool = importlib.import_module("write_claims")
    finally:
        sys.path.remove(str(ROOT / "tools"))
    on_page = tool.verdicts(tool.PAGE.read_text(encoding="utf-8"))
    assert on_page == {row["id"]: row["verdict"] for row in whole}, "run python tools/write_claims.py"


def test_one_claim_shows_inputs_sources_and_a_command(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, "claims", "a02")
    assert (code, err) == (0, "")
    assert "compute_flop" in out
    assert "chinchilla-refit" in out
    assert "see it: drivetrain claims A02" in out
    assert "tokens per parameter" in out


def test_a_replaced_input_moves_the_answer(capsys, monkeypatch):
    before = json.loads(run(capsys, monkeypatch, "claims", "A20", "-f", "json")[1])[0]
    after = json.loads(run(capsys, monkeypatch, "claims", "A20", "--set", "tokens=3.5e12", "-f", "json")[1])[0]
    assert before["computed"] > 10 > after["computed"]
    assert before["verdict"] != after["verdict"]


def test_several_claims_are_a_table_with_a_tally(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "claims", "A20,A21", "A17")
    assert code == 0
    assert "3 claims, 2 computed on their own" in out
    assert "not testable here" in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_verdict_and_an_essay_narrow_the_list(capsys, monkeypatch):
    rows = json.loads(run(capsys, monkeypatch, "claims", "A17", "A20", "--verdict", "Holds", "-f", "json")[1])
    assert [row["id"] for row in rows] == ["A20"]
    rows = json.loads(run(capsys, monkeypatch, "claims", "A20", "B03", "--seed", "b", "-f", "json")[1])
    assert [row["id"] for row in rows] == ["B03"]


def test_csv_and_markdown_say_the_same(capsys, monkeypatch):
    rows = list(csv.DictReader(io.StringIO(run(capsys, monkeypatch, "claims", "A20", "A17", "-f", "csv")[1])))
    assert [row["id"] for row in rows] == ["A20", "A17"]
    assert float(rows[0]["low"]) <= float(rows[0]["computed"]) <= float(rows[0]["high"])
    assert rows[1]["computed"] == ""
    text = run(capsys, monkeypatch, "claims", "A20", "A17", "-f", "md")[1]
    assert "| [A20](#a20) |" in text
    assert rows[0]["evidence"] in text


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("A02", "--set", "compute_flops=1e24"), "Did you mean 'compute_flop'?"),
        (("A2",), "unknown claim 'A2'"),
        (("A02", "--set", "compute_flop"), "write INPUT=VALUE"),
        (("A02", "--set", "compute_flop=much"), "--set compute_flop=much"),
        (("A20", "--set", "tokens=0"), "A20 cannot be computed"),
        (("--verdict", "wrnog"), "Did you mean 'wrong'?"),
        (("A20", "--seed", "B"), "none of these claims is of essay 004"),
        (("--seed", "C"), "--seed"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(capsys, monkeypatch, args, told):
    code, out, err = run(capsys, monkeypatch, "claims", *args)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_of_a_finding_runs(capsys, monkeypatch, command):
    code, out, _ = run(capsys, monkeypatch, *shlex.split(command)[1:])
    assert code in (0, 1)  # 1: nothing meets what was asked, which may be the finding
    assert out.strip()


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("drivetrain claims")])
def test_a_command_on_the_ledger_shows_the_shipped_number(capsys, monkeypatch, command, whole):
    name = COMMANDS[command]
    shipped = next(row for row in whole if row["id"] == name)
    (shown,) = json.loads(run(capsys, monkeypatch, *shlex.split(command)[1:], "-f", "json")[1])
    assert shown["id"] == name
    assert shown["computed"] == pytest.approx(shipped["computed"], rel=1e-3)
