"""What a step has done for each sequence: tokens and gaps between them, prompts computed, answers complete."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.draws import ACCEPT as _ACCEPT
from drivetrain.serving.sim.draws import uniform
from drivetrain.serving.sim.kernel import answers, blocks, emission, leap, members, parts, prefix, routing
from drivetrain.serving.sim.kernel.admission import FIRST_BY_DECODE, SHOWN_BY_DECODE
from drivetrain.serving.sim.kernel.tables import ANSWERED, DECODING, NOTHING
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import PREFILL

answer, shown = answers.answer, answers.shown
growth_over, take = blocks.growth_over, blocks.take
gap, gaps = emission.gap, emission.gaps
boundary = leap.boundary
free_blocks, join_decoding = members.free_blocks, members.join_decoding
leaves_decoding, unreserve = members.leaves_decoding, members.unreserve
enter, STALL_PART, TRANSFER_PART = parts.enter, parts.STALL_PART, parts.TRANSFER_PART
enter_names = prefix.enter
hand_over = routing.hand_over

ACCEPT, ONE = np.array([_ACCEPT, 1])  # no literals: see tables


@inner
def decoded(w: World, lane: int, core: int, steps: int) -> None:
    """``steps`` steps of the decoding sequences of ``core``: tokens, gaps, blocks."""
    q, ln = w.cores[core], w.lanes[lane]
    pool = w.pools[q.pool]
    n = q.decoding
    end_s = boundary(w, lane, steps)
    q.pure += ln.pure if ln.pure >= 0.0 else end_s - ln.start
    if q.fresh == 0:
        gap(w, boundary(w, lane, ONE) - q.last_emission, n)
    if steps > 1:
        gaps(w, ln.first + ln.more, ln.more, steps - 1, n)
        more = growth_over(w, core, q.turns + 1, steps - 1)
        take(w, core, more)
        q.reserve -= more
    q.turns += steps
    q.last_before = q.last_emission
    q.last_emission = end_s
    pool.tokens_out += n * steps
    if pool.verified > 1:
        _speculated(w, core)


@inner
def emitted(w: World, core: int) -> None:
    """In order of admission: what emits its first token here is seen to; what has all its tokens ends."""
    c, q, decoding, base, end = w.clock[0], w.cores[core], w.decoding, w.base, w.end
    while c.at < c.last:
        i = c.at
        s = decoding[i]
        c.at = i + 1
        if c.fresh > 0:
            _first_here(w, core, s)
        if end[i] > q.turns:
            q.next_end = min(q.next_end, end[i])
            decoding[c.kept] = s
            base[c.kept] = base[i]
            end[c.kept] = end[i]
            c.kept += 1
        else:
            leaves_decoding(w, core, i)
            _finish(w, core, s, np.int64(w.slots[s].isl) + w.slots[s].osl - 1)
            if c.todo != NOTHING:
                return


@inner
def prompts_computed(w: World, core: int) -> None:
    """Chunks are done; whose last one it was emits its first token, or the next one after a preemption."""
    c, q, slots, others, transfers = w.clock[0], w.cores[core], w.slots, w.others, w.transfers
    pool = w.pools[q.pool]
    while c.at < c.last:
        s = others[c.at]
        c.at += 1
        slot = slots[s]
        slot.done += slot.chunk
        ends = slot.chunk > 0 and slot.done == slot.need
        slot.chunk = 0
        if not ends:
            others[c.kept] = s
            c.kept += 1
            continue
        q.others -= 1
        if pool.prefix > 0:
            enter_names(w, core, s, slot.need // c.hash_tokens)
        by_decode = pool.role == PREFILL and transfers[pool.service, FIRST_BY_DECODE] > 0.0
        hands_over = pool.role == PREFILL and (by_decode or slot.osl > 1)
        if not (hands_over and (by_decode or transfers[pool.service, SHOWN_BY_DECODE] > 0.0)):
            emit(w, s, core)
        if hands_over:
            enter(w, s, TRANSFER_PART, c.now)
            unreserve(w, core, s)
            hand_over(w, core, s)
            return
        if slot.emitted == slot.osl:
            _finish(w, core, s, np.int64(slot.need))
            if c.todo != NOTHING:
                return
        else:
            slot.state = DECODING
            join_decoding(w, core, s)
            enter(w, s, STALL_PART, c.now)


@inner
def emit(w: World, s: int, core: int) -> None:
    """Slot ``s`` gets one token now, other than by decoding."""
    c, slot, q = w.clock[0], w.slots[s], w.cores[core]
    if slot.emitted > 0:
        gap(w, c.now - slot.last_emission, ONE)
    slot.emitted += 1
    slot.last_emission = c.now
    w.pools[q.pool].tokens_out += 1
    shown(w, s, q.replica)


@inner
def _first_here(w: World, core: int, s: int) -> None:
    """The gap of slot ``s``, by itself; in its first step the router may see the first token made here."""
    q, slot = w.cores[core], w.slots[s]
    if slot.turn + 1 < q.turns:
        gap(w, q.last_emission - q.last_before, ONE)
        return
    if slot.emitted > 0:
        gap(w, q.last_emission - slot.last_emission, ONE)
    shown(w, s, q.replica)


@inner
def _speculated(w: World, core: int) -> None:
    """Each decoding sequence gets the drafted tokens that were accepted, beyond the one that it got already."""
    c, q, slots = w.clock[0], w.cores[core], w.slots
    pool = w.pools[q.pool]
    next_end = np.int64(1) << 62
    for i in range(q.list0, q.list0 + q.decoding):
        slot = slots[w.decoding[i]]
        left = w.end[i] - q.turns
        x = pool.verified
        if pool.acceptance <= 0.0:
            slot.luck += 1
            x = 1
        else:
            u = uniform(c.seed, ACCEPT, slot.row, slot.luck)
            slot.luck += 1
            if u > 0.0 and pool.acceptance < 1.0:
                x = min(1 + math.floor(math.log(u) / math.log(pool.acceptance)), pool.verified)
        more = min(x - 1, left)
        w.base[i] += more
        w.end[i] -= more
        q.sum_base += more
        pool.tokens_out += more
        if more > 0:
            w.gaps[0] += more
        next_end = min(next_end, w.end[i])
    q.next_end = next_end


@inner
def _finish(w: World, core: int, s: int, stored: int) -> None:
    """Slot ``s`` has its last token: its blocks, ``stored`` tokens of them full, are free; the answer is on its way."""
    c, slot, q = w.clock[0], w.slots[s], w.cores[core]
    replica = w.replicas[q.replica]
    unreserve(w, core, s)
    if w.pools[q.pool].prefix > 0:
        enter_names(w, core, s, stored // c.hash_tokens)
    free_blocks(w, core, s)
    w.pools[q.pool].completed += 1
    replica.running -= 1
    slot.state = ANSWERED
    slot.ticket = -1
    answer(w, s, q.replica)
