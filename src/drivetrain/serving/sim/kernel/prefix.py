"""The prefix cache of a core: entries held by sequences, idle ones in order of release, those in host memory."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import names
from drivetrain.serving.sim.kernel.tables import IN_HOST, NOWHERE, ON_DEVICE
from drivetrain.serving.sim.kernel.world import World

added, dropped, found = names.added, names.dropped, names.found

ALL_GONE, GONE, APPEARS = np.arange(-1, 2)
"""News for the event index."""


@inner
def matched(w: World, core: int, s: int, most: int) -> tuple[int, int, int]:
    """Leading entries of slot ``s``, at most ``most``: on the device, of those idle, in host memory behind them."""
    slot, entries, hashes = w.slots[s], w.entries, w.hashes
    most = min(most, slot.hash_n)
    device = 0
    idle = 0
    host = 0
    for i in range(most):
        e = found(w, core, hashes[slot.hash0 + i])
        if e < 0:
            break
        if entries[e].where == ON_DEVICE and host == 0:
            device += 1
            idle += entries[e].holders == 0
        elif entries[e].where == IN_HOST:
            host += 1
        else:
            break
    return device, idle, host


@inner
def hold(w: World, core: int, e: int) -> None:
    """One more sequence uses entry ``e`` on the device."""
    entry = w.entries[e]
    if entry.holders == 0:
        _unlink_idle(w, core, e)
    entry.holders += 1


@inner
def release(w: World, core: int, s: int, n: int) -> None:
    """Slot ``s`` no longer uses its first ``n`` names at ``core``, the last ones first."""
    slot, entries, hashes, q = w.slots[s], w.entries, w.hashes, w.cores[core]
    for i in range(n - 1, -1, -1):
        e = found(w, core, hashes[slot.hash0 + i])
        entries[e].holders -= 1
        if entries[e].holders == 0:
            entries[e].before = q.idle_last
            entries[e].after = -1
            if q.idle_last >= 0:
                entries[q.idle_last].after = e
            else:
                q.idle_first = e
            q.idle_last = e
            q.idle_blocks += w.pools[q.pool].entry_blocks


@inner
def evict(w: World, core: int) -> None:
    """Throw out the longest idle entry: its blocks are free; host memory keeps it where it can."""
    q, entries = w.cores[core], w.entries
    pool = w.pools[q.pool]
    e = q.idle_first
    _unlink_idle(w, core, e)
    q.free += pool.entry_blocks
    if pool.host_entries > 0:
        entries[e].where = IN_HOST
        entries[e].before = q.host_last
        entries[e].after = -1
        if q.host_last >= 0:
            entries[q.host_last].after = e
        else:
            q.host_first = e
        q.host_last = e
        q.n_host += 1
        if q.n_host <= pool.host_entries:
            return
        e = q.host_first
        _unlink_host(w, core, e)
    tell(w, core, entries[e].name, GONE)
    dropped(w, e)


@inner
def fetch(w: World, core: int, s: int, begin: int, end: int) -> None:
    """Take names ``begin`` to ``end`` of slot ``s`` out of host memory, to be put on the device by :func:`land`."""
    slot, entries, hashes = w.slots[s], w.entries, w.hashes
    for i in range(begin, end):
        e = found(w, core, hashes[slot.hash0 + i])
        if entries[e].where == IN_HOST:
            _unlink_host(w, core, e)
            entries[e].where = NOWHERE


@inner
def land(w: World, core: int, s: int, begin: int, end: int) -> None:
    """What was fetched is on the device, held by ``s``."""
    slot, entries, hashes, q = w.slots[s], w.entries, w.hashes, w.cores[core]
    for i in range(begin, end):
        e = found(w, core, hashes[slot.hash0 + i])
        if entries[e].where == ON_DEVICE:  # a name that the request has twice
            hold(w, core, e)
            q.free += w.pools[q.pool].entry_blocks
            slot.blocks -= w.pools[q.pool].entry_blocks
        else:
            entries[e].where = ON_DEVICE
            entries[e].holders = 1


@inner
def enter(w: World, core: int, s: int, n: int) -> None:
    """The first ``n`` names of slot ``s`` have their blocks: from those it does not hold yet on, they become entries.

    Where one is there already that is held, and the copy's blocks are free again.
    """
    slot, entries, hashes, q = w.slots[s], w.entries, w.hashes, w.cores[core]
    each = w.pools[q.pool].entry_blocks
    n = min(n, slot.hash_n)
    for i in range(slot.entries, n):
        name = hashes[slot.hash0 + i]
        e = found(w, core, name)
        slot.blocks -= each
        if e >= 0 and entries[e].where == ON_DEVICE:
            hold(w, core, e)
            q.free += each
            continue
        if e >= 0:
            _unlink_host(w, core, e)
        else:
            e = added(w, core, name)
            tell(w, core, name, APPEARS)
        entries[e].where = ON_DEVICE
        entries[e].holders = 1
    if n > slot.entries:
        slot.entries = n


@inner
def forget(w: World, core: int) -> None:
    """All entries are gone; nobody holds any."""
    q = w.cores[core]
    while q.idle_first >= 0:
        e = q.idle_first
        _unlink_idle(w, core, e)
        dropped(w, e)
    while q.host_first >= 0:
        e = q.host_first
        _unlink_host(w, core, e)
        dropped(w, e)
    tell(w, core, NOWHERE, ALL_GONE)


@inner
def tell(w: World, core: int, name: int, what: int) -> None:
    """News for the event index: ``name`` appeared (1) or is gone (0), or all of them are (-1)."""
    c = w.clock[0]
    if c.reads_exact == 0 or c.event_lag <= 0.0:
        return
    news = w.news[c.news1]
    news.name = name
    news.core = core
    news.time = c.now
    news.added = what
    c.news1 += 1


@inner
def _unlink_idle(w: World, core: int, e: int) -> None:
    q, entries = w.cores[core], w.entries
    before, after = entries[e].before, entries[e].after
    if before >= 0:
        entries[before].after = after
    else:
        q.idle_first = after
    if after >= 0:
        entries[after].before = before
    else:
        q.idle_last = before
    q.idle_blocks -= w.pools[q.pool].entry_blocks


@inner
def _unlink_host(w: World, core: int, e: int) -> None:
    q, entries = w.cores[core], w.entries
    before, after = entries[e].before, entries[e].after
    if before >= 0:
        entries[before].after = after
    else:
        q.host_first = after
    if after >= 0:
        entries[after].before = before
    else:
        q.host_last = before
    q.n_host -= 1
