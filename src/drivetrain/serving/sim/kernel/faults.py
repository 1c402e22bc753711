"""What happens to the fleet whatever the load: failures, repairs, notices, slow replicas, partitions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import answers, prefix, replicas, signals, step_end, withdrawal
from drivetrain.serving.sim.kernel.tables import (
    ANSWERED,
    DOWN,
    DRAINING,
    FREE,
    HELD,
    IDLE,
    OFF,
    READY,
    RETRYING,
    STARTING,
    TRANSIT,
)
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import DETECT, FAIL, NOTICE, PARTITION, RECOVER, SLOW

forget = prefix.forget
become = replicas.become
retry = answers.retry
changed = signals.changed
stop = step_end.stop
drop_held, held_at, touch = withdrawal.drop_held, withdrawal.held_at, withdrawal.touch
withdraw = withdrawal.withdraw

Ints = NDArray[np.int64]


@inner
def control(w: World, i: int) -> None:
    """Control event ``i`` happens."""
    event = w.controls[i]
    if event.kind == PARTITION:
        w.heals_s[event.a, event.b] = max(w.heals_s[event.a, event.b], event.value)
        w.heals_s[event.b, event.a] = max(w.heals_s[event.b, event.a], event.value)
        w.clock[0].split = 1
        return
    r = event.a
    replica = w.replicas[r]
    if event.kind == FAIL:
        _fail(w, r)
    elif event.kind == RECOVER:
        if replica.state == DOWN or (replica.state == OFF and replica.noticed > 0):
            become(w, r, READY)
        replica.noticed = 0
    elif event.kind == DETECT:
        up = replica.state == STARTING or replica.state == READY or replica.state == DRAINING
        replica.believed = 1 if up else 0
    elif event.kind == NOTICE:
        replica.noticed = 1
    elif event.kind == SLOW:
        replica.slow = event.value
        for core in range(replica.core0, replica.core1):
            touch(w, core)
    changed(w, r)


@inner
def _fail(w: World, r: int) -> None:
    """Everything on replica ``r`` is lost. One that was to be reclaimed, or drained, is not paid for from now on."""
    c, replica, slots = w.clock[0], w.replicas[r], w.slots
    if replica.state == OFF or replica.state == DOWN:
        return
    gone = replica.noticed > 0 or replica.state == DRAINING
    for lane in range(replica.lane0, replica.lane1):
        stop(w, lane, c.now, IDLE, False)
    become(w, r, OFF if gone else DOWN)
    n = 0
    for s in range(slots.shape[0]):
        if _is_on(w, s, r):
            n += 1
    lost = np.empty(n, dtype=np.int64)
    rows = np.empty(n, dtype=np.int64)
    n = 0
    for s in range(slots.shape[0]):
        if _is_on(w, s, r):
            lost[n] = s
            rows[n] = slots[s].row
            n += 1
    _sort(rows, lost)
    for i in range(n):
        withdraw(w, lost[i])
    for s in range(slots.shape[0]):
        if held_at(w, s, r):
            drop_held(w, s)
    for core in range(replica.core0, replica.core1):
        q = w.cores[core]
        if w.pools[q.pool].prefix > 0:
            forget(w, core)
        q.free = w.pools[q.pool].blocks
        q.reserve = 0
        q.host_free = 0.0
        q.link_free = 0.0
        q.fresh = 0
    for i in range(n):
        retry(w, lost[i])


@inner
def _sort(keys: Ints, values: Ints) -> None:
    """Put both in ascending order of ``keys`` (Shell's method with Sedgewick's gaps)."""
    for gap in (4188161, 1045505, 260609, 64769, 16001, 3905, 929, 209, 41, 19, 5, 1):
        for i in range(gap, keys.shape[0]):
            key, value = keys[i], values[i]
            j = i
            while j >= gap and keys[j - gap] > key:
                keys[j], values[j] = keys[j - gap], values[j - gap]
                j -= gap
            keys[j], values[j] = key, value


@inner
def _is_on(w: World, s: int, r: int) -> bool:
    """Whether the request in slot ``s`` is on replica ``r`` or on its way to it, or its prompt is held there for it."""
    slot = w.slots[s]
    if slot.state == FREE or slot.state == HELD:
        return False
    if slot.partner >= 0 and w.cores[w.slots[slot.partner].core].replica == r:
        return True
    if slot.state == TRANSIT:
        return bool(slot.at == r)
    if slot.state == RETRYING or slot.state == ANSWERED:
        return False
    return bool(w.cores[slot.core].replica == r)
