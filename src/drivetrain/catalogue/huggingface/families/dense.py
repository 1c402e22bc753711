"""Dense decoders of many houses that differ from Llama in norms, biases, gating or windows."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    LAYERS,
    Built,
    decoder,
    dense,
    latent,
    layer,
    shape,
    tied,
    window,
    windows,
)
from drivetrain.catalogue.huggingface.families.deepseek import heads_only
from drivetrain.catalogue.huggingface.families.nas import searched
from drivetrain.catalogue.huggingface.plain import Style, all_bias, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense

_GLM = {"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128,
        "max_position_embeddings": 131072}  # fmt: skip
_OLMO = {
    "vocab_size": 50304,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}


@family("glm", "glm_edge", **_GLM)
def glm(f: Fields) -> Built:
    """GLM-4-9B and GLM-Edge in Hugging Face form."""
    return plain(f, shape(f), qkv(f.flag("attention_bias", default=True)))


@family("glm4", "glm4v_text", "glm4v", "glm46v", "glm_ocr_text", **_GLM)
def glm4(f: Fields) -> Built:
    """GLM-4-0414 and GLM-4.1V: sandwich norms."""
    return plain(f, shape(f), qkv(f.flag("attention_bias", default=True), norms=4))


@family("chatglm", multi_query_group_num=2, kv_channels=128, seq_length=8192)
def chatglm(f: Fields) -> Built:
    """ChatGLM 2 and 3, GLM-4 in the authors' own form: padded vocabulary, grouped queries, one fused gated part."""
    if f.has("inner_hidden_size") or f.has("position_encoding_2d"):
        raise f.bad("this is ChatGLM-6B of the first generation, a prefix decoder that is not modelled.")
    s = shape(f)
    kv = f.size("multi_query_group_num") if f.flag("multi_query_attention") else s.heads
    s = replace(s, kv=kv)
    qkv_bias = f.flag("add_qkv_bias", default=True)
    every = f.flag("add_bias_linear")
    style = qkv(qkv_bias or every, o=every, mlp_bias=every, final_norm=f.flag("post_layer_norm", default=True))
    return plain(f, s, style, tied=tied(f, default=False))


@family("olmo", **_OLMO)
def olmo(f: Fields) -> Built:
    """OLMo 1: norms without parameters."""
    bias = f.flag("attention_bias")
    return plain(f, shape(f), qkv(bias, o=bias, norms=0, final_norm=False), tied=tied(f, default=False))


