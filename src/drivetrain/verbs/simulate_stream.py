"""A trace that is larger than one wants to hold, played in parts: sums and sketches instead of rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.serving.policies import KINDS, is_custom
from drivetrain.serving.sim.finished import Finished, Sums, sums_of
from drivetrain.serving.sim.latency import Sketched
from drivetrain.serving.sim.records import Fleet, Ints, Options, Outcome, Policies, Requests
from drivetrain.serving.sim.run import stream
from drivetrain.serving.slo import Target
from drivetrain.serving.traffic import Note
from drivetrain.verbs.simulate_choices import Question
from drivetrain.verbs.simulate_traffic import Asked, among, noted, parts_of

Take = Callable[[Ints, Finished], object]

_LARGE = 2_000_000  # requests of a trace from which it is played in parts
_BYTES_PER_ROW = 30.0  # of a text file, at least
_BLOCK = 25_000  # requests whose statistics are one estimate for the intervals
SAMPLES_PER_PART = 48


def is_streamed(question: Question, policies: Policies) -> bool:
    """Whether the trace is played in parts: as was said, else where it is large and nothing needs it at once."""
    own = question.own
    if own.stream is not None or not own.trace:
        return bool(own.stream)
    large = min(_rows(Path(own.trace)), own.limit or math.inf) > _LARGE
    held = question.number("concurrency") or own.lengths or own.replications > 1 or (own.faults and not own.horizon_s)
    return large and not held and not any(is_custom(kind, getattr(policies, kind).name) for kind in KINDS)


def _rows(path: Path) -> float:
    """About how many requests a file holds, without reading it; none where it cannot be read."""
    if not path.is_file():
        return 0
    if path.suffix.lower() != ".parquet":
        return path.stat().st_size / _BYTES_PER_ROW
    import duckdb

    try:
        with duckdb.connect() as connection:
            counted = connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(path)]).fetchone()
    except duckdb.Error:
        return 0
    return float(counted[0] or 0) if counted else 0


class Parts:
    """The parts of a trace, looked at as they go by; ``first`` is there at once, ``asked`` says what it is like."""

    def __init__(self, question: Question, context: int, seed: int) -> None:
        self.notes: list[Note] = []
        self.n_read, self.is_read = 0, False
        self._coming = parts_of(question, context, seed, self.notes)
        first = next(self._coming, None)
        if first is None:
            raise BadInputError("there is not one request in this trace that can be played.")
        self.first: Requests = first
        self.source = Path(question.own.trace).name
        self.asked = Asked(first, (), ())

    def among(self, regions: tuple[str, ...]) -> Iterator[Requests]:
        """All parts, with origins that the fleet knows."""
        part: Requests | None = self.first
        while part is not None:
            self.n_read += len(part)
            yield among(replace(self.asked, requests=part), regions)
            part = next(self._coming, None)
        self.is_read = True

    def about(self) -> Asked:
        """The first part as what was asked, with everything that reading assumed."""
        seen = Note("traffic", f"described by the first {len(self.first):,} of {self.n_read:,} requests")
        return replace(self.asked, assumptions=noted([*self.notes, seen], self.source))


class Counted:
    """What has ended so far: sums, latencies in blocks of equal size, and the totals at last."""

    def __init__(self, fleet: Fleet, slo: tuple[Target, ...], take: Take | None) -> None:
        self.fleet, self.slo, self.take = fleet, slo, take
        self.latency = Sketched(slo)
        self.sums: Sums | None = None
        self._block: list[Finished] = []

    def add(self, rows: Ints, done: Finished) -> None:
        """Count requests that have ended."""
        mine = sums_of(done, self.fleet, self.slo)
        if self.sums is None:
            self.sums = mine
        else:
            self.sums.add(mine)
        if self.take is not None:
            self.take(rows, done)
        self._block.append(done)
        if sum(map(len, self._block)) >= _BLOCK:
            self.latency.add(joined(self._block))
            self._block = []

    def close(self) -> None:
        """Count what is left, too little for an estimate of its own."""
        if self._block:
            self.latency.add(joined(self._block), estimate=False)
            self._block = []


def joined(parts: list[Finished]) -> Finished:
    """Requests of several parts as one."""
    return Finished(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Finished)})


def played_in_parts(
    parts: Parts, fleet: Fleet, origins: tuple[str, ...], options: Options, counted: Counted,
    progress: Callable[[int, int, float], None],
) -> tuple[Outcome, float]:  # fmt: skip
    """Play all ``parts`` through ``fleet`` into ``counted``; the totals and the seconds of real time it took."""
    started = time.perf_counter()
    totals: Outcome | None = None
    for found in stream(fleet, parts.among(origins), options, progress):
        if isinstance(found, Outcome):
            totals = found
        else:
            counted.add(found.rows, found.done)
    counted.close()
    assert totals is not None
    return totals, time.perf_counter() - started
