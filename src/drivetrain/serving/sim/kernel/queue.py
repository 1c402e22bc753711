"""Who waits at a core, by key and then by enqueueing: a list for those that come in order, a pairing heap for others.

With first come, first served everything goes through the list, in constant time. Both are threaded through the slots.
"""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.world import World

_NOBODY = np.int64(-1)


@inner
def push(w: World, core: int, s: int) -> None:
    """Slot ``s`` waits at ``core``."""
    q, slots = w.cores[core], w.slots
    slots[s].next = -1
    slots[s].child = -1
    if q.fifo < 0:
        q.fifo = s
        q.fifo_last = s
    elif not before(w, s, q.fifo_last):
        slots[q.fifo_last].next = s
        q.fifo_last = s
    else:
        q.heap = _melded(w, q.heap, s) if q.heap >= 0 else s


@inner
def first(w: World, core: int) -> int:
    """Who is next; -1 where nobody waits."""
    q = w.cores[core]
    if q.heap < 0 or (q.fifo >= 0 and before(w, q.fifo, q.heap)):
        return int(q.fifo)
    return int(q.heap)


@inner
def pop(w: World, core: int) -> int:
    """Take who is next out of the queue."""
    q, slots = w.cores[core], w.slots
    s = first(w, core)
    if s == q.fifo:
        q.fifo = slots[s].next
    else:
        q.heap = _paired(w, np.int64(slots[s].child))
    return int(s)


@inner
def remove(w: World, core: int, s: int) -> None:
    """Take ``s``, who waits at ``core``, out of the queue. Slow, and rare: its prompt's replica failed."""
    q, slots = w.cores[core], w.slots
    kept = _NOBODY
    while q.fifo >= 0 or q.heap >= 0:
        one = pop(w, core)
        if one != s:
            slots[one].next = kept
            kept = one
    turned = _NOBODY
    while kept >= 0:
        after = np.int64(slots[kept].next)
        slots[kept].next = turned
        turned = kept
        kept = after
    while turned >= 0:
        after = np.int64(slots[turned].next)
        push(w, core, turned)
        turned = after


@inner
def before(w: World, s: int, other: int) -> bool:
    """Whether ``s`` goes before ``other``."""
    a, b = w.slots[s], w.slots[other]
    return bool(a.key < b.key or (a.key == b.key and a.order < b.order))


@inner
def _melded(w: World, a: int, b: int) -> int:
    slots = w.slots
    if before(w, b, a):
        a, b = b, a
    slots[b].next = slots[a].child
    slots[a].child = b
    return a


@inner
def _paired(w: World, s: int) -> int:
    """One heap of the siblings from ``s`` on: melded in pairs, then from the last pair back."""
    slots = w.slots
    pairs = _NOBODY
    while s >= 0:
        other, after = np.int64(slots[s].next), _NOBODY
        slots[s].next = -1
        if other >= 0:
            after = np.int64(slots[other].next)
            slots[other].next = -1
            s = _melded(w, s, other)
        slots[s].next = pairs
        pairs = np.int64(s)
        s = int(after)
    root = _NOBODY
    while pairs >= 0:
        after = np.int64(slots[pairs].next)
        slots[pairs].next = -1
        root = pairs if root < 0 else _melded(w, root, pairs)
        pairs = after
    return int(root)
