"""Exposed communication of a step, by dimension: what compute does not hide.

Per micro-batch and layer, forward: tensor parallelism gathers and scatters the layer's input around attention and
around the feed-forward part (a mixture with whole experts has no second pair), backward the same again. Experts
dispatch and combine, a token once per rank that it visits, forward and back. Context ranks gather keys and values
forward, and again with their gradient backward, beside attention. Per step: gradients are scattered and weights
gathered over the data ranks (ZeRO 0 to 2), or per micro-batch with weights gathered before each pass (ZeRO 3), beside
compute; hybrid shards add an all-reduce between shard groups. Bytes are of one accelerator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.training import ACTIVATION_BYTES, EXPERTS, HEAD
from drivetrain.training.cases import Cases
from drivetrain.training.compute import Work, local_tokens, local_weights
from drivetrain.training.layout import DUALPIPE, FULL

Floats = NDArray[np.float64]
HIDDEN_BY_ATTENTION = 0.7  # of context exchange beside attention
HIDDEN_BY_DUALPIPE = 0.9  # of expert exchange beside another chunk's compute; DeepSeek-V3 reports all of it


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Exposed seconds per micro-batch over all layers (``tp``, ``ep``, ``cp``, ``send`` per hand-over)."""

    tp: Floats
    ep: Floats
    cp: Floats
    send: Floats


def messages(c: Cases, found: Work) -> Messages:
    """Exposed seconds per micro-batch."""
    n, m, lay, r, t = c.needs, c.machines, c.layouts, c.rates, c.links
    tokens = local_tokens(c)
    again = np.where(lay.recompute == FULL, 1.0, 0.0)
    row = tokens * n.hidden * ACTIVATION_BYTES
    pair = t.tp_gather.seconds(row) + t.tp_scatter.seconds(row)
    whole_experts = np.where(lay.etp == 1, n.n_moe_layers, 0.0)
    pairs = 2.0 * n.n_layers - whole_experts
    tp = np.where(lay.tp > 1, r.tp_exposed * pairs * pair * (2.0 + again), 0.0)
    visited = lay.ep * (1.0 - (1.0 - 1.0 / lay.ep) ** n.top_k)
    sent = tokens / lay.tp * lay.etp * visited * n.routed_width
    narrow = np.where(m.narrow[:, EXPERTS] + m.four_bit[:, EXPERTS] > 0, 1.0, ACTIVATION_BYTES)
    dispatch, combine = t.ep_exchange.seconds(sent * narrow), t.ep_exchange.seconds(sent * ACTIVATION_BYTES)
    rounds = n.n_moe_layers * (dispatch * (1.0 + again) + combine * (3.0 + again))
    ep = np.where(lay.ep > 1, r.ep_exposed * rounds, 0.0)
    ep = np.where(lay.schedule == DUALPIPE, rounds - HIDDEN_BY_DUALPIPE * np.minimum(rounds, found.total), ep)
    ep = np.where(lay.ep > 1, ep, 0.0)
    passed = lay.cp * tokens / lay.tp * n.kv_width / np.maximum(n.n_layers, 1.0) * ACTIVATION_BYTES
    around = n.n_layers * t.cp_gather.seconds(passed) * (3.0 + again)
    beside = found.attention + again * found.attention_forward
    cp = np.where(lay.cp > 1, around - HIDDEN_BY_ATTENTION * np.minimum(around, beside), 0.0)
    send = np.where(lay.pp > 1, t.pp_send.seconds(row / lay.tp), 0.0)
    return Messages(tp, ep, cp, send)


def data_exchange(c: Cases, forward: Floats, backward: Floats, passes: Floats) -> Floats:
    """Exposed seconds per step of gradients and weights; ``forward`` and ``backward`` seconds of one stage pass."""
    n, lay, r, t = c.needs, c.layouts, c.rates, c.links
    weights = local_weights(c)
    weights[:, HEAD] = np.where(n.stored[:, HEAD] > 0, weights[:, HEAD], 0.0)
    dense = (np.delete(weights, EXPERTS, axis=1).sum(axis=1) + n.embedding / lay.tp + n.small_params) / lay.pp
    experts = weights[:, EXPERTS] / lay.pp
    layers = n.n_layers / lay.pp
    trained = np.where(n.lora_rank > 0, 0.0, 1.0)  # adapters' gradients are too few to matter

    def each(gather: bool, size: float | Floats) -> Floats:
        # one call per layer, of the layer's share of the weights
        d, e = (t.shard_gather, t.expert_gather) if gather else (t.shard_scatter, t.expert_scatter)
        total = d.seconds(dense * size / layers) + np.where(experts > 0, e.seconds(experts * size / layers), 0.0)
        found: Floats = layers * total
        return found

    gathered, scattered = each(True, ACTIVATION_BYTES), each(False, r.grad_bytes) * trained
    shard = np.where(lay.shard > 0, lay.shard, lay.dp * lay.cp)
    between = np.where(lay.dp * lay.cp > shard, t.replica.seconds(dense * r.grad_bytes / shard), 0.0) * trained
    once = _hidden(r.dp_overlap, scattered + between, backward) + _hidden(r.dp_overlap, gathered * trained, forward)
    per_pass = _hidden(r.shard_overlap, gathered, forward) + _hidden(
        r.shard_overlap, scattered + np.where(lay.zero == 3, gathered, 0.0), backward
    )
    first = gathered / layers  # nothing to hide the first layer's gather behind
    found: Floats = np.where(
        lay.zero >= 2, passes * (per_pass + first) + _hidden(r.dp_overlap, between, backward), once
    )
    return np.where(lay.dp * lay.cp > 1, found, 0.0)


def _hidden(overlap: Floats, seconds: Floats, beside: Floats) -> Floats:
    left: Floats = seconds - overlap * np.minimum(seconds, beside)
    return left
