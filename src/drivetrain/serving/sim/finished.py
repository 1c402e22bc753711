"""Requests that have ended, as columns, and the sums over them that do not care in which order or parts they come."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import COMPLETED, UNFINISHED, Fleet, Floats, Ints, Outcome, Requests
from drivetrain.serving.slo import Target


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """Requests that were sent, one row each: what was asked, and what :class:`Outcome` says of it."""

    isl: Ints
    osl: Ints
    origin: Ints
    sent_s: Floats
    first_s: Floats
    finish_s: Floats
    status: Ints
    replica: Ints
    cached_tokens: Ints
    preemptions: Ints
    retries: Ints
    stages: Ints
    output_tokens: Ints
    parts: Floats

    def __len__(self) -> int:
        return len(self.status)

    @property
    def completed(self) -> NDArray[np.bool_]:
        """Which of them were answered."""
        found: NDArray[np.bool_] = self.status == COMPLETED
        return found

    @property
    def ttft_s(self) -> Floats:
        """Seconds to the first token."""
        return self.first_s - self.sent_s

    @property
    def e2e_s(self) -> Floats:
        """Seconds to the last token."""
        return self.finish_s - self.sent_s

    @property
    def tpot_s(self) -> Floats:
        """Seconds per token after the first; nan for a request of one token."""
        more = self.osl - 1.0
        return np.where(more > 0, (self.finish_s - self.first_s) / np.maximum(more, 1.0), np.nan)


def finished(outcome: Outcome, requests: Requests) -> Finished:
    """The requests of a whole run that were sent, in the order of their rows: all, unless it was ended early."""
    rows = rows_where(np.isfinite(outcome.sent_s))
    asked = {name: getattr(requests, name)[rows] for name in ("isl", "osl", "origin")}
    happened = {f.name: getattr(outcome, f.name)[rows] for f in fields(Finished) if f.name not in asked}
    return Finished(**asked, **happened)


def rows_where(wanted: NDArray[np.bool_]) -> Ints | slice:
    """An index of the rows that are ``wanted``; where all are, one that copies nothing."""
    return slice(None) if wanted.all() else np.flatnonzero(wanted)


def within_limits(done: Finished, slo: tuple[Target, ...]) -> NDArray[np.bool_]:
    """Whether each was answered within every limit; see :mod:`drivetrain.serving.sim.results` for what that means."""
    limits: dict[str, float] = {}
    for target in slo:
        limits[target.metric] = max(target.limit_s, limits.get(target.metric, 0.0))
    kept = done.completed
    for metric, limit in limits.items():
        seconds = done.tpot_s if metric in ("tpot", "itl") else getattr(done, f"{metric}_s")
        kept = kept & ~(seconds > limit)  # nan, one token, is not beyond
    return kept


@dataclass(slots=True, eq=False)
class Sums:
    """Sums over requests; ``by_status`` has a count per end, ``by_replica`` the columns of :data:`BY_REPLICA`.

    ``tokens`` are those that clients got, ``made`` those that replicas made. ``crossed[region, origin]`` counts output
    tokens by where they were made and went. ``parts_s``, ``cached`` and ``prompt`` are of completed requests.
    """

    sent: int
    by_status: Ints
    good: int
    tokens: int
    made: int
    preemptions: int
    retries: int
    staged: int
    cached: int
    prompt: int
    parts_s: Floats
    by_replica: Floats
    crossed: Floats

    def add(self, other: Sums) -> None:
        """Take in what ``other`` counted."""
        for field in fields(Sums):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


BY_REPLICA = ("completed", "ttft_s", "tpot_s", "with_tpot", "cached", "input", "output")


def sums_of(done: Finished, fleet: Fleet, slo: tuple[Target, ...]) -> Sums:
    """Add up ``done``."""
    answered = rows_where(done.completed)
    under_way = (done.status == UNFINISHED) & np.isfinite(done.first_s)
    so_far = np.minimum(done.output_tokens, done.osl)[under_way]
    return Sums(
        sent=len(done),
        by_status=np.bincount(done.status, minlength=4),
        good=int(within_limits(done, slo).sum()),
        tokens=int(done.osl[answered].sum()) + int(so_far.sum()),
        made=int(done.output_tokens.sum()),
        preemptions=int(done.preemptions.sum()),
        retries=int(done.retries.sum()),
        staged=int((done.stages[answered] > 1).sum()),
        cached=int(done.cached_tokens[answered].sum()),
        prompt=int(done.isl[answered].sum()),
        parts_s=done.parts[answered].sum(axis=0),
        by_replica=_by_replica(done, answered, sum(pool.max_replicas for pool in fleet.pools)),
        crossed=_crossed(done, fleet),
    )


def _by_replica(done: Finished, answered: Ints | slice, n: int) -> Floats:
    replica, tpot = done.replica[answered], done.tpot_s[answered]
    columns = (np.ones(len(replica)), done.ttft_s[answered], np.nan_to_num(tpot), np.isfinite(tpot),
               done.cached_tokens[answered], done.isl[answered], done.osl[answered])  # fmt: skip
    return np.stack([np.bincount(replica, column.astype(np.float64), minlength=n) for column in columns], axis=1)


def _crossed(done: Finished, fleet: Fleet) -> Floats:
    n = len(fleet.regions)
    region_of = np.repeat([pool.region for pool in fleet.pools], [pool.max_replicas for pool in fleet.pools])
    routed = rows_where(done.replica >= 0)
    way = region_of[done.replica[routed]] * n + done.origin[routed]
    tokens: Floats = np.bincount(way, done.output_tokens[routed], minlength=n * n).astype(np.float64)
    return tokens.reshape(n, n)
