r"""The step: stages in a pipeline, what does not hide, the optimiser; parts that sum to the whole.

One stage takes ``t = t_layers / pp + t_head`` per micro-batch, the heaviest one sets the pace. With ``m``
micro-batches::

    step = (m t_max + (pp - 1) t_mean / v * b + hand-overs + exposed data + optimiser) * (1 + waiting) + step_s
    waiting = jitter * sqrt(n / 1024)

``b`` is 1 for 1F1B, with ``v`` chunks a stage when interleaved, and 1/3 for zero-bubble, which fills the bubble with
weight gradients (Qi et al., ZB-H1), and for DualPipe. A stage that is not interleaved waits for both of its
hand-overs, an interleaved one for the share ``pp_exposed``. ``bubble`` in the parts is everything over the mean
stage: unequal stages too. GPU and host run side by side, ``t = (gpu^4 + host^4)^(1/4)``; ``host`` is what the host
adds. Accelerators wait for the slowest of them and for shared links; public ladders of 405B runs lose 1.5 % a
doubling at 512 and 4 % at 8,192 accelerators, hence the square root.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.training.cases import Cases
from drivetrain.training.compute import local_weights, work
from drivetrain.training.exchange import data_exchange, messages
from drivetrain.training.layout import FULL, ZERO_BUBBLE

Floats = NDArray[np.float64]
OPTIMISER_BYTES = 30.0  # read fp32 weight, two moments and gradient, write three and the 16-bit weight
HOST_POWER = 4.0
PARTS = (
    "products", "attention", "moved", "recompute", "host", "tp", "ep", "cp", "pp", "bubble", "dp", "optimizer",
    "jitter", "step",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """Seconds of one step; the fields of :data:`PARTS` sum to ``total``. Exposed communication by dimension."""

    total: Floats
    products: Floats
    attention: Floats
    moved: Floats
    recompute: Floats
    host: Floats
    tp: Floats
    ep: Floats
    cp: Floats
    pp: Floats
    bubble: Floats
    dp: Floats
    optimizer: Floats
    jitter: Floats
    step: Floats

    def parts(self, i: int = 0) -> dict[str, float]:
        """The parts of case ``i``."""
        return {name: float(getattr(self, name)[i]) for name in PARTS}


def step_times(c: Cases) -> StepTimes:
    """Time every case."""
    n, lay, r = c.needs, c.layouts, c.rates
    found = work(c)
    sent = messages(c, found)
    m = n.global_batch / (lay.dp * lay.micro_batch)
    # evaluation runs more forward passes, in the same proportion on every rank
    trained = np.where(n.lora_rank > 0, 2.0, 3.0)
    whole = np.where(n.evaluation_sequences > 0, n.evaluation_sequences, lay.dp)
    dealt = np.ceil(whole / lay.dp) * lay.dp / whole  # in whole sequences: the last round leaves ranks without one
    m_all = m * (1.0 + n.evaluation * dealt / trained)
    gpu = found.total + sent.tp + sent.ep + sent.cp
    host = n.n_layers * r.host_layer_s + n.n_moe_layers * r.host_moe_s
    body = (gpu**HOST_POWER + host**HOST_POWER) ** (1.0 / HOST_POWER)
    mean = (body + found.head) / lay.pp
    heaviest = np.ceil(n.n_layers / (lay.pp * lay.vp) - 1e-9) * lay.vp / n.n_layers
    last = np.maximum(0.0, 1.0 - (lay.pp - 1) * heaviest)
    slowest = np.where(lay.pp > 1, np.maximum(heaviest * body, last * body + found.head), mean)
    fill = (lay.pp - 1) * mean / lay.vp * np.where(lay.schedule >= ZERO_BUBBLE, 1.0 / 3.0, 1.0)
    bubble = m_all * (slowest - mean) + fill
    shown = np.where(lay.vp > 1, lay.vp * r.pp_exposed, 1.0)
    send = np.where(lay.pp > 1, 2.0 * (lay.pp - 1) + 2.0 * m_all * shown, 0.0) * sent.send
    # what can hide data exchange: the forward pass is one of three (two with LoRA, one more with full recompute)
    forward = mean / (trained + np.where(lay.recompute == FULL, 1.0, 0.0))
    backward = mean - forward
    dp = data_exchange(c, forward, backward, m)
    optimizer = _optimizer(c)
    busy = m_all * mean + bubble + send + dp + optimizer
    jitter = busy * r.jitter * np.sqrt(c.machines.n / 1024.0)
    share = m_all / lay.pp
    return StepTimes(
        total=busy + jitter + r.step_s,
        products=share * (found.products + found.head), attention=share * found.attention,
        moved=share * found.moved, recompute=share * found.recompute, host=share * (body - gpu),
        tp=share * sent.tp, ep=share * sent.ep, cp=share * sent.cp, pp=send, bubble=bubble, dp=dp,
        optimizer=optimizer, jitter=jitter, step=np.broadcast_to(r.step_s, busy.shape),
    )  # fmt: skip


def _optimizer(c: Cases) -> Floats:
    n, lay = c.needs, c.layouts
    held = (local_weights(c).sum(axis=1) + n.embedding / lay.tp + n.small_params) / lay.pp
    owned = np.where(lay.zero >= 1, held / (lay.dp * lay.cp), held)
    seconds = owned * OPTIMISER_BYTES / (c.rates.bandwidth * c.machines.hbm_bytes_per_s)
    return np.where(n.lora_rank > 0, 0.0, seconds)
