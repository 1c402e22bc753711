"""On the way back: what clients see and when, answers and what follows from them, and requests that were lost."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import endings, flight, parts, replicas, routing, timed, todo, withdrawal
from drivetrain.serving.sim.kernel.tables import (
    ALL_SEEN,
    ANSWER,
    ANSWERED,
    FIRST_SEEN,
    RETRIED,
    RETRYING,
    SEND_AGAIN,
)
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import COMPLETED as _COMPLETED
from drivetrain.serving.sim.records import LOST as _LOST

end = endings.end
out_of_flight, tokens_seen = flight.out_of_flight, flight.tokens_seen
begin, enter = parts.begin, parts.enter
FRONTEND_PART, NETWORK_PART = parts.FRONTEND_PART, parts.NETWORK_PART
leave = replicas.leave
selected = routing.selected
make = timed.make
follows = todo.follows
withdraw = withdrawal.withdraw

COMPLETED, LOST = np.int64(_COMPLETED), np.int64(_LOST)  # no literals: see tables


@inner
def shown(w: World, s: int, r: int) -> None:
    """Replica ``r`` emitted tokens: at its first one the router stops counting the prompt, when it sees it."""
    c, slot = w.clock[0], w.slots[s]
    seen_s = _seen(w, s, r)
    if math.isnan(slot.first):
        slot.first = seen_s
    if slot.sighted != slot.sending:
        slot.sighted = slot.sending
        if slot.counted > 0:
            if seen_s > c.now:
                make(w, seen_s, FIRST_SEEN, s, slot.sending)
            else:
                tokens_seen(w, s)


@inner
def answer(w: World, s: int, r: int) -> None:
    """Replica ``r`` emitted the last token now."""
    c, slot = w.clock[0], w.slots[s]
    seen_s = _seen(w, s, r)
    enter(w, s, FRONTEND_PART, c.now)
    enter(w, s, NETWORK_PART, c.now + w.pools[w.replicas[r].pool].frontend_s)
    slot.state = ANSWERED
    leave(w, r)
    slot.ticket = -1
    if seen_s > c.now:
        slot.ticket = c.made
        make(w, seen_s, ALL_SEEN, s, slot.ticket)
    else:
        follows(w, ANSWER, s)


@inner
def answered(w: World, s: int) -> None:
    """The client has the whole answer: it is kept, or asked for again elsewhere."""
    c, slot = w.clock[0], w.slots[s]
    enter(w, s, NETWORK_PART, c.now)
    out_of_flight(w, s)
    if slot.selected > 0:
        slot.stage += 1
        service = selected(w, s)
        if service >= 0:
            slot.service = service
            follows(w, SEND_AGAIN, s)
            return
        slot.stage -= 1
    end(w, s, COMPLETED)


@inner
def retry(w: World, s: int) -> None:
    """The replica of slot ``s`` failed, or there is none for it: it is sent again later, or given up."""
    c, slot = w.clock[0], w.slots[s]
    withdraw(w, s)
    out_of_flight(w, s)
    slot.output += slot.emitted
    begin(w, s, c.now)
    slot.state = RETRYING
    slot.ticket = -1
    if slot.retries == c.max_retries:
        end(w, s, LOST)
        return
    slot.retries += 1
    slot.ticket = c.made
    make(w, c.now + c.retry_s, RETRIED, s, slot.ticket)


@inner
def _seen(w: World, s: int, r: int) -> float:
    """When the client sees what replica ``r`` emits for slot ``s`` now: not while partitioned, in order."""
    slot, pool = w.slots[s], w.pools[w.replicas[r].pool]
    seen_s = w.clock[0].now + pool.frontend_s + w.network_s[slot.origin, pool.region]
    seen_s = max(seen_s, w.heals_s[slot.origin, pool.region])
    return float(seen_s if math.isnan(slot.first) else max(seen_s, slot.first))
