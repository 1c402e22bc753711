"""``drivetrain cost`` as people and scripts meet it: shapes, pictures, exit codes, one clear message for bad input."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest

from drivetrain.cli import main as cli

QUESTION = ("plan", "serve", "-m", "llama-3.1-8b", "--isl", "1000", "--osl", "200", "-r", "20", "-a", "h100-sxm",
            "--levers", "off")  # fmt: skip


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture
def plan(tmp_path, capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, *QUESTION, "-f", "json")
    assert code == 0
    path = tmp_path / "plan.json"
    path.write_text(out)
    return path


def test_a_saved_plan_is_priced(capsys, monkeypatch, plan):
    code, out, _ = run(capsys, monkeypatch, "cost", "--plan", plan, "-f", "json")
    answer = json.loads(out)
    assert code == 0
    for key in ("verdict", "operators", "rent", "ways", "break_even", "sensitivity", "solved_for", "energy", "fleet",
                "assumptions", "sources", "meta", "elapsed_s"):  # fmt: skip
        assert key in answer
    for row in answer["operators"]:
        assert sum(row["breakdown_usd"].values()) == pytest.approx(row["usd_per_accelerator_hour"])


def test_a_program_of_its_own_which_loads_no_compiler_answers_the_same(capsys, monkeypatch, plan):
    _, out, _ = run(capsys, monkeypatch, "cost", "--plan", plan, "-f", "json")
    line = [sys.executable, "-m", "drivetrain", "cost", "--plan", str(plan), "-f", "json"]
    alone = json.loads(subprocess.run(line, capture_output=True, check=True, text=True).stdout)
    here = json.loads(out)
    for row, other in zip(here["ways"], alone["ways"], strict=True):
        for name in ("usd_per_million_input_tokens", "usd_per_million_output_tokens", "usd_per_hour"):
            assert other[name] == pytest.approx(row[name], rel=1e-9)
    assert alone["energy"]["power_w"]["total"] == pytest.approx(here["energy"]["power_w"]["total"], rel=1e-9)


def test_the_table_shows_ways_break_even_hour_tornado_and_energy(capsys, monkeypatch, plan):
    code, out, err = run(capsys, monkeypatch, "cost", "--plan", plan.parent, "--operator", "neocloud,enterprise")
    assert code == 0
    for text in ("own as neocloud", "own as enterprise", "rent reserved", "API of deepinfra", "break-even",
                 "Wh a request", "what moves it", "cost of capital", "█"):  # fmt: skip
        assert text in out, text
    assert "own as hyperscaler" not in out
    assert "discount_rate_frac" in err


def test_csv_has_a_row_for_each_way(capsys, monkeypatch, plan):
    _, out, _ = run(capsys, monkeypatch, "cost", "--plan", plan, "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {"name", "usd_per_hour", "usd_per_million_output_tokens"} <= set(rows[0])
    assert len(rows) >= 5


def test_an_accelerators_hour_alone(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "cost", "-a", "h100-sxm", "--operator", "neocloud", "--no-plot")
    assert code == 0
    assert "to own as neocloud" in out
    assert "█" not in out


def test_the_published_table_says_what_tests_it(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "cost", "published")
    assert code == 0
    assert "7 agree by definition, 2 rest on placeholders" in " ".join(out.split())
    assert len(re.findall(r"^ ?\S+ +(?:hyperscaler|neocloud) ", out, re.MULTILINE)) == 18


def test_a_models_life_and_its_picture(capsys, monkeypatch, tmp_path):
    target = tmp_path / "life.svg"
    code, out, _ = run(
        capsys, monkeypatch, "cost", "lifetime", "-m", "deepseek-v3", "--served", "100T", "--plot", target
    )
    assert code == 0
    assert "2.788 M" in out
    assert target.read_text().startswith("<?xml")


@pytest.mark.parametrize("what", ["plan", "hour"])
def test_pictures_are_the_same_bytes_each_time(capsys, monkeypatch, tmp_path, plan, what):
    args = ("--plan", plan) if what == "plan" else ("-a", "mi300x")
    targets = [tmp_path / name for name in ("a.svg", "b.svg")]
    for target in targets:
        assert run(capsys, monkeypatch, "cost", *args, "--plot", target)[0] == 0
    assert targets[0].read_bytes() == targets[1].read_bytes()
    assert "What moves it" in targets[0].read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "say what to price"),
        (("-a", "h100-sxm", "--operator", "neoclod"), "neocloud"),
        (("-a", "h100-sxm", "--set", "pue=-1"), "pue"),
        (("-a", "h100-sxm", "--set", "pue=0.5"), "pue"),
        (("-a", "h100-sxm", "--set", "server_years=0"), "server_years"),
        (("-a", "h100-sxm", "--set", "discount_rate_frac=nan"), "discount_rate_frac"),
        (("-a", "h100-sxm", "--set", "pue=1.2", "--set", "pue=1.3"), "twice"),
        (("-a", "t4"), "no purchase price"),
        (("--plan", "nowhere.json"), "nowhere.json"),
        (("--plan", "x.json", "-m", "llama-3.1-8b"), "--plan"),
        (("-m", "llama-3.1-8b", "-a", "h100-sxm", "--isl", "100", "--osl", "10", "-r", "1"), "--layout"),
        (("lifetime", "-m", "deepseek-v3", "--tokens", "-3T"), "--tokens"),
        (("lifetime",), "--model"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, monkeypatch, args, said):
    code, out, err = run(capsys, monkeypatch, "cost", *args)
    assert code == 2
    assert out == ""
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_plan_with_a_negative_price_names_file_and_key(capsys, monkeypatch, plan):
    text = plan.read_text()
    broken = json.loads(text)
    broken["best"]["usd_per_hour"] = -1.0
    plan.write_text(json.dumps(broken))
    code, _, err = run(capsys, monkeypatch, "cost", "--plan", plan)
    assert code == 2
    assert "plan.json: best.usd_per_hour" in err


@pytest.mark.parametrize("args", [("published",), ("-a", "mi355x"), ("lifetime", "-m", "deepseek-v3")])
def test_eighty_columns_cut_no_cell(capsys, monkeypatch, args):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, monkeypatch, "cost", *args)
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
