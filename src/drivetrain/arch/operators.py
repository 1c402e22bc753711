"""Operators of one step on one rank: FLOPs, bytes and messages as coefficients over the step's features.

Every operator is linear in :data:`drivetrain.arch.step.FEATURES`. Counting rules, with ``h`` hidden, ``T`` tokens,
``K`` attended context, 2 FLOPs per multiply-add:

* a linear layer ``n x m``: ``2 n m T`` FLOPs, ``n m`` weights read once a step, ``(n + m) T`` activations moved;
* attention over ``K`` cached tokens: ``2 n_heads (d_qk + d_v) K`` FLOPs a token, the cache entry read once per
  sequence;
* routed experts: ``top_k`` experts' FLOPs a token; weights of the experts that at least one token chose;
* a recurrence: its own FLOPs, its state read and written once per sequence touched.

Matrices and heads divide by ``tp``; key/value heads only down to one per rank, latent caches not at all; experts by
``ep`` and their slices. Layers that are alike merge into one operator that carries the number of kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import add
from typing import Literal

from drivetrain.arch.layout import Layout, check_layout
from drivetrain.arch.precision import bytes_per_kv, bytes_per_weight
from drivetrain.arch.step import ZERO, Vector, vector
from drivetrain.catalogue.model import (
    Attention,
    Checkpoint,
    Dense,
    Indexer,
    LatentAttention,
    LayerGroup,
    Mixer,
    Model,
    MoE,
    Recurrent,
)

OpKind = Literal["gemm", "attention", "experts", "scan", "elementwise", "collective"]
ACTIVATION_BYTES = 2.0  # engines keep activations in 16 bit between operators
SMALL = 0.4  # launches of small kernels (norms, rotary, routing, activation) against one that fills the device
EXPERT_KERNELS = 2 + 2 * SMALL  # of one layer: two matrix products, gathering and scattering
INDEX_KEY_BYTES = 1.0 + 4.0 / 128.0  # index keys are cached in fp8 with one scale per 128


@dataclass(frozen=True, slots=True)
class Op:
    """One operator of a step on one rank; vectors are over :data:`~drivetrain.arch.step.FEATURES`.

    ``flops`` in FLOP; ``weights``, ``kv`` and ``activations`` in bytes of device memory moved; ``message`` in bytes per
    collective call. ``dtype`` is the precision of its weights (of the cache for attention). ``span`` bounds the
    context it sees, in tokens. ``kernels`` counts launches, small ones at :data:`SMALL`. ``experts_local`` and
    ``expert_share`` give the expected experts hit:
    ``local * (1 - (1 - share)^tokens)``. ``collective`` runs over ``group`` ranks, ``calls`` times. ``stored`` bytes
    stay in memory for each cached token (of the last ``stored_span``), ``state`` bytes for each sequence.
    """

    name: str
    kind: OpKind
    dtype: str = "bf16"
    flops: Vector = ZERO
    weights: Vector = ZERO
    kv: Vector = ZERO
    activations: Vector = ZERO
    span: int | None = None
    kernels: float = 0.0
    experts_local: float = 0.0
    expert_share: float = 0.0
    collective: Literal["", "all_reduce", "all_gather", "all_to_all", "send_recv"] = ""
    group: Literal["", "tp", "ep", "pp"] = ""
    calls: float = 0.0
    message: Vector = ZERO
    stored: float = 0.0
    stored_span: int | None = None
    state: float = 0.0

    @property
    def bytes_moved(self) -> Vector:
        """Weights, cache and activations together."""
        return _add(_add(self.weights, self.kv), self.activations)


def operators(model: Model, checkpoint: Checkpoint, layout: Layout, kv_dtype: str) -> tuple[Op, ...]:
    """All operators of one step of ``model`` on one rank of ``layout``, merged where layers are alike.

    Pipeline stages are counted together: the list is what a micro-batch meets on its way through all of them.
    """
    check_layout(model, layout)
    ops: list[Op] = []
    for group in model.layers:
        ops += [_times(op, group.count) for op in _layer(model, group, checkpoint, layout, kv_dtype)]
    ops += _ends(model, checkpoint, layout)
    return merge(ops)


def merge(ops: list[Op]) -> tuple[Op, ...]:
    """Add up operators that differ only in size."""
    merged: dict[tuple[object, ...], Op] = {}
    for op in ops:
        key = (op.name, op.kind, op.dtype, op.span, op.experts_local, op.expert_share, op.collective, op.group,
               op.message, op.stored_span)  # fmt: skip
        known = merged.get(key)
        merged[key] = op if known is None else replace(
            known,
            flops=_add(known.flops, op.flops), weights=_add(known.weights, op.weights), kv=_add(known.kv, op.kv),
            activations=_add(known.activations, op.activations), kernels=known.kernels + op.kernels,
            calls=known.calls + op.calls, stored=known.stored + op.stored, state=known.state + op.state,
        )  # fmt: skip
    return tuple(merged.values())


def _layer(model: Model, group: LayerGroup, checkpoint: Checkpoint, layout: Layout, kv_dtype: str) -> Iterator[Op]:
    for mixer in (group.mixer, group.parallel_mixer):
        if mixer is not None:
            yield from _mixer(model, mixer, checkpoint, layout, kv_dtype)
    if group.mixer is not None:
        yield from _sum_over_ranks(model, layout)
    if isinstance(group.ffn, Dense):
        width = group.ffn.intermediate / layout.tp
        yield _gemm("ffn", checkpoint.dtype_of("ffn"), _dense_elements(model.hidden, group.ffn) / layout.tp,
                    2 * model.hidden + 2 * width, kernels=2)  # fmt: skip
        yield _activation(width, group.ffn.gated)
        yield from _sum_over_ranks(model, layout)
    elif isinstance(group.ffn, MoE):
        yield from _experts(model, group.ffn, checkpoint, layout)
    parts = (group.mixer is not None) + (group.ffn is not None)
    yield Op("norms and residuals", "elementwise", kernels=parts * SMALL,
             activations=vector(tokens=parts * 4 * model.hidden * ACTIVATION_BYTES))  # fmt: skip


def _mixer(model: Model, mixer: Mixer, checkpoint: Checkpoint, layout: Layout, kv_dtype: str) -> Iterator[Op]:
    if isinstance(mixer, Recurrent):
        yield from _recurrent(model, mixer, checkpoint, layout)
    elif isinstance(mixer, LatentAttention):
        yield from _latent_attention(model, mixer, checkpoint, layout, kv_dtype)
    else:
        yield from _attention(model, mixer, checkpoint, layout, kv_dtype)


def _attention(model: Model, a: Attention, checkpoint: Checkpoint, layout: Layout, kv_dtype: str) -> Iterator[Op]:
    kv_heads = max(a.n_kv_heads / layout.tp, 1.0)
    heads = a.n_heads / layout.tp
    q_width, o_width = heads * a.head_dim * (2 if a.output_gate else 1), heads * a.v_head_dim
    q = model.hidden * q_width if a.q_lora_rank is None else a.q_lora_rank * (model.hidden + q_width)
    o = (
        o_width * model.hidden
        if a.o_lora_rank is None
        else a.o_lora_rank * (o_width + a.o_groups * model.hidden / layout.tp)
    )
    kv_width = 0.0 if a.reuses_kv else kv_heads * (a.head_dim + (0 if a.k_eq_v else a.v_head_dim))
    projections = q + o + model.hidden * kv_width
    yield _gemm("attention projections", checkpoint.dtype_of("attention"), projections,
                2 * model.hidden + q_width + kv_width + o_width, kernels=2 + SMALL)  # fmt: skip

    entry = kv_heads * (a.head_dim + (0 if a.kv_tied else a.v_head_dim)) * bytes_per_kv(kv_dtype)
    per_token_flops = 2 * heads * (a.head_dim + a.v_head_dim)
    written = 0.0 if a.reuses_kv else entry
    if a.compress == 1:
        span = a.window if a.indexer is None else a.indexer.top_k
        yield _attend(kv_dtype, per_token_flops, entry, span, written, a.window)
        if a.indexer is not None:
            yield from _index(model, a.indexer, a.q_lora_rank or model.hidden, 1, checkpoint)
        return
    # compressed cache: the last `window` tokens raw, everything before as one entry per `compress` tokens
    if a.window:
        yield _attend(kv_dtype, per_token_flops, entry, a.window, written, a.window)
    top_k = None if a.indexer is None else a.indexer.top_k * a.compress
    yield _attend(kv_dtype, per_token_flops / a.compress, entry / a.compress, top_k, written / a.compress, None)
    if a.indexer is not None:
        yield from _index(model, a.indexer, a.q_lora_rank or model.hidden, a.compress, checkpoint)


def _latent_attention(
    model: Model, a: LatentAttention, checkpoint: Checkpoint, layout: Layout, kv_dtype: str
) -> Iterator[Op]:
    heads = a.n_heads / layout.tp
    q_width = heads * (a.nope_head_dim + a.rope_head_dim)
    q = model.hidden * q_width if a.q_lora_rank is None else a.q_lora_rank * (model.hidden + q_width)
    down = model.hidden * (a.kv_lora_rank + a.rope_head_dim)
    up = a.kv_lora_rank * heads * (a.nope_head_dim + a.v_head_dim)
    out = heads * a.v_head_dim * model.hidden
    widths = 2 * model.hidden + q_width + a.kv_lora_rank + heads * (a.nope_head_dim + 2 * a.v_head_dim)
    yield _gemm(
        "attention projections", checkpoint.dtype_of("attention"), q + down + up + out, widths, kernels=5 + SMALL
    )

    entry = (a.kv_lora_rank + a.rope_head_dim) * bytes_per_kv(kv_dtype)  # one latent for all heads, on every rank
    span = a.window if a.indexer is None else a.indexer.top_k
    yield Op(
        "attention over cache", "attention", kv_dtype,
        flops=vector(
            # absorbed: scores and values in the latent space
            ctx_decode=2 * heads * (2 * a.kv_lora_rank + a.rope_head_dim),
            ctx_prefill=2 * heads * (a.nope_head_dim + a.rope_head_dim + a.v_head_dim),
        ),
        kv=vector(ctx_decode=entry, ctx_chunk=entry, tokens=entry), span=span, kernels=1,
        stored=entry, stored_span=a.window,
    )  # fmt: skip
    if a.indexer is not None:
        yield from _index(model, a.indexer, a.q_lora_rank or model.hidden, 1, checkpoint)


def _attend(
    kv_dtype: str,
    flops_per_context: float,
    entry: float,
    span: int | None,
    written: float,
    window: int | None,
) -> Op:
    return Op(
        "attention over cache", "attention", kv_dtype,
        flops=vector(ctx_decode=flops_per_context, ctx_prefill=flops_per_context),
        kv=vector(ctx_decode=entry, ctx_chunk=entry, tokens=written), span=span, kernels=1,
        stored=written, stored_span=window,
    )  # fmt: skip


def _index(model: Model, ix: Indexer, q_rank: int, compress: int, checkpoint: Checkpoint) -> Iterator[Op]:
    """The selecting attention: whole on every rank, over the whole context."""
    width = ix.n_heads * ix.head_dim
    yield _gemm(
        "indexer projections",
        checkpoint.dtype_of("attention"),
        q_rank * width + model.hidden * (ix.head_dim + ix.n_heads),
        q_rank + width + model.hidden,
        kernels=1 + 2 * SMALL,
    )
    flops, key = 2 * width / compress, ix.head_dim * INDEX_KEY_BYTES / compress
    yield Op("indexer over cache", "attention", "fp8", flops=vector(ctx_decode=flops, ctx_prefill=flops),
             kv=vector(ctx_decode=key, ctx_chunk=key, tokens=key), kernels=1 + SMALL, stored=key)  # fmt: skip


def _recurrent(model: Model, r: Recurrent, checkpoint: Checkpoint, layout: Layout) -> Iterator[Op]:
    elements = (r.proj_in + r.proj_out) / layout.tp
    yield _gemm("recurrent projections", checkpoint.dtype_of("recurrent"), elements,
                2 * model.hidden + elements / model.hidden, kernels=2)  # fmt: skip
    state = (r.state * bytes_per_kv(r.state_dtype) + r.conv_state * ACTIVATION_BYTES) / layout.tp
    yield Op("recurrent state", "scan", "bf16", flops=vector(tokens=r.flops_per_token / layout.tp),
             kv=vector(rows=2 * state), kernels=1 + SMALL, state=state,
             activations=vector(tokens=2 * r.proj_in / model.hidden / layout.tp * ACTIVATION_BYTES))  # fmt: skip


def _experts(model: Model, moe: MoE, checkpoint: Checkpoint, layout: Layout) -> Iterator[Op]:
    ranks = layout.tp * layout.dp
    width = moe.latent_hidden or model.hidden
    matrices = 3 if moe.gated else 2
    expert = matrices * width * moe.intermediate
    dtype = checkpoint.dtype_of("experts")
    real_share = moe.n_experts / (moe.n_experts + moe.zero_experts)
    top_k = moe.top_k * real_share
    yield _gemm("router", checkpoint.dtype_of("router"), model.hidden * (moe.n_experts + moe.zero_experts),
                model.hidden + moe.n_experts, kernels=2 * SMALL)  # fmt: skip
    if moe.latent_hidden:
        yield _gemm("expert latent projections", checkpoint.dtype_of("shared_experts"), 2 * model.hidden * width,
                    2 * (model.hidden + width), kernels=2)  # fmt: skip
    yield Op(
        "routed experts", "experts", dtype,
        flops=vector(expert_tokens=2 * expert * top_k / ranks),
        weights=vector(hit=expert * bytes_per_weight(dtype) / layout.expert_slices),
        experts_local=moe.n_experts / layout.ep, expert_share=top_k / moe.n_experts, kernels=EXPERT_KERNELS,
    )  # fmt: skip
    # kernels of their own, that hide behind nothing: rows are gathered by expert (read, written), read and written by
    # the products, and gathered back; their narrow parts are written and read around the activation
    row = 5 * width + 2 * matrices * moe.intermediate / layout.expert_slices
    yield Op("expert routing", "elementwise", expert_share=top_k / moe.n_experts,
             activations=vector(expert_tokens=top_k * row * ACTIVATION_BYTES / layout.ep))  # fmt: skip
    if moe.shared_intermediate:
        elements = (3 if moe.shared_gated else 2) * model.hidden * moe.shared_intermediate / layout.tp
        yield _gemm("shared experts", checkpoint.dtype_of("shared_experts"), elements,
                    2 * model.hidden + 2 * moe.shared_intermediate / layout.tp, kernels=2)  # fmt: skip
        yield _activation(moe.shared_intermediate / layout.tp, moe.shared_gated)
    if layout.dp == 1:
        yield from _sum_over_ranks(model, layout)
        return
    # requests live on different ranks: tokens travel to their experts and back, one copy per rank they visit
    visited = layout.ep * (1 - (1 - 1 / layout.ep) ** top_k) if layout.ep > 1 else 1.0
    copies = visited * layout.expert_slices
    token = copies * width
    sent_bytes = min(ACTIVATION_BYTES, 1.0 + 4 / 128 if "8" in dtype or "4" in dtype else ACTIVATION_BYTES)
    send = Op("expert dispatch", "collective", collective="all_to_all", group="ep", calls=1,
              experts_local=moe.n_experts / layout.ep, expert_share=top_k / moe.n_experts,
              message=vector(tokens=token * sent_bytes))  # fmt: skip
    yield send
    yield replace(send, name="expert combine", message=vector(tokens=token * ACTIVATION_BYTES))


def _sum_over_ranks(model: Model, layout: Layout) -> Iterator[Op]:
    if layout.tp > 1:
        yield Op("tensor-parallel sum", "collective", collective="all_reduce", group="tp", calls=1,
                 message=vector(tokens=model.hidden * ACTIVATION_BYTES))  # fmt: skip


def _ends(model: Model, checkpoint: Checkpoint, layout: Layout) -> list[Op]:
    head = model.hidden * model.vocab / layout.tp
    dtype = checkpoint.dtype_of("embedding" if model.tied_embeddings else "lm_head")
    ops = [
        Op("embedding", "elementwise", activations=vector(tokens=2 * model.hidden * ACTIVATION_BYTES), kernels=SMALL),
        Op(
            "output head",
            "gemm",
            dtype,
            flops=vector(rows=2 * head),
            weights=vector(one=head * bytes_per_weight(dtype)),
            activations=vector(rows=(model.hidden + 3 * model.vocab / layout.tp) * ACTIVATION_BYTES),
            kernels=1 + 2 * SMALL,
        ),
    ]
    if layout.tp > 1:
        ops.append(Op("gather logits", "collective", collective="all_gather", group="tp", calls=1,
                      message=vector(rows=model.vocab * ACTIVATION_BYTES)))  # fmt: skip
    if layout.pp > 1:
        ops.append(Op("pipeline hand-over", "collective", collective="send_recv", group="pp", calls=layout.pp - 1,
                      message=vector(tokens=model.hidden * ACTIVATION_BYTES)))  # fmt: skip
    return ops


def _gemm(name: str, dtype: str, elements: float, widths: float, kernels: float) -> Op:
    return Op(
        name,
        "gemm",
        dtype,
        flops=vector(tokens=2 * elements),
        weights=vector(one=elements * bytes_per_weight(dtype)),
        activations=vector(tokens=widths * ACTIVATION_BYTES),
        kernels=kernels,
    )


def _activation(width: float, gated: bool) -> Op:
    """The kernel between two products: reads one or two inputs a channel, writes one, and hides behind neither."""
    return Op("activation", "elementwise", kernels=SMALL,
              activations=vector(tokens=(3 if gated else 2) * width * ACTIVATION_BYTES))  # fmt: skip


def _dense_elements(hidden: int, ffn: Dense) -> float:
    return float((3 if ffn.gated else 2) * hidden * ffn.intermediate)


def _add(a: Vector, b: Vector) -> Vector:
    return tuple(map(add, a, b))


def _times(op: Op, n: int) -> Op:
    def scale(v: Vector) -> Vector:
        return tuple([n * x for x in v])  # type: ignore[return-value]

    return replace(op, flops=scale(op.flops), weights=scale(op.weights), kv=scale(op.kv),
                   activations=scale(op.activations), kernels=n * op.kernels, calls=n * op.calls,
                   stored=n * op.stored, state=n * op.state)  # fmt: skip
