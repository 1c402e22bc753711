"""``drivetrain ceilings`` as people and scripts meet it."""

import csv
import io
import json

import pytest

from drivetrain.cli import main as cli
from drivetrain.training.ceilings.claim import growth_claim
from drivetrain.training.ceilings.largest import largest_runs

FEW = ("--draws", "2000")


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain ceilings *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", "ceilings", *map(str, args)])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_json_is_what_the_library_says(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, "--from", 2026, "--to", 2030, *FEW, "-f", "json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    direct = largest_runs(range(2026, 2031), n=2000)
    for row, one in zip(answer["years"], direct, strict=True):
        assert row["largest_flop"]["p50"] == one.largest.p50
        assert row["binds"] == one.binds
        assert sum(row["binding"].values()) == pytest.approx(1.0)
        takes = {name: span["p50"] for name, span in row["takes"].items()}
        assert all(value > 0 for value in takes.values())
    claim = growth_claim(n=2000)
    assert answer["claim"]["stops"] == claim.stops
    assert all(row["source"] and row["kind"] for row in answer["quantities"])
    assert answer["sources"]


def test_tables_pictures_and_files(capsys, monkeypatch, tmp_path):
    target = tmp_path / "c.svg"
    code, out, err = run(capsys, monkeypatch, "--to", 2029, *FEW, "--quantities", "--plot", target)
    assert code == 0
    assert "which limit binds" in out
    assert "does growth by 4 a year stop by 2030?" in out
    assert "power.campus" in out
    assert "●" in out
    assert max(map(len, out.splitlines())) <= 100
    assert "assumed or unverified" in err
    assert target.read_text(encoding="utf-8").startswith("<?xml")
    bare = run(capsys, monkeypatch, "--to", 2029, *FEW, "--no-plot")[1]
    assert "●" not in bare


def test_csv_has_a_row_a_year_and_a_scaled_quantity_is_said(capsys, monkeypatch):
    out = run(capsys, monkeypatch, "--from", 2027, "--to", 2029, *FEW, "-f", "csv")[1]
    assert [row["year"] for row in csv.DictReader(io.StringIO(out))] == ["2027", "2028", "2029"]
    args = ("--from", 2030, *FEW, "-f", "json")
    plain = json.loads(run(capsys, monkeypatch, *args)[1])
    more = json.loads(run(capsys, monkeypatch, *args, "--scale", "spend.usd=2x")[1])
    assert more["changed"] == {"spend.usd": 2.0}
    assert more["years"][0]["largest_flop"]["p50"] > plain["years"][0]["largest_flop"]["p50"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--from", "2031", "--to", "2030"), "not before the first"),
        (("--from", "1999"), "from 2025 to 2060"),
        (("--to", "99999999999"), "from 2025 to 2060"),
        (("--growth", "0.5"), "give a factor above 1"),
        (("--growth", "nan"), "give a factor above 1"),
        (("--by", "2026"), "from 2027"),
        (("--draws", "0"), "give 1 to"),
        (("--draws", "9999999999"), "give 1 to"),
        (("--scale", "power.campus"), "NAME=FACTOR"),
        (("--scale", "power.campus=-1"), "above 0"),
        (("--scale", "power.campus=many"), "give a factor"),
        (("--scale", "power.campus=1e300"), "from 1e-06"),
        (("--scale", "power.campsu=2"), "Did you mean 'power.campus'"),
        (("--scale", "spend.usd=2", "--scale", "spend.usd=3"), "given twice"),
        (("--plot", "c.txt"), ".svg"),
        (("--seed", "-1"), "seed"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, args, told):
    code, out, err = run(capsys, monkeypatch, *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: DT")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_eighty_columns_hold_every_line_and_cut_no_cell(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["drivetrain", "ceilings", *FEW])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main()
    out, _ = capsys.readouterr()
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert not any(line.strip().startswith("1e") and line.count("1e") == 1 for line in out.splitlines())
