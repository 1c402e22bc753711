"""Gemma, all generations: wide heads, tied embeddings, sandwich norms from the second on."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    Built,
    Shape,
    decoder,
    gqa,
    kinds,
    layer,
    moe,
    shape,
    tied,
    window,
    windows,
)
from drivetrain.catalogue.huggingface.plain import Style, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, FeedForward, LayerGroup, MoE

_GEMMA2 = {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
           "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
           "max_position_embeddings": 8192}  # fmt: skip
_GEMMA3 = {**_GEMMA2, "vocab_size": 262208, "max_position_embeddings": 131072}


@family("gemma", vocab_size=256000, hidden_size=3072, intermediate_size=24576, num_hidden_layers=28,
        num_attention_heads=16, num_key_value_heads=16, head_dim=256, max_position_embeddings=8192)  # fmt: skip
def gemma(f: Fields) -> Built:
    """Gemma 1 (also PaliGemma's language part)."""
    s = _shape(f)
    bias = f.flag("attention_bias")
    return plain(f, s, qkv(bias, o=bias), tied=tied(f, default=True))


@family("gemma2", **_GEMMA2)
def gemma2(f: Fields) -> Built:
    """Gemma 2: every other layer has a window, four norms a layer."""
    s = _shape(f)
    bias = f.flag("attention_bias")
    spans = windows(f, s.layers, window(f, default=4096), lambda i: i % 2 == 0)
    return plain(f, s, qkv(bias, o=bias, norms=4), windows=spans, tied=tied(f, default=True))


@family("vaultgemma", **_GEMMA2)
def vaultgemma(f: Fields) -> Built:
    """VaultGemma: Gemma 2 with two norms a layer."""
    s = _shape(f)
    spans = windows(f, s.layers, window(f, default=512), lambda i: i % 2 == 0)
    return plain(f, s, Style(), windows=spans, tied=tied(f, default=True))


@family("gemma3", "gemma3_text", "shieldgemma2", **_GEMMA3)
def gemma3(f: Fields) -> Built:
    """Gemma 3: five windowed layers to one full, query and key norms."""
    s = _shape(f)
    bias = f.flag("attention_bias")
    pattern = f.size("sliding_window_pattern", "_sliding_window_pattern", default=6)
    spans = windows(f, s.layers, window(f, default=4096), lambda i: (i + 1) % pattern != 0)
    return plain(f, s, qkv(bias, o=bias, norms=4, qk_norm="head"), windows=spans, tied=tied(f, default=True))


@family("gemma3n", "gemma3n_text", vocab_size=262400, hidden_size=2048, num_hidden_layers=35,
        num_attention_heads=8, num_key_value_heads=2, head_dim=256, max_position_embeddings=32768,
        intermediate_size=16384)  # fmt: skip
def gemma3n(f: Fields) -> Built:
    """Gemma 3n: per-layer embeddings, low-rank side path (LAuReL), four residual streams (AltUp), shared caches."""
    s = _shape(f)
    h, streams = s.hidden, f.size("altup_num_inputs", default=4)
    ple, rank = f.size("hidden_size_per_layer_input", default=256), f.size("laurel_rank", default=64)
    widths = f.any("intermediate_size") or 16384
    inner = (
        [int(w) for w in widths][: s.layers] if isinstance(widths, list) else [f.size("intermediate_size")] * s.layers
    )
    spans = windows(f, s.layers, window(f, default=512), lambda i: (i + 1) % 5 != 0)
    first_shared = s.layers - f.count("num_kv_shared_layers", default=15)
    laurel = 2 * h * rank + h
    altup = h + streams**2 + streams**3 + h * streams + h
    extra = laurel + altup + 2 * h * ple + h

    def make(i: int) -> LayerGroup:
        reuses = i >= first_shared
        mixer = gqa(s, window=spans[i], qk_norm="head", reuses_kv=reuses)
        norm = 4 * h + (1 if reuses else 2) * s.head_dim
        return layer(mixer, Dense(inner[i]), norm, "sliding window" if spans[i] else "", extra=extra)

    tables = f.size("vocab_size_per_layer_input", default=262144) * s.layers * ple
    once = h * s.layers * ple + ple + 2 * (streams - 1) * h * h
    notes = ("Per-layer embeddings are looked up, not multiplied; the effective count leaves them and the tables out.",)
    return decoder(f, s, make, tied=tied(f, default=True), embedding_params=tables + once, active="none", notes=notes)


@family("gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text", "gemma4n", vocab_size=262144,
        hidden_size=2304, intermediate_size=9216, num_hidden_layers=30, num_attention_heads=8,
        num_key_value_heads=4, head_dim=256, global_head_dim=512, max_position_embeddings=131072)  # fmt: skip
def gemma4(f: Fields) -> Built:
    """Gemma 4.

    Wider heads in full layers (keys double as values in the larger models), experts beside the dense part.
    """
    s = _shape(f)
    h = s.hidden
    types = kinds(f, s.layers, lambda i: "sliding_attention" if (i + 1) % 6 else "full_attention")
    span = window(f, default=512)
    first_shared = s.layers - f.count("num_kv_shared_layers")
    ple = f.count("hidden_size_per_layer_input", default=0 if "unified" in f.text("model_type") else 256)
    double = 2 if f.flag("use_double_wide_mlp") else 1
    k_eq_v, bias = f.flag("attention_k_eq_v"), f.flag("attention_bias")
    wide = Shape(h, s.layers, s.heads, f.size("num_global_key_value_heads", default=s.kv), f.size("global_head_dim"))
    inner = f.size("intermediate_size")
    experts = _gemma4_experts(f, inner)
    extra = 2 * h * ple + h if ple else 0
    extra += 1  # the layer's output scale
    norm = 4 * h
    if experts:
        norm += 3 * h
        extra += h + experts.n_experts  # the router's input and expert scales

    def make(i: int) -> LayerGroup:
        full, reuses = types[i] == "full_attention" or i == s.layers - 1, i >= first_shared
        mixer = gqa(
            wide if full else s, window=None if full else span, qk_norm="head", reuses_kv=reuses,
            k_eq_v=k_eq_v and full, q_bias=bias, kv_bias=bias, o_bias=bias,
        )  # fmt: skip
        part: FeedForward = experts or Dense(inner * (double if reuses else 1))
        norms = norm + (1 if reuses else 2) * mixer.head_dim
        return layer(mixer, part, norms, "full attention" if full else "sliding window", extra=extra)

    tables = f.size("vocab_size_per_layer_input", default=262144) * s.layers * ple
    once = h * s.layers * ple + ple if ple else 0
    return decoder(
        f, s, make, tied=tied(f, default=True), embedding_params=tables + once, active="none" if ple else "all",
        notes=("The dense part beside the experts is recorded as their shared part.",) if experts else (),
    )  # fmt: skip


def _gemma4_experts(f: Fields, inner: int) -> MoE | None:
    if not f.flag("enable_moe_block"):
        f.used.add("num_experts")
        return None
    return moe(f.size("num_experts"), f.size("top_k_experts", "num_experts_per_tok"), f.size("moe_intermediate_size"),
               shared_intermediate=inner)  # fmt: skip


def _shape(f: Fields) -> Shape:
    return replace(shape(f, kv_default=f.defaults.get("num_key_value_heads")))
