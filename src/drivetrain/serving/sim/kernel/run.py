"""A run under way: it feeds rows to the compiled loop, makes tables larger, and hands out results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.kernel import closing, growing, loop, ticks
from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.kernel.setup import fleet_tables
from drivetrain.serving.sim.kernel.setup_engines import Arrays
from drivetrain.serving.sim.kernel.world import World, world_of
from drivetrain.serving.sim.records import Fleet, Floats, Ints, Options, Outcome, Requests

Ended = tuple[NDArray[Any], Floats]
"""Rows of results (:data:`drivetrain.serving.sim.kernel.tables.ENDED`) and the parts of their time."""

OF_REQUESTS = {
    "sent_s": "sent", "first_s": "first", "finish_s": "finish", "status": "status", "replica": "replica",
    "cached_tokens": "cached", "preemptions": "preemptions", "retries": "retries", "stages": "stages",
    "output_tokens": "output",
}  # fmt: skip
"""Fields of an outcome that have a row for each request, and their columns in rows of results (in the order of
:func:`drivetrain.serving.sim.kernel.closing.put`)."""

_EVENTS = 100_000
"""Events between two looks at the driver: some tens of milliseconds."""


class Run:
    """Tables of a simulation, and the world that compiled code sees them as. ``n_rows`` -1: not known."""

    def __init__(self, fleet: Fleet, options: Options, hash_tokens: int, n_rows: int) -> None:
        self._fleet = fleet
        self._arrays: Arrays = fleet_tables(fleet, options, hash_tokens, n_rows)
        self._clock = self._arrays["clock"]
        self._world: World = None

    @property
    def now_s(self) -> float:
        """The simulated time."""
        return float(self._clock["now"][0])

    def feed(self, requests: Requests, row0: int = 0, *, more: bool = False) -> None:
        """The rows of ``requests``, the first of them row ``row0`` of all, come next; whether ``more`` follow.

        All rows fed before have been sent. Names of those that are still there stay.
        """
        a, c = self._arrays, self._clock[0]
        there, names = self._names_in_use()
        for name in ("arrival_s", "gap_s", "difficulty"):
            a[name] = _owned(getattr(requests, name), np.float64)
        for name in ("isl", "osl", "priority", "session", "origin", "service", "hash_count"):
            a[name] = _owned(getattr(requests, name), np.int64)
        a["hash_start"] = _owned(requests.hash_start + len(names), np.int64)
        a["hashes"] = _owned(np.concatenate([names, requests.hashes]) if len(names) else requests.hashes, np.int64)
        counts = a["slots"]["hash_n"][there]
        a["slots"]["hash0"][there] = np.cumsum(counts) - counts
        a["arrivals"], a["child_start"], a["children"] = _comings(requests)
        c["row0"], c["n_rows"], c["open"], c["more_rows"] = row0, len(requests), c["open"] + len(requests), more
        c["n_arrivals"], c["next_arrival"] = len(a["arrivals"]), 0
        c["closed"], c["next_row"] = requests.concurrency > 0, requests.concurrency
        waiting = int(np.diff(a["child_start"]).max(initial=0))
        c["n_children"], c["most_children"] = len(a["children"]), min(waiting * int(c["margin"]), len(a["children"]))
        longest = int(requests.hash_count.max(initial=0))
        routes = int(c["margin"]) if (requests.service < 0).any() else 1  # answers that a cascade sends on at once
        c["most_sightings"] = max(c["most_sightings"], longest * routes) if c["reads_approx"] else 0
        self._world = None

    def advance(self) -> int:
        """Let some events happen; why the loop returned (:mod:`drivetrain.serving.sim.kernel.loop`)."""
        state = int(loop.run(self._ready(), _EVENTS))
        if state == loop.FULL:
            self._world = None
        return state

    def ended(self) -> Ended:
        """What ended since the last call. Good until events happen again."""
        n = int(self._clock["ended"][0])
        self._clock["ended"] = 0
        return self._arrays["ended"][:n], self._arrays["ended_parts"][:n]

    def close(self) -> Iterator[Ended]:
        """End the run now: what ended since the last look, then what is still there, as unfinished."""
        yield self.ended()
        world = self._ready()
        closing.stop_all(world)
        s = 0
        while s < len(self._arrays["slots"]):
            s = closing.unfinished(world, s)
            yield self.ended()

    def outcome(self, rows: dict[str, NDArray[Any]]) -> Outcome:
        """Totals of a run that is closed, with ``rows`` for what has a row for each request."""
        a, c = self._arrays, self._clock[0]
        pools = a["pools"]
        on_s = np.array([ticks.paid_s(self._ready(), p) for p in range(len(pools))])
        idle_w = np.array([pool.n_accelerators * pool.idle_w for pool in self._fleet.pools])
        return Outcome(
            **rows,
            gaps=a["gaps"].copy(),
            gap_sum_s=float(c["gap_sum"]),
            end_s=self.now_s,
            on_s=on_s,
            busy_s=pools["busy_s"] / pools["pp"],
            joules=pools["joules"] + idle_w * on_s,
            tokens_out=pools["tokens_out"].copy(),
            steps=int(c["steps"]),
            leaps=int(c["leaps"]),
            series=a["series"][: c["n_series"]].copy(),
            log=a["log"][: min(c["n_log"], c["log_steps"])].copy(),
        )

    def _ready(self) -> World:
        if self._world is None:
            growing.grow(self._arrays)
            self._world = world_of(self._arrays)
        return self._world

    def _names_in_use(self) -> tuple[Ints, Ints]:
        """Slots in use, and the names of all of them one after another."""
        slots = self._arrays["slots"]
        there = np.flatnonzero(slots["state"] != t.FREE)
        starts, counts = slots["hash0"][there], slots["hash_n"][there].astype(np.int64)
        if not counts.any():
            return there, np.zeros(0, np.int64)
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return there, self._arrays["hashes"][np.repeat(starts, counts) + within]


def _comings(requests: Requests) -> tuple[Ints, Ints, Ints]:
    """Rows that come by themselves; where the rows that wait for each begin, and those rows in order."""
    n, none = len(requests), np.zeros(0, np.int64)
    if requests.concurrency > 0:
        return np.arange(min(requests.concurrency, n)), none, none
    waits = requests.after >= 0
    if not waits.any():
        return np.arange(n), none, none
    children = np.flatnonzero(waits)
    after = requests.after[children]
    children = children[np.argsort(after, kind="stable")]
    start = np.zeros(n + 1, np.int64)
    start[1:] = np.cumsum(np.bincount(after, minlength=n))
    return np.flatnonzero(~waits), start, children


def _owned(values: NDArray[Any], dtype: type) -> NDArray[Any]:
    """The values as an array that compiled code takes: in one piece, writable as all are."""
    made: NDArray[Any] = np.ascontiguousarray(values, dtype=dtype)
    return made if made.flags.writeable else made.copy()
