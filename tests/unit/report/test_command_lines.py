"""Suggested commands are complete: the command line reads back the question they were made of."""

import shlex
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.cli import main as cli
from drivetrain.report.commands import next_line, plan_command, start_line
from drivetrain.scenario import ServeScenario

ASKED = {"model": "llama-3.1-8b", "isl": 1000.0, "osl": 200.0, "rate": 5.0}
OTHER = [
    {"workload": "rag", "isl": None, "osl": None}, {"slo": "ttft_p95=2s,tpot_p95=50ms"}, {"objective": "energy"},
    {"accelerators": ("h100-sxm", "h200-sxm")}, {"engines": ("vllm",)}, {"layouts": ("tp4", "tp8")},
    {"layouts": ("prefill: tp4", "decode: tp8"), "disaggregate": "on"}, {"weights": "fp8"}, {"kv": "fp8"},
    {"headroom": 0.25}, {"prefix_hit": 0.5}, {"prefix_hit": 0.0}, {"pricing": "own"}, {"region": "eu,us"},
    {"max_accelerators": 64.0}, {"max_batched_tokens": 4096.0}, {"max_num_seqs": 32.0},
    {"buy": "instances", "providers": ("aws", "google")}, {"spares": 2}, {"max": ("h100-sxm=64", "128")},
    {"max_power_w": 123456.0}, {"buy": "servers", "max_racks": 4.0, "rack_power_w": 4e4},
    {"budget_usd_per_hour": 512.5}, {"mix": True}, {"techniques": "power-cap=0.7"}, {"allow_unverified": True},
    {"allow": ("weights", "kv=fp8"), "min_quality": 0.985, "allow_unknown_quality": True}, {"levers": "all"},
    {"model": "my models/a'b.toml"},
]  # fmt: skip


def read(command, monkeypatch):
    """The question that the command line makes of a command."""
    asked = []

    def plan(scenario):
        asked.append(scenario)
        raise SystemExit

    monkeypatch.setattr("drivetrain.verbs.plan_serve.plan", plan)
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit):
        cli.main()
    (found,) = asked
    return found


@pytest.mark.parametrize("choices", OTHER, ids=str)
def test_a_plan_command_asks_the_same_question(choices, monkeypatch):
    scenario = ServeScenario(**{**ASKED, **choices})
    assert read(plan_command(asdict(scenario)), monkeypatch) == scenario


def test_every_field_is_tried():
    tried = {name for choices in OTHER for name in choices} | set(ASKED)
    assert tried | {"concurrency", "memory_frac"} == set(asdict(ServeScenario(**ASKED)))


def test_how_to_start_saves_the_very_plan():
    line = start_line({"scenario": asdict(ServeScenario(**ASKED))})
    assert line == "start: drivetrain plan serve -m llama-3.1-8b --isl 1000 --osl 200 -r 5 --save DIR"
    assert "same question" in start_line({"scenario": asdict(ServeScenario(**ASKED, memory_frac=0.8))})


def relaxed(changes, violates=(), **choices):
    scenario = asdict(ServeScenario(**{**ASKED, **choices}))
    answer = {
        "best": None,
        "scenario": scenario,
        "closest_miss": {"violates": list(violates)},
        "relaxations": [{"changes": [{"limit": k, "from": a, "to": b} for k, a, b in changes]}] if changes else [],
    }
    return next_line(answer)


@pytest.mark.parametrize(
    ("changes", "choices", "said"),
    [
        ([("max_power_w", 1e5, 188_641.0)], {"max_power_w": 1e5}, "--max-power 189kW"),
        ([("budget_usd_per_hour", 5.0, 7.777)], {"budget_usd_per_hour": 5.0}, "--budget '$7.78/h'"),
        ([("max h100-sxm-80gb", 4.0, 12.0)], {"max": ("h100-sxm=4", "h200-sxm=2")}, "h100-sxm=12 --max h200-sxm=2"),
        ([("max_accelerators", 8.0, 12.0)], {"max": ("8",)}, "--max 12"),
        ([("max_accelerators", 8.0, 1234.0)], {"max_accelerators": 8.0}, "--max-accelerators 1234"),
        ([("tpot_p95", 0.02, 0.02612)], {"slo": "ttft_p95=2s,tpot_p95=20ms"}, "ttft_p95=2s,tpot_p95=26.2ms"),
        ([("rate", 5.0, 2.489)], {}, "-r 2.48"),
    ],
)  # fmt: skip
def test_what_fails_is_relaxed_far_enough(changes, choices, said):
    line = relaxed(changes, weights="fp8", **choices)
    assert line.startswith("next: drivetrain plan serve -m llama-3.1-8b")
    assert said in line
    assert "--weights any" not in line


@given(st.floats(1e3, 1e9))
def test_a_raised_limit_is_never_below_what_is_needed(needed):
    line = relaxed([("max_power_w", 1.0, needed)], max_power_w=1.0)
    kilowatts = float(line.partition("--max-power ")[2].partition("kW")[0])
    assert needed * (1 - 1e-9) <= kilowatts * 1e3 <= needed * 1.0101


def test_lighter_weights_are_suggested_only_where_none_were_chosen():
    missed = [{"slo": "tpot_p95", "limit_s": 0.02, "reached_s": 0.03}]
    assert "tpot_p95=30ms" in relaxed((), missed, slo="tpot_p95=20ms")
    assert "--weights any" in relaxed((), missed, slo="tpot_p95=20ms")
    assert "--weights any" not in relaxed((), missed, slo="tpot_p95=20ms", weights="fp8")
    absurd = [{"slo": "tpot_p95", "limit_s": 0.0002, "reached_s": 0.03}]
    assert relaxed((), absurd, slo="tpot_p95=0.2ms", weights="fp8") == "next: lower --rate or relax the targets"
