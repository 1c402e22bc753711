"""DeepSeek V2, V3 and V3.2, and those who took their architecture: latent attention, fine-grained experts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import (
    HEADS,
    HIDDEN,
    INNER,
    LAYERS,
    Built,
    Shape,
    decoder,
    latent,
    layer,
    moe,
    shape,
    sparse,
)
from drivetrain.catalogue.huggingface.plain import Style, plain
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense, FeedForward, Indexer, LayerGroup, MoE

_MLA = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
_V3 = {**_MLA, "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256,
       "num_experts_per_tok": 8, "q_lora_rank": 1536, "first_k_dense_replace": 3}  # fmt: skip


def heads_only(f: Fields) -> Shape:
    """Sizes of a model whose head dimensions latent attention gives."""
    heads = f.size(*HEADS)
    return Shape(f.size(*HIDDEN), f.size(*LAYERS), heads, heads, 1)


def routed(f: Fields, *, router_bias: bool) -> MoE:
    """Routed and shared experts as DeepSeek writes them."""
    width = f.size("moe_intermediate_size")
    return moe(
        f.size("n_routed_experts", "num_local_experts", "num_experts"),
        f.size("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"),
        width,
        shared_intermediate=width * f.count("n_shared_experts", "num_shared_experts"),
        router_bias=router_bias,
    )  # fmt: skip


def parts(f: Fields, n: int, *, router_bias: bool) -> Callable[[int], FeedForward]:
    """Dense first layers, experts after (every ``moe_layer_freq``)."""
    first, freq = f.count("first_k_dense_replace"), f.size("moe_layer_freq", default=1)
    has_experts = sparse(f, n, lambda i: i >= first and i % freq == 0)
    experts = routed(f, router_bias=router_bias) if any(has_experts) else None
    dense = None if all(has_experts) else Dense(f.size(*INNER))

    def pick(i: int) -> FeedForward:
        part = experts if has_experts[i] else dense
        assert part is not None
        return part

    return pick


def mtp(f: Fields, s: Shape, last: LayerGroup) -> tuple[tuple[LayerGroup, ...], int]:
    """Prediction layers as DeepSeek V3 has them.

    A full layer, two norms, a projection of 2 hidden to hidden, a final norm
    (embedding and head are shared with the model).
    """
    n = f.count("num_nextn_predict_layers", "num_mtp_layers")
    if not n:
        return (), 0
    return (replace(last, count=n, label="multi-token prediction"),), n * (2 * s.hidden * s.hidden + 3 * s.hidden)


@family("deepseek_v2", **_MLA, vocab_size=102400, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, n_shared_experts=2, n_routed_experts=64, q_lora_rank=1536,
        moe_intermediate_size=1407)  # fmt: skip
def deepseek_v2(f: Fields) -> Built:
    """DeepSeek V2 and V2-Lite (Lite without a query latent).

    The authors count active parameters without the input table.
    """
    if not f.flag("use_mla", default=True):  # the small vision models' language part
        f.used.add("kv_lora_rank")
        s = shape(f)
        return plain(f, s, Style(), ffn=parts(f, s.layers, router_bias=False), active="head")
    return _build(f, router_bias=f.text("topk_method") == "noaux_tc")


@family("deepseek_v3", "kimi_k2", "moonlight", "deepseek_r1", "joyai_llm_flash", **_V3)
def deepseek_v3(f: Fields) -> Built:
    """DeepSeek V3, R1, V3.1, Kimi K2, Moonlight."""
    return _build(f, router_bias=f.text("topk_method", default="noaux_tc") == "noaux_tc")


@family("deepseek_v32", "glm_moe_dsa", **_V3, index_topk=2048, index_head_dim=128, index_n_heads=64)
def deepseek_v32(f: Fields) -> Built:
    """DeepSeek V3.2 and GLM 5: V3 with an indexer that picks what to attend to."""
    indexer = Indexer(f.size("index_n_heads"), f.size("index_head_dim"), f.size("index_topk"))
    built = _build(f, router_bias=True, indexer=indexer)
    return replace(built, active="none") if f.text("model_type") == "glm_moe_dsa" else built


def _build(f: Fields, *, router_bias: bool, indexer: Indexer | None = None) -> Built:
    s = heads_only(f)
    mixer, norms = latent(f, s.heads)
    if indexer:
        mixer = replace(mixer, indexer=indexer)
        norms += 2 * indexer.head_dim
    part = parts(f, s.layers, router_bias=router_bias)

    types = f.items("indexer_types", length=s.layers)  # GLM: some layers take over the choice of an earlier one

    def make(i: int) -> LayerGroup:
        if indexer and types and types[i] == "shared":
            return layer(
                replace(mixer, indexer=None), part(i), 2 * s.hidden + norms - 2 * indexer.head_dim, "borrowed index"
            )
        return layer(mixer, part(i), 2 * s.hidden + norms)

    layers, extra = mtp(f, s, make(s.layers - 1))
    return decoder(f, s, make, mtp=layers, mtp_extra=extra, active="head")
