"""The worked examples: each file is answered, tells an expert what an expert looks for, and can be started."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import drivetrain
from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.deploy import arguments
from drivetrain.deploy.command import take_apart
from drivetrain.deploy.save import save_plan
from drivetrain.scenario_file import read_question

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGES = ROOT / "docs" / "examples"
FILES = {path.relative_to(EXAMPLES).as_posix(): path for path in sorted(EXAMPLES.rglob("*/*.toml"))}
ASKS_TOO_MUCH = "room-200kw/asked.toml"
CONTEST = ("training-contest/frontier-starved.toml", "training-contest/simple-well-built.toml")
PLANS = [name for name in FILES if name not in (ASKS_TOO_MUCH, *CONTEST)]
COMPARED = [
    ("moe-nvl72/b200-nodes.toml", "moe-nvl72/nvl72.toml"),
    ("long-context-rag/undivided.toml", "long-context-rag/pools.toml"),
    ("migration/today.toml", "migration/b200.toml"),
    ("migration/today.toml", "migration/mi355x.toml"),
]
STARTS = re.compile(r"vllm serve |sglang|trtllm-serve ")


@cache
def asked(name: str, **changes: Any) -> dict[str, Any]:
    """The answer to one example, once for all tests."""
    return drivetrain.plan_serve(**read_question(FILES[name]).choices | changes)


def cost(name: str, **changes: Any) -> float:
    """Dollars per million output tokens of an example's plan."""
    return float(asked(name, **changes)["best"]["usd_per_million_output_tokens"])


