"""One run: everything that is there, and the loop that lets events happen in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np

from drivetrain.serving.policies.signals import N_STATE
from drivetrain.serving.sim.records import Fleet, Options, Outcome, Pool, Requests
from drivetrain.serving.sim.reference.asking import Asked
from drivetrain.serving.sim.reference.blocks import Blocks
from drivetrain.serving.sim.reference.clock import Clock
from drivetrain.serving.sim.reference.core import Core, Counts
from drivetrain.serving.sim.reference.engine import Engines
from drivetrain.serving.sim.reference.faults import Faults
from drivetrain.serving.sim.reference.ledger import Ledger
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.replica import READY, Group, Lane, Replica
from drivetrain.serving.sim.reference.router import Router
from drivetrain.serving.sim.reference.scaling import Scaling
from drivetrain.serving.sim.reference.signals import Signals
from drivetrain.serving.sim.reference.timeline import SAMPLE, SCALE, SCRAPE, Timeline

Progress = Callable[[int, int, float], None]
Observer = Callable[["Simulation"], None]

_PROGRESS_EVENTS = 500


class Simulation:
    """A fleet, its requests and all state of a run."""

    def __init__(self, fleet: Fleet, requests: Requests, options: Options) -> None:
        self.fleet, self.requests, self.options = fleet, requests, options
        self.timeline = Timeline()
        self.lives = [_life(requests, row) for row in range(len(requests))]
        self.waiting_for: dict[int, list[int]] = defaultdict(list)
        for row, after in enumerate(requests.after):
            if after >= 0:
                self.waiting_for[int(after)].append(row)

        self.counts = [Counts() for _ in fleet.pools]
        self.replicas: list[Replica] = []
        self.lanes: list[Lane] = []
        self.cores: list[Core] = []
        self._lane_of_core: list[Lane] = []
        self.engines = Engines(self)
        self.policies = Asked(self)
        for number, pool in enumerate(fleet.pools):
            self._add_replicas(number, pool)
        self.groups: dict[tuple[int, int], Group] = {}
        for replica in self.replicas:
            key = replica.pool.service, replica.pool.role
            self.groups.setdefault(key, Group(*key, [], np.zeros(N_STATE))).replicas.append(replica)
        self.signals = Signals(self)
        self.router = Router(self)
        self.ledger = Ledger(self)

        Faults(self)
        self._start_ticks()
        self._coming = self._arrivals()
        self._next = 0
        self.expect_arrival()

    def run(self, progress: Progress | None = None, observe: Observer | None = None) -> Outcome:
        """Let events happen until every request has ended, or the horizon; ``observe`` is called after each."""
        n, horizon_s, n_events = len(self.requests), self.options.horizon_s, 0
        end_s = 0.0
        try:
            while self.ledger.n_ended < n and not self.timeline.over():
                if self.timeline.next_s() > horizon_s:
                    end_s = horizon_s
                    break
                self.timeline.happen()
                end_s = self.timeline.now
                n_events += 1
                if observe is not None:
                    observe(self)
                if progress is not None and n_events % _PROGRESS_EVENTS == 0:
                    progress(self.ledger.n_ended, n, end_s)
        except KeyboardInterrupt:
            end_s = self.timeline.now
        return self.ledger.outcome(end_s)

    def lane_of(self, core: Core) -> Lane:
        """The lane that ``core`` steps in."""
        return self._lane_of_core[core.number]

    def replica_of(self, core: Core) -> Replica:
        """The replica that ``core`` is in."""
        return self._lane_of_core[core.number].replica

    def expect_arrival(self) -> None:
        """The next row of the trace will come."""
        if self._next < len(self._coming):
            row = self._coming[self._next]
            at = 0.0 if self.requests.concurrency > 0 else float(self.requests.arrival_s[row])
            self.timeline.arrival(at, row, self.router.arrive, row)
            self._next += 1

    def forget(self, core: Core) -> None:
        """A failed core comes back empty, its links free."""
        lane = self.lane_of(core)
        fresh = self._new_core(core.number, lane.replica)
        lane.cores[lane.cores.index(core)] = self.cores[core.number] = fresh
        if self.signals.heard is not None:
            self.signals.heard.forget(self.timeline.now, core.number)

    # ---------------------------------------------------------------- what there is at the start

    def _arrivals(self) -> list[int]:
        """Rows that come by themselves."""
        requests = self.requests
        if requests.concurrency > 0:
            return list(range(min(requests.concurrency, len(requests))))
        return [int(row) for row in np.flatnonzero(requests.after < 0)]

    def _add_replicas(self, number: int, pool: Pool) -> None:
        clock = Clock(pool)
        for k in range(pool.max_replicas):
            replica = Replica(len(self.replicas), number, pool, clock, self.counts[number])
            if k < pool.replicas:
                replica.become(READY, 0.0)
            self.replicas.append(replica)
            for _ in range(pool.pp):
                lane = Lane(len(self.lanes), replica, [])
                self.lanes.append(lane)
                replica.lanes.append(lane)
                for _ in range(pool.dp):
                    self._lane_of_core.append(lane)
                    core = self._new_core(len(self.cores), replica)
                    lane.cores.append(core)
                    self.cores.append(core)

    def _new_core(self, number: int, replica: Replica) -> Core:
        cache, hash_tokens = replica.pool.cache, self.requests.hash_tokens
        per_entry = hash_tokens // cache.block_tokens if cache.block_tokens else 0
        host_entries = cache.host_blocks // per_entry if per_entry else 0

        def told(name: int, added: bool) -> None:
            if self.signals.heard is not None:
                self.signals.heard.tell(self.timeline.now, number, name, added)

        blocks = Blocks(cache.blocks, per_entry, host_entries, told)
        return Core(number, replica.pool, hash_tokens, replica.counts, blocks, self.engines)

    def _start_ticks(self) -> None:
        scale_s = self.fleet.policies.scale_s
        if self.fleet.scrape_s > 0.0:
            self._tick(SCRAPE, self.fleet.scrape_s, 1, self.signals.scrape)
        if self.options.sample_s > 0.0:
            self._tick(SAMPLE, self.options.sample_s, 1, self.ledger.sample)
        if self.policies.scales:
            self._tick(SCALE, scale_s, 1, partial(Scaling(self).look, scale_s))

    def _tick(self, kind: int, interval_s: float, k: int, action: Callable[[], None]) -> None:
        def happen() -> None:
            self._tick(kind, interval_s, k + 1, action)
            action()

        self.timeline.tick(k * interval_s, kind, happen)


def _life(requests: Requests, row: int) -> Life:
    start = int(requests.hash_start[row])
    service = int(requests.service[row])
    return Life(
        row=row,
        isl=int(requests.isl[row]),
        osl=int(requests.osl[row]),
        priority=float(requests.priority[row]),
        session=float(requests.session[row]),
        origin=int(requests.origin[row]),
        difficulty=float(requests.difficulty[row]),
        names=tuple(requests.hashes[start : start + int(requests.hash_count[row])].tolist()),
        service=service,
        selected=service < 0,
    )
