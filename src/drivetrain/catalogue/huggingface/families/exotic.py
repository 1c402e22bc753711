"""Architectures of their own: DeepSeek V4, LongCat, Step 3, OpenELM, Llama 3.2 vision, Jet, A.X."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    INNER,
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
    tied,
    window,
    windows,
)
from drivetrain.catalogue.huggingface.families.deepseek import heads_only, mtp, routed
from drivetrain.catalogue.huggingface.families.mixture import choose
from drivetrain.catalogue.huggingface.plain import plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Attention, Dense, Indexer, LayerGroup, MoE

_V4_TYPES = {"sliding_attention": 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128}


@family("deepseek_v4", vocab_size=129280, hidden_size=4096, moe_intermediate_size=2048, num_hidden_layers=43,
        num_attention_heads=64, num_key_value_heads=1, head_dim=512, q_lora_rank=1024, num_experts_per_tok=6,
        n_routed_experts=256, n_shared_experts=1, o_groups=8, o_lora_rank=1024, index_n_heads=64,
        index_head_dim=128, index_topk=512, max_position_embeddings=1048576)  # fmt: skip
def deepseek_v4(f: Fields) -> Built:
    """DeepSeek V4.

    One key that is also the value, compressed 1:4 (with an indexer) or 1:128 beyond a window of raw
    tokens; grouped low-rank output; four residual streams with learned mixing (hyper-connections).
    """
    s = shape(f)
    ratios = _v4_ratios(f, s.layers)
    streams, n_hash = f.size("hc_mult", default=4), f.count("num_hash_layers", default=3)
    mixing = (2 + streams) * streams
    extra = 2 * (mixing * streams * s.hidden + mixing + 3)
    collapse = streams * streams * s.hidden + streams + 1
    hashed = f.items("mlp_layer_types", length=s.layers)
    experts = routed(f, router_bias=True)

    def make(i: int, ratio: int) -> LayerGroup:
        by_hash = hashed[i] == "hash_moe" if hashed and i < s.layers else i < n_hash
        mixer, norms = _v4_attention(f, s, ratio)
        label = f"window and 1:{ratio} compressed cache" if ratio else "window"
        part = replace(experts, router_bias=False) if by_hash else experts
        return layer(mixer, part, 2 * s.hidden + norms, label, extra=extra)

    n = f.count("num_nextn_predict_layers")
    head = replace(make(s.layers, 0), count=n, label="multi-token prediction")
    built = decoder(f, s, lambda i: make(i, ratios[i]), norm=s.hidden + collapse, mtp=(head,) if n else ())
    return replace(built, mtp_extra=n * (2 * s.hidden**2 + 3 * s.hidden + collapse), active="head")


def _v4_ratios(f: Fields, n: int) -> list[int]:
    given = f.items("compress_ratios", length=n)
    if given is not None:
        return [int(r) for r in given]
    rates = {**_V4_TYPES, **{k: v for k, v in f.table("compress_rates").raw.items() if isinstance(v, int)}}
    default = ["compressed_sparse_attention" if i > 1 and i % 2 else "heavily_compressed_attention" for i in range(n)]
    types = f.items("layer_types", length=n) or default
    unknown = [t for t in types if t not in rates]
    if unknown:
        raise f.bad(f"layer_types has '{unknown[0]}', which DeepSeek V4 does not know.")
    return [rates[t] for t in types]


def _v4_attention(f: Fields, s: Shape, ratio: int) -> tuple[Attention, int]:
    """Attention of one layer and its norm elements; the compressor's projections are extra parameters."""
    d, rank = s.head_dim, f.size("q_lora_rank")
    overlap = 2 if 0 < ratio < 128 else 1  # short strides pool two overlapping windows
    extra, norms, indexer = 0, rank + d, None
    if ratio:
        extra += 2 * s.hidden * overlap * d + ratio * overlap * d
        norms += d
    if 0 < ratio < 128:
        indexer = Indexer(f.size("index_n_heads"), f.size("index_head_dim"), f.size("index_topk"))
        extra += 3 * s.hidden * indexer.head_dim + ratio * 2 * indexer.head_dim
        norms += indexer.head_dim
    mixer = gqa(
        s, q_lora_rank=rank, o_lora_rank=f.size("o_lora_rank"), o_groups=f.size("o_groups"), k_eq_v=True,
        kv_tied=True, sinks=True,
        window=window(f, default=128), compress=ratio or 1, indexer=indexer, extra_params=extra,
    )  # fmt: skip
    f.used.update(("index_topk", "compress_ratios"))
    return mixer, norms


@family("longcat_flash", kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128,
        q_lora_rank=1536, n_routed_experts=512, zero_expert_num=256, moe_topk=12, expert_ffn_hidden_size=2048,
        ffn_hidden_size=12288, vocab_size=131072)  # fmt: skip
