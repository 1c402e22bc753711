"""Bytes of one accelerator while it trains, by part.

Weights in 16 bit, gradients as they travel (``grad_bytes``), optimiser 12 bytes a weight (fp32 weight and two moments,
Adam). ZeRO 1 shares out the optimiser over the data ranks, 2 gradients too, 3 weights too (their fp32 shard is the
optimiser's; 16-bit layers come and go through the buffers). Experts' weights are shared over the ranks that hold the
same experts. Activations: what each layer keeps for the backward pass, per token, of the micro-batches in flight
(``pp`` of them on the first stage with 1F1B, ``pp + (pp - 1) / v`` interleaved); a share waits in host memory where a
fast link reaches it (Grace). Full recompute keeps a layer's input only and one layer's activations; on TPUs inputs
wait on the host, and logits are formed a sequence at a time. LoRA keeps frozen weights in the precision of their
products; trained are adapters, ``rank x (in + out)`` weights on every product of a layer (of a mixture's experts, as
many as a token visits), cut by tensor and pipeline ranks, with gradients and optimiser as any weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.training import ACTIVATION_BYTES, EXPERTS, FFN, HEAD, ROUTER
from drivetrain.training.cases import Cases
from drivetrain.training.compute import local_tokens, local_weights
from drivetrain.training.layout import DUALPIPE, FULL, SELECTIVE

Floats = NDArray[np.float64]
OPTIMISER_STATE_BYTES = 12.0
SCORE_KEPT_BYTES = 5.0  # scores and softmax in 16 bit, a mask of the dropout
LOGIT_BYTES = 6.0
SELECTIVE_KEPT = 0.6  # of the cut activations that selective recompute keeps
NARROW_KEPT = 0.7  # operands are kept in 8 bit, what stands between products in 16
RESERVED = 0.92  # of usable memory that tensors can take: the rest fragments or belongs to libraries
BUFFER_SHARE, BUFFER_BYTES = 0.04, 3e9  # communication buffers, workspace of products
MEMORY_PARTS = ("weights", "gradients", "optimizer", "activations", "buffers")


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Bytes by part."""

    weights: Floats
    gradients: Floats
    optimizer: Floats
    activations: Floats
    buffers: Floats

    @property
    def total(self) -> Floats:
        """All parts."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers

    def parts(self, i: int = 0) -> dict[str, float]:
        """The parts of case ``i``."""
        return {name: float(getattr(self, name)[i]) for name in MEMORY_PARTS}


def memory(c: Cases) -> Memory:
    """Memory of every case."""
    n, lay = c.needs, c.layouts
    local = local_weights(c)
    # a tied head is the embedding, of which the other end of a pipeline holds a copy
    local[:, HEAD] = np.where((n.stored[:, HEAD] > 0) | (lay.pp > 1), local[:, HEAD], 0.0)
    dense = (np.delete(local, EXPERTS, axis=1).sum(axis=1) + n.embedding / lay.tp + n.small_params) / lay.pp
    experts = local[:, EXPERTS] / lay.pp
    data = lay.dp * lay.cp
    shard = np.where(lay.shard > 0, lay.shard, data)
    same = np.maximum(lay.tp * data / (lay.ep * lay.etp), 1.0)
    lora = n.lora_rank > 0
    kept_bytes = np.where(lora, c.machines.weight_bytes[:, FFN], ACTIVATION_BYTES)
    copies = np.where(lay.schedule == DUALPIPE, 2.0, 1.0)

    adapters = _adapters(c)
    trained = np.where(lora, adapters, dense), np.where(lora, 0.0, experts)

    def held(from_stage: int, groups: tuple[Floats, Floats], of: tuple[Floats, Floats] = trained) -> Floats:
        shared = of[0] / groups[0] + of[1] / groups[1]
        found: Floats = np.where(lay.zero >= from_stage, shared, of[0] + of[1])
        return found

    all_ranks, sharded = (data, same), (shard, np.minimum(shard, same))
    whole = held(3, sharded, (dense, experts)) * kept_bytes + adapters * ACTIVATION_BYTES
    return Memory(
        weights=np.where((lay.zero == 3) & ~lora, 0.0, copies * whole),
        gradients=held(2, sharded) * c.rates.grad_bytes,
        optimizer=held(1, all_ranks) * OPTIMISER_STATE_BYTES,
        activations=_activations(c),
        buffers=np.minimum(BUFFER_BYTES, BUFFER_SHARE * c.machines.memory_bytes)
        + np.where(lay.zero == 3, 2 * 2 * (dense + experts) / _layers(c), 0.0),
    )


def fits(c: Cases, used: Memory) -> NDArray[np.bool_]:
    """Whether each case fits."""
    found: NDArray[np.bool_] = used.total <= RESERVED * c.machines.memory_bytes
    return found


def _layers(c: Cases) -> Floats:
    found: Floats = np.maximum(c.needs.n_layers / c.layouts.pp, 1.0)
    return found


def _adapters(c: Cases) -> Floats:
    """LoRA weights on one rank; 0 where all weights are trained."""
    widths = np.delete(c.needs.full + c.needs.cut, (HEAD, ROUTER), axis=1).sum(axis=1)
    found: Floats = c.needs.lora_rank * widths / (c.layouts.tp * c.layouts.pp)
    return found


def _activations(c: Cases) -> Floats:
    n, lay = c.needs, c.layouts
    per_rank = local_tokens(c) / lay.tp
    scores = SCORE_KEPT_BYTES * c.rates.unfused * n.score_elements
    kept = ACTIVATION_BYTES * (n.kept_full + n.kept_cut + n.kept_routed) + scores
    less = ACTIVATION_BYTES * (n.kept_full + SELECTIVE_KEPT * (n.kept_cut + n.kept_routed))
    on_host = np.where(c.machines.inputs_on_host > 0, 0.0, 1.0)
    inputs = ACTIVATION_BYTES * n.hidden * n.n_layers * on_host + kept / n.n_layers * lay.pp
    per_token = np.where(lay.recompute == FULL, inputs, np.where(lay.recompute == SELECTIVE, less, kept))
    m = n.global_batch / (lay.dp * lay.micro_batch)
    in_flight = np.minimum(m, np.where(lay.vp > 1, lay.pp + (lay.pp - 1) / lay.vp, lay.pp))
    narrow = (c.machines.narrow + c.machines.four_bit)[:, EXPERTS] > 0
    per_token = per_token * np.where(narrow, NARROW_KEPT, 1.0) * (1.0 - c.machines.offloaded)
    at_once = np.where(c.machines.inputs_on_host > 0, per_rank / lay.micro_batch, per_rank)
    logits = LOGIT_BYTES * n.vocab * at_once
    found: Floats = per_rank * per_token / lay.pp * in_flight + logits
    return found
