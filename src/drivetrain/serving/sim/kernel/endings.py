"""The end of a request: its row of results, and what waited for it."""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import slots, timed
from drivetrain.serving.sim.kernel.tables import SENT
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import COMPLETED, N_PARTS, RETRY_PART

give = slots.give
make = timed.make


@inner
def end(w: World, s: int, status: int) -> None:
    """Slot ``s`` has ended with ``status`` now: write its row, let go of what waits for it, free the slot."""
    c, slot = w.clock[0], w.slots[s]
    record(w, s, status)
    c.open -= 1
    row = slot.row - c.row0
    if w.child_start.shape[0] > 0:
        for i in range(w.child_start[row], w.child_start[row + 1]):
            make(w, c.now + w.gap_s[w.children[i]], SENT, w.children[i], 0)
    if c.closed > 0 and c.next_row < c.n_rows:
        make(w, c.now + w.gap_s[c.next_row], SENT, c.next_row, 0)
        c.next_row += 1
    give(w, s)


@inner
def record(w: World, s: int, status: int) -> None:
    """Write the row of slot ``s`` to the results."""
    c, slot, i = w.clock[0], w.slots[s], w.clock[0].ended
    row, parts = w.ended[i], w.ended_parts
    c.ended = i + 1
    row.row = slot.row
    row.isl = slot.isl
    row.osl = slot.osl
    row.origin = slot.origin
    row.status = status
    row.replica = slot.replica
    row.cached = slot.cached
    row.preemptions = slot.preemptions
    row.retries = slot.retries
    row.stages = slot.stage + 1
    row.output = slot.output + slot.emitted
    row.sent = slot.sent
    row.first = slot.first if slot.first <= c.now else math.nan
    row.finish = c.now if status == COMPLETED else math.nan
    for part in range(N_PARTS):
        parts[i, part] = w.parts[s, part] if status == COMPLETED else 0.0
    if status == COMPLETED:
        parts[i, RETRY_PART] = slot.last_sent - slot.sent
