"""Precision by part, from every dialect of quantization_config."""

from __future__ import annotations

import json

import pytest
from known_models import EXACT

from drivetrain.catalogue.huggingface import import_config, model_from_config

DENSE = EXACT["tinyllama"][1]
MOE = EXACT["qwen1.5-moe-a2.7b"][1]
CT4 = {
    "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32, "strategy": "group"}}
}


def parts(quantization, config=DENSE):
    checkpoint = model_from_config(config | {"quantization_config": quantization}, "x").checkpoints[0]
    return checkpoint.weight_dtype, {
        p: checkpoint.dtype_of(p) for p in ("attention", "ffn", "experts", "shared_experts", "lm_head", "router")
    }


@pytest.mark.parametrize(
    ("quantization", "dtype"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "fp8"),
        ({"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head"]}, "fp8"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "int4"),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "int8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "compressed-tensors", "config_groups": CT4, "ignore": ["lm_head"]}, "int4"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"g": {
            "targets": ["Linear"], "weights": {"num_bits": 4, "type": "float", "group_size": 16}}}}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}}}, "mxfp4"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}}, "int4"),
    ],
)  # fmt: skip
def test_dialects(quantization, dtype):
    main, found = parts(quantization)
    assert (main, found["attention"], found["ffn"], found["lm_head"]) == (dtype, dtype, dtype, "bf16")


def test_exceptions_by_pattern_leave_those_parts_alone():
    ignore = ["lm_head", r"re:.*self_attn.*", r"re:.*shared_expert\..*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]
    _, found = parts({"quant_method": "compressed-tensors", "config_groups": CT4, "ignore": ignore}, MOE)
    assert found == {
        "attention": "bf16",
        "ffn": "bf16",
        "experts": "int4",
        "shared_experts": "bf16",
        "lm_head": "bf16",
        "router": "bf16",
    }


def test_exceptions_for_a_few_layers_leave_the_part_quantised():
    some = [f"model.layers.{i}.self_attn.q_proj" for i in range(2)]
    every = [f"model.layers.{i}.self_attn.q_proj" for i in range(22)]
    assert parts({"quant_method": "fp8", "ignored_layers": some})[1]["attention"] == "fp8"
    assert parts({"quant_method": "fp8", "ignored_layers": every})[1]["attention"] == "bf16"


def test_separate_file_with_cache_precision(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(DENSE))
    side = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(side))
    checkpoint = import_config(tmp_path).checkpoints[0]
    assert (checkpoint.weight_dtype, checkpoint.kv_dtype, checkpoint.source) == ("fp8", "fp8", "hf_quant_config.json")


def test_name_says_what_the_file_does_not():
    model = model_from_config(DENSE, "x", "someone/Tiny-AWQ")
    assert model.checkpoints[0].weight_dtype == "int4"
    assert "taken from the name" in model.notes


def test_cache_scheme_and_base_precision():
    quantization = {"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}
    checkpoint = model_from_config(
        DENSE | {"torch_dtype": "float16", "quantization_config": quantization}, "x"
    ).checkpoints[0]
    assert (checkpoint.kv_dtype, checkpoint.dtype_of("norm")) == ("fp8", "fp16")
