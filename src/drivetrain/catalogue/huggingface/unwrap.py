"""Which part of a configuration describes the language model, and which family reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import FAMILIES
from drivetrain.errors import FileError, UnsupportedError
from drivetrain.registry import slug, suggest

_INNER = ("text_config", "llm_config", "language_config", "language_model_config", "thinker_config", "llm",
          "text_model_config", "lm_config", "language_model", "decoder_config", "decoder")  # fmt: skip
_MAX_DEPTH = 4

# Models without a decoder that writes text one token after another.
_ENCODERS = frozenset(
    [
        "albert",
        "bert",
        "big_bird",
        "camembert",
        "canine",
        "convbert",
        "data2vec-text",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "esm",
        "eurobert",
        "flaubert",
        "fnet",
        "funnel",
        "ibert",
        "layoutlm",
        "layoutlmv2",
        "layoutlmv3",
        "longformer",
        "luke",
        "lxmert",
        "megatron-bert",
        "mobilebert",
        "modernbert",
        "mpnet",
        "mra",
        "nezha",
        "nomic_bert",
        "nystromformer",
        "perceiver",
        "qdqbert",
        "rembert",
        "roberta",
        "roc_bert",
        "roformer",
        "splinter",
        "squeezebert",
        "tapas",
        "xlm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xlnet",
        "xmod",
        "yoso",
        "jina_embeddings_v3",
        "bros",
        "markuplm",
        "neobert",
        "new",
        "gte",
        "reformer",
    ]
)
_ENCODER_DECODERS = frozenset(
    [
        "t5",
        "mt5",
        "umt5",
        "byt5",
        "longt5",
        "switch_transformers",
        "bart",
        "mbart",
        "blenderbot",
        "blenderbot-small",
        "bigbird_pegasus",
        "led",
        "marian",
        "pegasus",
        "pegasus_x",
        "m2m_100",
        "nllb-moe",
        "plbart",
        "prophetnet",
        "fsmt",
        "mvp",
        "t5gemma",
        "t5gemma2",
        "encoder-decoder",
        "whisper",
        "seamless_m4t",
        "seamless_m4t_v2",
        "speech_to_text",
        "florence2",
        "pix2struct",
        "udop",
        "ul2",
        "rag",
    ]
)
_OTHERS = frozenset(
    [
        "vit",
        "clip",
        "siglip",
        "siglip2",
        "dinov2",
        "dinov3_vit",
        "swin",
        "convnext",
        "resnet",
        "detr",
        "sam",
        "sam2",
        "wav2vec2",
        "hubert",
        "wavlm",
        "whisper",
        "beit",
        "deit",
        "blip",
        "blip_2",
        "clap",
        "encodec",
        "mimi",
        "timm_wrapper",
        "stable-diffusion",
        "flux",
    ]
)

# Hugging Face class names of families whose model_type is missing or someone's own.
_BY_ARCHITECTURE = {
    "LlamaForCausalLM": "llama", "LLaMAForCausalLM": "llama", "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "Qwen2ForCausalLM": "qwen2", "Qwen2MoeForCausalLM": "qwen2_moe", "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe", "QWenLMHeadModel": "qwen", "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV3ForCausalLM": "deepseek_v3", "DeepseekForCausalLM": "deepseek_moe", "GPT2LMHeadModel": "gpt2",
    "GPTBigCodeForCausalLM": "gpt_bigcode", "GPTNeoXForCausalLM": "gpt_neox", "BloomForCausalLM": "bloom",
    "BaiChuanForCausalLM": "baichuan", "BaichuanForCausalLM": "baichuan", "FalconForCausalLM": "falcon",
    "RWForCausalLM": "falcon", "MPTForCausalLM": "mpt", "ChatGLMModel": "chatglm",
    "ChatGLMForConditionalGeneration": "chatglm",
    "InternLM2ForCausalLM": "internlm2", "InternLMForCausalLM": "internlm", "MambaForCausalLM": "mamba",
    "DeciLMForCausalLM": "nemotron-nas", "Grok1ForCausalLM": "grok-1", "Grok1ModelForCausalLM": "grok-1",
    "PhiForCausalLM": "phi", "Phi3ForCausalLM": "phi3", "GemmaForCausalLM": "gemma", "Gemma2ForCausalLM": "gemma2",
}  # fmt: skip


# Classes that score or embed a whole text on a decoder's layers, and the files that say so where the class does not.
_SCORERS = re.compile(r"For\w*(Classification|Retrieval|Embedding|QuestionAnswering|MaskedLM|Score)|RewardModel|"
                      r"ForReward|Embedding(s)?Model|Rerank|CrossEncoder|Col(BERT|Pali|Qwen)")  # fmt: skip
_EMBEDDER_FILES = ("config_sentence_transformers.json", "modules.json")
_TOWERS = {"image": re.compile(r"vision|visual|image|vit_"), "audio": re.compile(r"audio|speech")}


def refuse_scorers(raw: Mapping[str, Any], where: str) -> None:
    """Raise :class:`UnsupportedError` for embedding models, rerankers, classifiers and reward models."""
    bare = {name.removesuffix("ForCausalLM") + "Model" for name in _BY_ARCHITECTURE if name.endswith("ForCausalLM")}
    for name in _architectures(raw):
        if _SCORERS.search(name) or name in bare or name == "Gemma3TextModel":
            raise _scorer(f"{where}: architecture {name}")


def refuse_embedders(path: Path) -> None:
    """Raise :class:`UnsupportedError` where files beside a config.json say that its model embeds texts."""
    folder = path if path.is_dir() else path.parent
    beside = [name for name in _EMBEDDER_FILES if (folder / name).is_file()]
    if beside and (path.is_dir() or path.name == "config.json"):
        raise _scorer(f"{folder}: {beside[0]} says that this model")


def _scorer(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} embeds or scores whole texts and writes none. Embedding models, rerankers, classifiers and reward "
        "models are not modelled: there is no decoding to plan. Name a model that generates text."
    )


def other_inputs(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What a model reads beside text, by the encoders that its configuration describes."""
    _, inner, outer = _descend(raw)
    described = [
        key for key, value in {**outer, **inner}.items() if isinstance(value, Mapping) and value and key not in _INNER
    ]
    return tuple(kind for kind, named in _TOWERS.items() if any(named.search(key) for key in described))


