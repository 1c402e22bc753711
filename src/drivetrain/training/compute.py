"""Seconds that one micro-batch computes, over all layers of the model on the rank slice that a layout gives.

A matrix product of kind k with ``F`` FLOPs and ``M`` bytes takes ``t = max(c, m) + overlap * min(c, m)``,
``c = F / (share * peak)``, ``m = M / (bandwidth * HBM)``: grouped products of small experts are memory-bound by
themselves. Each output element adds ``tile_k`` steps of 2 FLOPs at the 16-bit rate to ``c``: tiles are filled and
written. Backward: once more for the input's gradient, once for the weights' (their fp32 gradient read and written).
Attention runs forward at its share of the 16-bit rate, backward 2.5 times the FLOPs at a lower share; ``ramp`` tokens
of span are what a row of its tiles costs to start, so that it keeps ``s / (s + ramp)`` of its rate on spans of ``s``:
a context rank works on one ``cp``-th of the sequence at a time, and starts ``cp`` times as often. Kernels between
products move bytes, twice as many backward. Casting operands to 8 or 4 bits moves ``CAST_BYTES`` per element.
Recomputing: *full* runs every layer forward again (``again`` of its products: a compiler leaves out those that nothing
reads), *selective* the kernels between products, scores that an unfused attention would have kept and ``selected`` of
the products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.training import ATTENTION_BACKWARD, EXPERTS, HEAD, ROUTER
from drivetrain.training.cases import Cases
from drivetrain.training.layout import FULL, SELECTIVE

Floats = NDArray[np.float64]
CAST_BYTES = 3.0  # an operand is read in 16 bit and written twice in 8 (both orders); half of the reads are fused
FOUR_BIT_CAST_BYTES = 5.0  # 4 bit: scaled in two passes, turned (Hadamard) and rounded at random
SCORE_BYTES = 14.0  # scores, softmax and dropout written and read in 16 bit with a mask (Megatron-LM before fusion)
HEAD_BYTES = 24.0  # logits in 16 and 32 bit, softmax, their gradient
GRADIENT_BYTES = 8.0  # a weight's fp32 gradient read and written once per micro-batch
BACKWARD_MOVED = 2.0
SELECTIVE_SHARE = 0.5  # of the kernels between products that selective recompute runs again


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Seconds per micro-batch of all layers (``head`` apart); ``attention_forward`` is a part of ``attention``."""

    products: Floats
    attention: Floats
    attention_forward: Floats
    moved: Floats
    recompute: Floats
    head: Floats

    @property
    def total(self) -> Floats:
        """Both passes and what is recomputed."""
        return self.products + self.attention + self.moved + self.recompute


def local_tokens(c: Cases) -> Floats:
    """Tokens of one micro-batch on one context-parallel rank."""
    tokens: Floats = c.layouts.micro_batch * c.needs.seq / c.layouts.cp
    return tokens


def local_weights(c: Cases) -> Floats:
    """``(n, 7)``: weights of all layers on one tensor and expert rank (pipeline stages counted together)."""
    n, lay = c.needs, c.layouts
    tp = lay.tp[:, None]
    weights = np.array(np.broadcast_to(n.stored / tp, (lay.n, n.stored.shape[1])))
    weights[:, ROUTER] = n.stored[:, ROUTER]
    weights[:, HEAD] = n.elements[:, HEAD] / lay.tp
    weights[:, EXPERTS] = n.stored[:, EXPERTS] / (lay.ep * lay.etp)
    return weights


def work(c: Cases) -> Work:
    """Compute seconds of one micro-batch."""
    n, m, lay, r = c.needs, c.machines, c.layouts, c.rates
    tokens, tp = local_tokens(c), lay.tp
    bandwidth = r.bandwidth * m.hbm_bytes_per_s
    forward, backward, cast = _products(c, tokens, bandwidth)
    # scores divide over tp like heads, norms and residuals like the tokens that sequence parallelism deals out
    ramped = n.attention_flops + r.ramp * lay.cp * n.attention_rows
    attention = r.pace * ramped * tokens / tp / (r.attention * m.peak_wide)
    scan = r.pace * n.scan_flops * tokens / tp / (r.scan * m.peak_wide)
    score_s = r.unfused * n.score_elements * tokens / tp * SCORE_BYTES / bandwidth
    per_byte = r.pace * r.moved * 2.0 * tokens / tp / bandwidth
    cut = per_byte * n.moved_cut
    moved = per_byte * (n.moved_full + n.moved_cut + n.moved_routed)
    body = np.delete(forward, HEAD, axis=1).sum(axis=1)
    body_backward = np.delete(backward, HEAD, axis=1).sum(axis=1)
    attention_forward = attention + scan + score_s
    attention_backward = attention * ATTENTION_BACKWARD / r.attention_backward + 2.0 * scan + 2.0 * score_s
    again = np.where(lay.recompute == FULL, r.again * body + attention_forward + moved + cast / 2.0, 0.0)
    chosen = SELECTIVE_SHARE * cut + r.unfused * attention_forward + r.selected * body
    again = again + np.where(lay.recompute == SELECTIVE, chosen, 0.0)
    head_moved = r.pace * n.vocab / tp * tokens * HEAD_BYTES / bandwidth
    return Work(
        products=body + body_backward,
        attention=attention_forward + attention_backward, attention_forward=attention_forward,
        moved=moved * (1.0 + BACKWARD_MOVED) + cast,
        recompute=again, head=forward[:, HEAD] + backward[:, HEAD] + head_moved,
    )  # fmt: skip


def _products(c: Cases, tokens: Floats, bandwidth: Floats) -> tuple[Floats, Floats, Floats]:
    """Forward and backward seconds by kind, and of casts (both passes together)."""
    n, m, lay, r = c.needs, c.machines, c.layouts, c.rates
    column = tokens[:, None]
    tp = lay.tp[:, None]
    whole = np.array(np.broadcast_to(tp, (lay.n, n.full.shape[1])))
    whole[:, ROUTER], whole[:, EXPERTS] = 1.0, lay.etp
    touched = column * (n.full * whole + n.cut) / tp
    share = r.gemm[:, None] * np.where(m.narrow > 0, r.narrow[:, None], 1.0)
    share = np.array(np.broadcast_to(share * np.where(m.four_bit > 0, r.four_bit[:, None], 1.0), touched.shape))
    share[:, EXPERTS] *= r.experts
    weights = local_weights(c)
    wide_rate = r.gemm[:, None] * m.peak_wide[:, None]
    compute = 2.0 * n.elements * column / tp / (share * m.peak)
    tiles = r.tile_k[:, None] * touched / wide_rate
    weight_tiles = 2.0 * r.tile_k[:, None] * weights / wide_rate
    wide = bandwidth[:, None]
    memory = (weights * m.weight_bytes + touched * m.operand_bytes) / wide
    forward = _overlapped(compute + tiles, memory, r.overlap[:, None])
    gradient = (weights * GRADIENT_BYTES + touched * m.operand_bytes) / wide
    weight_pass = _overlapped(compute + weight_tiles, gradient, r.overlap[:, None])
    adapters = (n.lora_rank > 0)[:, None]
    backward = forward + np.where(adapters, 0.0, weight_pass)
    cast = ((m.narrow * CAST_BYTES + m.four_bit * FOUR_BIT_CAST_BYTES) * touched).sum(axis=1)
    pace = r.pace[:, None]
    return pace * forward, pace * backward, r.pace * cast / bandwidth


def _overlapped(a: Floats, b: Floats, share: Floats) -> Floats:
    found: Floats = np.maximum(a, b) + share * np.minimum(a, b)
    return found
