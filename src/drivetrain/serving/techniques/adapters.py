"""Several LoRA adapters on one base model: extra weights, and two small products beside each linear layer.

An adapter of rank r adds to a linear layer ``in x out`` a product ``in x r`` and one ``r x out``: ``r (in + out)``
parameters in 16 bit and ``2 r (in + out)`` FLOPs a token, cut over ``tp`` ranks. All n adapters are resident; a step
reads those that at least one of its tokens uses, ``n (1 - (1 - 1/n)^tokens)`` where requests choose evenly. Linear
layers with the same input share two small kernels (fused over adapters too): a shrinking and an expanding one. Adapters
sit on the projections of attention and on dense feed-forward parts; experts, recurrences and the head have none. Prompt
chunks count as tokens that choose for themselves, which overstates the adapters read in mixed steps.
Source: Punica, arXiv 2310.18547; S-LoRA, arXiv 2311.03285.
"""

from __future__ import annotations

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import ACTIVATION_BYTES, SMALL, Op
from drivetrain.arch.step import vector
from drivetrain.catalogue.model import Attention, Dense, LatentAttention, LayerGroup, Mixer, Model, MoE


def adapter_ops(model: Model, layout: Layout, adapters: int, rank: int, verified: int = 1) -> list[Op]:
    """The operator that ``adapters`` of rank ``rank`` add to a step; none without adapters.

    ``verified`` tokens a sequence and step all use its adapter.
    """
    if adapters == 0:
        return []
    groups = [
        (group.count, shapes)
        for group in model.layers
        for part in (_mixer(group.mixer, model.hidden), _mixer(group.parallel_mixer, model.hidden), _ffn(group, model))
        for shapes in part
    ]
    widths = float(sum(count * sum(outs, wide * len(outs)) for count, (wide, outs) in groups))
    ranks = float(rank * sum(count * len(outs) for count, (_, outs) in groups))
    pairs = sum(count for count, _ in groups)
    parameters = rank * widths / layout.tp
    return [
        Op(
            "adapters", "gemm", "bf16",
            flops=vector(tokens=2 * parameters),
            weights=vector(hit=parameters * ACTIVATION_BYTES),
            activations=vector(tokens=(widths / layout.tp + 2 * ranks) * ACTIVATION_BYTES),
            experts_local=float(adapters),
            # the solver counts all tokens of all data-parallel ranks; adapters are chosen by the sequences of one
            expert_share=1.0 - (1.0 - 1.0 / adapters) ** (1.0 / (layout.dp * verified)),
            kernels=2 * SMALL * pairs,
        )
    ]  # fmt: skip


_Shapes = list[tuple[int, tuple[int, ...]]]


def _mixer(mixer: Mixer | None, hidden: int) -> _Shapes:
    """Input width and output widths of projections that share an input."""
    if isinstance(mixer, Attention):
        q, k = mixer.n_heads * mixer.head_dim * (2 if mixer.output_gate else 1), mixer.n_kv_heads * mixer.head_dim
        v = () if mixer.k_eq_v else (mixer.n_kv_heads * mixer.v_head_dim,)
        own = () if mixer.reuses_kv else (k, *v)
        return [(hidden, (q, *own)), (mixer.n_heads * mixer.v_head_dim, (hidden,))]
    if isinstance(mixer, LatentAttention):
        q = mixer.n_heads * (mixer.nope_head_dim + mixer.rope_head_dim)
        down, rank = mixer.kv_lora_rank + mixer.rope_head_dim, mixer.q_lora_rank
        first: _Shapes = [(hidden, (q, down))] if rank is None else [(hidden, (rank, down)), (rank, (q,))]
        return [*first, (mixer.n_heads * mixer.v_head_dim, (hidden,))]
    return []


def _ffn(group: LayerGroup, model: Model) -> _Shapes:
    if isinstance(group.ffn, Dense):
        width, gated = group.ffn.intermediate, group.ffn.gated
    elif isinstance(group.ffn, MoE) and group.ffn.shared_intermediate:
        width, gated = group.ffn.shared_intermediate, group.ffn.shared_gated
    else:
        return []
    return [(model.hidden, (width,) * (2 if gated else 1)), (width, (model.hidden,))]
