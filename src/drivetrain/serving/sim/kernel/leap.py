"""Leaps: many decode steps of a lane at once, and where in one the lane is.

The k-th step of a leap (from 0) takes ``first + more k``: boundary k is at ``start + k first + more k (k - 1) / 2``.
A leap is as long as nothing changes in it: :func:`longest`. What arrives shortens it: :func:`interrupt`.
"""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import blocks, lanes, steptime
from drivetrain.serving.sim.kernel.tables import STEPPING
from drivetrain.serving.sim.kernel.world import World

available, growth_over, steps_within = blocks.available, blocks.growth_over, blocks.steps_within
ends_at = lanes.ends_at
course, decode_contexts = steptime.course, steptime.decode_contexts


@inner
def longest(w: World, lane: int, expert_tokens: float) -> int:
    """Steps, at least one, that ``lane``, which only decodes, takes in one leap; ``lines`` gets its cores' courses.

    Up to the first completion, sequence beyond a window, operator that turns from memory to compute, shortage of blocks
    or other slowest core; the lane's row gets the course of the slowest.
    """
    c, ln, cores, lines = w.clock[0], w.lanes[lane], w.cores, w.lines
    pool = w.pools[ln.pool]
    most = 1 << 40
    joules = 0.0
    joules_more = 0.0
    for core in range(ln.core0, ln.core1):
        q = cores[core]
        i = core - ln.core0
        lines[i, 1] = -1.0
        lines[i, 2] = 0.0
        if q.decoding == 0:
            continue
        most = min(most, q.next_end - q.turns, decode_contexts(w, core) + 1)
        first, more, j, j_more, limit = course(w, core, float(q.decoding), expert_tokens)
        if limit < 1e12:
            most = min(most, int(limit) + 1)
        room = q.free if c.reads_exact > 0 else available(w, core)
        most = min(most, 1 + steps_within(w, core, q.turns + 1, most - 1, room))
        lines[i, 1] = first
        lines[i, 2] = more
        joules += j
        joules_more += j_more
    slow = 0
    for i in range(1, ln.core1 - ln.core0):
        if lines[i, 1] > lines[slow, 1] or (lines[i, 1] == lines[slow, 1] and lines[i, 2] > lines[slow, 2]):
            slow = i
    for i in range(ln.core1 - ln.core0):
        if lines[i, 2] > lines[slow, 2]:
            most = min(most, int((lines[slow, 1] - lines[i, 1]) / (lines[i, 2] - lines[slow, 2])) + 1)
    slowness = w.replicas[ln.replica].slow
    ln.first = slowness * lines[slow, 1]
    ln.more = slowness * lines[slow, 2]
    ln.joules = joules / pool.dp
    ln.joules_more = joules_more / pool.dp
    return max(int(most), 1)


@inner
def boundary(w: World, lane: int, k: int) -> float:
    """When step ``k`` of the lane's leap begins, and the one before it ends."""
    ln = w.lanes[lane]
    return float(ln.start + k * ln.first + ln.more * (0.5 * (k * (k - 1.0))))


@inner
def boundaries_until(w: World, lane: int, time_s: float) -> int:
    """How many of the leap's steps have ended strictly before ``time_s``, at most all but one."""
    ln = w.lanes[lane]
    elapsed = time_s - ln.start
    if ln.steps <= 1 or elapsed <= 0.0:
        return 0
    if ln.more > 0.0:
        half = ln.first / ln.more - 0.5
        k = int(elapsed / ln.more / (0.5 * (half + math.sqrt(half * half + 2.0 * elapsed / ln.more))))
    else:
        k = int(elapsed / ln.first)
    k = min(max(k, 0), ln.steps - 1)
    while k < ln.steps - 1 and boundary(w, lane, k + 1) < time_s:
        k += 1
    while k > 0 and boundary(w, lane, k) >= time_s:
        k -= 1
    return int(k)


@inner
def interrupt(w: World, lane: int, time_s: float) -> None:
    """End the lane's leap with the step that it is in at ``time_s``: at the first boundary from then on."""
    ln = w.lanes[lane]
    if ln.state != STEPPING or ln.steps <= 1:
        return
    steps = boundaries_until(w, lane, time_s) + 1
    if steps < ln.steps:
        ln.steps = steps
        ends_at(w, lane, boundary(w, lane, steps))


@inner
def blocks_used(w: World, core: int, time_s: float) -> int:
    """Blocks that sequences of ``core`` have at ``time_s``, in a leap too."""
    q = w.cores[core]
    used = w.pools[q.pool].blocks - available(w, core)
    if w.lanes[q.lane].state == STEPPING and w.lanes[q.lane].steps > 1 and q.decodes > 0:
        used += growth_over(w, core, q.turns + 1, boundaries_until(w, q.lane, time_s))
    return int(used)
