"""Importing config.json: exact totals, published counts, wrappers, defaults, what is cached."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from known_models import EXACT, ROUNDED

from drivetrain.arch.params import count, group_params, kv_bytes_per_token, state_bytes_per_sequence, weight_bytes
from drivetrain.catalogue.huggingface import FAMILIES, import_config, model_from_config
from drivetrain.catalogue.read_model import read_model, write_model

CONFIGS = Path(__file__).parents[4] / "shared" / "configs"

# file: (exact total or None, published total, published active, cache bytes per token), counts in billions
SHARED = {
    "MiniMaxAI--MiniMax-M2.5": (None, 229, 10, 253952),
    "Qwen--Qwen3-30B-A3B": (30_532_122_624, 30.5, 3, 98304),
    "Qwen--Qwen3-32B-FP8": (32_762_123_264, 32.8, None, 262144),
    "Qwen--Qwen3-32B": (32_762_123_264, 32.8, None, 262144),
    "Qwen--Qwen3-8B": (8_190_735_360, 8.2, None, 147456),
    "Qwen--Qwen3-VL-32B-Instruct": (32_762_123_264, 32.8, None, 262144),
    "Qwen--Qwen3.5-27B": (None, 27, None, 65536),
    "Qwen--Qwen3.5-397B-A17B": (None, 397, 17, 30720),
    "XiaomiMiMo--MiMo-V2-Flash": (None, 309, 15, 23040),
    "deepseek-ai--DeepSeek-R1": (671_026_419_200, 671, 37, 70272),
    "deepseek-ai--DeepSeek-V3.2": (None, 671, 37, 85888),
    "deepseek-ai--DeepSeek-V3": (671_026_419_200, 671, 37, 70272),
    "deepseek-ai--DeepSeek-V4-Flash": (None, 284, 13, None),
    "google--gemma-4-26B-A4B": (None, 25.2, 3.8, 20480),
    "meta-llama--Llama-4-Scout-17B-16E-Instruct": (107_769_861_120, 109, 17, 49152),
    "meta-llama--Meta-Llama-3.1-405B": (405_853_388_800, 405, None, 516096),
    "meta-llama--Meta-Llama-3.1-70B": (70_553_706_496, 70.6, None, 327680),
    "meta-llama--Meta-Llama-3.1-8B": (8_030_261_248, 8.0, None, 131072),
    "mistralai--Mixtral-8x7B-v0.1": (46_702_792_704, 46.7, 12.9, 131072),
    "moonshotai--Kimi-K2-Instruct": (None, 1026, 32, 70272),
    "nvidia--DeepSeek-V3.1-NVFP4": (671_026_419_200, 671, 37, 70272),
    "nvidia--Llama-3.1-70B-Instruct-FP8": (70_553_706_496, 70.6, None, 327680),
    "nvidia--Llama-3_3-Nemotron-Super-49B-v1": (None, 49.9, None, 200704),
    "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (None, 31.6, 3.2, 6144),
    "nvidia--Nemotron-H-56B-Base-8K": (None, 56, None, 40960),
    "nvidia--Qwen3.6-35B-A3B-NVFP4": (None, 35, 3, 20480),
    "openai--gpt-oss-120b": (116_829_156_672, 116.8, 5.1, 36864),
    "openai--gpt-oss-20b": (20_914_757_184, 20.9, 3.6, 24576),
    "stepfun-ai--Step-3.7-Flash": (None, 196, 11, None),
    "zai-org--GLM-5.1": (None, 744, 40, 109824),
}


def agrees(value: float, published: float) -> bool:
    """Within 1 %, the rounding of the published digits, or (Scout) the vision tower it includes."""
    digits = len(str(published).partition(".")[2]) if isinstance(published, float) else 0
    return abs(value / published - 1) <= 0.0115 or abs(value - published) <= 0.5 * 10**-digits + 1e-9


@pytest.mark.parametrize("name", SHARED)
def test_real_configurations_count_as_published(name):
    path = CONFIGS / f"{name}.json"
    if not path.is_file():
        pytest.skip("../shared/configs is not here")
    exact, total, active, kv = SHARED[name]
    model = import_config(path)
    counts = count(model)
    if exact:
        assert counts.total == exact
    assert agrees(counts.total / 1e9, total)
    assert agrees(counts.active / 1e9, active) if active else counts.active == counts.total
    if kv:
        assert kv_bytes_per_token(model, model.checkpoints[0]) == kv
    assert weight_bytes(model, model.checkpoints[0]) > 0.5 * counts.total
    assert read_model(tomllib.loads(write_model(model)), "x") == model
    assert model.convention
    assert model.aliases == (name.replace("--", "/"),)


@pytest.mark.parametrize("name", EXACT)
def test_totals_are_exact(name):
    total, config = EXACT[name]
    assert count(model_from_config(config, name)).total == total


@pytest.mark.parametrize("name", ROUNDED)
def test_totals_agree_with_the_published_rounding(name):
    total, active, config = ROUNDED[name]
    counts = count(model_from_config(config, name))
    assert agrees(counts.total / 1e9, total) or name == "kimi-linear-48b-a3b"  # its 48 leaves the tables out
    assert active is None or agrees(counts.active / 1e9, active)


@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_parts_sum_to_totals_and_toml_round_trips(name):
    config = (EXACT.get(name) or ROUNDED[name])[-1]
    model = model_from_config(config, name)
    counts = count(model)
    assert sum(counts.parts.values()) == counts.total
    assert sum(counts.active_parts.values()) == counts.active <= counts.total
    assert model.n_layers == sum(g.count for g in model.layers)
    assert all(min(group_params(g, model.hidden).values()) >= 0 for g in model.layers)
    assert read_model(tomllib.loads(write_model(model)), name) == model


def test_nested_configuration_takes_the_class_defaults():
    text = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}
    model = model_from_config({"model_type": "llava", "text_config": text}, "x")
    assert count(model).total == 6_738_415_616 + 2 * 64 * 4096
    assert "language part only" in model.convention


def test_gemma3_takes_what_google_leaves_out():
    text = {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    }
    model = model_from_config({"model_type": "gemma3", "text_config": text}, "x")
    assert (model.vocab, model.tied_embeddings) == (262208, True)
    assert count(model).total == 3_880_263_168


def test_sliding_windows_add_no_cache_and_recurrences_keep_state():
    windowed = model_from_config(EXACT["mistral-7b"][1], "x")
    assert kv_bytes_per_token(windowed, windowed.checkpoints[0]) == 0
    short = model_from_config(EXACT["mistral-7b"][1] | {"max_position_embeddings": 4096}, "x")
    assert kv_bytes_per_token(short, short.checkpoints[0]) == 131072  # a window as long as the context is none
    ssm = model_from_config(EXACT["mamba-2.8b"][1], "x")
    assert state_bytes_per_sequence(ssm) == 64 * (5120 * 16 * 4 + 5120 * 3 * 2)


def test_wrapped_twice_and_named_by_the_wrapper():
    inner = EXACT["qwen2.5-7b"][1] | {"model_type": "qwen2_5_omni_text"}
    wrapped = {
        "model_type": "qwen2_5_omni",
        "thinker_config": {"model_type": "qwen2_5_omni_thinker", "text_config": inner},
    }
    assert count(model_from_config(wrapped, "x")).total == 7_615_616_512


def test_infinity_in_a_field_nobody_reads_is_fine(tmp_path):
    config = EXACT["mamba-2.8b"][1] | {"time_step_limit": [0.0, float("inf")]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert import_config(tmp_path).family == "mamba"


def test_many_families_are_known():
    assert len(FAMILIES) > 130