def longcat(f: Fields) -> Built:
    """LongCat Flash.

    Each layer is two attentions and two dense parts with experts beside the first; some experts do nothing.

    A layer becomes two groups: attention with experts and the dense part as their shared part,
    attention with a dense part.
    """
    if f.has("ngram_vocab_size_ratio") or f.has("emb_neighbor_num"):
        raise f.bad("n-gram embeddings (LongCat Flash Lite) are not modelled. Write a model TOML.")
    n = f.size("num_layers", "num_hidden_layers")
    f.raw = {**f.raw, "num_hidden_layers": n}
    s = heads_only(f)
    mixer, norms = latent(f, s.heads)
    width = f.size("ffn_hidden_size", "intermediate_size")
    experts = moe(
        f.size("n_routed_experts"), f.size("moe_topk", "num_experts_per_tok"), f.size("expert_ffn_hidden_size",
            "moe_intermediate_size"),
        shared_intermediate=width, router_bias=True, zero_experts=f.count("zero_expert_num"),
    )  # fmt: skip
    first = layer(mixer, experts, 2 * s.hidden + norms, "first half")
    second = layer(mixer, Dense(width), 2 * s.hidden + norms, "second half")
    built = decoder(f, replace(s, layers=2 * n), lambda i: second if i % 2 else first)
    note = "Each published layer is two here; active parameters are the mean, as identity experts are chosen too."
    return replace(built, notes=(note,), active="head")


@family("step3_text", "step3", "step3_vl", head_dim=256, num_attention_groups=1, share_q_dim=2048,
        moe_num_experts=48, moe_top_k=3, moe_intermediate_size=5120, share_expert_dim=5120, vocab_size=128815,
        hidden_size=7168, intermediate_size=18432, num_hidden_layers=61, num_attention_heads=64)  # fmt: skip
def step3(f: Fields) -> Built:
    """Step 3: multi-matrix factorised attention, a shared low-rank query, one key/value head."""
    s = replace(shape(f, kv_default=1), kv=f.size("num_attention_groups"))
    rank = f.size("share_q_dim")
    mixer = gqa(s, q_lora_rank=rank)
    listed = f.any("moe_layers_enum")
    text = listed.split(",") if isinstance(listed, str) else listed or range(4, s.layers - 1)
    at = {int(i) for i in text}

    def experts() -> MoE:
        return moe(f.size("moe_num_experts"), f.size("moe_top_k"), f.size("moe_intermediate_size"),
                   shared_intermediate=f.count("share_expert_dim"))  # fmt: skip

    part = choose([i in at for i in range(s.layers)], experts, lambda: Dense(f.size("intermediate_size")))
    return decoder(f, s, lambda i: layer(mixer, part(i), 2 * s.hidden + rank), active="head")


@family("glm4_moe_lite", kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=192, v_head_dim=256,
        q_lora_rank=768, n_routed_experts=64, n_shared_experts=1, num_experts_per_tok=4,
        moe_intermediate_size=1536, vocab_size=154880)  # fmt: skip
@family("axk1", kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, q_lora_rank=1536)
@family("mistral4", kv_lora_rank=256, qk_rope_head_dim=64, qk_nope_head_dim=64, v_head_dim=128,
        q_lora_rank=1024, n_routed_experts=128, n_shared_experts=1, num_experts_per_tok=4,
        first_k_dense_replace=0)  # fmt: skip
def latent_moe(f: Fields) -> Built:
    """GLM 4.7 Flash, A.X K1 and Mistral 4.

    DeepSeek V3's shape with the first layer dense (A.X norms the experts' sum).
    """
    s = heads_only(f)
    mixer, norms = latent(f, s.heads)
    flags = sparse(f, s.layers, lambda i: i >= f.count("first_k_dense_replace", default=1))
    part = choose(
        flags, lambda: routed(f, router_bias=f.text("model_type") != "mistral4"), lambda: Dense(f.size(*INNER))
    )
    after = s.hidden if f.text("model_type") == "axk1" else 0

    def make(i: int) -> LayerGroup:
        return layer(mixer, part(i), 2 * s.hidden + norms + (after if flags[i] else 0))

    heads, extra = mtp(f, s, make(s.layers - 1))
    active = "none" if f.text("model_type") == "glm4_moe_lite" else "head"
    return decoder(f, s, make, mtp=heads, mtp_extra=extra, active=active)


@family("mllama", "mllama_text_model", vocab_size=128256, hidden_size=4096, intermediate_size=14336,
        num_hidden_layers=40, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=131072)  # fmt: skip
def mllama(f: Fields) -> Built:
    """Llama 3.2 vision: layers that attend to the image between Llama's own; they cache nothing per text token."""
    s = shape(f)
    cross = f.items("cross_attention_layers")
    cross = [3, 8, 13, 18, 23, 28, 33, 38] if cross is None else cross
    kv = 2 * s.hidden * s.kv * s.head_dim
    attention, part = gqa(s), Dense(f.size("intermediate_size"))
    looking = gqa(s, reuses_kv=True, qk_norm="head", extra_params=kv)

    def make(i: int) -> LayerGroup:
        if i in cross:
            return layer(looking, part, 2 * s.hidden + 2 * s.head_dim, "cross attention to the image", extra=2)
        return layer(attention, part, 2 * s.hidden)

    return decoder(f, s, make, embedding_params=8 * s.hidden)