@family("hf_olmo")
def olmo_original(f: Fields) -> Built:
    """OLMo 1 in the authors' own form (d_model, n_heads, mlp_hidden_size of both halves together)."""
    s = shape(f)
    both = f.size("mlp_hidden_size", default=s.hidden * f.size("mlp_ratio", default=8))
    part = Dense(both // 2)
    bias = f.flag("include_bias")
    vocab = f.size("embedding_size", "vocab_size")
    return plain(
        f, s, qkv(bias, o=bias, mlp_bias=bias, norms=0, final_norm=False), ffn=lambda _: part, vocab=vocab,
        tied=f.flag("weight_tying", default=True),
    )  # fmt: skip


@family("olmo2", **_OLMO)
def olmo2(f: Fields) -> Built:
    """OLMo 2: norms after attention and feed-forward, over whole queries and keys."""
    bias = f.flag("attention_bias")
    return plain(f, shape(f), qkv(bias, o=bias, qk_norm="full"))


@family("olmo3", **_OLMO)
def olmo3(f: Fields) -> Built:
    """OLMo 3: OLMo 2 with a window in three of four layers."""
    s = shape(f)
    bias = f.flag("attention_bias")
    spans = windows(f, s.layers, window(f, default=4096), lambda i: (i + 1) % 4 != 0)
    return plain(f, s, qkv(bias, o=bias, qk_norm="full"), windows=spans)


@family("starcoder2", vocab_size=49152, hidden_size=3072, intermediate_size=12288, num_hidden_layers=30,
        num_attention_heads=24, num_key_value_heads=2, max_position_embeddings=4096)  # fmt: skip
def starcoder2(f: Fields) -> Built:
    """StarCoder 2: two-matrix feed-forward part, biases everywhere, window in every layer where set."""
    s = shape(f)
    style = replace(all_bias(f.flag("use_bias", default=True)), gated=False)
    spans = windows(f, s.layers, window(f), lambda _: True)
    return plain(f, s, style, windows=spans, tied=tied(f, default=True))


@family("stablelm", "stablelm_epoch", "stablelm_alpha", vocab_size=50304, intermediate_size=6912, hidden_size=2560)
def stablelm(f: Fields) -> Built:
    """StableLM: LayerNorm; the 12B norms every head and runs attention and feed-forward side by side on one norm."""
    s = shape(f)
    parallel, qk = f.flag("use_parallel_residual"), f.flag("qk_layernorm")
    style = qkv(f.flag("use_qkv_bias"), norm_bias=True, norms=1 if parallel else 2)
    built = plain(f, s, style)
    if not qk:
        return built
    extra = (s.heads + s.kv) * s.head_dim
    return replace(built, layers=tuple(replace(g, norm_params=g.norm_params + extra) for g in built.layers))


@family("cohere", "aya_vision_text", vocab_size=256000, hidden_size=8192, intermediate_size=22528,
        num_hidden_layers=40, num_attention_heads=64, max_position_embeddings=8192)  # fmt: skip
def cohere(f: Fields) -> Built:
    """Command R: one norm for attention and feed-forward side by side, tied; R+ norms each query and key head."""
    s = shape(f)
    bias = f.flag("attention_bias")
    built = plain(f, s, qkv(bias, o=bias, norms=1), tied=tied(f, default=True))
    if not f.flag("use_qk_norm"):
        return built
    extra = (s.heads + s.kv) * s.head_dim
    return replace(built, layers=tuple(replace(g, norm_params=g.norm_params + extra) for g in built.layers))


@family("cohere2", vocab_size=256000, hidden_size=8192, intermediate_size=22528, num_hidden_layers=40,
        num_attention_heads=64, max_position_embeddings=8192)  # fmt: skip
def cohere2(f: Fields) -> Built:
    """Command R7B and A: Command R with a window in three of four layers."""
    s = shape(f)
    bias = f.flag("attention_bias")
    pattern = f.size("sliding_window_pattern", "_sliding_window_pattern", default=4)
    spans = windows(f, s.layers, window(f, default=4096), lambda i: (i + 1) % pattern != 0)
    return plain(f, s, qkv(bias, o=bias, norms=1), windows=spans, tied=tied(f, default=True))


@family("phi", "phi-msft", vocab_size=51200, hidden_size=2048, num_hidden_layers=24, num_attention_heads=32)
def phi(f: Fields) -> Built:
    """Phi 1, 1.5 and 2: one norm, biases everywhere, a head with a bias."""
    s = shape(f)
    part = dense(f, gated=False, bias=True) if f.has("intermediate_size", "n_inner") else _four_times(s.hidden)
    style = replace(all_bias(), norms=1, qk_norm="head" if f.flag("qk_layernorm") else "none")
    extra = 2 * s.head_dim if style.qk_norm == "head" else 0  # these norms have biases too
    built = plain(f, s, style, ffn=lambda _: part)
    layers = tuple(replace(g, norm_params=g.norm_params + extra) for g in built.layers)
    return replace(built, layers=layers, embedding_params=built.vocab)


def _four_times(hidden: int) -> Dense:
    return Dense(4 * hidden, gated=False, bias=True)


@family("phi3", "phi3_v", "phi4mm", "phi4_multimodal", vocab_size=32064, hidden_size=3072,
        intermediate_size=8192, num_hidden_layers=32, num_attention_heads=32, max_position_embeddings=4096)  # fmt: skip
def phi3(f: Fields) -> Built:
    """Phi 3 to 4: Llama's matrices fused; a window in every layer where one shorter than the context is set."""
    s = shape(f)
    return plain(f, s, Style(), windows=windows(f, s.layers, window(f), lambda _: True))


@family("phi3small", vocab_size=100352, hidden_size=4096, num_attention_heads=32, num_key_value_heads=8,
        num_hidden_layers=32, ff_intermediate_size=14336, max_position_embeddings=8192)  # fmt: skip
def phi3small(f: Fields) -> Built:
    """Phi 3 small: LayerNorm, biases, tied; block-sparse in all but every second layer (modelled as full attention)."""
    s = shape(f)
    part = Dense(f.size("ff_intermediate_size", "intermediate_size"), True, True)
    note = "Block-sparse attention is modelled as full attention: cache and parameters are exact, FLOPs high."
    return plain(f, s, all_bias(), ffn=lambda _: part, tied=tied(f, default=True), notes=(note,))


@family("exaone", max_position_embeddings=2048)
def exaone(f: Fields) -> Built:
    """EXAONE 3 and 3.5 (num_layers, activation_function)."""
    return plain(f, shape(f), Style())


@family("exaone4", vocab_size=102400, hidden_size=4096, intermediate_size=16384, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=32)  # fmt: skip
def exaone4(f: Fields) -> Built:
    """EXAONE 4: norms after each part, query and key norms, pattern LLLG of windowed and full layers."""
    s = shape(f)
    pattern = f.any("sliding_window_pattern")
    pattern = 4 if pattern is None else pattern
    span = window(f, default=4096)

    def sliding(i: int) -> bool:
        if not span or not pattern:
            return False
        if isinstance(pattern, str):
            return pattern[i % len(pattern)] == "L" and i != s.layers - 1
        return (i + 1) % int(pattern) != 0 and i != s.layers - 1

    return plain(f, s, Style(qk_norm="head"), windows=windows(f, s.layers, span, sliding))


@family("apertus", vocab_size=131072, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
        num_attention_heads=32)  # fmt: skip
def apertus(f: Fields) -> Built:
    """Apertus: two-matrix feed-forward part with a learned activation, query and key norms."""
    bias = f.flag("attention_bias")
    built = plain(f, shape(f), qkv(bias, o=bias, gated=False, mlp_bias=f.flag("mlp_bias"), qk_norm="head"))
    if f.text("hidden_act", default="xielu") != "xielu":
        return built
    return replace(built, layers=tuple(replace(g, extra_params=2) for g in built.layers))


@family("arcee", vocab_size=32000, hidden_size=2560, intermediate_size=18432)
def two_matrices(f: Fields) -> Built:
    """Arcee's AFM: Llama with a squared-ReLU feed-forward part of two matrices."""
    bias = f.flag("attention_bias")
    return plain(f, shape(f), qkv(bias, o=bias, mlp_bias=f.flag("mlp_bias"), gated=False))


@family("nemotron", vocab_size=256000, hidden_size=6144, intermediate_size=24576, num_hidden_layers=32,
        num_attention_heads=48)  # fmt: skip
@family("jais2")
def nemotron(f: Fields) -> Built:
    """Nemotron-4 and Minitron: squared ReLU, LayerNorm with bias, no biases in the matrices."""
    is_jais = f.text("model_type") == "jais2"
    bias = f.flag("attention_bias", default=is_jais)
    style = qkv(bias, o=bias, mlp_bias=f.flag("mlp_bias", default=is_jais), gated=False, norm_bias=True)
    return plain(f, shape(f), style)


@family("persimmon", vocab_size=262144, hidden_size=4096, intermediate_size=16384, num_hidden_layers=36,
        num_attention_heads=64)  # fmt: skip
@family("fuyu")
def persimmon(f: Fields) -> Built:
    """Persimmon: biases everywhere, squared ReLU, query and key norms with biases."""
    s = shape(f)
    qk = 4 * s.head_dim if f.flag("qk_layernorm", default=True) else 0
    built = plain(f, s, replace(all_bias(), gated=False))
    return replace(built, layers=tuple(replace(g, norm_params=g.norm_params + qk) for g in built.layers))


@family("minicpm3", "youtu", "youtu_llm", kv_lora_rank=256, q_lora_rank=768, qk_nope_head_dim=64,
        qk_rope_head_dim=32, v_head_dim=64, vocab_size=73448, hidden_size=2560, intermediate_size=6400,
        num_hidden_layers=62, num_attention_heads=40, max_position_embeddings=32768)  # fmt: skip
def dense_latent(f: Fields) -> Built:
    """MiniCPM 3 and Youtu: latent attention with a dense feed-forward part, tied."""
    s = heads_only(f)
    if not f.has("v_head_dim"):
        f.defaults["v_head_dim"] = s.hidden // s.heads
    mixer, norms = latent(f, s.heads)
    part = dense(f, bias=f.flag("mlp_bias"))

    one = layer(mixer, part, 2 * s.hidden + norms)
    return decoder(f, s, lambda _: one, tied=tied(f, default=True))


@family("bitnet", vocab_size=128256, hidden_size=2560, intermediate_size=6912, num_hidden_layers=30,
        num_attention_heads=20, num_key_value_heads=5)  # fmt: skip
def bitnet(f: Fields) -> Built:
    """BitNet b1.58: norms before the output and down projections."""
    s = shape(f)
    bias = f.flag("attention_bias")
    built = plain(f, s, qkv(bias, o=bias), tied=tied(f, default=True))
    extra = s.hidden + f.size("intermediate_size")
    return replace(built, layers=tuple(replace(g, norm_params=g.norm_params + extra) for g in built.layers))


@family("nemotron-nas", "deci", "decilm", "nemotron_nas", vocab_size=128256, max_position_embeddings=131072)
def nemotron_nas(f: Fields) -> Built:
    """Llama-Nemotron and DeciLM: every layer's attention and feed-forward part chosen by search (``block_configs``)."""
    f.size(*LAYERS)
    return searched(f)
