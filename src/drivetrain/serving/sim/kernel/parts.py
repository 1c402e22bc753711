"""Where the time of a request goes: it is in one part at a time."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import N_PARTS

(QUEUE_PART, PREFILL_PART, DECODE_PART, STALL_PART, PREEMPTION_PART, TRANSFER_PART, NETWORK_PART, FRONTEND_PART,
 RETRY_PART) = np.arange(N_PARTS)  # fmt: skip
"""As in :mod:`drivetrain.serving.sim.records`, but no literals (see :mod:`.tables`)."""


@inner
def begin(w: World, s: int, time_s: float) -> None:
    """A new sending of slot ``s``: nothing of earlier ones counts, but that they took time."""
    slot = w.slots[s]
    for part in range(N_PARTS):
        w.parts[s, part] = 0.0
    slot.part = NETWORK_PART
    slot.since = time_s
    slot.last_sent = time_s
    slot.first = math.nan
    slot.last_emission = math.nan
    slot.cached = 0
    slot.emitted = 0
    slot.recomputes = 0


@inner
def enter(w: World, s: int, part: int, time_s: float) -> None:
    """Book the time since the last call on the part that slot ``s`` was in; it is in ``part`` from now on.

    Of the time between being decodable and now, the pure time of the core's steps is decoding, the rest stall.
    """
    slot, parts = w.slots[s], w.parts
    parts[s, slot.part] += time_s - slot.since
    if slot.part == STALL_PART:
        pure = w.cores[slot.core].pure - slot.pure
        parts[s, STALL_PART] -= pure
        parts[s, DECODE_PART] += pure
    if part == STALL_PART:
        slot.pure = w.cores[slot.core].pure
    slot.part = part
    slot.since = time_s
