"""On the way there: a request is sent, its service selected, taken or refused, routed, and reaches a core."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.policies import dispatch as policies
from drivetrain.serving.policies.signals import ENQUEUED_S
from drivetrain.serving.sim.draws import ADMIT, ROUTE, SELECT
from drivetrain.serving.sim.kernel import endings, flight, memory, parts, signals, slots, timed, todo, withdrawal
from drivetrain.serving.sim.kernel.tables import (
    DRAINING,
    ENQUEUED,
    HELD,
    REACH,
    READY,
    RETRY,
    RETRYING,
    TRANSIT,
    WAITING,
)
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import BOTH, DECODE, PREFILL
from drivetrain.serving.sim.records import REJECTED as _REJECTED

admit_by, best, choose_by, key_by, score_by = (
    policies.admit,
    policies.best,
    policies.choose,
    policies.key,
    policies.score,
)
end = endings.end
into_flight, out_of_flight = flight.into_flight, flight.out_of_flight
remember = memory.remember
begin, enter, QUEUE_PART = parts.begin, parts.enter, parts.QUEUE_PART
draws, endpoints, request, services = signals.draws, signals.endpoints, signals.request, signals.services
taken = slots.taken
make = timed.make
follows, goes_to = todo.follows, todo.goes_to
enqueue_at = withdrawal.enqueue_at

REJECTED = np.int64(_REJECTED)  # no literals: see tables
_ROUTE, _ADMIT, _SELECT, _FIRST, _NOWHERE = np.array([ROUTE, ADMIT, SELECT, 0, -1])
ROUTE_OPTIONS, ADMIT_OPTIONS, SCHEDULE_OPTIONS, SELECT_OPTIONS, SCALE_OPTIONS = range(5)
"""Rows of ``options``."""


@inner
def send(w: World, row: int) -> None:
    """The request in ``row`` of the trace is sent for the first time: select, admit, route."""
    c = w.clock[0]
    s = _entered(w, row)
    slot = w.slots[s]
    if slot.selected > 0:
        slot.service = selected(w, s)
    group = _first_group(w, s)
    if c.admit > 0:  # all but the policy that takes everything
        endpoints(w, s, group, _NOWHERE)
        request(w, s)
        draws(w, _ADMIT, s, _FIRST)
        g = w.groups[group]
        rows = w.endpoints[g.row0 : g.row1]
        if not admit_by(c.admit, w.request, rows, w.admit_state, w.draws, w.options[ADMIT_OPTIONS]):
            end(w, s, REJECTED)
            return
    goes_to(w, s, group)


@inner
def send_again(w: World, s: int) -> None:
    """A request that was lost, or whose answer a cascade does not keep, is sent anew: route, without admission."""
    slot = w.slots[s]
    slot.output += slot.emitted
    begin(w, s, w.clock[0].now)
    goes_to(w, s, _first_group(w, s))


@inner
def hand_over(w: World, core: int, s: int) -> None:
    """The prompt of slot ``s`` is computed in a prefill core, which keeps it; a decode replica is to go on."""
    c, q, slot, slots_ = w.clock[0], w.cores[core], w.slots[s], w.slots
    h = taken(w)
    held = slots_[h]
    held.row = slot.row
    held.state = HELD
    held.core = core
    held.hash0 = slot.hash0
    held.hash_n = slot.hash_n
    held.entries = slot.entries
    held.blocks = slot.blocks
    held.fixed = slot.fixed
    held.computed = c.now - slot.computing_since
    held.partner = s
    held.ticket = -1
    slot.partner = h
    slot.entries = 0
    slot.blocks = 0
    slot.fixed = 0
    slot.core = -1
    slot.state = RETRYING
    q.held += 1
    w.replicas[q.replica].running -= 1
    out_of_flight(w, s)
    goes_to(w, s, w.group_of[slot.service, DECODE])


@inner
def dispatch(w: World, s: int, group: int) -> None:
    """Route slot ``s`` to one of ``group`` and let it go there; without any alive it is retried."""
    c, slot, g = w.clock[0], w.slots[s], w.groups[group]
    sender = _NOWHERE
    if slot.partner >= 0:
        sender = w.pools[w.cores[w.slots[slot.partner].core].pool].region
    if not endpoints(w, s, group, sender):
        follows(w, RETRY, s)
        return
    request(w, s)
    draws(w, _ROUTE, s, np.int64(slot.routed))
    slot.routed += 1
    rows, scores = w.endpoints[g.row0 : g.row1], w.scores[g.row0 : g.row1]
    score_by(c.route, w.request, rows, w.route_state[group], w.draws, w.options[ROUTE_OPTIONS], scores)
    r = w.row_replica[g.row0 + best(scores)]
    into_flight(w, s, r)
    if c.reads_approx > 0 and g.role != DECODE:
        remember(w, s, r)
    slot.state = TRANSIT
    delay = w.network_s[slot.origin, w.pools[w.replicas[r].pool].region] if g.role != DECODE else 0.0
    if delay > 0.0:
        slot.ticket = c.made
        make(w, c.now + delay, ENQUEUED, s, slot.ticket)
    else:
        follows(w, REACH, s)


@inner
def reach(w: World, s: int) -> None:
    """Slot ``s`` reaches its replica: the core with the fewest requests takes it."""
    c, slot = w.clock[0], w.slots[s]
    replica = w.replicas[slot.at]
    if replica.state != READY and replica.state != DRAINING:
        follows(w, RETRY, s)
        return
    request(w, s)
    w.request[ENQUEUED_S] = c.now
    slot.key = key_by(c.schedule, w.request, w.options[SCHEDULE_OPTIONS])
    slot.recomputes = 0
    if slot.partner < 0:
        enter(w, s, QUEUE_PART, c.now)
    slot.state = WAITING
    enqueue_at(w, s, np.int64(slot.at))


@inner
def _entered(w: World, row: int) -> int:
    """The slot of the request in ``row`` of the trace, from now on in the system."""
    c = w.clock[0]
    s = taken(w)
    slot = w.slots[s]
    slot.row = c.row0 + row
    slot.isl = w.isl[row]
    slot.osl = w.osl[row]
    slot.priority = w.priority[row]
    slot.session = w.session[row]
    slot.origin = w.origin[row]
    slot.difficulty = w.difficulty[row]
    slot.hash0 = w.hash_start[row]
    slot.hash_n = w.hash_count[row]
    slot.service = w.service[row]
    slot.selected = 1 if slot.service < 0 else 0
    slot.at = -1
    slot.replica = -1
    slot.core = -1
    slot.partner = -1
    slot.sighted = -1
    slot.counted = 0
    slot.stage = 0
    slot.retries = 0
    slot.routed = 0
    slot.luck = 0
    slot.preemptions = 0
    slot.entries = 0
    slot.blocks = 0
    slot.fixed = 0
    slot.output = 0
    slot.emitted = 0
    slot.sent = c.now
    slot.state = RETRYING
    begin(w, s, c.now)
    return int(s)


@inner
def selected(w: World, s: int) -> int:
    """The service that the select policy names for slot ``s`` at its stage."""
    c = w.clock[0]
    services(w, s)
    request(w, s)
    draws(w, _SELECT, s, np.int64(w.slots[s].stage))
    return int(choose_by(c.select, w.request, w.services, w.select_state, w.draws, w.options[SELECT_OPTIONS]))


@inner
def _first_group(w: World, s: int) -> int:
    """The endpoints that compute the prompt of slot ``s``."""
    group_of, service = w.group_of, w.slots[s].service
    prefill = group_of[service, PREFILL]
    return int(prefill if prefill >= 0 else group_of[service, BOTH])
