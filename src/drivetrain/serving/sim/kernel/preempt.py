"""Blocks for the next token, and who gives way when there are none."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import blocks, members, parts, queue
from drivetrain.serving.sim.kernel.tables import DECODING, TRANSFERRING, WAITING
from drivetrain.serving.sim.kernel.world import World

available, growth_now, holding, take = blocks.available, blocks.growth_now, blocks.holding, blocks.take
close, free_blocks, leave_others = members.close, members.free_blocks, members.leave_others
leaves_decoding, place_of, unreserve = members.leaves_decoding, members.place_of, members.unreserve
enter, PREEMPTION_PART = parts.enter, parts.PREEMPTION_PART
push = queue.push


@inner
def grow(w: World, core: int) -> None:
    """Take blocks for the tokens that the next decode step of ``core`` stores, preempting while there are too few."""
    q = w.cores[core]
    speculates = w.pools[q.pool].verified > 1
    while True:
        if q.decoding == 0:
            return
        n = _speculative_growth(w, core, False) if speculates else growth_now(w, core)
        if n <= available(w, core):
            break
        _preempt(w, core, _victim(w, core))
        q.preempted = 1
    take(w, core, n)
    q.reserve -= n
    if speculates:
        _speculative_growth(w, core, True)


@inner
def _speculative_growth(w: World, core: int, takes: bool) -> int:
    """Blocks for all tokens that might be accepted, for all decoding sequences; with ``takes`` they get them."""
    q, slots = w.cores[core], w.slots
    pool = w.pools[q.pool]
    total = 0
    for i in range(q.list0, q.list0 + q.decoding):
        slot = slots[w.decoding[i]]
        stored = min(w.base[i] + q.turns + pool.verified, slot.isl + slot.osl)
        more = holding(stored, pool.block_tokens) - slot.blocks - slot.entries * pool.entry_blocks
        if more > 0:
            total += more
            if takes:
                slot.blocks += more
    return int(total)


@inner
def _victim(w: World, core: int) -> int:
    """The last admitted; by the engine's rules the one of the largest key, or with the fewest tokens written."""
    q, slots = w.cores[core], w.slots
    by_key = w.pools[q.pool].priority_preempts > 0
    if not by_key and w.pools[q.pool].fewest_preempts > 0 and q.decoding > 0:
        return int(_fewest(w, core))
    if not by_key:
        s = w.decoding[q.list0 + q.decoding - 1] if q.decoding > 0 else -1
        other = w.others[q.list0 + q.others - 1] if q.others > 0 else -1
        if s < 0 or (other >= 0 and slots[other].admission > slots[s].admission):
            s = other
        return int(s)
    worst = -1
    for i in range(q.decoding + q.others):
        s = w.decoding[q.list0 + i] if i < q.decoding else w.others[q.list0 + i - q.decoding]
        if (worst < 0 or slots[s].key > slots[worst].key
                or (slots[s].key == slots[worst].key and slots[s].admission > slots[worst].admission)):  # fmt: skip
            worst = s
    return int(worst)


@inner
def _fewest(w: World, core: int) -> int:
    """Of those decoding who has written the fewest tokens; among equals the longest prompt, the last admitted."""
    q, slots = w.cores[core], w.slots
    best = q.list0
    for i in range(q.list0 + 1, q.list0 + q.decoding):
        isl, other = slots[w.decoding[i]].isl, slots[w.decoding[best]].isl
        more = (w.base[i] - isl) - (w.base[best] - other)  # tokens written, but for what all have alike
        if more < 0 or (more == 0 and isl >= other):
            best = i
    return int(w.decoding[best])


@inner
def _preempt(w: World, core: int, s: int) -> None:
    """Slot ``s`` frees its blocks, keeps its tokens, and waits again to compute all it had."""
    c, q, slot, slots = w.clock[0], w.cores[core], w.slots[s], w.slots
    if slot.state == DECODING:
        i = place_of(w, core, s)
        leaves_decoding(w, core, i)
        close(w, core, i)
    else:
        leave_others(w, core, s)
        if slot.state == TRANSFERRING:  # what is on its way comes for nothing
            slots[slot.partner].partner = -1
            slot.partner = -1
    unreserve(w, core, s)
    free_blocks(w, core, s)
    slot.recomputes = 1
    slot.ticket = -1
    slot.preemptions += 1
    w.pools[q.pool].preemptions += 1
    enter(w, s, PREEMPTION_PART, c.now)
    slot.state = WAITING
    push(w, core, s)
    q.waiting += 1
    w.replicas[q.replica].waiting += 1
    w.replicas[q.replica].running -= 1
