"""Llama and the dense decoders built like it: RMSNorm, rotary positions, gated feed-forward part."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import Built, shape, tied, window, windows
from drivetrain.catalogue.huggingface.plain import Style, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense

_LLAMA = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
          "vocab_size": 32000}  # fmt: skip
_MISTRAL = {**_LLAMA, "intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 131072}


@family("llama", "code_llama", "yi", "Yi", "aquila", "solar", "granite", "vicuna", "xverse", "iquestcoder",
        "internlm3", "hyperclovax", "cwm", "skywork", "llava_llama", "emu3", "emu3_text_model",
        "diffllama_text", **_LLAMA)  # fmt: skip
def llama(f: Fields) -> Built:
    """Llama 1 to 3.3 and its many namesakes; biases where ``attention_bias``, ``qkv_bias`` or ``mlp_bias`` say so."""
    s = shape(f)
    bias = f.flag("attention_bias", "bias")
    style = qkv(bias or f.flag("qkv_bias"), o=bias, mlp_bias=f.flag("mlp_bias"))
    style = replace(style, norms=4) if f.flag("use_post_norm") else style
    types = windows(f, s.layers, window(f), lambda _: False)
    return plain(f, s, style, windows=types)


@family("mistral", "ministral", "ministral3", "devstral", "llava_mistral", **_MISTRAL)
def mistral(f: Fields) -> Built:
    """Mistral 7B and after: a window in every layer where one is set (the first had 4096), or by ``layer_types``."""
    s = shape(f, kv_default=8 if f.nested else None)
    default = None if f.text("model_type") == "ministral3" else 4096
    return plain(f, s, Style(), windows=windows(f, s.layers, window(f, default=default), lambda _: True))


@family("internlm2", **_LLAMA)
def internlm2(f: Fields) -> Built:
    """InternLM 2 and 2.5: fused query-key-value projection, otherwise Llama."""
    bias = f.flag("bias")
    return plain(f, shape(f), qkv(bias, o=bias))


@family("internlm", **_LLAMA)
def internlm(f: Fields) -> Built:
    """InternLM 1: biases on all four attention projections."""
    bias = f.flag("bias", default=True)
    return plain(f, shape(f), qkv(bias, o=bias))


@family("qwen", intermediate_size=22016, max_position_embeddings=32768)
def qwen1(f: Fields) -> Built:
    """Qwen 1: ``intermediate_size`` is that of both halves of the gated part; query-key-value biases."""
    part = Dense(f.size("intermediate_size") // 2)
    return plain(f, shape(f), qkv(True), ffn=lambda _: part)


@family("qwen2", "qwen2_vl", "qwen2_5_vl", "qwen2_vl_text", "qwen2_5_vl_text", "qwen2_5_omni_text",
        "qwen2_5_omni_thinker", "dream", "mimo", "opencua", "llava_qwen", vocab_size=151936, hidden_size=4096,
        intermediate_size=22016, num_hidden_layers=32, num_attention_heads=32,
        max_position_embeddings=32768)  # fmt: skip
def qwen2(f: Fields) -> Built:
    """Qwen 1.5 to 2.5: query-key-value biases; MiMo adds prediction layers."""
    s = shape(f, kv_default=32 if f.nested else None)
    style = qkv(f.flag("attention_bias", "qkv_bias", default=True))
    built = plain(f, s, style, windows=_qwen_windows(f, s.layers))
    return _mimo_heads(f, built, s.hidden)


@family("qwen3", "qwen3_vl", "qwen3_vl_text", "qwen3_omni_text", vocab_size=151936, hidden_size=4096,
        intermediate_size=22016, num_hidden_layers=32, num_attention_heads=32, head_dim=128,
        max_position_embeddings=32768)  # fmt: skip
def qwen3(f: Fields) -> Built:
    """Qwen 3: query and key norms per head, no biases."""
    s = shape(f, kv_default=32 if f.nested else None)
    bias = f.flag("attention_bias")
    return plain(f, s, qkv(bias, o=bias, qk_norm="head"), windows=_qwen_windows(f, s.layers))


def _qwen_windows(f: Fields, n: int) -> list[int | None]:
    span = window(f, default=4096) if f.flag("use_sliding_window") else None
    first = f.count("max_window_layers", default=28)
    return windows(f, n, span, lambda i: i >= first)


def _mimo_heads(f: Fields, built: Built, hidden: int) -> Built:
    n = f.count("num_nextn_predict_layers")
    if not n or not built.layers:
        return built
    mtp = replace(built.layers[0], count=n, label="multi-token prediction")
    return replace(built, mtp=(mtp,), mtp_extra=n * (2 * hidden * hidden + 3 * hidden))


@family("smollm3", vocab_size=128256, hidden_size=2048, intermediate_size=11008, num_hidden_layers=36,
        num_attention_heads=16, num_key_value_heads=4, max_position_embeddings=32768)  # fmt: skip
def smollm3(f: Fields) -> Built:
    """SmolLM 3: Llama without rotation in every fourth layer, tied."""
    s = shape(f)
    bias = f.flag("attention_bias")
    style = qkv(bias, o=bias, mlp_bias=f.flag("mlp_bias"))
    span = window(f) if f.flag("use_sliding_window") else None
    return plain(
        f, s, style, windows=windows(f, s.layers, span, lambda _: span is not None), tied=tied(f, default=True)
    )


@family("seed_oss", vocab_size=155136, hidden_size=4096, intermediate_size=27648, num_hidden_layers=64,
        num_attention_heads=80, num_key_value_heads=8, head_dim=128)  # fmt: skip
def seed_oss(f: Fields) -> Built:
    """Seed-OSS: query-key-value biases."""
    style = qkv(f.flag("attention_bias", default=True), o=f.flag("attention_out_bias"), mlp_bias=f.flag("mlp_bias"))
    return plain(f, shape(f), style)


@family("ernie4_5", "paddleocr_vl_text", vocab_size=103424, hidden_size=1024, intermediate_size=3072,
        num_hidden_layers=18,
        num_attention_heads=16, num_key_value_heads=2, head_dim=128, max_position_embeddings=131072)  # fmt: skip
def ernie(f: Fields) -> Built:
    """ERNIE 4.5 dense."""
    bias = f.flag("use_bias")
    return plain(f, shape(f), qkv(bias, o=bias, mlp_bias=bias), tied=tied(f, default=True))


@family("helium", head_dim=128)
@family("orion", **_LLAMA)
@family("baichuan", **_LLAMA)
def no_bias(f: Fields) -> Built:
    """Baichuan, Orion (LayerNorm with bias) and Helium: Llama's matrices without any bias."""
    return plain(f, shape(f), Style(norm_bias=f.text("model_type") == "orion"))


@family("hunyuan_v1_dense", "hunyuan_vl_text", "hunyuan_dense", **_LLAMA)
def hunyuan(f: Fields) -> Built:
    """Hunyuan dense (0.5B to 7B): query and key norms per head."""
    bias = f.flag("attention_bias")
    return plain(f, shape(f), qkv(bias, o=bias, qk_norm="head"))


@family("minicpm", **_LLAMA)
def minicpm(f: Fields) -> Built:
    """MiniCPM 1, 2 and 4: scaled Llama, embeddings tied by default."""
    bias = f.flag("attention_bias")
    return plain(f, shape(f), qkv(bias, o=bias), tied=tied(f, default=True))