@family("openelm", model_dim=3072, num_transformer_layers=36, head_dim=128, max_context_length=2048, vocab_size=32000)
def openelm(f: Fields) -> Built:
    """OpenELM: heads and widths grow from layer to layer."""
    hidden, n, dim = f.size("model_dim"), f.size("num_transformer_layers"), f.size("head_dim")
    q, kv = f.items("num_query_heads", length=n), f.items("num_kv_heads", length=n)
    mult = f.items("ffn_multipliers", length=n)
    if q is None or kv is None or mult is None:
        raise f.missing("num_query_heads, num_kv_heads and ffn_multipliers")
    step, gated = f.size("ffn_dim_divisor", default=256), f.flag("ffn_with_glu", default=True)
    qk = 2 * dim if f.flag("normalize_qk_projections", default=True) else 0
    s = Shape(hidden, n, 1, 1, dim)

    def make(i: int) -> LayerGroup:
        width = _round_to(float(mult[i]) * hidden, step)
        heads = replace(s, heads=int(q[i]), kv=int(kv[i]))
        return layer(gqa(heads, qk_norm="head" if qk else "none"), Dense(width, gated), 2 * hidden + qk)

    shared = f.flag("share_input_output_layers", default=True)
    return decoder(f, s, make, tied=shared, max_context=f.size("max_context_length"))


def _round_to(value: float, step: int) -> int:
    """The nearest multiple of ``step``, never more than a tenth below ``value``."""
    rounded = max(step, int(value + step / 2) // step * step)
    return rounded + step if rounded < 0.9 * value else rounded


@family("granite_swa")
def granite_swa(f: Fields) -> Built:
    """Granite with windows: attention sinks in every layer."""
    s = shape(f)
    spans = windows(f, s.layers, window(f), lambda i: i % 4 != 0)
    return plain(f, s, replace(qkv(False), sinks=True), windows=spans, tied=tied(f, default=True))


@family("mellum", head_dim=128, num_local_experts=64, num_experts_per_tok=8, moe_intermediate_size=896)
def mellum(f: Fields) -> Built:
    """Mellum 2 (JetBrains): Qwen 3's mixture with windows."""
    s = shape(f)
    spans = windows(f, s.layers, window(f, default=1024), lambda _: False)
    flags = sparse(f, s.layers, lambda _: True)
    part = choose(flags, lambda: routed(f, router_bias=False), lambda: Dense(f.size("intermediate_size")))
    return plain(f, s, qkv(False, qk_norm="head"), windows=spans, ffn=part)


@family("plamo", n_shared_head=8)
def plamo(f: Fields) -> Built:
    """PLaMo 1: attention and feed-forward part side by side on one norm."""
    s = shape(f)
    s = replace(s, kv=-(-s.heads // f.size("n_shared_head")))
    return plain(f, s, qkv(False, norms=1))


@family("minimax_m3_vl_text", "minimax_m3", vocab_size=200064, hidden_size=6144, intermediate_size=3072,
        num_hidden_layers=60, num_attention_heads=64, num_key_value_heads=4, head_dim=128, num_local_experts=128,
        num_experts_per_tok=4, dense_intermediate_size=12288, shared_intermediate_size=3072,
        max_position_embeddings=524288)  # fmt: skip
def minimax_m3(f: Fields) -> Built:
    """MiniMax M3: an indexer picks blocks of the cache in most layers; shared expert; query and key norms per head."""
    s = shape(f)
    chosen = f.table("sparse_attention_config")
    listed = chosen.items("sparse_attention_freq", length=s.layers)
    types = kinds(f, s.layers, lambda i: "minimax_m3_sparse" if listed and listed[i] else "full_attention")
    block = chosen.size("sparse_block_size", default=f.size("index_block_size", default=128))
    indexer = Indexer(
        chosen.size("sparse_num_index_heads", default=f.size("index_n_heads", default=4)),
        chosen.size("sparse_index_dim", default=f.size("index_head_dim", default=128)),
        block * chosen.size("sparse_topk_blocks", default=f.size("index_topk_blocks", default=16)),
    )
    freq = f.items("moe_layer_freq", length=s.layers)
    flags = sparse(f, s.layers, lambda i: bool(freq[i]) if freq else True)

    def experts() -> MoE:
        return moe(f.size("num_local_experts"), f.size("num_experts_per_tok"), f.size("intermediate_size"),
                   shared_intermediate=f.count("shared_intermediate_size"), router_bias=True)  # fmt: skip

    part = choose(flags, experts, lambda: Dense(f.size("dense_intermediate_size")))

    def make(i: int) -> LayerGroup:
        picks = types[i] == "minimax_m3_sparse"
        mixer = gqa(s, qk_norm="head", indexer=indexer if picks else None)
        norm = 2 * s.hidden + 2 * s.head_dim + (2 * indexer.head_dim if picks else 0)
        return layer(mixer, part(i), norm, "indexed attention" if picks else "full attention")

    return decoder(f, s, make, active="none")