def language_part(raw: Mapping[str, Any], where: str) -> tuple[Fields, str]:
    """The fields of the language model inside ``raw`` and the name of the family that reads them."""
    if not isinstance(raw.get("model_type"), (str, type(None))):
        raise FileError(f"{where}: model_type must be a string, not {raw['model_type']!r}.")
    path, inner, outer = _descend(raw)
    fields = Fields(inner, f"{where}: {path}" if path else where, nested=bool(path), outer=outer)
    drafts = [a for a in _architectures(raw) + _architectures(inner) if re.search(r"Eagle|Medusa|DFlash|NextN", a)]
    if drafts:
        raise UnsupportedError(
            f"{where}: {drafts[0]} is a draft head for speculative decoding, not a whole model. Import its target."
        )
    for name in _names(inner, raw, nested=bool(path)):
        if name in FAMILIES:
            return fields, name
    raise _unknown(inner, raw, where)


def _descend(raw: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Follow text_config and its kin inwards: the way taken, the innermost object, the one around it."""
    path: list[str] = []
    outer: Mapping[str, Any] = {}
    for _ in range(_MAX_DEPTH):
        name = next((n for n in _INNER if isinstance(raw.get(n), dict) and raw[n]), None)
        if name is None:
            break
        outer, raw = {**outer, **raw}, raw[name]
        path.append(name)
    return ".".join(path), raw, outer


def _names(inner: Mapping[str, Any], raw: Mapping[str, Any], *, nested: bool) -> list[str]:
    """Spellings under which the family may be registered, the surest first."""
    own = inner.get("model_type")
    found = [own, own.removesuffix("_text")] if isinstance(own, str) else []
    found += [_BY_ARCHITECTURE.get(architecture, "") for architecture in _architectures(inner)]
    if nested and isinstance(raw.get("model_type"), str):
        found += [f"{raw['model_type']}_text", raw["model_type"]]
    return [name for name in found if name]


def _architectures(config: Mapping[str, Any]) -> list[str]:
    listed = config.get("architectures")
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _unknown(inner: Mapping[str, Any], raw: Mapping[str, Any], where: str) -> UnsupportedError | FileError:
    model_type = inner.get("model_type") or raw.get("model_type")
    architectures = raw.get("architectures") or inner.get("architectures") or []
    shown = ", ".join(map(str, architectures)) if isinstance(architectures, list) else str(architectures)
    if not model_type and not shown:
        return FileError(
            f"{where}: no model_type and no architectures: this is no model configuration. Give a config.json."
        )
    named = f"model_type '{model_type}'" if model_type else "no model_type"
    named += f", architecture {shown}" if shown else ""
    plain = {slug(str(name)) for name in (model_type, raw.get("model_type")) if name}
    for kind, names in (("an encoder", _ENCODERS), ("an encoder-decoder", _ENCODER_DECODERS),
                        ("a vision, speech or diffusion model", _OTHERS)):  # fmt: skip
        if plain & {slug(n) for n in names}:
            return UnsupportedError(
                f"{where}: {named} is {kind}, not a decoder language model. Drivetrain plans decoders only."
            )
    if raw.get("is_encoder_decoder") is True:
        return UnsupportedError(
            f"{where}: {named} is an encoder-decoder, not a decoder language model. Drivetrain plans decoders only."
        )
    return UnsupportedError(
        f"{where}: unknown architecture: {named}. {_how_to_proceed(inner, raw, str(model_type or shown))}"
    )


def _how_to_proceed(inner: Mapping[str, Any], raw: Mapping[str, Any], name: str) -> str:
    skipped = {"model_type", "architectures", "auto_map", "transformers_version", "torch_dtype", "dtype", "use_cache"}
    unread = [key for key in inner if key not in skipped and not key.endswith("_token_id") and not key.startswith("_")]
    text = f"No rule says which parameters its fields mean: {', '.join(unread[:12]) or 'it has none'}"
    text += f" and {len(unread) - 12} more. " if len(unread) > 12 else ". "
    if raw.get("auto_map"):
        text += "Its meaning is in remote code (auto_map), which Drivetrain does not run. "
    close = suggest(name, FAMILIES)
    if close:
        text += f"Nearest known families: {', '.join(close)} (if it is one, set model_type to that). "
    return text + "Otherwise write a model TOML: copy one that 'drivetrain list models' shows."
