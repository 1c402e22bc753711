"""The loop: event after event in the order of docs/method/simulation.md, until nothing is left or tables are full."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner, jit
from drivetrain.serving.sim.kernel import (
    answers,
    emitted,
    faults,
    flight,
    lanes,
    plan,
    routing,
    signals,
    step_end,
    ticks,
    timed,
    todo,
    withdrawal,
)
from drivetrain.serving.sim.kernel.admission import FIRST_BY_DECODE, SHOWN_BY_DECODE
from drivetrain.serving.sim.kernel.parts import PREFILL_PART, STALL_PART, enter
from drivetrain.serving.sim.kernel.room import room, room_for_failure
from drivetrain.serving.sim.kernel.tables import (
    ALL_SEEN,
    ANSWER,
    ARRIVED,
    DISPATCH,
    ENQUEUED,
    FIRST_SEEN,
    LOADED,
    NOTHING,
    PREFILLING,
    REACH,
    RETRIED,
    RETRY,
    SEND_AGAIN,
    SENT,
    STARTED,
    TRANSFERRED,
    TRANSFERRING,
)
from drivetrain.serving.sim.kernel.world import World

control = faults.control
first_end = lanes.first_end
plan_lane = plan.plan
answered, retry = answers.answered, answers.retry
tokens_seen = flight.tokens_seen
dispatch, reach, send, send_again = routing.dispatch, routing.reach, routing.send, routing.send_again
follows = todo.follows
scrape = signals.scrape
emit = emitted.emit
end_step, goes_on = step_end.end_step, step_end.goes_on
sample, scale, started = ticks.sample, ticks.scale, ticks.started
remove_first = timed.remove_first
drop_held, touch = withdrawal.drop_held, withdrawal.touch

GOES_ON, DONE, FULL, STARVED = range(4)
"""Why the loop returned: it was time to; nothing is left; a table is nearly full; the next rows are needed."""


@jit
def run(w: World, events: int) -> int:
    """Let at most ``events`` events happen."""
    c = w.clock[0]
    while events > 0:
        if c.todo != NOTHING:
            _at_once(w)
            continue
        if c.ending >= 0:
            goes_on(w)
            continue
        events -= 1
        if c.open == 0 and c.more_rows == 0:
            return DONE
        if not room(w):
            return FULL
        plan_s = c.now if c.plans > 0 else np.inf
        lane_s = first_end(w)
        arrival_s = np.inf
        if c.next_arrival < c.n_arrivals:
            arrival_s = 0.0 if c.closed > 0 else w.arrival_s[w.arrivals[c.next_arrival]]
        elif c.more_rows > 0:
            return STARVED
        made_s = w.timed[0].time if c.timed > 0 else np.inf
        control_s = w.controls[c.next_control].time if c.next_control < c.n_controls else np.inf
        t = min(min(plan_s, lane_s), min(min(arrival_s, made_s), control_s))
        if t == np.inf:
            return DONE
        scrape_s = c.next_scrape * c.scrape_s if c.scrape_s > 0.0 else np.inf
        sample_s = c.next_sample * c.sample_s if c.sample_s > 0.0 else np.inf
        scale_s = c.next_scale * c.scale_s if c.scale_s > 0.0 else np.inf
        tick_s = min(scrape_s, min(sample_s, scale_s))
        if min(t, tick_s) > c.horizon:
            c.now = c.horizon
            return DONE
        if control_s <= min(t, tick_s):
            if not room_for_failure(w):
                return FULL
            c.now = control_s
            c.next_control += 1
            control(w, c.next_control - 1)
        elif tick_s <= t:
            c.now = tick_s
            if scrape_s <= tick_s:
                c.next_scrape += 1
                scrape(w)
            elif sample_s <= tick_s:
                c.next_sample += 1
                sample(w)
            else:
                c.next_scale += 1
                scale(w)
        elif lane_s <= t:
            c.now = lane_s
            end_step(w, w.winners[1])
        elif arrival_s <= t:
            c.now = arrival_s
            row = w.arrivals[c.next_arrival]
            c.next_arrival += 1
            send(w, row)
        elif made_s <= t:
            c.now = made_s
            _made(w)
        else:
            c.plans -= 1
            plan_lane(w, w.plans[c.plans])
    return GOES_ON


@inner
def _at_once(w: World) -> None:
    """Do what is to be done at once."""
    c = w.clock[0]
    kind, s = c.todo, c.todo_slot
    c.todo = NOTHING
    if kind == DISPATCH:
        dispatch(w, s, c.todo_group)
    elif kind == REACH:
        reach(w, s)
    elif kind == RETRY:
        retry(w, s)
    elif kind == SEND_AGAIN:
        send_again(w, s)
    elif kind == ANSWER:
        answered(w, s)


@inner
def _made(w: World) -> None:
    """The first of the made events happens."""
    c, slots = w.clock[0], w.slots
    event = w.timed[0]
    kind, a, b = event.kind, event.a, event.b
    remove_first(w)
    if kind == SENT:
        send(w, a)
    elif kind == STARTED:
        started(w, a, b)
    elif kind == FIRST_SEEN:
        if slots[a].sending == b:
            tokens_seen(w, a)
    elif slots[a].ticket == b:
        slots[a].ticket = -1
        if kind == ENQUEUED:
            follows(w, REACH, a)
        elif kind == RETRIED:
            follows(w, SEND_AGAIN, a)
        elif kind == ALL_SEEN:
            follows(w, ANSWER, a)
        elif kind == LOADED:
            slots[a].state = PREFILLING
            slots[a].computing_since = c.now
            if slots[a].recomputes == 0:
                enter(w, a, PREFILL_PART, c.now)
            touch(w, np.int64(slots[a].core))
        elif kind == TRANSFERRED:
            _transferred(w, a)


@inner
def _transferred(w: World, h: int) -> None:
    """The cache of the prompt in slot ``h`` has arrived; if it is still wanted, its request decodes."""
    c, s = w.clock[0], np.int64(w.slots[h].partner)
    drop_held(w, h)
    if s < 0 or w.slots[s].state != TRANSFERRING:
        return
    slot = w.slots[s]
    core = np.int64(slot.core)
    service = w.pools[w.cores[core].pool].service
    if w.transfers[service, FIRST_BY_DECODE] > 0.0:
        slot.state = PREFILLING
        slot.need = slot.isl
        slot.done = slot.isl - 1
        enter(w, s, PREFILL_PART, c.now)
    else:
        if w.transfers[service, SHOWN_BY_DECODE] > 0.0:
            emit(w, s, core)
        slot.state = ARRIVED
        w.cores[core].arrived += 1
        enter(w, s, STALL_PART, c.now)
    touch(w, core)
