"""What the router believes is cached where: its own memory of what it sent, and the events that cores publish.

Both are tables by (name, place) with open addressing from which nothing is taken out: what is too old is passed over,
and left behind when a full table is copied (:mod:`drivetrain.serving.sim.kernel.growing`).
"""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import names
from drivetrain.serving.sim.kernel.tables import NOWHERE
from drivetrain.serving.sim.kernel.world import World

found, home = names.found, names.home


@inner
def place_in(table: World, mask: int, name: int, place: int) -> int:
    """Where (name, place) is in ``table``, or the free row where it would be (its ``place`` is -1)."""
    i = home(name, place, mask)
    while table[i].place >= 0 and (table[i].name != name or table[i].place != place):
        i = (i + 1) & mask
    return int(i)


@inner
def remember(w: World, s: int, r: int) -> None:
    """The router sends the prompt of slot ``s`` to replica ``r``."""
    c, slot, seen = w.clock[0], w.slots[s], w.seen
    if c.hash_tokens <= 0:
        return
    for j in range(min(slot.hash_n, slot.isl // c.hash_tokens)):
        name = w.hashes[slot.hash0 + j]
        i = place_in(seen, c.seen_mask, name, r)
        if seen[i].place < 0:
            seen[i].name = name
            seen[i].place = r
            c.n_seen += 1
        seen[i].time = c.now


@inner
def hits_approximate(w: World, s: int, r: int) -> float:
    """Leading prompt tokens of slot ``s`` that the router sent to replica ``r`` not longer than its memory ago."""
    c, slot, seen = w.clock[0], w.slots[s], w.seen
    if c.hash_tokens <= 0:
        return 0.0
    n = min(slot.hash_n, (slot.isl - 1) // c.hash_tokens)
    for j in range(n):
        i = place_in(seen, c.seen_mask, w.hashes[slot.hash0 + j], r)
        if seen[i].place < 0 or c.now - seen[i].time > c.ttl:
            return float(j * c.hash_tokens)
    return float(n * c.hash_tokens)


@inner
def hits_exact(w: World, s: int, r: int) -> float:
    """Leading prompt tokens of slot ``s`` that a core of replica ``r`` held when the newest event was published."""
    c, slot, replica = w.clock[0], w.slots[s], w.replicas[r]
    if c.hash_tokens <= 0 or w.pools[replica.pool].prefix == 0:
        return 0.0
    n = min(slot.hash_n, (slot.isl - 1) // c.hash_tokens)
    listen(w)
    most = 0
    for core in range(replica.core0, replica.core1):
        j = 0
        while j < n and _held(w, core, w.hashes[slot.hash0 + j]):
            j += 1
        most = max(most, j)
    return float(most * c.hash_tokens)


@inner
def listen(w: World) -> None:
    """Hear the events that have arrived by now."""
    c, news, told = w.clock[0], w.news, w.told
    while c.news0 < c.news1 and news[c.news0].time + c.event_lag <= c.now:
        event = news[c.news0]
        c.news0 += 1
        if event.added < 0:
            w.told_serial[event.core] += 1
            continue
        i = place_in(told, c.told_mask, event.name, event.core)
        if told[i].place < 0:
            if event.added == 0:
                continue
            told[i].name = event.name
            told[i].place = event.core
            c.n_told += 1
        told[i].serial = w.told_serial[event.core]
        told[i].time = 0.0 if event.added > 0 else -math.inf


@inner
def _held(w: World, core: int, name: int) -> bool:
    """Whether ``core`` holds ``name``, on the device or in host memory, as far as the event index knows."""
    c, told = w.clock[0], w.told
    if c.event_lag <= 0.0:
        e = found(w, core, name)
        return bool(e >= 0 and w.entries[e].where != NOWHERE)
    i = place_in(told, c.told_mask, name, core)
    return bool(told[i].place >= 0 and told[i].serial == w.told_serial[core] and told[i].time == 0.0)
