"""Models that write no text are refused with one clear message; models that also see or hear are marked."""

import json

import pytest

from drivetrain.catalogue import loader
from drivetrain.catalogue.huggingface import import_config, model_from_config
from drivetrain.catalogue.read_model import write_model
from drivetrain.errors import UnsupportedError

GOOD = {
    "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 100, "num_key_value_heads": 4,
}  # fmt: skip


@pytest.mark.parametrize("architecture", [
    "LlamaForSequenceClassification", "Qwen3ForSequenceClassification", "Qwen2ForTokenClassification",
    "Qwen2ForRewardModel", "InternLM2ForRewardModel", "LlamaForRewardModelWithGating", "MistralModel", "Qwen3Model",
    "Gemma3TextModel", "Qwen2VLForEmbedding", "ColQwen2_5", "LlamaForQuestionAnswering", "JinaForReranking",
])  # fmt: skip
def test_classes_that_score_or_embed_are_refused(architecture):
    with pytest.raises(UnsupportedError, match="reward models are not modelled") as caught:
        model_from_config(GOOD | {"architectures": [architecture]}, "here")
    assert architecture in str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("model_type", "architecture"), [
    ("bert", "BertModel"), ("xlm-roberta", "XLMRobertaForSequenceClassification"), ("clip", "CLIPModel"),
    ("siglip", "SiglipModel"), ("modernbert", "ModernBertForMaskedLM"), ("vit", "ViTForImageClassification"),
])  # fmt: skip
def test_encoders_are_refused(tmp_path, model_type, architecture):
    config = {"model_type": model_type, "architectures": [architecture], "hidden_size": 64}
    if model_type in ("clip", "siglip"):
        config |= {"text_config": {"model_type": f"{model_type}_text_model", "hidden_size": 64},
                   "vision_config": {"hidden_size": 64}}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedError, match=r"not modelled|plans decoders only") as caught:
        import_config(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_embedder_in_a_generators_clothes_is_known_by_its_files(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(GOOD | {"architectures": ["Qwen3ForCausalLM"]}))
    assert import_config(tmp_path).family == "qwen3"
    (tmp_path / "config_sentence_transformers.json").write_text("{}")
    for path in (tmp_path, tmp_path / "config.json"):
        with pytest.raises(UnsupportedError, match="config_sentence_transformers"):
            import_config(path)


@pytest.mark.parametrize("architecture", ["Qwen3ForCausalLM", "Qwen3MyOwnForCausalLM", "LLMModelForCausalLM"])
def test_generators_are_taken(architecture):
    assert model_from_config(GOOD | {"architectures": [architecture]}, "here").family == "qwen3"


def test_towers_are_marked_and_left_out():
    text = model_from_config(GOOD, "here")
    seeing = model_from_config({"model_type": "foo", "text_config": GOOD, "vision_config": {"depth": 3}}, "here")
    omni = {"thinker_config": {"text_config": GOOD, "audio_config": {"a": 1}, "vision_config": {"b": 2}}}
    hearing = model_from_config({"model_type": "foo", **omni}, "here")
    assert text.other_inputs == ()
    assert seeing.other_inputs == ("image",)
    assert hearing.other_inputs == ("image", "audio")
    assert seeing.layers == text.layers
    assert 'other_inputs = ["image"]' in write_model(seeing)


def test_shipped_models_with_eyes_are_marked():
    models = loader.load_all("models")
    assert {"gemma-3-27b", "llama-4-scout", "qwen3-vl-32b", "qwen3.5-27b"} <= {
        name for name, m in models.items() if m.other_inputs
    }
    assert models["qwen3-omni-30b-a3b"].other_inputs == ("image", "audio")
    assert models["llama-3.1-70b"].other_inputs == ()
