"""Replicas and their lanes: what they are in, what is on them, how long they were paid for and busy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import Pool
from drivetrain.serving.sim.reference.clock import Clock, Timed
from drivetrain.serving.sim.reference.core import Core, Counts
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.planning import Plan

OFF, STARTING, READY, DRAINING, DOWN = range(5)
"""States of a replica."""


@dataclass(slots=True)
class Step:
    """The step a lane is in."""

    start_s: float
    end_s: float
    plans: list[Plan]
    timed: Timed


@dataclass(slots=True, eq=False)
class Lane:
    """Cores that step together; ``number`` over the fleet."""

    number: int
    replica: Replica
    cores: list[Core]
    step: Step | None = None
    to_plan: bool = False
    busy_s: float = 0.0
    joules_over_idle: float = 0.0

    def account(self, until_s: float) -> None:
        """Book the time and energy of the step it is in, which ends or is cut off at ``until_s``."""
        if self.step is not None:
            pool, seconds = self.replica.pool, until_s - self.step.start_s
            self.busy_s += seconds
            accelerators = pool.n_accelerators / pool.pp
            self.joules_over_idle += accelerators * (self.step.timed.watts - pool.idle_w) * seconds
            self.step = None

    def busy_until(self, now: float) -> float:
        """Seconds of steps so far, the one under way included."""
        return self.busy_s + (now - self.step.start_s if self.step is not None else 0.0)


@dataclass(slots=True, eq=False)
class Replica:
    """Endpoint ``number`` of the fleet.

    ``believed`` is whether the router takes it for healthy, ``noticed`` whether it is going to be reclaimed. ``lives``
    are the requests on it or on their way to it, ``n_present`` counts them and prompts that are sent for nothing.
    """

    number: int
    pool_number: int
    pool: Pool
    clock: Clock
    counts: Counts
    lanes: list[Lane] = field(default_factory=list)
    state: int = OFF
    believed: bool = True
    noticed: bool = False
    slowness: float = 1.0
    n_started: int = 0
    lives: dict[Life, None] = field(default_factory=dict)
    n_present: int = 0
    _paid_s: float = 0.0
    _paid_since_s: float = 0.0

    @property
    def cores(self) -> list[Core]:
        """Cores of all lanes, in order of their numbers."""
        return [core for lane in self.lanes for core in lane.cores]

    @property
    def works(self) -> bool:
        """Whether its engine takes requests and steps."""
        return self.state in (READY, DRAINING)

    @property
    def serves(self) -> bool:
        """Whether new requests are sent to it as far as anybody knows who does not know of failures."""
        return not self.noticed and (self.state == READY or (self.state == DOWN and self.believed))

    @property
    def routable(self) -> bool:
        """Whether the router takes it for alive (partitions aside)."""
        return self.believed and not self.noticed and self.state in (READY, DOWN)

    def become(self, state: int, now: float) -> None:
        """Change state; replicas that are not off are paid for."""
        if self.state == OFF:
            self._paid_since_s = now
        elif state == OFF:
            self._paid_s += now - self._paid_since_s
        self.state = state

    def leave(self, life: Life, now: float) -> None:
        """A request is no longer here."""
        self.lives.pop(life, None)
        self.left(now)

    def left(self, now: float) -> None:
        """One present less; when it drains and nothing is left, it is off."""
        self.n_present -= 1
        self.rest(now)

    def rest(self, now: float) -> None:
        """Off, if it drains and is empty."""
        if self.state == DRAINING and self.n_present == 0:
            self.become(OFF, now)

    def paid_until(self, now: float) -> float:
        """Seconds it was paid for so far."""
        return self._paid_s + (now - self._paid_since_s if self.state != OFF else 0.0)

    @property
    def n_waiting(self) -> int:
        """Requests that wait at its cores."""
        return sum(core.n_waiting for core in self.cores)

    @property
    def n_running(self) -> int:
        """Requests that run in its cores."""
        return sum(len(core.running) for core in self.cores)

    @property
    def kv_frac(self) -> float:
        """Mean share of blocks in use."""
        cores = self.cores
        return sum(core.kv_frac for core in cores) / len(cores)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The endpoints of a decision: replicas of one service and role, and what the route policy keeps for them."""

    service: int
    role: int
    replicas: list[Replica]
    state: NDArray[np.float64]
