"""Levers, --allow and --min-quality on the command line."""

import json

import pytest
from test_cli import run

PLAN = ["plan", "serve", "-m", "llama-3.1-70b", "-w", "azure-2023-conv", "-r", "5", "-a", "h100-sxm,mi355x",
        "--slo", "ttft_p95=2s,tpot_p95=50ms"]  # fmt: skip
ROW = {"lever", "gain_frac", "metric", "changes_output", "quality_delta", "tier", "pair", "option", "allow", "layout",
       "engine", "unverified"}  # fmt: skip


def answer(capsys, monkeypatch, *options):
    code, out, _ = run(capsys, monkeypatch, *PLAN, *options, "--format", "json")
    assert code == 0
    return json.loads(out)


def test_the_answer_ranks_levers_and_draws_the_frontier(capsys, monkeypatch):
    plan = answer(capsys, monkeypatch)
    assert all(set(row) >= ROW for row in plan["levers"])
    assert any(row["pair"] for row in plan["levers"])
    assert plan["levers_not_available"]
    assert plan["quality_frontier"][0]["recovery_frac"] == 1.0
    assert plan["scenario"]["levers"] == "quick"
    assert plan["best"]["output_changes"] == []


def test_allowed_choices_are_used_and_their_price_is_told(capsys, monkeypatch):
    plain = answer(capsys, monkeypatch, "--levers", "off")
    code, out, err = run(capsys, monkeypatch, *PLAN, "--allow", "weights,speculative", "--min-quality", "99%")
    assert code == 0
    assert "least quality: 99 % of the benchmark score" in err
    assert "speculative=eagle" in out
    plan = answer(capsys, monkeypatch, "--allow", "weights,speculative", "--min-quality", "99%", "--levers", "off")
    assert plan["best"]["usd_per_million_output_tokens"] <= plain["best"]["usd_per_million_output_tokens"]
    assert plan["best"]["quality_delta"]["recovery"] >= 0.99


def test_what_it_says_to_run_next_runs(capsys, monkeypatch):
    asked = ("-r", "50", "--allow", "weights=fp8,kv=fp8,speculative=eagle", "-a", "h100-sxm")  # no single replica does
    code, out, _ = run(capsys, monkeypatch, *PLAN, *asked)
    assert code == 0
    line = " ".join(out.split()).partition("next: drivetrain ")[2]
    assert "--with speculative=eagle" in line
    code, out, _ = run(capsys, monkeypatch, *[word.strip('"') for word in line.split()])
    assert code == 0
    assert "Outputs change: weights=fp8" in " ".join(out.split())


@pytest.mark.parametrize("columns", ["80", "100"])
def test_a_plan_stays_on_one_page(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    words = [word if word != "h100-sxm,mi355x" else "h100-sxm,h200-sxm,b200-sxm,mi355x,mi325x" for word in PLAN]
    code, out, _ = run(capsys, monkeypatch, *words)
    assert code == 0
    lines = out.rstrip("\n").split("\n")
    assert len(lines) < 60
    assert all(len(line) <= int(columns) for line in lines)
    assert "best pair" in out


def test_a_scenario_file_says_what_is_allowed(capsys, monkeypatch, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text('model = "llama-3.1-70b"\nworkload = "azure-2023-conv"\nrate = 5\naccelerators = "h100-sxm"\n'
                    'slo = "tpot_p95=50ms"\nallow = ["weights"]\nmin-quality = "99%"\nlevers = "off"\n')  # fmt: skip
    code, out, _ = run(capsys, monkeypatch, "plan", "serve", "--scenario", str(file), "--format", "json")
    assert code == 0
    assert json.loads(out)["scenario"]["min_quality"] == 0.99
    code, out, _ = run(
        capsys, monkeypatch, "plan", "serve", "--scenario", str(file), "--min-quality", "0.5", "-f", "json"
    )
    assert json.loads(out)["scenario"]["min_quality"] == 0.5


@pytest.mark.parametrize(("options", "says"), [
    (["--allow", "wieghts"], "Did you mean 'weights'"),
    (["--allow", "weights=fp9"], "Did you mean 'fp8'"),
    (["--allow", "weights=int4", "--min-quality", "99.9%"], "leaves nothing of --allow weights=int4"),
    (["--weights", "int4", "--min-quality", "0.999"], "cannot be kept"),
    (["--min-quality", "99"], "from 0 to 1 or in %"),
    (["--min-quality", "good"], "99%"),
    (["--levers", "some"], "Choose quick, all, off"),
    (["--allow", "speculative=mtp"], "no multi-token-prediction layers"),
])  # fmt: skip
def test_bad_input_is_one_message(capsys, monkeypatch, options, says):
    code, out, err = run(capsys, monkeypatch, *PLAN, *options)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert "Traceback" not in err
