"""The router: who is sent where, what is in flight, when a client sees what, and what follows from an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from drivetrain.serving.policies.signals import ALIVE
from drivetrain.serving.sim.records import (
    BOTH,
    COMPLETED,
    DECODE,
    FRONTEND_PART,
    LOST,
    NETWORK_PART,
    PREFILL,
    REJECTED,
    RETRY_PART,
)
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.replica import Group, Replica

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation


class Router:
    """One router in front of the fleet, with the counts it keeps itself."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        fleet = simulation.fleet
        n_places = max(*fleet.network_s.shape, len(fleet.regions))
        self.heals_s = [[-math.inf] * n_places for _ in range(n_places)]
        self.in_flight = [0] * len(simulation.replicas)
        self.tokens_in_flight = [0] * len(simulation.replicas)
        self.n_routed = [0] * len(fleet.pools)
        self._next_row = simulation.requests.concurrency

    # ---------------------------------------------------------------- on the way there

    def arrive(self, row: int) -> None:
        """A row of the trace comes, and the next one is expected."""
        self._s.expect_arrival()
        self.send(row)

    def send(self, row: int) -> None:
        """A request is sent for the first time: select, admit, route."""
        life = self._s.lives[row]
        now = self._s.timeline.now
        life.sent_s = now
        life.begin(now)
        if life.selected:
            life.service = self._s.policies.select(life, self._s.signals.services(life))
        group = self._group(life)
        if not self._s.policies.admit(life, self._s.signals.endpoints(life, group)):
            self._end(life, REJECTED)
            return
        self._route(life)

    def send_on(self, life: Life) -> None:
        """A computed prompt goes to a decode replica, where it is enqueued at once."""
        self._out_of_flight(life)
        self._dispatch(life, self._s.groups[life.service, DECODE], delayed=False)

    def _send_again(self, life: Life) -> None:
        life.begin(self._s.timeline.now)
        self._route(life)

    def _route(self, life: Life) -> None:
        """Pick the replica that computes the prompt."""
        self._dispatch(life, self._group(life), delayed=True)

    def _group(self, life: Life) -> Group:
        groups = self._s.groups
        return groups[life.service, PREFILL if (life.service, PREFILL) in groups else BOTH]

    def _dispatch(self, life: Life, group: Group, *, delayed: bool) -> None:
        endpoints = self._s.signals.endpoints(life, group)
        if not endpoints[:, ALIVE].any():
            self.retry(life)
            return
        replica = group.replicas[self._s.policies.route(life, group, endpoints)]
        life.serial += 1
        life.replica = life.at = life.way = replica.number
        life.tokens_counted = True
        self.in_flight[replica.number] += 1
        self.tokens_in_flight[replica.number] += life.isl
        self.n_routed[replica.pool_number] += 1
        self._s.signals.routed(life, replica, group.role)
        replica.lives[life] = None
        replica.n_present += 1
        delay = self._delay(life, replica) if delayed else 0.0
        if delay > 0.0:
            self._s.timeline.make(self._s.timeline.now + delay, self._reach, life, life.serial)
        else:
            self._reach(life, life.serial)

    def _reach(self, life: Life, serial: int) -> None:
        """A request reaches its replica."""
        if life.way < 0 or life.serial != serial:
            return
        replica = self._s.replicas[life.way]
        if not replica.works:
            self.retry(life)
            return
        life.way = -1
        self._s.engines.enqueue(life, replica)

    # ---------------------------------------------------------------- on the way back

    def shown(self, life: Life, replica: Replica) -> None:
        """An engine emitted a token: if it is the first made there, the router stops counting the prompt's tokens."""
        seen_s = self._seen_s(life, replica)
        if math.isnan(life.first_s):
            life.first_s = seen_s
        if life.tokens_counted and life.sight != life.serial:
            life.sight = life.serial
            self._at(seen_s, self._sight, life, life.serial)

    def answer(self, life: Life, replica: Replica) -> None:
        """An engine emitted the last token."""
        now, seen_s, frontend_s = self._s.timeline.now, self._seen_s(life, replica), replica.pool.frontend_s
        life.enter(FRONTEND_PART, now)
        life.enter(NETWORK_PART, now + frontend_s)
        self._at(seen_s, self._answered, life)

    def _at(self, time_s: float, action: Callable[..., None], *arguments: object) -> None:
        """At once if that is now, else as an event."""
        if time_s > self._s.timeline.now:
            self._s.timeline.make(time_s, action, *arguments)
        else:
            action(*arguments)

    def _seen_s(self, life: Life, replica: Replica) -> float:
        """When the client sees what ``replica`` emits now."""
        now = self._s.timeline.now
        seen = now + replica.pool.frontend_s + self._delay(life, replica)
        seen = max(seen, self.heals_s[life.origin][replica.pool.region])
        return seen if math.isnan(life.first_s) else max(seen, life.first_s)

    def _sight(self, life: Life, serial: int) -> None:
        if life.serial == serial:
            self._tokens_seen(life)

    def _answered(self, life: Life) -> None:
        """The client has the whole answer: it is kept, or asked for again elsewhere."""
        now = self._s.timeline.now
        life.enter(NETWORK_PART, now)
        self._out_of_flight(life)
        if life.selected:
            life.stage += 1
            service = self._s.policies.select(life, self._s.signals.services(life))
            if service >= 0:
                life.service = service
                self._send_again(life)
                return
            life.stage -= 1
        life.finish_s = now
        life.parts[RETRY_PART] = life.last_sent_s - life.sent_s
        self._end(life, COMPLETED)

    # ---------------------------------------------------------------- ends

    def retry(self, life: Life) -> None:
        """Its replica failed, or there is none for it: it is sent again later, or given up."""
        self._s.engines.withdraw(life)
        self._out_of_flight(life)
        life.begin(self._s.timeline.now)  # what there was of this sending is void
        if life.retries == self._s.fleet.max_retries:
            self._end(life, LOST)
            return
        life.retries += 1
        self._s.timeline.make(self._s.timeline.now + self._s.fleet.retry_s, self._send_again, life)

    def _end(self, life: Life, status: int) -> None:
        """It has ended; what waited for it is sent."""
        life.status = status
        self._s.ledger.n_ended += 1
        requests, now = self._s.requests, self._s.timeline.now
        for row in self._s.waiting_for.get(life.row, ()):
            self._s.timeline.make(now + requests.gap_s[row], self.send, row)
        if requests.concurrency > 0 and self._next_row < len(requests):
            self._s.timeline.make(now + requests.gap_s[self._next_row], self.send, self._next_row)
            self._next_row += 1

    def _out_of_flight(self, life: Life) -> None:
        self._tokens_seen(life)
        if life.at >= 0:
            self.in_flight[life.at] -= 1
            life.at = -1

    def _tokens_seen(self, life: Life) -> None:
        if life.tokens_counted:
            self.tokens_in_flight[life.at] -= life.isl
            life.tokens_counted = False

    def _delay(self, life: Life, replica: Replica) -> float:
        return float(self._s.fleet.network_s[life.origin, replica.pool.region])
