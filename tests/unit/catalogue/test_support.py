"""The support matrix: what it must never offer, how rules combine, and that what was measured is not ruled out."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.catalogue.check import check
from drivetrain.catalogue.support import support_of
from drivetrain.catalogue.support_rules import FEATURES, reached, version_of
from drivetrain.errors import BadInputError, FileError
from drivetrain.measure.benchmarks import find_benchmark
from drivetrain.measure.mlperf import _software
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_engine, find_model

VALIDATION = Path(__file__).parents[3].parent / "shared" / "validation"
ENGINES, ACCELERATORS = loader.load_all("engines"), loader.load_all("accelerators")
FAMILIES = sorted({model.family for model in loader.load_all("models").values()})
WEIGHTS = ("bf16", "fp16", "fp8", "fp8_block", "int8", "int4", "nvfp4", "mxfp4")
RULES = [(name, rule) for name, file in loader.load_all("support").items() for rule in file.rules]

engines = st.sampled_from(sorted(ENGINES)).map(ENGINES.get)
accelerators = st.sampled_from(sorted(ACCELERATORS)).map(ACCELERATORS.get)


def ask(engine, accelerator, weights="bf16", kv="bf16", family="llama", features=()):
    return support_of(
        loader.load("engines", engine) if isinstance(engine, str) else engine,
        loader.load("accelerators", accelerator) if isinstance(accelerator, str) else accelerator,
        weight_dtype=weights, kv_dtype=kv, family=family, features=features,
    )  # fmt: skip


# --- what must never be offered


@given(engines, accelerators, st.sampled_from(WEIGHTS), st.sampled_from(FAMILIES))
def test_tensorrt_llm_runs_on_nvidia_gpus_alone(engine, accelerator, weights, family):
    if engine.family == "trtllm" and (accelerator.vendor != "nvidia" or accelerator.kind != "gpu"):
        assert ask(engine, accelerator, weights, family=family).status == "unsupported"


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_nvfp4_is_offered_on_blackwell_alone(engine):
    for accelerator in ACCELERATORS.values():
        for family in FAMILIES:
            status = ask(ENGINES[engine], accelerator, "nvfp4", family=family).status
            if not accelerator.generation.startswith("blackwell"):
                assert status != "supported", (accelerator.name, family)
            if accelerator.generation == "hopper":
                assert status == "unsupported"


@pytest.mark.parametrize("accelerator", ["mi250x", "mi300x", "mi325x", "mi350x", "mi355x"])
def test_no_tensorrt_llm_on_amd(accelerator):
    answer = ask("trtllm", accelerator)
    assert answer.status == "unsupported"
    assert "NVIDIA" in answer.reasons[0]
    assert answer.sources


def test_volta_is_for_old_releases_and_turing_is_documented():
    assert ask("vllm-0.9", "v100-sxm2-32gb").status == "supported"
    assert ask("vllm-0.19", "v100-sxm2-32gb").status == "unverified"
    assert ask("sglang-0.5", "v100-sxm2-32gb").status == "unsupported"
    assert ask("trtllm-1.3", "v100-sxm2-32gb").status == "unsupported"
    assert ask("vllm-0.19", "t4").status == "supported"
    assert ask("trtllm-1.3", "t4").status == "unsupported"


def test_the_well_documented_parts_run_llama_under_current_vllm():
    for name in (
        "h100",
        "h200",
        "h20",
        "b200",
        "b300",
        "gb200-nvl72",
        "mi300x",
        "mi325x",
        "mi355x",
        "l40s",
        "l4",
        "a100",
        "a10",
        "rtx-4090",
        "rtx-pro-6000",
        "gaudi-3",
        "tpu-v6e",
        "xeon-6980p",
        "arc-pro-b60",
    ):
        assert ask("vllm-0.19", name).status == "supported", name


@pytest.mark.parametrize(
    ("engine", "accelerator", "weights", "kv", "family", "status"),
    [
        ("vllm-0.19", "a100", "fp8", "bf16", "llama", "supported"),  # weights only
        ("vllm-0.8", "t4", "fp8", "bf16", "llama", "unsupported"),
        ("vllm-0.19", "mi250x", "fp8", "bf16", "llama", "unsupported"),
        ("vllm-0.19", "b200", "int8", "bf16", "llama", "unsupported"),
        ("vllm-0.19", "a100", "bf16", "fp8", "llama", "supported"),
        ("vllm-0.10", "a100", "bf16", "fp8", "llama", "unsupported"),
        ("vllm-0.19", "a100", "mxfp4", "bf16", "gpt_oss", "supported"),
        ("vllm-0.19", "t4", "mxfp4", "bf16", "gpt_oss", "unsupported"),
        ("vllm-0.19", "a100", "fp8_block", "bf16", "deepseek_v32", "unsupported"),  # sparse attention
        ("vllm-0.19", "h200", "fp8_block", "fp8", "deepseek_v32", "supported"),
        ("vllm-0.19", "h200", "mxfp4", "bf16", "deepseek_v4", "unsupported"),  # from 0.20 on
        ("sglang-0.5", "h200", "mxfp4", "bf16", "deepseek_v4", "supported"),
        ("trtllm-1.3", "a100", "fp8", "bf16", "llama", "unsupported"),
        ("trtllm-1.3", "h200", "mxfp4", "bf16", "gpt_oss", "supported"),
        ("trtllm-0.20", "b200", "bf16", "bf16", "gpt_oss", "unsupported"),
        ("sglang-0.5", "mi250x", "bf16", "bf16", "llama", "unsupported"),
        ("sglang-0.5", "tpu-v6e", "fp8", "bf16", "llama", "unsupported"),
        ("sglang-0.5", "trainium2", "bf16", "bf16", "llama", "unsupported"),
        ("vllm-0.16", "trainium2", "bf16", "bf16", "llama", "supported"),
        ("vllm-0.19", "trainium2", "bf16", "bf16", "llama", "unverified"),
        ("vllm-0.19", "rubin-nvl72", "bf16", "bf16", "llama", "unverified"),
        ("jetstream", "tpu-v5e", "int8", "bf16", "llama", "supported"),
        ("jetstream", "h100", "bf16", "bf16", "llama", "unsupported"),
        ("llamacpp", "xeon-6980p", "int4", "fp16", "llama", "supported"),
        ("llamacpp", "h100", "fp8", "bf16", "llama", "unsupported"),
    ],
)
def test_known_cells(engine, accelerator, weights, kv, family, status):
    answer = ask(engine, accelerator, weights, kv, family)
    assert answer.status == status, answer
    assert bool(answer.reasons) == (status != "supported")


def test_features_by_release():
    assert ask("vllm-0.18", "h100", features=("sparse_2_4",)).status == "supported"
    assert ask("vllm-0.19", "h100", features=("sparse_2_4",)).status == "unsupported"
    assert ask("vllm-0.12", "h100", features=("speculative_draft",)).status == "unsupported"
    assert ask("vllm-0.19", "h100", features=("speculative_draft",)).status == "supported"
    assert ask("vllm-0.8", "h100", features=("disaggregation_nixl",)).status == "unsupported"
    assert ask("vllm-0.19", "v100-sxm2-32gb", features=("prefix_caching",)).status == "unsupported"
    assert (
        ask("vllm", "b200", "fp8_block", "fp8", "deepseek_v3", ("attention_dp", "expert_parallel")).status
        == "supported"
    )


def test_an_unknown_feature_is_named():
    with pytest.raises(BadInputError, match="speculative_mtp"):
        ask("vllm", "h100", features=("speculative_mtpp",))


# --- laws


@given(engines, accelerators, st.sampled_from(WEIGHTS), st.sampled_from(["bf16", "fp8"]), st.sampled_from(FAMILIES))
def test_what_is_not_supported_says_why_and_what_is_supported_does_not(engine, accelerator, weights, kv, family):
    answer = ask(engine, accelerator, weights, kv, family)
    assert bool(answer.reasons) == (answer.status != "supported")
    assert all(reason.endswith(".") for reason in answer.reasons)
    assert answer.sources or answer.status != "supported"


@given(engines, accelerators, st.sampled_from(WEIGHTS), st.sampled_from(sorted(FEATURES)))
def test_asking_for_more_never_helps(engine, accelerator, weights, feature):
    order = ("supported", "unverified", "unsupported")
    without = ask(engine, accelerator, weights)
    assert order.index(ask(engine, accelerator, weights, features=(feature,)).status) >= order.index(without.status)


def test_a_newer_release_loses_nothing_without_an_until():
    """Support ends only where a rule says until when: a rule that begins later and says no is not enough."""
    for engine in ENGINES.values():
        lines = loader.load("support", engine.family).releases
        for accelerator in ACCELERATORS.values():
            for question in ([("weights", w) for w in WEIGHTS] + [("families", f) for f in FAMILIES]
                             + [("kv", "fp8"), ("accelerators", "")]):  # fmt: skip
                _check_no_silent_end(engine, lines, accelerator, *question)


def _check_no_silent_end(engine, lines, accelerator, question, value):
    rules = [rule for rule in loader.load("support", engine.family).rules
             if rule.question == question and (not rule.values or value in rule.values)
             and rule.covers(accelerator.name, accelerator.generation, value if question == "families" else "")
            ]  # fmt: skip
    ran = ""
    for line in lines:
        first = next((rule for rule in rules if rule.holds_in(version_of(line))), None)
        if first is not None and first.status == "supported":
            ran = line
        elif ran:
            ends = [r.until for r in rules if r.status == "supported" and r.until]
            assert any(reached(version_of(line), version_of(until)) for until in ends), (
                f"{engine.family} {ran} runs {question} {value} on {accelerator.name}, {line} does not"
            )


def test_what_no_rule_covers_is_unverified():
    chip = replace(ACCELERATORS["h100-sxm-80gb"], name="new-chip", generation="new-generation")
    answer = ask("vllm", chip)
    assert answer.status == "unverified"
    assert "nothing on record" in answer.reasons[0]
    other = ask("vllm", "h100", family="a-new-family")
    assert other.status == "unverified"
    engine = replace(ENGINES["vllm-0.19"], family="my-engine", vendors=(), weight_dtypes=())
    assert ask(engine, "h100").status == "unverified"
    assert ask(replace(engine, vendors=("amd",)), "h100").status == "unsupported"


def test_every_rule_has_a_source_and_a_date():
    known = loader.sources()
    assert all(rule.source in known and rule.seen for _, rule in RULES)


def test_every_engine_of_the_catalogue_has_rules_and_runs_something():
    for engine in ENGINES.values():
        assert any(ask(engine, a).status == "supported" for a in ACCELERATORS.values()), engine.name


def test_engines_list_the_precisions_and_vendors_that_rules_support():
    """The engine entry and the matrix must not contradict each other for the newest release of a family."""
    for name in ("vllm", "sglang", "trtllm", "jetstream", "llamacpp"):
        engine = loader.load("engines", name)
        bare = replace(engine, vendors=(), weight_dtypes=())
        for accelerator in ACCELERATORS.values():
            for weights in WEIGHTS:
                if ask(bare, accelerator, weights).status == "supported":
                    assert ask(engine, accelerator, weights).status == "supported", (name, accelerator.name, weights)


# --- versions


@pytest.mark.parametrize(
    ("engine", "bound", "is_reached"),
    [("0.10", "0.10.2", True), ("0.10.1", "0.10.2", False), ("0.9", "0.10", False), ("1.0", "0.21", True)],
)
def test_a_line_stands_for_its_last_release(engine, bound, is_reached):
    assert reached(version_of(engine), version_of(bound)) is is_reached


# --- what was measured ran


def _rows(name):
    with (VALIDATION / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _measured():
    """Engine, accelerator, precision and model of every clean row, as the validation reads them."""
    found = set()
    for row in _rows("serving_steady_state.csv"):
        if row["clean_core"] == "True":
            found.add((row["engine"], row["engine_version"], row["accelerator"], row["weight_dtype"], row["model"]))
    for row in _rows("mlperf_inference_v5_1.csv"):
        if row["accelerator"] and row["weight_dtype"].lower() not in ("", "unset"):
            model = find_benchmark(row["benchmark"]).model
            found.add((_software(row["software"]), "", row["accelerator"], row["weight_dtype"], model))
    return sorted(found)


@pytest.mark.skipif(not VALIDATION.is_dir(), reason="../shared/validation is not here: measured rows cannot be checked")
def test_nothing_that_was_measured_is_ruled_out():
    combinations = _measured()
    assert len(combinations) > 40
    for engine_text, version, part, precision, model_text in combinations:
        accelerator, model = find_accelerator(part), find_model(model_text, [])
        engine = find_engine(engine_text, version, [])
        dtype = find_checkpoint(model.name, find_dtype(precision, model, accelerator.vendor)).weight_dtype
        answer = ask(engine, accelerator, dtype, family=model.family)
        assert answer.status != "unsupported", (engine.name, accelerator.name, dtype, model.name, answer.reasons)


# --- files

_FILE = """
name = "mine"
family = "vllm"
title = "vLLM"
releases = ["0.18", "0.19"]
weights = [{{ precisions = ["{precision}"], status = "unverified", source = "assumption", seen = "2026-11" }}]
features = [{{ features = ["{feature}"], status = "unverified", source = "assumption", seen = "2026-11" }}]

