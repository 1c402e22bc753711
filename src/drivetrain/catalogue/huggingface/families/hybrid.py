"""State-space models and their hybrids with attention."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    CONTEXT,
    HEADS,
    HIDDEN,
    LAYERS,
    Built,
    Shape,
    decoder,
    gqa,
    layer,
    moe,
    shape,
    tied,
    window,
)
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.recurrence import mamba1, mamba2, rg_lru, rwkv4, short_conv
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, FeedForward, LayerGroup, MoE, Recurrent

_UNBOUNDED = 1 << 20  # a recurrence has no context limit; configurations then give none


def _rank(f: Fields, hidden: int, *names: str) -> int:
    value = f.any(*names)
    return -(-hidden // 16) if value in (None, "auto") else f.size(*names)


def _bare(f: Fields) -> Shape:
    return Shape(f.size(*HIDDEN), f.size(*LAYERS), 1, 1, 1)


@family("mamba", "falcon_mamba", vocab_size=50280, hidden_size=768, num_hidden_layers=32)
def mamba(f: Fields) -> Built:
    """Mamba and Falcon Mamba: nothing but recurrence."""
    s = _bare(f)
    inner = f.size("intermediate_size", "d_inner", default=int(f.real("expand", default=2) * s.hidden))
    mixer = mamba1(
        s.hidden, inner, f.size("state_size", "d_state", default=16), f.size("conv_kernel", "d_conv", default=4),
        _rank(f, s.hidden, "time_step_rank"), conv_bias=f.flag("use_conv_bias", default=True), bias=f.flag("use_bias"),
    )  # fmt: skip
    context = f.size(*CONTEXT, default=_UNBOUNDED)
    return decoder(f, s, lambda _: layer(mixer, None, s.hidden), tied=tied(f, default=True), max_context=context)


@family("mamba2", num_heads=128, head_dim=64, vocab_size=32768, hidden_size=4096, state_size=128,
        num_hidden_layers=64, n_groups=8)  # fmt: skip
def mamba_2(f: Fields) -> Built:
    """Mamba 2 and Codestral Mamba."""
    s = _bare(f)
    mixer = mamba2(
        s.hidden, f.size("num_heads"), f.size("head_dim"), f.size("n_groups"), f.size("state_size"),
        f.size("conv_kernel", default=4),
        conv_bias=f.flag("use_conv_bias", default=True), bias=f.flag("use_bias"),
    )  # fmt: skip
    context = f.size(*CONTEXT, default=_UNBOUNDED)
    return decoder(f, s, lambda _: layer(mixer, None, s.hidden), max_context=context)


def _mamba2_of(f: Fields, s: Shape, *, gated_norm: bool) -> Recurrent:
    """Mamba 2 as Bamba, Granite 4 and Falcon-H1 name its sizes."""
    heads = f.size("mamba_n_heads", default=128)
    inner = f.maybe("mamba_d_ssm") or f.size("mamba_expand", default=2) * s.hidden
    head_dim = inner // heads if f.any("mamba_d_head") in (None, "auto") else f.size("mamba_d_head")
    return mamba2(
        s.hidden, heads, head_dim, f.size("mamba_n_groups", default=1), f.size("mamba_d_state", default=256),
        f.size("mamba_d_conv", default=4), conv_bias=f.flag("mamba_conv_bias", default=True),
        bias=f.flag("mamba_proj_bias"),
        gated_norm=gated_norm,
    )  # fmt: skip


@family("falcon_h1", vocab_size=128000, hidden_size=4096, intermediate_size=14336, num_key_value_heads=8,
        mamba_d_ssm=1024)  # fmt: skip
def falcon_h1(f: Fields) -> Built:
    """Falcon-H1: attention and Mamba 2 side by side in every layer."""
    s = shape(f)
    bias = f.flag("attention_bias")
    attention = gqa(s, q_bias=bias, kv_bias=bias, o_bias=bias)
    ssm = _mamba2_of(f, s, gated_norm=f.flag("mamba_rms_norm"))
    part = Dense(f.size("intermediate_size"), True, f.flag("mlp_bias"))
    return decoder(f, s, lambda _: layer(attention, part, 2 * s.hidden, parallel=ssm))


@family("bamba", vocab_size=128000, num_key_value_heads=8)
def bamba(f: Fields) -> Built:
    """Bamba: Mamba 2 with attention in a few layers, a dense part in each."""
    s = shape(f)
    at = f.items("attn_layer_indices") or []
    bias = f.flag("attention_bias")
    attention, ssm = gqa(s, q_bias=bias, kv_bias=bias, o_bias=bias), _mamba2_of(f, s, gated_norm=True)
    part = Dense(f.size("intermediate_size"), True, f.flag("mlp_bias"))
    return decoder(f, s, lambda i: layer(attention if i in at else ssm, part, 2 * s.hidden))


@family("granitemoehybrid", vocab_size=32000, num_local_experts=8, num_experts_per_tok=2,
        shared_intermediate_size=1024)  # fmt: skip
def granite_hybrid(f: Fields) -> Built:
    """Granite 4: Mamba 2 and attention layers, experts with a shared part, or (no experts) the shared part alone."""
    s = shape(f)
    types = f.items("layer_types", "layers_block_type", length=s.layers) or ["mamba"] * s.layers
    bias = f.flag("attention_bias")
    attention = gqa(s, q_bias=bias, kv_bias=bias, o_bias=bias)
    ssm = _mamba2_of(f, s, gated_norm=True) if any(t != "attention" and t != "full_attention" for t in types) else None
    n, shared = f.count("num_local_experts"), f.count("shared_intermediate_size")
    part: FeedForward = Dense(shared)
    if n:
        part = moe(n, f.size("num_experts_per_tok"), f.size("intermediate_size"), shared_intermediate=shared)

    def make(i: int) -> LayerGroup:
        return layer(attention if types[i] in ("attention", "full_attention") else ssm, part, 2 * s.hidden)

    return decoder(f, s, make)


@family("jamba", vocab_size=65536, num_key_value_heads=8, num_experts=16, num_experts_per_tok=2,
        mamba_d_state=16, max_position_embeddings=262144)  # fmt: skip
def jamba(f: Fields) -> Built:
    """Jamba: one attention layer in eight among Mamba 1 with inner norms, experts in every other layer."""
    s = shape(f)
    inner = f.size("mamba_expand", default=2) * s.hidden
    ssm = mamba1(
        s.hidden, inner, f.size("mamba_d_state"), f.size("mamba_d_conv", default=4), _rank(f, s.hidden,
            "mamba_dt_rank"),
        conv_bias=f.flag("mamba_conv_bias", default=True), bias=f.flag("mamba_proj_bias"), norms=True,
    )  # fmt: skip
    every, first = f.size("attn_layer_period", default=8), f.count("attn_layer_offset", default=4)
    expert_every, expert_first = f.size("expert_layer_period", default=2), f.count("expert_layer_offset", default=1)
    n, width = f.size("num_experts"), f.size("intermediate_size")
    attention, dense = gqa(s), Dense(width)
    experts = moe(n, f.size("num_experts_per_tok"), width) if n > 1 else None

    def make(i: int) -> LayerGroup:
        part: FeedForward = experts if experts and i % expert_every == expert_first else dense
        return layer(attention if i % every == first else ssm, part, 2 * s.hidden)

    return decoder(f, s, make)


@family("nemotron_h", "nemotron_h_puzzle", "nemotronh", vocab_size=131072, num_key_value_heads=8,
        ssm_state_size=128, mamba_num_heads=128, mamba_head_dim=64, n_groups=8, conv_kernel=4,
        intermediate_size=21504, max_position_embeddings=4096)  # fmt: skip
def nemotron_h(f: Fields) -> Built:
    """Nemotron-H and Nemotron 3: a layer is one thing, M recurrence, * attention, - dense, E experts (squared ReLU)."""
    pattern = _pattern(f)
    hidden, heads = f.size(*HIDDEN), f.size(*HEADS)
    head_dim = f.size("head_dim", "attention_head_dim", default=128)
    s = Shape(hidden, len(pattern), heads, f.size("num_key_value_heads", default=heads), head_dim)
    bias, mlp_bias = f.flag("attention_bias"), f.flag("mlp_bias")
    attention = gqa(s, q_bias=bias, kv_bias=bias, o_bias=bias)
    ssm = mamba2(
        hidden, f.size("mamba_num_heads"), f.size("mamba_head_dim"), f.size("n_groups"), f.size("ssm_state_size"),
        f.size("conv_kernel"), conv_bias=f.flag("use_conv_bias", default=True), bias=f.flag("use_bias",
            "mamba_proj_bias"),
    )  # fmt: skip
    widths = f.any("intermediate_size")
    dense = Dense(widths[0] if isinstance(widths, list) else f.size("intermediate_size"), False, mlp_bias)
    experts = _nemotron_experts(f) if "E" in pattern else None
    f.used.add("n_routed_experts")

    def make(i: int) -> LayerGroup:
        mixer = {"M": ssm, "*": attention}.get(pattern[i])
        part = {"-": dense, "E": experts}.get(pattern[i])
        return layer(mixer, part, hidden)  # type: ignore[arg-type]

    n = f.count("num_nextn_predict_layers")
    names = {"M": ssm, "*": attention}
    order = f.text("mtp_hybrid_override_pattern", default="*E" if experts else "*-")
    heads_ = [layer(names.get(c), {"-": dense, "E": experts}.get(c), hidden, "multi-token prediction") for c in order]  # type: ignore[arg-type]
    mtp = tuple(replace(one, count=n) for one in heads_) if n else ()
    note = "A layer is one block: recurrence, attention or feed-forward part."
    return decoder(
        f,
        s,
        make,
        mtp=mtp,
        mtp_extra=n * (2 * hidden * hidden + 3 * hidden),
        notes=(note,),
        active="head" if experts else "all",
    )


_BLOCKS = {
    "mamba": "M",
    "linear_attention": "M",
    "attention": "*",
    "full_attention": "*",
    "mlp": "-",
    "moe": "E",
    "sparse": "E",
    "dense": "-",
}


def _pattern(f: Fields) -> str:
    text = f.text("hybrid_override_pattern")
    if not text:
        listed = f.items("layers_block_type", "layer_types")
        if listed is None:
            raise f.missing("hybrid_override_pattern", "layers_block_type")
        text = "".join(_BLOCKS.get(str(name), "?") for name in listed)
    strange = set(text) - set("M*-E")
    if strange:
        raise f.bad(
            f"hybrid_override_pattern has unknown layers {', '.join(sorted(strange))}; known are M, *, - and E."
        )
    n = f.maybe(*LAYERS)
    if n is not None and n != len(text):
        raise f.bad(f"hybrid_override_pattern describes {len(text)} layers, num_hidden_layers says {n}.")
    return text


def _nemotron_experts(f: Fields) -> MoE:
    shared = f.count("moe_shared_expert_intermediate_size") * (1 if f.count("n_shared_experts", default=1) else 0)
    return moe(
        f.size("n_routed_experts"), f.size("num_experts_per_tok"), f.size("moe_intermediate_size"), gated=False,
        shared_intermediate=shared, shared_gated=False, router_bias=True, latent_hidden=f.maybe("moe_latent_size"),
    )  # fmt: skip


@family("recurrent_gemma", vocab_size=256000, hidden_size=2560, num_hidden_layers=26, num_attention_heads=10,
        intermediate_size=7680)  # fmt: skip
def recurrent_gemma(f: Fields) -> Built:
    """RecurrentGemma (Griffin).

    Two gated recurrences to one windowed attention; intermediate_size counts both halves.
    """
    s = shape(f)
    blocks = f.items("block_types", "_block_types") or ["recurrent", "recurrent", "attention"]
    span = window(f, "attention_window_size", default=2048) or f.size("attention_window_size", default=2048)
    bias = f.flag("attention_bias")
    attention = gqa(s, window=span, q_bias=bias, kv_bias=bias, o_bias=True)
    width = f.size("lru_width", default=s.hidden)
    mixer = rg_lru(s.hidden, width, s.heads, f.size("conv1d_width", default=4))
    part = Dense(f.size("intermediate_size") // 2, True, True)

    def make(i: int) -> LayerGroup:
        return layer(attention if blocks[i % len(blocks)] == "attention" else mixer, part, 2 * s.hidden)

    return decoder(f, s, make, tied=tied(f, default=True), max_context=f.size(*CONTEXT, default=8192))


@family("rwkv", vocab_size=50277, hidden_size=4096, num_hidden_layers=32)
def rwkv(f: Fields) -> Built:
    """RWKV 4: time mixing and channel mixing with a receptance of its own."""
    s = _bare(f)
    width = f.size("attention_hidden_size", default=s.hidden)
    mixer = rwkv4(s.hidden, width)
    part = Dense(f.size("intermediate_size", default=4 * s.hidden), gated=False)
    extra = s.hidden * s.hidden + 2 * s.hidden  # channel mixing's receptance and mixing vectors
    return decoder(
        f,
        s,
        lambda _: layer(mixer, part, 4 * s.hidden, extra=extra),
        norm=4 * s.hidden,
        max_context=f.size("context_length", default=1024),
    )


@family("lfm2", "lfm2_moe", "lfm2_vl_text", vocab_size=65536, hidden_size=2560, intermediate_size=12288,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=128000,
        num_experts=32, num_experts_per_tok=4, moe_intermediate_size=1792, num_dense_layers=2)  # fmt: skip
def lfm2(f: Fields) -> Built:
    """LFM 2 (Liquid): gated short convolutions with attention in some layers, experts in the MoE models."""
    s = shape(f)
    full = f.items("full_attn_idxs")
    types = f.items("layer_types", length=s.layers)
    conv = short_conv(s.hidden, f.size("conv_L_cache", default=3), bias=f.flag("conv_bias"))
    attention = gqa(s, qk_norm="head")
    is_moe = f.has("num_experts") or f.text("model_type") == "lfm2_moe"
    width = f.size("intermediate_size", "block_ff_dim")
    if not is_moe and f.flag("block_auto_adjust_ff_dim", default=True):
        multiple = f.size("block_multiple_of", default=256)
        width = int(f.real("block_ffn_dim_multiplier", default=1.0) * int(2 * width / 3))
        width = -(-width // multiple) * multiple
    dense = Dense(width)
    first = f.count("num_dense_layers") if is_moe else s.layers
    experts = moe(f.size("num_experts"), f.size("num_experts_per_tok"), f.size("moe_intermediate_size"),
                  router_bias=f.flag("use_expert_bias", default=True)) if is_moe else None  # fmt: skip

    def make(i: int) -> LayerGroup:
        attends = types[i] == "full_attention" if types else full is None or i in full
        part: FeedForward = experts if experts and i >= first else dense
        norm = 2 * s.hidden + (2 * s.head_dim if attends else 0)
        return layer(attention if attends else conv, part, norm, "attention" if attends else "short convolution")

    default = f.flag("tie_embedding", default=True)
    return decoder(f, s, make, tied=tied(f, default=default))
