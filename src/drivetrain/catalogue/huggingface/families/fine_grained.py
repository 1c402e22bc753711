"""Mixtures of many small experts in DeepSeek's manner over grouped-query attention."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    INNER,
    Built,
    Shape,
    decoder,
    gqa,
    kinds,
    layer,
    moe,
    shape,
    sparse,
    window,
    windows,
)
from drivetrain.catalogue.huggingface.families.deepseek import mtp, parts, routed
from drivetrain.catalogue.huggingface.families.mixture import choose
from drivetrain.catalogue.huggingface.plain import Style, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, FeedForward, LayerGroup, MoE


@family("deepseek", "deepseek_moe", n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
        first_k_dense_replace=0, vocab_size=102400)  # fmt: skip
def deepseek_v1(f: Fields) -> Built:
    """DeepSeekMoE 16B."""
    s = shape(f)
    bias = f.flag("attention_bias")
    return plain(f, s, qkv(bias, o=bias), ffn=parts(f, s.layers, router_bias=False))


@family("glm4_moe", "glm4v_moe_text", "glm4v_moe", vocab_size=151552, hidden_size=4096, intermediate_size=10944,
        num_hidden_layers=46, num_attention_heads=96, num_key_value_heads=8, moe_intermediate_size=1408,
        num_experts_per_tok=8, n_shared_experts=1, n_routed_experts=128, first_k_dense_replace=1)  # fmt: skip
def glm4_moe(f: Fields) -> Built:
    """GLM 4.5 to 4.7: query-key-value biases, optional query and key norms, prediction layers."""
    f.defaults["head_dim"] = 128
    s = shape(f)
    qk = "head" if f.flag("use_qk_norm") else "none"
    style = qkv(f.flag("attention_bias"), qk_norm=qk)
    return _with_mtp(f, s, plain(f, s, style, ffn=parts(f, s.layers, router_bias=True), active="none"))


@family("dots1", n_shared_experts=2, n_routed_experts=128, num_experts_per_tok=6, vocab_size=152064)
def dots1(f: Fields) -> Built:
    """dots.llm1: query and key norms per head."""
    s = shape(f)
    bias = f.flag("attention_bias")
    first = f.count("max_window_layers", default=s.layers)
    spans = windows(f, s.layers, window(f), lambda i: i >= first)
    return plain(f, s, qkv(bias, o=bias, qk_norm="head"), ffn=parts(f, s.layers, router_bias=True), windows=spans)


@family("solar_open", head_dim=128, moe_intermediate_size=1280, num_experts_per_tok=8, n_shared_experts=1,
        n_routed_experts=128)  # fmt: skip
def solar_open(f: Fields) -> Built:
    """Solar Open: experts in every layer."""
    s = shape(f)
    bias = f.flag("attention_bias")
    part = routed(f, router_bias=True)
    f.used.add("first_k_dense_replace")
    return plain(f, s, qkv(bias, o=bias), ffn=lambda _: part)


@family("hy_v3", head_dim=128, num_experts=192, num_experts_per_tok=8, num_shared_experts=1,
        moe_intermediate_size=1536)  # fmt: skip
def hy_v3(f: Fields) -> Built:
    """Hunyuan 3: first layer dense, query and key norms."""
    s = shape(f)
    bias = f.flag("attention_bias")
    flags = sparse(f, s.layers, lambda i: i >= f.count("first_k_dense_replace", default=1))
    part = choose(flags, lambda: routed(f, router_bias=True), lambda: Dense(f.size("intermediate_size")))
    return _with_mtp(f, s, plain(f, s, qkv(bias, o=bias, qk_norm="head"), ffn=part))


@family("exaone_moe", vocab_size=102400, moe_intermediate_size=1024, num_experts=64, num_experts_per_tok=8,
        num_shared_experts=1)  # fmt: skip
def exaone_moe(f: Fields) -> Built:
    """K-EXAONE: EXAONE 4 with experts after the first layer."""
    s = shape(f)
    pattern = f.any("sliding_window_pattern")
    pattern = 4 if pattern is None else pattern

    def sliding(i: int) -> bool:
        if isinstance(pattern, str):
            return pattern[i % len(pattern)] == "L" and i != s.layers - 1
        return bool(pattern) and (i + 1) % int(pattern) != 0 and i != s.layers - 1

    listed = f.items("is_moe_layer", length=s.layers)
    flags = sparse(
        f, s.layers, lambda i: bool(listed[i]) if listed else i >= f.count("first_k_dense_replace", default=1)
    )
    part = choose(flags, lambda: routed(f, router_bias=True), lambda: Dense(f.size("intermediate_size")))
    spans = windows(f, s.layers, window(f, default=4096), sliding)
    return _with_mtp(f, s, plain(f, s, Style(qk_norm="head"), ffn=part, windows=spans, active="head"))


@family("bailing_moe", "bailing_moe_v2", "bailing_moe_v2_5", "bailingmm_moe", num_shared_experts=0,
        num_experts_per_tok=6, vocab_size=126464)  # fmt: skip
def bailing(f: Fields) -> Built:
    """Ling and Ring (inclusionAI), first and second version: fused projections, optional norms and router bias."""
    s = shape(f)
    bias = f.flag("use_qkv_bias")
    qk = "head" if f.flag("use_qk_norm") else "none"
    style = qkv(bias or f.flag("use_bias"), o=f.flag("use_bias"), qk_norm=qk)
    routed_bias = f.flag("moe_router_enable_expert_bias")
    width = f.size("moe_intermediate_size")
    shared = f.count("moe_shared_expert_intermediate_size", default=width) * f.count("num_shared_experts")
    flags = [i >= f.count("first_k_dense_replace") for i in range(s.layers)]

    def experts() -> MoE:
        return moe(
            f.size("num_experts"),
            f.size("num_experts_per_tok"),
            width,
            shared_intermediate=shared,
            router_bias=routed_bias,
        )

    part = choose(flags, experts, lambda: Dense(f.size(*INNER)))
    return _with_mtp(f, s, plain(f, s, style, ffn=part))


@family("afmoe", vocab_size=200192, head_dim=128, num_dense_layers=1, num_experts=64, num_experts_per_tok=6,
        num_shared_experts=2, moe_intermediate_size=1408)  # fmt: skip
def afmoe(f: Fields) -> Built:
    """Arcee Trinity: gated attention, four norms, window in three of four layers."""
    s = shape(f)
    every = f.size("global_attn_every_n_layers", default=4)
    spans = windows(f, s.layers, window(f, default=1024), lambda i: (i + 1) % every != 0)
    first = f.count("num_dense_layers")
    part = choose(
        [i >= first for i in range(s.layers)],
        lambda: routed(f, router_bias=True),
        lambda: Dense(f.size("intermediate_size")),
    )
    return plain(f, s, Style(norms=4, qk_norm="head", output_gate=True), ffn=part, windows=spans)


@family("mimo_v2_flash", "mimo_v2", "mimo_v2_pro", vocab_size=152576, hidden_size=4096, intermediate_size=16384,
        head_dim=192, v_head_dim=128, moe_intermediate_size=2048, num_experts_per_tok=8,
        n_routed_experts=256)  # fmt: skip
def mimo_v2(f: Fields) -> Built:
    """MiMo V2: windowed layers with sinks and their own head counts, values narrower than keys."""
    s = shape(f)
    pattern = f.items("hybrid_layer_pattern", length=s.layers)
    types = kinds(f, s.layers, lambda i: "sliding_attention" if _slides(pattern, i) else "full_attention")
    listed = f.items("moe_layer_freq", length=s.layers) if isinstance(f.any("moe_layer_freq"), list) else None
    flags = sparse(f, s.layers, lambda i: bool(listed[i]) if listed else i > 0)
    part = choose(flags, lambda: routed(f, router_bias=True), lambda: Dense(f.size("intermediate_size")))
    span = window(f, "sliding_window_size", "sliding_window", default=128)
    bias = f.flag("attention_bias")
    near = Shape(
        s.hidden, s.layers, f.size("swa_num_attention_heads", default=s.heads),
        f.size("swa_num_key_value_heads", default=s.kv if f.has("swa_head_dim") else 2 * s.kv),
        f.size("swa_head_dim", default=s.head_dim),
    )  # fmt: skip
    v_far = f.size("v_head_dim", default=s.head_dim)
    v_near = f.size("swa_v_head_dim", default=v_far)

    def make(i: int) -> LayerGroup:
        slides = types[i] == "sliding_attention"
        mixer = gqa(
            near if slides else s, v_head_dim=v_near if slides else v_far, window=span if slides else None,
            q_bias=bias, kv_bias=bias,
            sinks=f.flag("add_swa_attention_sink_bias",
                default=True) if slides else f.flag("add_full_attention_sink_bias"),
        )  # fmt: skip
        return layer(mixer, part(i), 2 * s.hidden, "sliding window" if slides else "full attention")

    return decoder(f, s, make, active="head")


def _slides(pattern: list[object] | None, i: int) -> bool:
    return bool(pattern[i]) if pattern else not (i == 0 or (i + 1) % 6 == 0)


@family("step3p5", "step3p7", "step3p7_text", "step3p5_flash", "step3p7_flash", vocab_size=128815,
        hidden_size=4096, intermediate_size=11264, num_hidden_layers=45, num_attention_heads=64,
        num_key_value_heads=8, head_dim=128, num_experts_per_tok=8, moe_intermediate_size=1280,
        n_routed_experts=288, share_expert_dim=1280, max_position_embeddings=128000)  # fmt: skip
def step3(f: Fields) -> Built:
    """Step 3.5 and 3.7 Flash: one gate per head, more heads in windowed layers, dense first layers."""
    s = shape(f)
    s = replace(s, kv=f.size("num_attention_groups", "num_key_value_heads", default=s.kv))
    types = kinds(f, s.layers, lambda _: "full_attention")
    other = f.table("attention_other_setting")
    near = replace(
        s, heads=f.maybe("num_sliding_attention_heads") or other.maybe("num_attention_heads") or s.heads,
        kv=other.maybe("num_attention_groups", "num_key_value_heads") or s.kv,
    )  # fmt: skip
    span = window(f, default=512)
    listed = f.any("moe_layers_enum")
    moe_layers = (
        {int(i) for i in (listed.split(",") if isinstance(listed, str) else listed) if str(i).strip()}
        if listed
        else None
    )
    first = f.count("first_k_dense_replace", default=3)
    flags = sparse(f, s.layers, lambda i: i in moe_layers if moe_layers is not None else i >= first)

    def experts() -> MoE:
        n = f.size("moe_num_experts", "n_routed_experts", "num_experts")
        return moe(n, f.size("moe_top_k", "num_experts_per_tok"), f.size("moe_intermediate_size"),
                   shared_intermediate=f.count("share_expert_dim", "share_expert_dims"),
                   router_bias=f.flag("use_moe_router_bias", default=True))  # fmt: skip

    part = choose(flags, experts, lambda: Dense(f.size("intermediate_size")))
    gate_all = f.any("gating") == "per-element"

    def make(i: int) -> LayerGroup:
        slides = types[i] == "sliding_attention"
        sh = near if slides else s
        gate = s.hidden * sh.heads if f.flag("use_head_wise_attn_gate", default=True) and not gate_all else 0
        mixer = gqa(sh, window=span if slides else None, qk_norm="head", extra_params=gate, output_gate=gate_all)
        return layer(mixer, part(i), 2 * s.hidden + 2 * s.head_dim, "sliding window" if slides else "full attention")

    return _with_mtp(f, s, decoder(f, s, make), dense=Dense(f.size("intermediate_size")), last=make(s.layers - 1))


@family("laguna", head_dim=128, num_experts=256, num_experts_per_tok=8, moe_intermediate_size=512,
        shared_expert_intermediate_size=512)  # fmt: skip
def laguna(f: Fields) -> Built:
    """Laguna: per-head gate, head counts by layer, first layer dense."""
    s = shape(f)
    per_layer = f.items("num_attention_heads_per_layer", length=s.layers)
    spans = windows(f, s.layers, window(f, default=512), lambda _: False)
    flags = sparse(f, s.layers, lambda i: i > 0)
    bias, gating = f.flag("attention_bias"), f.any("gating")

    def experts() -> MoE:
        return moe(f.size("num_experts"), f.size("num_experts_per_tok"), f.size("moe_intermediate_size"),
            router_bias=True,
                   shared_intermediate=f.count("shared_expert_intermediate_size"))  # fmt: skip

    part = choose(flags, experts, lambda: Dense(f.size("intermediate_size")))
    per_head = gating in (None, True, "per-head")

    def make(i: int) -> LayerGroup:
        sh = replace(s, heads=int(per_layer[i])) if per_layer else s
        mixer = gqa(sh, window=spans[i], qk_norm="head", q_bias=bias, kv_bias=bias, o_bias=bias,
            output_gate=gating == "per-element",
                    extra_params=s.hidden * sh.heads if per_head else 0)  # fmt: skip
        return layer(mixer, part(i), 2 * s.hidden + 2 * s.head_dim)

    return decoder(f, s, make)


def _with_mtp(
    f: Fields, s: Shape, built: Built, *, dense: FeedForward | None = None, last: LayerGroup | None = None
) -> Built:
    """Add prediction layers, each like the last layer (or with a ``dense`` part)."""
    model = last or max(built.layers, key=lambda g: isinstance(g.ffn, MoE))
    layers, extra = mtp(f, s, replace(model, ffn=dense or model.ffn))
    return replace(built, mtp=layers, mtp_extra=extra)
