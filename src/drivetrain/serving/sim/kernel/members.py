"""Who runs in a core: decoding sequences and the others, each in order of admission, and what they hold."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import blocks, prefix
from drivetrain.serving.sim.kernel.tables import ARRIVED, DECODING
from drivetrain.serving.sim.kernel.world import World

holding = blocks.holding
release = prefix.release


@inner
def join_decoding(w: World, core: int, s: int) -> None:
    """Slot ``s``, whose cache is there, decodes from the next step on; its last token is of ``last_emission``."""
    q, slot, slots = w.cores[core], w.slots[s], w.slots
    decoding, base, end = w.decoding, w.base, w.end
    stored = slot.isl + slot.emitted - 1
    if q.decoding == 0:
        q.last_emission = slot.last_emission
        q.next_end = np.int64(1) << 62
    if slot.last_emission != q.last_emission or slot.sighted != slot.sending:
        q.fresh += 1
    i = q.list0 + q.decoding
    while i > q.list0 and slots[decoding[i - 1]].admission > slot.admission:
        decoding[i] = decoding[i - 1]
        base[i] = base[i - 1]
        end[i] = end[i - 1]
        i -= 1
    decoding[i] = s
    base[i] = stored - q.turns
    end[i] = q.turns + slot.osl - slot.emitted
    q.decoding += 1
    q.sum_base += base[i]
    q.next_end = min(q.next_end, end[i])
    slot.turn = q.turns
    pool = w.pools[q.pool]
    if pool.block_tokens > 0 and pool.verified == 1:
        w.histogram[q.hist0 + base[i] % pool.block_tokens] += 1


@inner
def join_arrived(w: World, core: int) -> None:
    """Those whose cache has come since the last boundary decode from now on."""
    q, slots, others = w.cores[core], w.slots, w.others
    kept = q.list0
    n = q.others
    q.arrived = 0
    for i in range(q.list0, q.list0 + n):
        s = others[i]
        if slots[s].state == ARRIVED:
            q.others -= 1
            slots[s].state = DECODING
            slots[s].pure = q.pure
            join_decoding(w, core, s)
        else:
            others[kept] = s
            kept += 1


@inner
def leaves_decoding(w: World, core: int, i: int) -> None:
    """Book that the decoding sequence at place ``i`` of the core's list goes: its tokens, blocks and last emission.

    The list itself is the caller's to close.
    """
    q = w.cores[core]
    s, base = w.decoding[i], w.base[i]
    slot, pool = w.slots[s], w.pools[q.pool]
    stored = base + q.turns
    slot.emitted = stored - slot.isl + 1
    q.decoding -= 1
    q.sum_base -= base
    if slot.turn == q.turns:  # it has not decoded yet
        if slot.last_emission != q.last_emission or slot.sighted != slot.sending:
            q.fresh -= 1
    else:
        slot.last_emission = q.last_emission
    if pool.block_tokens > 0 and pool.verified == 1:  # growth is counted for the core; with speculation by sequence
        w.histogram[q.hist0 + base % pool.block_tokens] -= 1
        slot.blocks = holding(stored, pool.block_tokens) - slot.entries * pool.entry_blocks


@inner
def close(w: World, core: int, i: int) -> None:
    """Close the gap at place ``i`` of the list of decoding sequences, one of which just left."""
    q = w.cores[core]
    decoding, base, end = w.decoding, w.base, w.end
    last = q.list0 + q.decoding
    for j in range(i, last):
        decoding[j] = decoding[j + 1]
        base[j] = base[j + 1]
        end[j] = end[j + 1]
    next_end = np.int64(1) << 62
    for j in range(q.list0, last):
        next_end = min(next_end, end[j])
    q.next_end = next_end


@inner
def place_of(w: World, core: int, s: int) -> int:
    """Where slot ``s`` is in the core's list of decoding sequences."""
    decoding = w.decoding
    i = w.cores[core].list0
    while decoding[i] != s:
        i += 1
    return int(i)


@inner
def join_others(w: World, core: int, s: int) -> None:
    """Slot ``s`` runs without decoding: it is the last admitted."""
    q = w.cores[core]
    w.others[q.list0 + q.others] = s
    q.others += 1


@inner
def leave_others(w: World, core: int, s: int) -> None:
    """Slot ``s`` no longer runs without decoding."""
    q, others = w.cores[core], w.others
    i = q.list0
    while others[i] != s:
        i += 1
    q.others -= 1
    for j in range(i, q.list0 + q.others):
        others[j] = others[j + 1]


@inner
def free_blocks(w: World, core: int, s: int) -> None:
    """All blocks of slot ``s`` at ``core`` are free, but for entries that stay."""
    q, slot = w.cores[core], w.slots[s]
    release(w, core, s, slot.entries)
    q.free += slot.blocks + slot.fixed
    slot.entries = 0
    slot.blocks = 0
    slot.fixed = 0


@inner
def unreserve(w: World, core: int, s: int) -> None:
    """The core no longer reckons with the growth of slot ``s``. To be called while it holds its blocks."""
    q, slot, pool = w.cores[core], w.slots[s], w.pools[w.cores[core].pool]
    held = slot.blocks + slot.entries * pool.entry_blocks
    q.reserve -= holding(slot.isl + slot.osl, pool.block_tokens) - held
