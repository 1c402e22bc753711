"""The end of a step, gone through piece by piece, and lanes that stop in the middle of a step or a leap."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import emitted, lanes, leap, steptime
from drivetrain.serving.sim.kernel.tables import NOTHING, STEPPING
from drivetrain.serving.sim.kernel.world import World

decoded, emitted_tokens, prompts_computed = emitted.decoded, emitted.emitted, emitted.prompts_computed
at_boundary, ends_at = lanes.at_boundary, lanes.ends_at
boundaries_until, boundary = leap.boundaries_until, leap.boundary
watts = steptime.watts


@inner
def end_step(w: World, lane: int) -> None:
    """The step or leap of ``lane`` has ended now; the next is planned when all else of this time has happened.

    Who has emitted is gone through by :func:`goes_on` from here on.
    """
    c, ln, cores = w.clock[0], w.lanes[lane], w.cores
    steps, end_s = ln.steps, ln.end
    at_boundary(w, lane)
    ends_at(w, lane, np.inf)
    _account(w, lane, steps, end_s)
    _log(w, lane, steps, end_s)
    for core in range(ln.core0, ln.core1):
        if cores[core].decodes > 0:
            decoded(w, lane, core, steps)
    c.ending = lane
    c.prompts_end = 0
    c.ending_core = ln.core0 - 1
    c.at = 0
    c.last = 0


@inner
def goes_on(w: World) -> None:
    """Go on with the step that ends until something is to be done at once, or it has ended."""
    c, ln, cores = w.clock[0], w.lanes[w.clock[0].ending], w.cores
    while True:
        if c.at < c.last:
            if c.prompts_end > 0:
                prompts_computed(w, c.ending_core)
            else:
                emitted_tokens(w, c.ending_core)
            if c.todo != NOTHING:
                return
            continue
        c.ending_core += 1
        if c.ending_core == ln.core1:
            c.ending_core = ln.core0
            c.prompts_end += 1
            if c.prompts_end == 2:
                c.ending = -1
                return
        q = cores[c.ending_core]
        c.at = q.list0
        c.kept = q.list0
        if c.prompts_end > 0:
            c.last = q.list0 + q.others if q.chunks > 0 else q.list0
        elif q.decodes > 0 and (q.fresh > 0 or q.next_end <= q.turns):
            c.last = q.list0 + q.decoding
            c.fresh = q.fresh
            q.fresh = 0
            q.next_end = np.int64(1) << 62
        else:
            c.last = q.list0


@inner
def stop(w: World, lane: int, time_s: float, state: int, at_end: bool) -> None:
    """``lane`` stops at ``time_s``: steps that have ended count, and of the one under way time and energy so far.

    At the end of a run a step that ends right then has ended; in a failure it has not.
    """
    ln, cores = w.lanes[lane], w.cores
    if ln.state == STEPPING:
        done = boundaries_until(w, lane, time_s)
        if at_end and done + 1 < ln.steps and boundary(w, lane, done + 1) <= time_s:
            done += 1
        _account(w, lane, done, time_s)
        if done > 0:
            _log(w, lane, done, boundary(w, lane, done))
            for core in range(ln.core0, ln.core1):
                if cores[core].decodes > 0:
                    decoded(w, lane, core, done)
    ln.state = state
    ends_at(w, lane, np.inf)


@inner
def _account(w: World, lane: int, steps: int, time_s: float) -> None:
    """Book time and energy of the lane's step up to ``time_s``, and its ``steps`` steps that have ended."""
    c, ln = w.clock[0], w.lanes[lane]
    pool = w.pools[ln.pool]
    c.steps += steps
    if steps > 1:
        c.leaps += 1
    seconds = time_s - ln.start
    k = max(steps, 1) - 1.0
    length = ln.first + 0.5 * k * ln.more
    dynamic_w = (ln.joules + 0.5 * k * ln.joules_more) / length if length > 0.0 else 0.0
    pool.busy_s += seconds
    pool.joules += pool.accelerators * (watts(w, ln.pool, dynamic_w) - pool.idle_w) * seconds


@inner
def _log(w: World, lane: int, steps: int, end_s: float) -> None:
    c, ln = w.clock[0], w.lanes[lane]
    if c.n_log < c.log_steps:
        row = w.log[c.n_log]
        row[0], row[1], row[2] = lane, ln.start, end_s
        row[3], row[4], row[5] = ln.decoding, ln.prompt_tokens, steps
        c.n_log += 1
