"""The end of a run: lanes stop where they are, and what is still there is written down as unfinished."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import jit
from drivetrain.serving.sim.kernel import endings, step_end
from drivetrain.serving.sim.kernel.tables import FREE, HELD, IDLE
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import UNFINISHED as _UNFINISHED
from drivetrain.serving.sim.records import Floats, Ints

record = endings.record
UNFINISHED = np.int64(_UNFINISHED)  # no literal
stop = step_end.stop


@jit
def stop_all(w: World) -> None:
    """Every lane stops now."""
    for lane in range(w.lanes.shape[0]):
        stop(w, lane, w.clock[0].now, IDLE, True)
    for core in range(w.cores.shape[0]):
        q = w.cores[core]
        for i in range(q.list0, q.list0 + q.decoding):
            slot = w.slots[w.decoding[i]]
            slot.emitted = w.base[i] + q.turns - slot.isl + 1


@jit
def unfinished(w: World, s: int) -> int:
    """Write down requests from slot ``s`` on, as many as the table of results holds: the slot to go on with."""
    while s < w.slots.shape[0] and w.clock[0].ended < w.ended.shape[0]:
        if w.slots[s].state != FREE and w.slots[s].state != HELD:
            record(w, s, UNFINISHED)
        s += 1
    return s


@jit
def put(
    rows: World, parts: Floats, sent: Floats, first: Floats, finish: Floats, status: Ints, replica: Ints, cached: Ints,
    preemptions: Ints, retries: Ints, stages: Ints, output: Ints, all_parts: Floats,
) -> None:  # fmt: skip
    """Put rows of results, and their parts, into columns with a place for each row of the trace."""
    for i in range(rows.shape[0]):
        row = rows[i]
        at = row["row"]
        sent[at] = row["sent"]
        first[at] = row["first"]
        finish[at] = row["finish"]
        status[at] = row["status"]
        replica[at] = row["replica"]
        cached[at] = row["cached"]
        preemptions[at] = row["preemptions"]
        retries[at] = row["retries"]
        stages[at] = row["stages"]
        output[at] = row["output"]
        for part in range(parts.shape[1]):
            all_parts[at, part] = parts[i, part]
