"""What must be resident on one accelerator: weights, cache and state per sequence, workspace."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import ACTIVATION_BYTES, Op
from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.step import HIT, ONE
from drivetrain.catalogue.model import Checkpoint, Dense, Model, MoE


@dataclass(frozen=True, slots=True)
class CacheTerm:
    """``bytes_per_token`` on one accelerator for each cached token up to ``span`` (``None``: all of them)."""

    bytes_per_token: float
    span: int | None


@dataclass(frozen=True, slots=True)
class Resident:
    """Bytes on one accelerator of a replica.

    A sequence with ``k`` tokens in cache takes ``sum(bytes_per_token * min(k, span)) + state_bytes`` there, times the
    sequences its attention rank holds (all of the replica's over ``dp``). ``workspace_bytes_per_token`` is held for
    each token of the step budget, ``logits_bytes_per_row`` for each sequence that samples.
    """

    weights_bytes: float
    cache: tuple[CacheTerm, ...]
    state_bytes: float
    workspace_bytes_per_token: float
    logits_bytes_per_row: float

    def sequence_bytes(self, context: float) -> float:
        """Cache and state of one sequence with ``context`` tokens, on one accelerator."""
        return self.state_bytes + sum(
            t.bytes_per_token * (context if t.span is None else min(context, t.span)) for t in self.cache
        )


def resident(model: Model, checkpoint: Checkpoint, layout: Layout, ops: tuple[Op, ...]) -> Resident:
    """Size one accelerator's share of ``model`` whose operators under ``layout`` are ``ops``.

    Every matrix an operator reads is resident, all local experts are, and stages share layers evenly. The output head
    and the embedding table are counted on every stage (the first and the last hold them, and the fullest decides).
    """
    head = sum(op.weights[ONE] for op in ops if op.name == "output head")
    layers = sum(op.weights[ONE] + op.experts_local * op.weights[HIT] for op in ops) - head
    small = sum(g.count * (g.norm_params + g.extra_params) for g in model.layers) * ACTIVATION_BYTES
    table = model.hidden * model.vocab / layout.tp * bytes_per_weight(checkpoint.dtype_of("embedding"))
    ends = table if model.tied_embeddings else (table + head if layout.pp == 1 else max(table, head))
    cache: dict[int | None, float] = {}
    for op in ops:
        if op.stored:
            cache[op.stored_span] = cache.get(op.stored_span, 0.0) + op.stored / layout.pp
    return Resident(
        weights_bytes=(layers + small) / layout.pp + ends + ACTIVATION_BYTES * model.embedding_params,
        cache=tuple(CacheTerm(per_token, span) for span, per_token in cache.items()),
        state_bytes=sum(op.state for op in ops) / layout.pp,
        workspace_bytes_per_token=ACTIVATION_BYTES * (4 * model.hidden + 2 * _widest(model, layout)),
        logits_bytes_per_row=4.0 * model.vocab,
    )


def _widest(model: Model, layout: Layout) -> float:
    """Elements of the widest intermediate of a token on one rank."""
    widths = [1.0]
    for group in model.layers:
        if isinstance(group.ffn, Dense):
            widths.append(2 * group.ffn.intermediate / layout.tp)
        elif isinstance(group.ffn, MoE):
            widths.append(2 * group.ffn.top_k * group.ffn.intermediate / (layout.tp * layout.dp))
            widths.append(2 * group.ffn.shared_intermediate / layout.tp)
    return max(widths)
