"""What policies see: rows of numbers about endpoints, services and pools, as old as their signals are."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.policies import signals as columns
from drivetrain.serving.sim.records import DECODE
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.replica import READY, STARTING, Group, Replica

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation

Floats = NDArray[np.float64]


class Signals:
    """Engine metrics as last scraped, the router's two indexes of caches, and the tables made of them."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        self._scraped = np.zeros((len(simulation.replicas), 3))  # waiting, running, KV share
        self._scraped_s = 0.0
        reads = simulation.policies.reads
        self._reads_metrics = not reads.isdisjoint({"QUEUE", "RUNNING", "KV_FRAC"})
        self._sent: list[dict[int, float]] | None = None
        self._heard: CacheEvents | None = None
        if "HIT_APPROX" in reads:
            self._sent = [{} for _ in simulation.replicas]
        if "HIT_EXACT" in reads:
            self._heard = CacheEvents(simulation.fleet.event_lag_s)

    @property
    def heard(self) -> CacheEvents | None:
        """The event index, where a policy reads it."""
        return self._heard

    def scrape(self) -> None:
        """Read the engines' metrics."""
        self._scraped_s = self._s.timeline.now
        for replica in self._s.replicas:
            self._scraped[replica.number] = replica.n_waiting, replica.n_running, replica.kv_frac

    def endpoints(self, life: Life, group: Group) -> Floats:
        """One row for each replica of ``group``, as a request sees them."""
        if self._reads_metrics:
            self._refresh()
        now, router, fleet = self._s.timeline.now, self._s.router, self._s.fleet
        sender = -1 if life.held is None else self._s.replica_of(self._s.cores[life.held.core]).pool.region
        table = np.zeros((len(group.replicas), columns.N_ENDPOINT))
        for row, replica in zip(table, group.replicas, strict=True):
            i, region = replica.number, replica.pool.region
            reached = router.heals_s[life.origin][region] <= now
            if sender >= 0:
                reached = reached and router.heals_s[sender][region] <= now
            row[columns.ALIVE] = float(replica.routable and reached)
            row[columns.INFLIGHT] = router.in_flight[i]
            row[columns.INFLIGHT_TOKENS] = router.tokens_in_flight[i]
            row[columns.QUEUE], row[columns.RUNNING], row[columns.KV_FRAC] = self._scraped[i]
            row[columns.AGE_S] = now - self._scraped_s if fleet.scrape_s > 0.0 else 0.0
            row[columns.NETWORK_S] = fleet.network_s[life.origin, region]
            row[columns.USD_PER_S] = replica.pool.usd_per_s
            row[columns.PREFILL_TOKENS_PER_S] = replica.pool.prefill_tokens_per_s
            if group.role != DECODE and self._s.requests.hash_tokens > 0:
                row[columns.HIT_APPROX], row[columns.HIT_EXACT] = self._hits(life, replica)
        return table

    def services(self, life: Life) -> Floats:
        """One row for each service."""
        now, router = self._s.timeline.now, self._s.router
        table = np.zeros((len(self._s.fleet.services), columns.N_SERVICE))
        for replica in self._s.replicas:
            row = table[replica.pool.service]
            row[columns.SERVICE_INFLIGHT] += router.in_flight[replica.number]
            if replica.routable and router.heals_s[life.origin][replica.pool.region] <= now:
                row[columns.SERVICE_READY] += 1.0
                row[columns.SERVICE_USD_PER_S] += replica.pool.usd_per_s
        return table

    def pool(self, number: int, arrivals: int, interval_s: float) -> Floats:
        """A pool at a scaling tick."""
        self._refresh()
        pool = self._s.fleet.pools[number]
        replicas = [replica for replica in self._s.replicas if replica.pool_number == number]
        serving = [replica for replica in replicas if replica.serves]
        row = np.zeros(columns.N_POOL)
        row[columns.NOW_S] = self._s.timeline.now
        row[columns.READY] = len(serving)
        row[columns.STARTING] = sum(replica.state == STARTING and not replica.noticed for replica in replicas)
        row[columns.POOL_INFLIGHT] = sum(self._s.router.in_flight[replica.number] for replica in serving)
        for replica in serving:
            waiting, running, kv_frac = self._scraped[replica.number]
            row[columns.POOL_QUEUE] += waiting
            row[columns.POOL_RUNNING] += running
            row[columns.POOL_KV_FRAC] += kv_frac / len(serving)
        row[columns.ARRIVALS_PER_S] = arrivals / interval_s
        row[columns.MOST] = pool.max_replicas
        row[columns.COLD_START_S] = pool.cold_start_s
        row[columns.INTERVAL_S] = interval_s
        return row

    def sample(self, number: int) -> tuple[float, float, float, float]:
        """Replicas that serve, requests that wait and run in them, and their mean share of KV blocks in use."""
        ready = [r for r in self._s.replicas if r.pool_number == number and r.state == READY]
        kv_frac = sum(replica.kv_frac for replica in ready) / len(ready) if ready else 0.0
        return len(ready), sum(r.n_waiting for r in ready), sum(r.n_running for r in ready), kv_frac

    def routed(self, life: Life, replica: Replica, role: int) -> None:
        """The router remembers the names of the prompt it sends somewhere."""
        if self._sent is not None and role != DECODE and self._s.requests.hash_tokens > 0:
            for name in life.names[: life.isl // self._s.requests.hash_tokens]:
                self._sent[replica.number][name] = self._s.timeline.now

    def _refresh(self) -> None:
        """Without a scrape interval metrics are read when they are looked at."""
        if self._s.fleet.scrape_s == 0.0:
            self.scrape()

    def _hits(self, life: Life, replica: Replica) -> tuple[int, int]:
        """Prompt tokens that should be cached there: by what was sent, and by cache events."""
        hash_tokens, now = self._s.requests.hash_tokens, self._s.timeline.now
        names = life.names[: (life.isl - 1) // hash_tokens]
        sent = heard = 0
        if self._sent is not None:
            index, ttl = self._sent[replica.number], self._s.fleet.index_ttl_s
            while sent < len(names) and now - index.get(names[sent], -np.inf) <= ttl:
                sent += 1
        if self._heard is not None:
            heard = self._heard.longest(names, [core.number for core in replica.cores], now)
        return sent * hash_tokens, heard * hash_tokens


class CacheEvents:
    """The names that cores held ``lag_s`` ago."""

    def __init__(self, lag_s: float) -> None:
        self._lag_s = lag_s
        self._to_come: deque[tuple[float, int, int, bool]] = deque()
        self._names: dict[int, set[int]] = {}

    def tell(self, now: float, core: int, name: int, added: bool) -> None:
        """A name appeared in a core, or disappeared from it."""
        self._to_come.append((now + self._lag_s, core, name, added))

    def forget(self, now: float, core: int) -> None:
        """A core lost everything."""
        held = set(self._names.get(core, ()))
        for _, where, name, added in self._to_come:
            if where == core:
                (held.add if added else held.discard)(name)
        for name in sorted(held):
            self.tell(now, core, name, False)

    def longest(self, names: tuple[int, ...], cores: list[int], now: float) -> int:
        """How many leading ``names`` one of ``cores`` held."""
        while self._to_come and self._to_come[0][0] <= now:
            _, core, name, added = self._to_come.popleft()
            known = self._names.setdefault(core, set())
            (known.add if added else known.discard)(name)
        most = 0
        for core in cores:
            known, n = self._names.get(core, set()), 0
            while n < len(names) and names[n] in known:
                n += 1
            most = max(most, n)
        return most
