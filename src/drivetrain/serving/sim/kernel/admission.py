"""Prompts of a step: chunks of those under way, then of new ones for which there are room and blocks."""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import blocks, members, parts, prefix, queue, timed
from drivetrain.serving.sim.kernel.tables import (
    FULL,
    HEAD,
    LOADED,
    LOADING,
    PREFILLING,
    TRANSFERRED,
    TRANSFERRING,
)
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import PREFILL

available, fixed_blocks, holding, take = blocks.available, blocks.fixed_blocks, blocks.holding, blocks.take
join_others = members.join_others
enter, PREFILL_PART, TRANSFER_PART = parts.enter, parts.PREFILL_PART, parts.TRANSFER_PART
fetch, hold, land, matched = prefix.fetch, prefix.hold, prefix.land, prefix.matched
found = prefix.found
first, pop = queue.first, queue.pop
make = timed.make

# Columns of ``transfers``, by service.
FIXED_S, S_PER_TOKEN, PIECES, FIRST_BY_DECODE, SHOWN_BY_DECODE = range(5)


@inner
def prompts(w: World, core: int, room: int, admits: bool) -> None:
    """Fill the step of ``core`` with at most ``room`` prompt tokens (without chunks: at least one prompt)."""
    c, q, slots, others = w.clock[0], w.cores[core], w.slots, w.others
    pool = w.pools[q.pool]
    for i in range(q.list0, q.list0 + q.others):
        s = others[i]
        if slots[s].state != PREFILLING:
            continue
        if room < 1 or (pool.chunked == 0 and q.chunks > 0 and slots[s].need - slots[s].done > room):
            break
        room -= _compute(w, core, s, room)
    if not admits:
        return
    while q.waiting > 0:
        if room < 1 or q.decoding + q.others >= pool.max_seqs:
            q.admission = FULL
            return
        s = first(w, core)
        taken = _received(w, core, s) if slots[s].partner >= 0 else _admitted(w, core, s, room)
        if not taken:
            q.admission = HEAD
            return
        pop(w, core)
        q.waiting -= 1
        w.replicas[q.replica].waiting -= 1
        w.replicas[q.replica].running += 1
        slots[s].admission = c.admissions
        c.admissions += 1
        join_others(w, core, s)
        if slots[s].state == PREFILLING:
            if slots[s].recomputes == 0:
                enter(w, s, PREFILL_PART, c.now)
            slots[s].computing_since = c.now
            room -= _compute(w, core, s, room)
        else:
            if slots[s].recomputes == 0:
                enter(w, s, TRANSFER_PART, c.now)
            if slots[s].state == LOADING:
                _load(w, core, s)
            else:
                _send(w, core, s)
    if room < 1 or q.decoding + q.others >= pool.max_seqs:
        q.admission = FULL


@inner
def _compute(w: World, core: int, s: int, room: int) -> int:
    """Put a chunk of slot ``s`` into the step: its size."""
    q, slot = w.cores[core], w.slots[s]
    size = slot.need - slot.done
    if w.pools[q.pool].chunked > 0:
        size = min(size, room)
    slot.chunk = size
    q.chunks += 1
    q.prompt_tokens += size
    return int(size)


@inner
def _admitted(w: World, core: int, s: int, room: int) -> bool:
    """Give a prompt its blocks, unless they or the room are not there."""
    c, q, slot = w.clock[0], w.cores[core], w.slots[s]
    pool = w.pools[q.pool]
    need = slot.isl + slot.emitted
    device = 0
    idle = 0
    host = 0
    if pool.prefix > 0:
        device, idle, host = matched(w, core, s, (need - 1) // c.hash_tokens)
    hits = (device + host) * c.hash_tokens if pool.prefix > 0 else 0
    fixed = fixed_blocks(w, q.pool, slot.isl + slot.osl)
    own = holding(need, pool.block_tokens) - device * pool.entry_blocks + fixed
    if not _fits(w, core, s, own, available(w, core) - idle * pool.entry_blocks, need):
        return False
    if pool.chunked == 0 and q.chunks > 0 and need - hits > room:
        return False
    slot.fixed = fixed
    slot.blocks = own - fixed - host * pool.entry_blocks
    if pool.prefix > 0:
        for i in range(device):
            hold(w, core, found(w, core, w.hashes[slot.hash0 + i]))
        fetch(w, core, s, device, device + host)
        take(w, core, own)
        land(w, core, s, device, device + host)
        slot.entries = device + host
    else:
        take(w, core, own)
    q.reserve += holding(slot.isl + slot.osl, pool.block_tokens) - holding(need, pool.block_tokens)
    slot.need = need
    slot.done = hits
    slot.chunk = 0
    slot.loads = host * c.hash_tokens
    slot.state = LOADING if host > 0 else PREFILLING
    pool.input_tokens += need
    pool.cached_tokens += hits
    if slot.recomputes == 0:
        slot.cached = hits
    return True


@inner
def _received(w: World, core: int, s: int) -> bool:
    """Give a request its blocks whose cache comes from a prefill core."""
    q, slot = w.cores[core], w.slots[s]
    pool = w.pools[q.pool]
    need = slot.isl
    fixed = fixed_blocks(w, q.pool, slot.isl + slot.osl)
    own = holding(need, pool.block_tokens) + fixed
    if not _fits(w, core, s, own, available(w, core), need):
        return False
    take(w, core, own)
    q.reserve += holding(slot.isl + slot.osl, pool.block_tokens) - holding(need, pool.block_tokens)
    slot.fixed = fixed
    slot.blocks = own - fixed
    slot.chunk = 0
    slot.state = TRANSFERRING
    return True


@inner
def _fits(w: World, core: int, s: int, own: int, blocks_there: int, need: int) -> bool:
    """Whether ``own`` blocks can be had, with what the rules keep back where somebody runs already."""
    q, slot = w.cores[core], w.slots[s]
    pool = w.pools[q.pool]
    if q.decoding + q.others == 0:
        return bool(own <= blocks_there)
    reserve = 0
    if pool.reserve_frac > 0.0 and pool.role != PREFILL:
        growth = q.reserve + holding(slot.isl + slot.osl, pool.block_tokens) - holding(need, pool.block_tokens)
        reserve = math.floor(pool.reserve_frac * growth)
    return bool(own <= blocks_there - pool.watermark - reserve)


@inner
def _load(w: World, core: int, s: int) -> None:
    """Entries come from host memory over the core's link, one request after another."""
    c, q, slot = w.clock[0], w.cores[core], w.slots[s]
    q.host_free = max(c.now, q.host_free) + w.pools[q.pool].host_s * slot.loads
    slot.ticket = c.made
    make(w, q.host_free, LOADED, s, slot.ticket)


@inner
def _send(w: World, core: int, s: int) -> None:
    """The cache of a prompt comes from a prefill core over the links of both."""
    c, q, slot = w.clock[0], w.cores[core], w.slots[s]
    held = slot.partner
    sender = w.cores[w.slots[held].core]
    t = w.transfers[w.pools[q.pool].service]
    whole = t[FIXED_S] + t[S_PER_TOKEN] * slot.isl
    exposed = max(whole / t[PIECES], whole - w.slots[held].computed * (1.0 - 1.0 / t[PIECES]))
    done = max(c.now, max(q.link_free, sender.link_free)) + exposed
    q.link_free = done
    sender.link_free = done
    w.slots[held].ticket = c.made
    make(w, done, TRANSFERRED, held, c.made)
