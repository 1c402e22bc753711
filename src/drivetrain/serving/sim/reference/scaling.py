"""Scaling: each tick the policy names the replicas that a pool should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.serving.sim.reference.replica import DRAINING, OFF, READY, STARTING, Replica

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation


class Scaling:
    """Starts and stops replicas."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        self._routed = [0] * len(simulation.fleet.pools)

    def look(self, interval_s: float) -> None:
        """Ask the policy for each pool, in order."""
        for number in range(len(self._s.fleet.pools)):
            routed = self._s.router.n_routed[number]
            row = self._s.signals.pool(number, routed - self._routed[number], interval_s)
            self._routed[number] = routed
            self._resize(number, self._s.policies.desired(number, row))

    def _resize(self, number: int, desired: int) -> None:
        replicas = [r for r in self._s.replicas if r.pool_number == number and not r.noticed]
        there = sum(replica.serves or replica.state == STARTING for replica in replicas)
        if desired > there:
            self._add(replicas, desired - there)
        elif desired < there:
            self._stop(replicas, there - desired)

    def _add(self, replicas: list[Replica], n: int) -> None:
        """Take draining ones back, then start those that are off, the lowest numbers first."""
        now = self._s.timeline.now
        for replica in [r for r in replicas if r.state == DRAINING][:n]:
            replica.become(READY, now)
            n -= 1
        for replica in [r for r in replicas if r.state == OFF][:n]:
            replica.become(STARTING, now)
            replica.n_started += 1
            self._s.timeline.make(now + replica.pool.cold_start_s, self._started, replica, replica.n_started)

    def _started(self, replica: Replica, n_started: int) -> None:
        if replica.state == STARTING and replica.n_started == n_started:
            replica.become(READY, self._s.timeline.now)
            replica.believed = True

    def _stop(self, replicas: list[Replica], n: int) -> None:
        """The highest numbers take no more requests; at least one keeps serving."""
        now = self._s.timeline.now
        serving = [r for r in replicas if r.state == READY]
        for replica in serving[1:][::-1][:n]:
            replica.become(DRAINING, now)
            replica.rest(now)
