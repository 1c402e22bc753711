"""``drivetrain outlook`` as people and scripts meet it: shapes, pictures, exit codes, one message for bad input."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from drivetrain.cli import main as cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "outlook-2030.toml"
FEW = ("--to", "2027", "--draws", "10")


def run(capsys, monkeypatch, *args, columns="80"):
    """(exit code, stdout, stderr) of ``drivetrain outlook *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", "outlook", *map(str, args)])
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_the_example_answers_in_the_shape_of_the_contract(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, EXAMPLE, "--draws", 20, "--format", "json")
    answer = json.loads(out)
    assert code == 0
    assert [row["year"] for row in answer["years"]] == [2026, 2027, 2028, 2029, 2030]
    first = answer["years"][0]
    for key in ("tokens", "compute_flop", "accelerators", "power_w", "capex_usd", "price_usd_per_million_tokens"):
        assert first[key]
    assert {"constraint", "shadow_price_usd", "unit"} <= set(first["binding"][0])
    assert answer["title"]
    assert answer["draws"] == 20


def test_the_table_has_verdict_first_and_next_last_within_80_columns(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *FEW)
    lines = out.rstrip().splitlines()
    assert code == 0
    assert next(line for line in lines if line).startswith("From 2026 to 2027 tokens grow")
    assert lines[-1].startswith("next: drivetrain outlook")
    assert max(map(len, lines)) <= 80
    assert "…" not in out
    assert "not a full cost" in out
    for word in ("rent paid", "HBM bought", "ratio (10–90 %)", "tok/month", "capex", "$/Mtok", "10 % – half – 90 %",
                 "shadow prices", "grows", "elasticity", "capital 2027", "solved for",
                 "not investment advice"):  # fmt: skip
        assert word in out
    assert "are assumed" in err
    assert "├" in out
    plain = run(capsys, monkeypatch, *FEW, "--no-plot")[1]
    assert "├" not in plain
    assert "█" not in plain


def test_csv_has_a_row_a_year(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, *FEW, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["year"] for row in rows] == ["2026", "2027"]
    assert float(rows[0]["tokens.p10"]) < float(rows[0]["tokens.p90"])


def test_options_win_over_the_file_and_say_what_they_changed(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, EXAMPLE, *FEW, "--seed", 9, "--switch", "adoption-fails",
                         "--set", "power.added=10 GW:14GW:20GW", "-f", "json")  # fmt: skip
    answer = json.loads(out)
    assert code == 0
    assert (answer["seed"], answer["draws"], answer["years"][-1]["year"]) == (9, 10, 2027)
    assert answer["switches"][0]["name"] == "adoption-fails"
    row = next(one for one in answer["assumptions"] if one["what"] == "power.added")
    assert (row["low"], row["value"], row["high"]) == (10e9, 14e9, 20e9)
    code, _, err = run(capsys, monkeypatch, *FEW, "--switch", "adoption-fails", "--set", "training.growth=2")
    assert "switched on: adoption-fails" in err
    assert "set by you: training.growth 2" in err


def test_switches_all_sets_the_falsifiers_side_by_side(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, *FEW, "--switches-all")
    assert code == 0
    for name in ("base", "efficiency-flattens", "adoption-fails", "training-outgrows", "commodity-serves"):
        assert re.search(rf"^ ?{name} ", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 80
    assert out.rstrip().splitlines()[-1].startswith("next: ")
    rows = json.loads(run(capsys, monkeypatch, *FEW, "--switches-all", "-f", "json")[1])["scenarios"]
    assert len(rows) == 5


def test_quantities_are_listed_with_sources(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "--quantities", columns="120")
    assert code == 0
    assert "training.growth" in out
    rows = json.loads(run(capsys, monkeypatch, "--quantities", "-f", "json")[1])
    assert len(rows) > 200
    assert all(row["source"] for row in rows)


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_pictures(capsys, monkeypatch, tmp_path, kind):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"fan.{kind}"
    code, _, err = run(capsys, monkeypatch, *FEW, "--plot", path)
    assert code == 0
    assert path.stat().st_size > 10_000
    assert f"drawn in {path}" in err
    if kind == "svg":
        text = path.read_text(encoding="utf-8")
        for title in ("Tokens", "Compute by purpose", "Power", "Price of tokens", "What holds supply back"):
            assert title in text


BAD = [
    (("--set", "power.added=20"), 2, "no unit"),
    (("--set", "power.added=20 s"), 2, "W is needed"),
    (("--set", "market.rental_start=-1 USD/h"), 2, "positive"),
    (("--set", "agents.tokens_eta=0.99"), 2, "0.95"),
    (("--set", "nothing.here=1"), 2, "--quantities"),
    (("--set", "training.growth=1", "--set", "training.growth=2"), 2, "twice"),
    (("--set", "training.growth"), 2, "NAME=VALUE"),
    (("--switch", "adoption-fail"), 2, "Did you mean"),
    (("--to", "2024"), 2, r"--to is 2024\. .* from 2026 to 2045"),
    (("--draws", "0"), 2, "draws"),
    (("nowhere.toml",), 2, "no such file"),
    (("outlook.yaml",), 2, r"an outlook is a \.toml or \.json file\.$"),
    (("--plot", "fan.bmp"), 2, ".svg"),
    (("--switches-all", "--plot", "fan.svg"), 2, "--switches-all"),
    (("--set", "world.tokens_per_month=1e18", "--draws", "2"), 1, r"short by .* million"),
]


@pytest.mark.parametrize(("args", "exit_code", "says"), BAD)
def test_bad_input_is_one_line_and_an_exit_code(capsys, monkeypatch, tmp_path, args, exit_code, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, monkeypatch, *args)
    assert code == exit_code
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(says, err), err
    assert not list(tmp_path.iterdir())


def test_a_contract_that_limits_do_not_allow_names_the_limit(capsys, monkeypatch, tmp_path):
    path = tmp_path / "contracted.toml"
    path.write_text("end_year = 2027\ndraws = 2\ncontracted_frac = 1.0\n", encoding="utf-8")
    code, out, err = run(capsys, monkeypatch, path)
    assert (code, out) == (1, "")
    assert re.search(r"is short by [\d.,e+]+ .* in 202\dQ\d", err)


def test_every_example_is_answered_and_says_what_it_asks(capsys, monkeypatch):
    files = sorted((ROOT / "examples").glob("outlook-*.toml"))
    assert EXAMPLE in files
    for path in files:
        assert path.read_text(encoding="utf-8").startswith("# ")
        code, out, _ = run(capsys, monkeypatch, path, "--draws", 5, "--format", "json")
        assert code == 0
        assert json.loads(out)["years"][-1]["year"] == 2030
