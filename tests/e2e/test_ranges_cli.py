"""Ranges as people and scripts meet them: beside every figure, wider for what is less known, in one line each."""

import json

import pytest

import drivetrain
from drivetrain.cli import main as cli

QUESTION = ["plan", "serve", "-m", "llama-3.1-70b", "-w", "chat", "-r", "5", "--slo", "ttft_p95=2s,tpot_p95=50ms"]
FIGURES = ("n_accelerators", "usd_per_hour", "usd_per_million_output_tokens", "usd_per_million_tokens_full_load",
           "joules_per_output_token", "power_w", "output_tokens_per_s", "max_rate_per_s",
           "tokens_per_s_per_user")  # fmt: skip
LATENCIES = ("ttft_s", "tpot_s", "itl_s", "e2e_s")
LOOP = {"model": "llama-3.1-70b", "isl": 1000, "osl": 500, "accelerators": "h100-sxm", "layouts": "tp4"}


def run(capsys, monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["drivetrain", *args])
    with pytest.raises(SystemExit):
        cli.main()
    return capsys.readouterr().out


def assert_ranged(fields, figures=FIGURES):
    for name in figures:
        low, value, high = (fields[f"{name}{end}"] for end in ("_p10", "", "_p90"))
        assert low <= value * (1 + 1e-9), name
        assert high is None or high >= value * (1 - 1e-9), name
        assert high is not None or fields["range_notes"], name
    for name in LATENCIES:
        assert fields[name]["mean_p10"] < fields[name]["mean"] < fields[name]["mean_p90"]
    assert fields["range_kind"] in ("known", "new_model", "new_accelerator", "assumed")


def width(latency):
    return latency["mean_p90"] / latency["mean_p10"]


def test_a_plan_and_every_alternative_carry_ranges_into_dollars_and_joules(capsys, monkeypatch):
    answer = json.loads(run(capsys, monkeypatch, *QUESTION, "--format", "json"))
    rows = answer["by_accelerator"]
    assert len(rows) > 3
    for row in (answer["best"], *rows):
        assert_ranged(row)
    widths = {row["range_kind"]: width(row["tpot_s"]) for row in rows}
    assert widths["new_accelerator"] > widths["known"]
    found = answer["ranking_confidence"]
    assert found["best"] == answer["best"]["accelerator"] == rows[0]["accelerator"]
    assert found["runner_up"] == rows[1]["accelerator"]
    assert 0.5 <= found["probability"] <= 1.0


def test_ranges_are_printed_within_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = run(capsys, monkeypatch, *QUESTION)
    assert max(len(line) for line in out.splitlines()) <= 80
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    for start in ("first", "per", "whole", "cost", "energy", "capacity"):
        assert "–" in lines[start], start
    assert lines["ranges"].startswith("ranges    80 %, ")
    assert " worlds; runner-up " in lines["ranking"]


def test_a_loop_and_a_stream_say_what_moves():
    loop = drivetrain.predict_serve(**LOOP, concurrency=32)
    assert_ranged(loop, [name for name in FIGURES if name != "n_accelerators"])
    assert "n_accelerators_p10" not in loop
    assert loop["range_kind"] == "known"
    assert loop["range_notes"] == []
    assert loop["usd_per_hour_p90"] == loop["usd_per_hour"]
    # requests in step wait for each other's prompts: that wait is as long as steps are
    faster = loop["output_tokens_per_s_p90"] / loop["output_tokens_per_s"]
    assert 1.0 < faster <= loop["e2e_s"]["mean"] / loop["e2e_s"]["mean_p10"] * (1.0 + 1e-9)
    varied = {name: value for name, value in LOOP.items() if name not in ("isl", "osl")} | {"workload": "chat"}
    loop = drivetrain.predict_serve(**varied, concurrency=32)
    assert loop["output_tokens_per_s_p90"] / loop["output_tokens_per_s"] == pytest.approx(
        loop["e2e_s"]["mean"] / loop["e2e_s"]["mean_p10"], rel=1e-2
    )
    stream = drivetrain.predict_serve(**LOOP, rate=0.5)
    assert stream["usd_per_million_output_tokens_p90"] == stream["usd_per_million_output_tokens"]
    assert stream["joules_per_output_token_p90"] > stream["joules_per_output_token"]


def test_beyond_what_was_measured_is_wider_and_says_why():
    near = drivetrain.predict_serve(**LOOP, concurrency=32)
    far = drivetrain.predict_serve(**LOOP | {"isl": 100_000}, concurrency=32)
    assert width(far["tpot_s"]) > width(near["tpot_s"])
    assert any("input tokens 100,000 above the measured" in note for note in far["range_notes"])
    drafted = drivetrain.predict_serve(**LOOP, concurrency=32, techniques="speculative=ngram")
    assert drafted["range_kind"] == "assumed"
    assert width(drafted["tpot_s"]) > width(near["tpot_s"])
    other = drivetrain.predict_serve(**LOOP | {"model": "llama-2-70b"}, concurrency=32)
    assert other["range_kind"] == "new_model"
    assert width(other["tpot_s"]) > width(near["tpot_s"])


def test_the_price_range_of_its_source_widens_the_cost():
    question = {
        "model": "llama-3.1-8b",
        "isl": 1000,
        "osl": 200,
        "rate": 20.0,
        "accelerators": ("h100-sxm", "h200-sxm"),
    }
    listed = drivetrain.plan_serve(**question, pricing="on-demand")["best"]
    assert listed["usd_per_hour_p10"] < listed["usd_per_hour"] < listed["usd_per_hour_p90"]
    fixed = drivetrain.plan_serve(**question, pricing="hyperscaler")["best"]
    assert fixed["usd_per_hour_p90"] / fixed["n_accelerators_p90"] == pytest.approx(fixed["usd_per_accelerator_hour"])


def test_two_pools_and_two_fleets_carry_ranges():
    pools = drivetrain.plan_serve(
        model="llama-3.1-70b", isl=4000, osl=300, rate=8.0, slo="ttft_p95=2s,tpot_p95=30ms", disaggregate="on",
        accelerators=("h100-sxm", "h200-sxm"),
    )  # fmt: skip
    assert_ranged(pools["best"])
    assert pools["best"]["range_kind"] == "assumed"
    assert pools["ranking_confidence"] is None or pools["ranking_confidence"]["probability"] >= 0.5
    mixed = drivetrain.plan_serve(
        model="llama-3.1-8b", workload="azure-2023-conv", rate=40.0, slo="tpot_p95=50ms,ttft_p95=1s", mix=True,
        engines=("vllm",), accelerators=("h100-sxm", "l40s"), region="germany,sweden",
    )  # fmt: skip
    whole, parts = mixed["mixed_fleet"], mixed["mixed_fleet"]["pools"]
    assert whole["usd_per_hour_p90"] == pytest.approx(sum(pool["usd_per_hour_p90"] for pool in parts))
    assert whole["joules_per_output_token_p10"] < whole["joules_per_output_token"]
    for region in mixed["by_region"]:
        for name in ("usd_per_hour", "joules_per_output_token"):
            assert region[f"{name}_p10"] <= region[name] <= region[f"{name}_p90"]


def test_a_miss_keeps_its_shape():
    answer = drivetrain.plan_serve(model="llama-3.1-8b", isl=1000, osl=200, rate=5.0, slo="tpot_p95=1ms")
    miss = answer["closest_miss"]
    assert miss["n_accelerators_p10"] == miss["n_accelerators"] == miss["n_accelerators_p90"]
    assert miss["tpot_s"]["mean_p10"] < miss["tpot_s"]["mean"]
    assert answer["ranking_confidence"] is None
