"""Mixtures of experts over plain grouped-query attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import Built, moe, shape, sparse, tied, window, windows
from drivetrain.catalogue.huggingface.plain import Style, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, FeedForward, MoE

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


def choose(flags: list[bool], experts: Callable[[], MoE], dense: Callable[[], Dense]) -> Callable[[int], FeedForward]:
    """The feed-forward part of layer ``i``: experts where ``flags[i]``, else dense; each built only if needed."""
    sparse_part = experts() if any(flags) else None
    dense_part = None if all(flags) else dense()

    def pick(i: int) -> FeedForward:
        part = sparse_part if flags[i] else dense_part
        assert part is not None
        return part

    return pick


@family("mixtral", vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=131072, num_local_experts=8,
        num_experts_per_tok=2)  # fmt: skip
def mixtral(f: Fields) -> Built:
    """Mixtral: the feed-forward part of every layer is one of ``num_local_experts``."""
    s = shape(f)
    part = moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"))
    return plain(f, s, Style(), ffn=lambda _: part, windows=windows(f, s.layers, window(f), lambda _: True))


@family("qwen2_moe", vocab_size=151936, hidden_size=2048, intermediate_size=5632, num_hidden_layers=24,
        num_attention_heads=16, num_key_value_heads=16, max_position_embeddings=32768,
        moe_intermediate_size=1408, shared_expert_intermediate_size=5632, num_experts_per_tok=4,
        num_experts=60)  # fmt: skip
def qwen2_moe(f: Fields) -> Built:
    """Qwen 1.5 and 2 mixtures: a shared expert behind a gate of its own, query-key-value biases."""
    s = shape(f)
    span = window(f, default=4096) if f.flag("use_sliding_window") else None
    first = f.count("max_window_layers", default=28)
    return plain(
        f, s, qkv(f.flag("qkv_bias", default=True)), ffn=qwen_parts(f, s.layers),
        windows=windows(f, s.layers, span, lambda i: i >= first),
    )  # fmt: skip


@family("qwen3_moe", "qwen3_vl_moe", "qwen3_vl_moe_text", "qwen3_omni_moe_text", vocab_size=151936,
        hidden_size=2048, intermediate_size=6144, num_hidden_layers=24, num_attention_heads=32,
        num_key_value_heads=4, max_position_embeddings=32768, moe_intermediate_size=768, num_experts_per_tok=8,
        num_experts=128)  # fmt: skip
def qwen3_moe(f: Fields) -> Built:
    """Qwen 3 mixtures: no shared expert, query and key norms per head."""
    if f.nested:
        f.defaults["head_dim"] = 128
    s = shape(f)
    bias = f.flag("attention_bias")
    span = window(f, default=4096) if f.flag("use_sliding_window") else None
    return plain(
        f, s, qkv(bias, o=bias, qk_norm="head"), ffn=qwen_parts(f, s.layers),
        windows=windows(f, s.layers, span, lambda _: True),
    )  # fmt: skip


def qwen_parts(f: Fields, n: int) -> Callable[[int], FeedForward]:
    """Routed and shared experts as Qwen writes them, dense where ``mlp_only_layers`` or the sparse step say."""
    step = f.size("decoder_sparse_step", default=1)
    only = f.items("mlp_only_layers") or []
    n_experts = f.count("num_experts", "num_local_experts")
    flags = sparse(f, n, lambda i: i not in only and (i + 1) % step == 0 and n_experts > 0)
    shared = f.count("shared_expert_intermediate_size")

    def experts() -> MoE:
        return moe(n_experts, f.size("num_experts_per_tok"), f.size("moe_intermediate_size"),
                   shared_intermediate=shared, shared_gate=shared > 0)  # fmt: skip

    return choose(flags, experts, lambda: Dense(f.size("intermediate_size")))


@family("olmoe", vocab_size=50304, hidden_size=2048, intermediate_size=2048, num_hidden_layers=16,
        num_attention_heads=16, num_experts=64, num_experts_per_tok=8)  # fmt: skip
@family("flex_olmo", num_experts_per_tok=5, num_experts=7)
def olmoe(f: Fields) -> Built:
    """OLMoE and FlexOlmo: query and key norms over all heads."""
    s = shape(f)
    bias = f.flag("attention_bias")
    part = moe(f.size("num_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"))
    return plain(f, s, qkv(bias, o=bias, qk_norm="full"), ffn=lambda _: part)


@family("granitemoe", "granitemoeshared", num_local_experts=8, num_experts_per_tok=2, vocab_size=32000)
def granitemoe(f: Fields) -> Built:
    """Granite 3 mixtures, with or without a shared part."""
    s = shape(f)
    bias = f.flag("attention_bias")
    part = moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"),
               shared_intermediate=f.count("shared_intermediate_size"))  # fmt: skip
    return plain(f, s, qkv(bias, o=bias), ffn=lambda _: part)


@family("phimoe", vocab_size=32064, hidden_size=4096, intermediate_size=6400, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=131072, num_local_experts=16,
        num_experts_per_tok=2)  # fmt: skip
def phimoe(f: Fields) -> Built:
    """Phi 3.5 and 4 mixtures: LayerNorm and biases."""
    s = shape(f)
    bias = f.flag("attention_bias")
    part = moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"))
    extra = f.size("vocab_size") if f.flag("lm_head_bias") else 0
    spans = windows(f, s.layers, window(f), lambda _: True)
    return plain(f, s, qkv(bias, o=bias, norm_bias=True), ffn=lambda _: part, windows=spans, embedding_params=extra)


@family("gpt_oss", num_local_experts=128, vocab_size=201088, hidden_size=2880, intermediate_size=2880,
        head_dim=64, num_attention_heads=64, num_key_value_heads=8, num_hidden_layers=36, num_experts_per_tok=4,
        max_position_embeddings=131072)  # fmt: skip
def gpt_oss(f: Fields) -> Built:
    """gpt-oss.

    Biases everywhere, attention sinks, window in every other layer. Its active count has the head, not the
    table.
    """
    s = shape(f)
    bias = f.flag("attention_bias", default=True)
    part = moe(f.size("num_local_experts", "num_experts"), f.size("num_experts_per_tok", "experts_per_token"),
               f.size("intermediate_size"), bias=True, router_bias=True)  # fmt: skip
    spans = windows(f, s.layers, window(f, default=128), lambda i: i % 2 == 0)
    return plain(f, s, qkv(bias, o=bias, sinks=True), ffn=lambda _: part, windows=spans, active="head")


@family("llama4", "llama4_text", vocab_size=202048, hidden_size=5120, intermediate_size=8192,
        intermediate_size_mlp=16384, num_hidden_layers=48, num_attention_heads=40, num_key_value_heads=8,
        head_dim=128, num_local_experts=16, num_experts_per_tok=1, max_position_embeddings=131072)  # fmt: skip
def llama4(f: Fields) -> Built:
    """Llama 4.

    One routed and one shared expert; chunked attention in three of four layers; dense layers between
    (Maverick).
    """
    s = shape(f)
    bias = f.flag("attention_bias")
    step = f.count("interleave_moe_layer_step", default=1)
    listed = f.items("moe_layers")
    flags = [i in listed if listed is not None else step > 0 and (i + 1) % step == 0 for i in range(s.layers)]
    width = f.size("intermediate_size")

    def experts() -> MoE:
        return moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), width, shared_intermediate=width)

    rotated = f.items("no_rope_layers")
    every = f.size("no_rope_layer_interval", default=4)
    span = window(f, "attention_chunk_size", default=8192)
    spans = windows(f, s.layers, span, lambda i: bool(rotated[i]) if rotated else (i + 1) % every != 0)
    part = choose(flags, experts, lambda: Dense(f.size("intermediate_size_mlp")))
    return plain(f, s, qkv(bias, o=bias), ffn=part, windows=spans)


@family("minimax_m2", hidden_size=3072, intermediate_size=1536, num_hidden_layers=62, num_attention_heads=48,
        num_key_value_heads=8, head_dim=128, num_local_experts=256, num_experts_per_tok=8,
        vocab_size=200064)  # fmt: skip
def minimax_m2(f: Fields) -> Built:
    """MiniMax M2 to M2.5: query and key norms over all heads, biased sigmoid router."""
    s = shape(f)
    bias = f.flag("use_routing_bias", default=True)
    part = moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"),
        router_bias=bias,
               shared_intermediate=f.count("shared_intermediate_size"))  # fmt: skip
    built = plain(
        f,
        s,
        Style(qk_norm="full" if f.flag("use_qk_norm", default=True) else "none"),
        ffn=lambda _: part,
        active="none",
    )
    n = f.count("num_mtp_modules") * f.size("mtp_transformer_layers", default=1) if f.flag("use_mtp") else 0
    if not n:
        return built
    one = replace(built.layers[0], count=n, label="multi-token prediction")
    return replace(built, mtp=(one,), mtp_extra=n * (2 * s.hidden**2 + 3 * s.hidden))


@family("dbrx", d_model=2048, n_heads=16, n_layers=24, max_seq_len=2048, vocab_size=32000)
def dbrx(f: Fields) -> Built:
    """DBRX: sizes in attn_config and ffn_config, LayerNorm without bias."""
    s = shape(f)
    attn, ffn = f.table("attn_config"), f.table("ffn_config")
    s = replace(s, kv=attn.size("kv_n_heads", default=1))
    part = moe(
        ffn.size("moe_num_experts", default=4),
        ffn.size("moe_top_k", default=1),
        ffn.size("ffn_hidden_size", default=3584),
    )
    return plain(f, s, Style(), ffn=lambda _: part)


@family("grok-1", "grok_1", "grok1", hidden_size=6144, vocab_size=131072, num_experts=8, max_position_embeddings=8192)
def grok(f: Fields) -> Built:
    """Grok 1: four norms a layer, embeddings tied."""
    s = shape(f)
    part = moe(f.size("num_experts", "num_local_experts"), f.size("num_selected_experts",
        "num_experts_per_tok", "top_k_experts"),
               f.size("intermediate_size", "ffn_hidden_size", "moe_intermediate_size"))  # fmt: skip
    if f.flag("residual_moe"):  # Grok 2: a dense part beside experts of half the width
        part = replace(
            part, intermediate=f.size("moe_intermediate_size"), shared_intermediate=f.size("intermediate_size")
        )
    style = qkv(f.flag("attention_bias"), norms=4)
    return plain(f, s, style, ffn=lambda _: part, tied=tied(f, default=not f.flag("residual_moe")))


@family("arctic", num_local_experts=8, num_experts_per_tok=1, moe_layer_frequency=2, vocab_size=32000)
def arctic(f: Fields) -> Built:
    """Snowflake Arctic: experts beside a dense part (recorded as their shared part) as wide as the model."""
    s = shape(f)
    step, residual = f.size("moe_layer_frequency"), f.flag("parallel_attn_mlp_res")
    flags = [(i + 1) % step == 0 for i in range(s.layers)]
    width = f.size("intermediate_size")

    def experts() -> MoE:
        return moe(
            f.size("num_local_experts"),
            f.size("num_experts_per_tok"),
            width,
            shared_intermediate=s.hidden if residual else 0,
        )

    part = choose(flags, experts, lambda: Dense(s.hidden if residual else width))
    built = plain(f, s, Style(), ffn=part)
    if not residual:
        return built
    layers = tuple(
        replace(g, norm_params=g.norm_params + s.hidden) if isinstance(g.ffn, MoE) else g for g in built.layers
    )
    return replace(built, layers=layers)


@family("hunyuan", "hunyuan_v1_moe", "hunyuan_moe", vocab_size=290943, num_experts=1)
def hunyuan_moe(f: Fields) -> Built:
    """Hunyuan Large and A13B.

    Shared experts, query and key norms, caches shared between layers (cross-layer attention).
    """
    s = shape(f)
    bias = f.flag("attention_bias")
    first = _first(f.any("moe_layer_num_skipped"), 0)
    width = _first(f.any("moe_intermediate_size"), f.size("intermediate_size"))
    shared = _first(
        f.any("num_shared_expert"), 0 if f.flag("use_mixed_mlp_moe") is False and not f.has("num_shared_expert") else 1
    )
    n_experts = _first(f.any("num_experts", "num_local_experts"), 1)
    flags = [n_experts > 1 and i >= first for i in range(s.layers)]
    shared_width = f.size("intermediate_size") * shared if f.flag("use_mixed_mlp_moe", default=True) else 0

    def experts() -> MoE:
        return moe(
            n_experts, _first(f.any("moe_topk", "num_experts_per_tok"), 1), width, shared_intermediate=shared_width
        )

    qk = "head" if f.flag("use_qk_norm", default=True) else "none"
    built = plain(
        f, s, qkv(bias, o=bias, qk_norm=qk), ffn=choose(flags, experts, lambda: Dense(f.size("intermediate_size"))),
        tied=tied(f, default=False),
    )  # fmt: skip
    return _share_caches(f, built) if f.flag("use_cla") else built


def _share_caches(f: Fields, built: Built) -> Built:
    """Cross-layer attention: of every ``cla_share_factor`` layers the first computes keys and values."""
    from drivetrain.catalogue.model import Attention

    factor = f.size("cla_share_factor", default=2)
    out = []
    for group in built.layers:
        assert isinstance(group.mixer, Attention)
        own = -(-group.count // factor)
        reuse = replace(group.mixer, reuses_kv=True)
        norm = group.norm_params - (group.mixer.head_dim if group.mixer.qk_norm == "head" else 0)
        out += [replace(group, count=own, label="own cache"),
                replace(group, count=group.count - own, mixer=reuse, norm_params=norm,
                    label="cache of the layer before")]  # fmt: skip
    return replace(built, layers=tuple(g for g in out if g.count))


def _first(value: object, default: int) -> int:
    """The number, or the first of a per-layer list."""
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else default


@family("aria_text", "aria", moe_num_experts=8, moe_topk=2, moe_num_shared_experts=2, vocab_size=32000)
def aria(f: Fields) -> Built:
    """Aria: Llama with routed and shared experts."""
    s = shape(f)
    bias = f.flag("attention_bias")
    width = f.size("intermediate_size", "moe_intermediate_size")
    part = moe(
        f.size("moe_num_experts"),
        f.size("moe_topk"),
        width,
        shared_intermediate=width * f.count("moe_num_shared_experts"),
    )
    return plain(f, s, qkv(bias, o=bias), ffn=lambda _: part)


@family("ernie4_5_moe", "ernie4_5_moe_vl", "ernie4_5_vl_moe_text", vocab_size=103424, hidden_size=2560,
        intermediate_size=12288, num_hidden_layers=28, num_attention_heads=20, num_key_value_heads=4,
        max_position_embeddings=131072, moe_intermediate_size=1536, moe_k=6, moe_num_experts=64,
        moe_num_shared_experts=2)  # fmt: skip
def ernie_moe(f: Fields) -> Built:
    """ERNIE 4.5 mixtures; of the vision models' two expert sets the text one."""
    s = shape(f)
    bias = f.flag("use_bias")
    start = _first(f.any("moe_layer_start_index"), 1)
    end = _first(f.any("moe_layer_end_index"), -1)
    end = s.layers - 1 if end == -1 else end
    step = f.size("moe_layer_interval", default=1)
    flags = sparse(f, s.layers, lambda i: (i + 1) % step == 0 and start <= i <= end)
    width = _first(f.any("moe_intermediate_size"), 1536)
    n_experts = _first(f.any("moe_num_experts"), 64)

    def experts() -> MoE:
        return moe(n_experts, f.size("moe_k"), width, shared_intermediate=width * f.count("moe_num_shared_experts"),
                   router_bias=f.flag("moe_use_aux_free", default=True))  # fmt: skip

    part = choose(flags, experts, lambda: Dense(f.size("intermediate_size"), True, bias))
    return plain(f, s, qkv(bias, o=bias), ffn=part, tied=tied(f, default=True), active="head")