[[families]]
families = ["{family}"]
on = ["{on}"]
status = "{status}"
since = "{since}"
source = "{source}"
seen = "2026-11"
"""
_GOOD = {"family": "deepseek_v4", "on": "hopper", "status": "supported", "since": "0.19", "source": "assumption",
         "precision": "mxfp8", "feature": "lora"}  # fmt: skip


def test_rules_of_ones_own_win(overlay):
    before = ask("vllm-0.19", "h100", family="deepseek_v4")
    assert before.status == "unsupported"
    overlay("support", "mine", _FILE.format(**_GOOD))
    assert ask("vllm-0.19", "h100", family="deepseek_v4").status == "supported"
    assert ask("vllm-0.19", "h100").status == "supported"  # the shipped rules still hold beside them
    assert [p for p in check() if "support" in p.file and "releases" not in p.field] == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"on": "hoppper"}, "there is no accelerator or generation 'hoppper'. Did you mean 'hopper'?"),
        ({"family": "deepseek_v44"}, "there is no model family 'deepseek_v44'"),
        ({"precision": "fp4"}, "'fp4' is unknown"),
        ({"feature": "mtp"}, "'mtp' is unknown"),
        ({"since": "0.91"}, "'0.91' is no version of the releases listed"),
        ({"since": "latest"}, "'latest' is no version of the releases listed"),
        ({"status": "works"}, "'works'. Write one of supported, unverified, unsupported"),
        ({"source": "hearsay"}, "source 'hearsay' is not in sources.toml"),
    ],
)
def test_broken_rules_are_refused(overlay, changed, expected):
    overlay("support", "mine", _FILE.format(**(_GOOD | changed)))
    messages = [problem.message for problem in check() if "support/mine" in problem.file]
    assert any(expected in message for message in messages), messages


def test_a_rule_that_ends_before_it_begins(overlay):
    text = _FILE.format(**_GOOD).replace('since = "0.19"', 'since = "0.19"\nuntil = "0.18"')
    overlay("support", "mine", text)
    with pytest.raises(FileError, match="since must be before until"):
        loader.load("support", "mine")
