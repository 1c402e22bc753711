"""Configurations that cannot be read: one clear error each, of the right kind, that says what to do."""

from __future__ import annotations

import json

import pytest

from drivetrain.catalogue.huggingface import import_config, model_from_config
from drivetrain.errors import FileError, UnsupportedError

GOOD = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


@pytest.mark.parametrize("text", ['{"a":', "[]", "null", "3", "\x00\x01", "", "[" * 100_000, "{}"])
def test_broken_files(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FileError, match="DT020"):
        import_config(tmp_path)


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        import_config(tmp_path / "nothing.json")
    with pytest.raises(FileError, match=r"no config\.json"):
        import_config(tmp_path)


@pytest.mark.parametrize(
    "field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
)
def test_a_missing_required_field_is_named(field):
    with pytest.raises(FileError, match=field):
        model_from_config({k: v for k, v in GOOD.items() if k != field}, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5, 0, 1e30, "64", [64], True, {}, 4.5])
@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_absurd_values_name_their_field(field, value):
    with pytest.raises(FileError, match=field):
        model_from_config(GOOD | {field: value}, "x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_size": 66}, "no multiple of 4"),
        ({"num_key_value_heads": 3}, "cannot share"),
        ({"num_hidden_layers": 10**9}, "out of range"),
        ({"layer_types": ["full_attention"]}, "1 entries for 2 layers"),
        ({"layer_types": ["full_attention", "telepathy"]}, "telepathy"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"quantization_config": "fp8"}, "quantization_config"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": "mixtral", "num_key_value_heads": 4, "num_local_experts": 4, "num_experts_per_tok": 8},
            "8 experts per token"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "hybrid_override_pattern"),
        ({"model_type": "nemotron-nas", "block_configs": [1, 2]}, "block_configs"),
        ({"model_type": "gemma3n", "intermediate_size": ["a", "b"], "num_key_value_heads": 2}, "cannot read"),
    ],
)  # fmt: skip
def test_contradictions(change, says):
    with pytest.raises(FileError, match=says):
        model_from_config(GOOD | change, "x")


def test_an_unknown_architecture_is_never_guessed():
    with pytest.raises(UnsupportedError) as caught:
        model_from_config(GOOD | {"model_type": "llamma", "architectures": ["LlammaForCausalLM"]}, "x")
    text = str(caught.value)
    for word in ("llamma", "LlammaForCausalLM", "intermediate_size", "llama", "TOML"):
        assert word in text
    with pytest.raises(UnsupportedError, match="remote code"):
        model_from_config(GOOD | {"model_type": "foonet", "auto_map": {"AutoModel": "m.Foo"}}, "x")


def test_remote_code_of_a_known_family_is_not_needed():
    assert model_from_config(GOOD | {"auto_map": {"AutoModel": "m.Foo"}}, "x").family == "llama"


@pytest.mark.parametrize("name", ["bert", "t5", "vit", "whisper", "roberta"])
def test_models_that_are_no_decoders(name):
    with pytest.raises(UnsupportedError, match="not a decoder language model"):
        model_from_config(GOOD | {"model_type": name}, "x")


@pytest.mark.parametrize("field", ["num_experts", "kv_lora_rank", "ssm_state_size"])
def test_a_field_that_makes_it_another_architecture_is_refused(field):
    with pytest.raises(UnsupportedError, match=field):
        model_from_config(GOOD | {field: 8}, "x")


def test_draft_heads_and_unknown_quantisation():
    with pytest.raises(UnsupportedError, match="draft head"):
        model_from_config(GOOD | {"architectures": ["LlamaForCausalLMEagle3"]}, "x")
    with pytest.raises(UnsupportedError, match="zip"):
        model_from_config(GOOD | {"quantization_config": {"quant_method": "zip"}}, "x")


@pytest.mark.parametrize("field", [*GOOD, "num_key_value_heads", "head_dim", "layer_types", "sliding_window",
    "text_config", "architectures",
                                   "torch_dtype", "quantization_config", "max_position_embeddings",
                                   "rope_scaling"])  # fmt: skip
@pytest.mark.parametrize("value", [None, True, -1, 0, 7, 1.5, float("nan"), float("inf"), "x", [], [None], {"a": 1}])
def test_any_value_anywhere_gives_a_model_or_a_clear_error(tmp_path, field, value):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD | {field: value}))
    try:
        import_config(path)
    except (FileError, UnsupportedError) as error:
        said = str(error)
    else:
        said = "a model was made of it"
    assert 20 < len(said) < 1200
