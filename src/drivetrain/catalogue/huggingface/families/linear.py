"""Linear attention between layers of softmax attention.

Qwen 3 Next and 3.5, Kimi Linear, MiniMax, Ling linear, OLMo Hybrid.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    HEADS,
    HIDDEN,
    INNER,
    LAYERS,
    Built,
    Shape,
    decoder,
    gqa,
    kinds,
    latent,
    layer,
    moe,
    shape,
    sparse,
)
from drivetrain.catalogue.huggingface.families.deepseek import heads_only, mtp, routed
from drivetrain.catalogue.huggingface.families.mixture import choose, qwen_parts
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.recurrence import gated_delta, kimi_delta, lightning
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, LayerGroup, MoE, Recurrent

_DELTA = {"linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
          "linear_num_value_heads": 32, "head_dim": 256, "max_position_embeddings": 32768}  # fmt: skip


def _delta(f: Fields, hidden: int) -> Recurrent:
    return gated_delta(
        hidden, f.size("linear_num_key_heads"), f.size("linear_key_head_dim"), f.size("linear_num_value_heads"),
        f.size("linear_value_head_dim"), f.size("linear_conv_kernel_dim"),
    )  # fmt: skip


@family("qwen3_next", **_DELTA, vocab_size=151936, hidden_size=2048, intermediate_size=5632,
        num_hidden_layers=48, num_attention_heads=16, num_key_value_heads=2, moe_intermediate_size=512,
        shared_expert_intermediate_size=512, num_experts_per_tok=10, num_experts=512)  # fmt: skip
@family("qwen3_5_moe", "qwen3_5_moe_text", **_DELTA, vocab_size=248320, hidden_size=2048, num_hidden_layers=40,
        num_attention_heads=16, num_key_value_heads=2, moe_intermediate_size=512,
        shared_expert_intermediate_size=512, num_experts_per_tok=8, num_experts=256)  # fmt: skip
@family("qwen3_5", "qwen3_5_text", **_DELTA, vocab_size=248320, hidden_size=4096, intermediate_size=12288,
        num_hidden_layers=32, num_attention_heads=16, num_key_value_heads=4)  # fmt: skip
def qwen_next(f: Fields) -> Built:
    """Qwen 3 Next, 3.5 and 3.6: three layers of gated DeltaNet to one of gated attention; dense or with experts."""
    s = shape(f)
    every = f.size("full_attention_interval", default=4)
    types = kinds(f, s.layers, lambda i: "full_attention" if (i + 1) % every == 0 else "linear_attention")
    bias = f.flag("attention_bias")
    attention = gqa(
        s, qk_norm="head", output_gate=f.flag("attn_output_gate", default=True), q_bias=bias, kv_bias=bias, o_bias=bias
    )
    delta = _delta(f, s.hidden)
    has_experts = f.count("num_experts", "num_local_experts") > 0
    dense = None if has_experts else Dense(f.size("intermediate_size"))
    part = qwen_parts(f, s.layers) if has_experts else (lambda _: dense)

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention"
        norm = 2 * s.hidden + (2 * s.head_dim if attends else 0)
        return layer(attention if attends else delta, part(i), norm, "attention" if attends else "linear attention")

    n = f.count("mtp_num_hidden_layers")
    head = layer(attention, part(s.layers - 1), 2 * s.hidden + 2 * s.head_dim, "multi-token prediction")
    extra = 2 * s.hidden**2 + 3 * s.hidden if n else 0
    return decoder(
        f,
        s,
        make,
        mtp=(replace(head, count=n),) if n else (),
        mtp_extra=extra,
        active="none" if f.text("model_type") == "qwen3_next" else "all",
    )


@family("olmo_hybrid", "olmo3_2_hybrid", vocab_size=100352, max_position_embeddings=65536,
        linear_num_key_heads=30, linear_num_value_heads=30, linear_conv_kernel_dim=4)  # fmt: skip
def olmo_hybrid(f: Fields) -> Built:
    """OLMo Hybrid: gated DeltaNet with norms before, attention with norms after."""
    s = shape(f)
    types = kinds(
        f, s.layers, lambda i: "full_attention" if (i + 1) % 4 == 0 or i == s.layers - 1 else "linear_attention"
    )
    f.defaults.setdefault("linear_key_head_dim", int(0.75 * s.hidden / f.size("linear_num_key_heads")))
    f.defaults.setdefault("linear_value_head_dim", 2 * f.size("linear_key_head_dim"))
    attention, delta = gqa(s, qk_norm="full"), _delta(f, s.hidden)
    part = Dense(f.size("intermediate_size"))

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention"
        norm = 2 * s.hidden + ((s.heads + s.kv) * s.head_dim if attends else 0)
        return layer(attention if attends else delta, part, norm, "attention" if attends else "linear attention")

    return decoder(f, s, make)


@family("kimi_linear", vocab_size=163840, hidden_size=2304, intermediate_size=9216, moe_intermediate_size=1024,
        num_hidden_layers=27, num_attention_heads=32, n_shared_experts=1, kv_lora_rank=512, qk_rope_head_dim=64,
        qk_nope_head_dim=128, v_head_dim=128, num_experts_per_tok=8, num_local_experts=256,
        max_position_embeddings=1048576, first_k_dense_replace=1)  # fmt: skip
def kimi_linear(f: Fields) -> Built:
    """Kimi Linear: three layers of Kimi Delta Attention to one of latent attention."""
    s = heads_only(f)
    linear = f.table("linear_attn_config")
    full = linear.items("full_attn_layers")  # counted from 1
    types = kinds(
        f, s.layers, lambda i: "full_attention" if (i + 1 in full if full else i and i % 4 == 0) else "linear_attention"
    )
    delta = kimi_delta(
        s.hidden, linear.size("num_heads", default=f.size("linear_num_heads", default=s.heads)),
        linear.size("head_dim", default=f.size("linear_head_dim", default=128)),
        linear.size("short_conv_kernel_size", default=f.size("linear_conv_kernel_dim", default=4)),
    )  # fmt: skip
    f.used.add("layer_types")
    return _latent_hybrid(f, s, types, delta, first=f.count("first_k_dense_replace"))


@family("bailing_hybrid", vocab_size=157184, hidden_size=2560, kv_lora_rank=512, qk_rope_head_dim=64,
        qk_nope_head_dim=128, v_head_dim=128, n_shared_experts=1, num_experts_per_tok=8, num_local_experts=512,
        first_k_dense_replace=2, head_dim=128)  # fmt: skip
def bailing_hybrid(f: Fields) -> Built:
    """Ling 3 hybrids.

    Delta attention with full-rank gates, one layer in six of latent attention with a gate per head.
    """
    s = heads_only(f)
    every = f.size("layer_group_size", default=6)
    types = kinds(
        f,
        s.layers,
        lambda i: "full_attention" if (i + 1) % every == 0 or i >= s.layers // every * every else "linear_attention",
    )
    delta = kimi_delta(
        s.hidden,
        s.heads,
        f.size("linear_head_dim", "head_dim"),
        f.size("short_conv_kernel_size", default=4),
        low_rank=False,
    )
    return _latent_hybrid(f, s, types, delta, first=f.count("first_k_dense_replace"), gate=s.hidden * s.heads)


def _latent_hybrid(f: Fields, s: Shape, types: list[str], delta: Recurrent, *, first: int, gate: int = 0) -> Built:
    mixer, norms = latent(f, s.heads)
    mixer = replace(mixer, extra_params=mixer.extra_params + gate)
    flags = sparse(f, s.layers, lambda i: i >= first)
    part = choose(flags, lambda: routed(f, router_bias=True), lambda: Dense(f.size(*INNER)))

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention"
        return layer(mixer if attends else delta, part(i), 2 * s.hidden + (norms if attends else 0),
                     "latent attention" if attends else "linear attention")  # fmt: skip

    heads, extra = mtp(f, s, layer(mixer, part(s.layers - 1), 2 * s.hidden + norms))
    return decoder(f, s, make, mtp=heads, mtp_extra=extra, active="head")


@family("minimax", "minimax_text_01", "MiniMaxText01", "minimax_m1", vocab_size=32000, num_key_value_heads=8,
        num_local_experts=8, num_experts_per_tok=2, max_position_embeddings=131072)  # fmt: skip
def minimax(f: Fields) -> Built:
    """MiniMax-Text-01 and M1: seven layers of lightning attention to one of softmax attention, experts in all."""
    s = shape(f)
    listed = f.items("attn_type_list", length=s.layers)  # 1 softmax, 0 lightning
    types = kinds(
        f, s.layers, lambda i: "full_attention" if (listed[i] if listed else (i + 1) % 2) else "linear_attention"
    )
    attention = gqa(s)
    linear = lightning(s.hidden, s.heads, s.head_dim, norm=s.heads * s.head_dim)
    shared = f.any("shared_intermediate_size")
    shared = shared[0] if isinstance(shared, list) and shared else shared
    part = moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"),
               shared_intermediate=shared if isinstance(shared, int) else 0)  # fmt: skip

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention"
        return layer(
            attention if attends else linear, part, 2 * s.hidden, "attention" if attends else "lightning attention"
        )

    return decoder(f, s, make, active="none")


@family("bailing_moe_linear", "bailing_moe_linear_v2", num_experts_per_tok=8, num_shared_experts=1, vocab_size=157184)
def bailing_linear(f: Fields) -> Built:
    """Ling and Ring linear 2.0.

    Lightning attention with query and key norms, one layer in ``layer_group_size`` of softmax.
    """
    hidden, n, heads = f.size(*HIDDEN), f.size(*LAYERS), f.size(*HEADS)
    s = replace(shape(f), hidden=hidden, layers=n, heads=heads)
    every = f.size("layer_group_size", default=1)
    types = kinds(
        f, n, lambda i: "full_attention" if (i + 1) % every == 0 or i >= n // every * every else "linear_attention"
    )
    qk = 2 * s.head_dim if f.flag("use_qk_norm") else 0
    bias = f.flag("use_qkv_bias")
    attention = gqa(s, qk_norm="head" if qk else "none", q_bias=bias, kv_bias=bias, o_bias=f.flag("use_bias"))
    linear = lightning(hidden, heads, s.head_dim, norm=heads * s.head_dim + qk)
    width = f.size("moe_intermediate_size")
    shared = f.count("moe_shared_expert_intermediate_size", default=width) * f.count("num_shared_experts")

    def experts() -> MoE:
        return moe(f.size("num_experts"), f.size("num_experts_per_tok"), width, shared_intermediate=shared,
                   router_bias=f.flag("moe_router_enable_expert_bias"))  # fmt: skip

    part = choose([i >= f.count("first_k_dense_replace") for i in range(n)], experts, lambda: Dense(f.size(*INNER)))

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention"
        return layer(attention if attends else linear, part(i), 2 * hidden + (qk if attends else 0),
                     "attention" if attends else "linear attention")  # fmt: skip

    heads_, extra = mtp(f, s, layer(attention, part(n - 1), 2 * hidden + qk))
    return decoder(f, s, make, mtp=heads_, mtp_extra=extra)
