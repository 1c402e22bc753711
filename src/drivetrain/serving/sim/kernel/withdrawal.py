"""Requests come to cores and leave them: enqueueing, and being taken out when a replica fails."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import lanes, leap, members, queue, replicas, slots
from drivetrain.serving.sim.kernel.tables import (
    ANSWERED,
    ARRIVED,
    DECODING,
    FULL,
    HEAD,
    HELD,
    RETRYING,
    STEPPING,
    TRANSIT,
    WAITING,
)
from drivetrain.serving.sim.kernel.world import World

to_plan = lanes.to_plan
interrupt = leap.interrupt
close, free_blocks, leave_others = members.close, members.free_blocks, members.leave_others
leaves_decoding, place_of, unreserve = members.leaves_decoding, members.place_of, members.unreserve
first, push, remove = queue.first, queue.push, queue.remove
leave = replicas.leave
give = slots.give


@inner
def touch(w: World, core: int) -> None:
    """Something changed at ``core``: its lane is planned at the next boundary, which is now if it is in no step."""
    c, lane = w.clock[0], w.cores[core].lane
    if w.lanes[lane].state == STEPPING:
        interrupt(w, lane, c.now)
    else:
        to_plan(w, lane)


@inner
def enqueue_at(w: World, s: int, r: int) -> None:
    """Slot ``s`` waits at the core of replica ``r`` with the fewest requests, the first among equals."""
    c, cores, replica = w.clock[0], w.cores, w.replicas[r]
    core = -1
    fewest = 0
    for i in range(replica.core0, replica.core1):
        n = cores[i].waiting + cores[i].decoding + cores[i].others + cores[i].held
        if core < 0 or n < fewest:
            core = i
            fewest = n
    q = cores[core]
    w.slots[s].core = core
    w.slots[s].order = c.orders
    c.orders += 1
    push(w, core, s)
    q.waiting += 1
    replica.waiting += 1
    if w.lanes[q.lane].state == STEPPING and (q.admission == FULL or (q.admission == HEAD and first(w, core) != s)):
        return  # it could not be admitted at the leap's next boundaries either
    touch(w, core)


@inner
def withdraw(w: World, s: int) -> None:
    """Take slot ``s`` out of all cores and off all ways."""
    slot = w.slots[s]
    if slot.partner >= 0:
        drop_held(w, np.int64(slot.partner))
    if slot.state == TRANSIT:
        leave(w, np.int64(slot.at))
    elif slot.state != RETRYING and slot.state != ANSWERED:
        core = np.int64(slot.core)
        q, replica = w.cores[core], w.replicas[w.cores[core].replica]
        if slot.state == WAITING:
            remove(w, core, s)
            q.waiting -= 1
            replica.waiting -= 1
        else:
            if slot.state == DECODING:
                i = place_of(w, core, s)
                leaves_decoding(w, core, i)
                close(w, core, i)
            else:
                q.arrived -= slot.state == ARRIVED
                leave_others(w, core, s)
            unreserve(w, core, s)
            free_blocks(w, core, s)
            replica.running -= 1
        leave(w, q.replica)
        touch(w, core)
    slot.state = RETRYING


@inner
def drop_held(w: World, h: int) -> None:
    """A prefill core no longer keeps the prompt in slot ``h``."""
    core, partner = np.int64(w.slots[h].core), w.slots[h].partner
    free_blocks(w, core, h)
    w.cores[core].held -= 1
    if partner >= 0:
        w.slots[partner].partner = -1
    leave(w, w.cores[core].replica)
    give(w, h)
    touch(w, core)


@inner
def held_at(w: World, s: int, r: int) -> bool:
    """Whether slot ``s`` holds a prompt for nobody in a core of replica ``r``."""
    slot = w.slots[s]
    return bool(slot.state == HELD and slot.partner < 0 and w.cores[slot.core].replica == r)