def test_there_are_seven_examples_each_with_a_page_that_uses_its_files() -> None:
    folders = {Path(name).parts[0] for name in FILES}
    assert folders == {"chat-assistant", "moe-nvl72", "long-context-rag", "agent-fleet", "room-200kw", "migration",
                       "training-contest"}  # fmt: skip
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for folder in folders:
        page = (PAGES / f"{folder}.md").read_text(encoding="utf-8")
        assert f"examples/{folder}.md" in navigation
        assert f"({folder}.md)" in (PAGES / "index.md").read_text(encoding="utf-8")
        for name in FILES:
            if name.startswith(folder):
                stem = Path(name).stem
                assert re.search(rf"{stem}(\.toml)?[\"`\s]", page), f"{folder}.md does not speak of {name}"


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_why_it_chooses_what_it_chooses(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    assert text.startswith("# "), "the first line says what is asked"
    assert text.count("#") >= 2 or "The same" in text.splitlines()[0]


@pytest.mark.parametrize("name", PLANS)
def test_an_expert_finds_what_an_expert_looks_for(name: str) -> None:
    answer = asked(name)
    assert answer["feasible"], answer["verdict"]
    best, offered = answer["best"], answer["offered_output_tokens_per_s"]
    # mean and peak
    assert 0 < offered["mean"] < offered["peak"] <= best["output_tokens_per_s"] * (1 + 1e-9)
    assert best["usd_per_million_output_tokens"] >= best["usd_per_million_tokens_full_load"] > 0
    # what was assumed, and where it comes from
    said = {row["what"] for row in answer["assumptions"]}
    assert {"workload", "mean input, output tokens", "peak_to_mean", "headroom", "prefix_cache_hit_frac", "pue"} <= said
    assert all(row["source"] for row in answer["assumptions"])
    assert answer["sources"]
    # what is unverified
    assert best["tier"] in ("measured", "calibrated", "roofline", "assumed")
    assert best["support"]["status"] == "supported"
    assert best["range_kind"]
    assert best["usd_per_million_output_tokens_p10"] <= best["usd_per_million_output_tokens"] * (1 + 1e-9)
    # which quality is lost: none, or by how much and on which benchmarks
    lost = best["quality_delta"]
    assert lost is not None
    assert 0.9 < lost["recovery"] <= 1.0
    assert bool(best["output_changes"]) == bool(lost["benchmarks"])
    # which lever is next
    assert answer["levers"]
    for row in answer["levers"]:
        assert row["changes_output"] or row["quality_delta"] is None or row["quality_delta"]["recovery"] == 1.0
        assert row["option"] or row["pair"] or row["metric"]
    assert max(row["gain_frac"] for row in answer["levers"]) > 0
    assert answer["levers_not_available"] is not None
    memory = dict(best["memory_bytes"])
    assert memory.pop("usable") == pytest.approx(sum(memory.values()))


@pytest.mark.parametrize("name", PLANS)
def test_every_launch_line_parses_against_its_engines_arguments(name: str, tmp_path: Path) -> None:
    answer = asked(name)
    folder = save_plan(answer, tmp_path / "plan")
    assert json.loads((folder / "plan.json").read_text(encoding="utf-8"))["verdict"] == answer["verdict"]
    best = answer["best"]
    release = best["engine"].rpartition("-")[2]
    starts = [line for line in (folder / "launch.sh").read_text(encoding="utf-8").splitlines() if _starts(line)]
    pools = best["layout"] if isinstance(best["layout"], dict) else {"server": None}
    assert len(starts) >= len(pools)
    for line in starts:
        command = take_apart(line)
        parsed = arguments.parse(command.family, release, command.argv)
        assert parsed.model, line
        assert str(parsed.model).casefold().endswith(str(best["checkpoint"]).rpartition("/")[2].casefold())
        options = parsed.values.get("extra_llm_api_options")
        if options:
            given = yaml.safe_load((folder / options).read_text(encoding="utf-8"))
            assert arguments.unknown_options(parsed.arguments, given) == []
    told = (folder / "README.md").read_text(encoding="utf-8")
    for heading in ("## Start", "## What was assumed", "could not be checked"):
        assert heading in told


def _starts(line: str) -> bool:
    return bool(STARTS.search(line)) and not line.lstrip().startswith(("#", "*)", "case"))


@pytest.mark.parametrize(("a", "b"), COMPARED)
def test_effects_of_a_comparison_sum_to_the_whole(a: str, b: str) -> None:
    answer = drivetrain.compare(FILES[a], FILES[b])
    effects = [difference["effect"]["delta"] for difference in answer["differences"]]
    assert effects
    assert sum(effects) == pytest.approx(answer["total_delta"], rel=1e-6)
    assert answer["total_delta"] == pytest.approx(cost(b, levers="off") - cost(a, levers="off"), rel=1e-6)


def test_the_room_names_the_largest_rate_that_fits() -> None:
    answer = asked(ASKS_TOO_MUCH)
    assert not answer["feasible"]
    assert "200 kW" in answer["verdict"]
    named = re.search(r"--rate to ([\d,]+) req/s", answer["verdict"])
    assert named, answer["verdict"]
    rate = float(named[1].replace(",", ""))
    fits = asked(ASKS_TOO_MUCH, rate=rate, levers="off")
    assert fits["feasible"], fits["verdict"]
    assert fits["best"]["provisioned_power_w"] <= 200e3
    assert fits["best"]["spare_accelerators"] > 0
    assert not asked(ASKS_TOO_MUCH, rate=rate * 1.1, levers="off")["feasible"]
    capped = asked(ASKS_TOO_MUCH, rate=rate * 1.05, techniques="power-cap=0.7", levers="off")
    assert capped["feasible"], "a cap lets more servers in"


def test_what_the_pages_say_holds() -> None:
    # chat: what is allowed is used where it saves and keeps enough
    assert cost("chat-assistant/allowed.toml") < cost("chat-assistant/shipped.toml")
    assert asked("chat-assistant/allowed.toml")["best"]["quality_delta"]["recovery"] >= 0.99
    # agents: a finite cache costs, host memory gives most of it back, none at all costs most
    stated, device = cost("agent-fleet/stated-hits.toml"), cost("agent-fleet/device-cache.toml")
    assert stated <= cost("agent-fleet/host-cache.toml") <= device
    assert device < cost("agent-fleet/stated-hits.toml", prefix_hit=0.0, levers="off")
    # NVL72: worth it at a strict target, not at a loose one
    loose = "ttft_p95=3s,tpot_p95=50ms"
    assert cost("moe-nvl72/nvl72.toml") < min(cost("moe-nvl72/b200-nodes.toml"), cost("moe-nvl72/h200-nodes.toml"))
    assert cost("moe-nvl72/nvl72.toml", slo=loose, levers="off") > cost(
        "moe-nvl72/h200-nodes.toml", slo=loose, levers="off"
    )
    # RAG: pools pay at the strict target, not at a loose one; between them, at 100 ms, both take 24
    assert cost("long-context-rag/pools.toml") < cost("long-context-rag/undivided.toml")
    between = "ttft_p95=6s,tpot_p95=100ms"
    for way in ("pools", "undivided"):
        assert asked(f"long-context-rag/{way}.toml", slo=between, levers="off")["best"]["n_accelerators"] == 24
    patient = "ttft_p95=6s,tpot_p95=150ms"
    assert cost("long-context-rag/pools.toml", slo=patient, levers="off") > cost(
        "long-context-rag/undivided.toml", slo=patient, levers="off"
    )
    # migration: precision alone saves a good part, the new parts save more
    fp8 = cost("migration/today.toml", weights="fp8", levers="off")
    assert cost("migration/b200.toml") < fp8 < 0.8 * cost("migration/today.toml")
    # vLLM or TensorRT-LLM: one server more or less of B200, in either precision
    for weights in ("fp8", "shipped"):
        n_servers = [
            asked("migration/b200.toml", engines=engine, weights=weights, levers="off")["best"]["n_servers"]
            for engine in ("vllm", "trtllm")
        ]
        assert abs(n_servers[0] - n_servers[1]) <= 1
    # and precision is a larger part of each offer than the accelerator
    for offer in ("b200", "mi355x"):
        answer = drivetrain.compare(FILES["migration/today.toml"], FILES[f"migration/{offer}.toml"])
        effect = {row["field"]: row["effect"]["delta"] for row in answer["differences"]}
        assert effect["weights"] < effect["accelerators"] < 0


@pytest.mark.parametrize("name", PLANS)
def test_no_plan_beats_the_envelope(name: str) -> None:
    """No fleet computes more than its datasheet, reads weights faster than its memory, or costs other than its rent."""
    answer = asked(name)
    best, offered = answer["best"], answer["offered_output_tokens_per_s"]
    said = {row["what"]: row["value"] for row in answer["assumptions"]}
    chip, active = loader.load("accelerators", best["accelerator"]), count(loader.load("models", best["model"])).active
    isl, osl = said["mean input, output tokens"]
    computed = isl * (1 - said["prefix_cache_hit_frac"]) + osl
    rate = chip.flops[{"fp8_block": "fp8"}.get(best["compute_dtype"], best["compute_dtype"])]
    assert offered["rate_peak"] * computed * 2 * active < best["n_accelerators"] * rate
    pool = best["layout"] if isinstance(best["layout"], str) else best["layout"]["decode"]["layout"]
    stages = int(match[1]) if (match := re.search(r"pp(\d+)", pool)) else 1
    if active == best["total_params"]:  # dense: every step reads all weights, stage after stage
        read = best["memory_bytes"]["weights"] * stages / chip.hbm_bytes_per_s
        assert best["tpot_s"]["mean"] * best["techniques"].get("tokens_per_step", 1.0) > 0.97 * read
    mean = offered["mean"] * 3600 / 1e6
    assert best["usd_per_million_output_tokens"] == pytest.approx(best["usd_per_hour"] / mean)


def test_the_simple_model_on_the_well_built_system_wins_the_contest_of_equal_money() -> None:
    starved, built = (str(FILES[name]) for name in CONTEST)
    answer = drivetrain.compare(starved, built)
    a, b = answer["a"]["best"], answer["b"]["best"]
    assert a["usd"] == pytest.approx(b["usd"], rel=1e-6)
    assert b["loss"]["value"] < a["loss"]["value"]
    assert 0.6 < answer["lead"]["b_leads"] < 1.0
    assert answer["lead"]["p10"] < answer["lead"]["value"] < answer["lead"]["p90"]
    effects = [difference["effect"]["delta"] for difference in answer["differences"]]
    assert sum(effects) == pytest.approx(answer["total_delta"], rel=1e-6)
    # and it is the system: on one system the frontier design is ahead, on either of them
    on = answer["contest"]["architecture_on_system"]
    assert on["a_on_a"] < on["b_on_a"]
    assert on["a_on_b"] < on["b_on_b"]
    parts = answer["contest"]["effects"]
    assert parts["architecture"] > 0 > parts["system"]
    assert parts["architecture"] + parts["system"] == pytest.approx(answer["total_delta"], rel=1e-6)
