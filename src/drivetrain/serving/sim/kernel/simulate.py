"""The two doors of the kernel: a trace in memory, and one that comes and goes in parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.finished import Finished
from drivetrain.serving.sim.kernel import closing, loop
from drivetrain.serving.sim.kernel.run import OF_REQUESTS, Ended, Run
from drivetrain.serving.sim.records import N_PARTS, UNFINISHED, Fleet, Ints, Options, Outcome, Requests

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Requests that have ended, in the order in which they did: their ``rows`` in the trace, and what happened."""

    rows: Ints
    done: Finished


def simulate(
    fleet: Fleet,
    requests: Requests,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Outcome:
    """Play ``requests`` through ``fleet``; on Ctrl-C what happened so far, the rest ``UNFINISHED``.

    ``progress`` hears (ended, of, simulated seconds) now and then. Input is taken as it is:
    :mod:`drivetrain.serving.sim.check` says whether it is sound.
    """
    n = len(requests)
    run = Run(fleet, options, requests.hash_tokens, n)
    run.feed(requests)
    columns = _columns(n)
    n_ended = 0
    try:
        state = loop.GOES_ON
        while state != loop.DONE:
            state = run.advance()
            n_ended += _put(columns, run.ended())
            if progress is not None:
                progress(n_ended, n, run.now_s)
    except KeyboardInterrupt:
        pass
    for ended in run.close():
        _put(columns, ended)
    return run.outcome(columns)


def stream(
    fleet: Fleet, parts: Iterable[Requests], options: Options = Options(), progress: Progress | None = None,  # noqa: B008
) -> Iterator[Part | Outcome]:  # fmt: skip
    """Play requests that come in parts, in memory that grows with what is in the system and not with the trace.

    Rows come by themselves (no ``after``, no closed loop) and are numbered over all parts. Yields :class:`Part` after
    part of requests as they end, at last an :class:`Outcome` of totals without rows. On Ctrl-C the last part has
    those under way as ``UNFINISHED``; rows that were never sent do not appear. Of how many requests ``progress`` hears
    is the number read so far.
    """
    coming = iter(parts)
    given = next(coming, None)
    if given is None:
        raise ValueError("a stream has at least one part")
    run = Run(fleet, options, given.hash_tokens, -1)
    n_read = n_ended = 0
    part = None
    try:
        state = loop.STARVED
        while state != loop.DONE:
            if state == loop.STARVED and given is not None:
                following = next(coming, None)
                run.feed(given, n_read, more=following is not None)
                n_read, given = n_read + len(given), following
            state = run.advance()
            part = _part(run.ended())
            n_ended += len(part.rows)
            if len(part.rows):
                yield part
            part = None
            if progress is not None:
                progress(n_ended, n_read, run.now_s)
    except KeyboardInterrupt:
        if part is not None:
            yield part
    for ended in run.close():
        if len(ended[0]):
            yield _part(ended)
    yield run.outcome(_columns(0))


def _columns(n: int) -> dict[str, NDArray[Any]]:
    """Results by row of the trace, of requests that were never sent."""
    whole = ("cached_tokens", "preemptions", "retries", "output_tokens")
    return {
        **{name: np.full(n, math.nan) for name in ("sent_s", "first_s", "finish_s")},
        **{name: np.zeros(n, np.int64) for name in whole},
        "status": np.full(n, UNFINISHED, np.int64),
        "replica": np.full(n, -1, np.int64),
        "stages": np.ones(n, np.int64),
        "parts": np.zeros((n, N_PARTS)),
    }


def _put(columns: dict[str, NDArray[Any]], ended: Ended) -> int:
    """Put what ended where it belongs; how many those were."""
    rows, parts = ended
    closing.put(rows, parts, *(columns[name] for name in OF_REQUESTS), columns["parts"])
    return len(rows)


def _part(ended: Ended) -> Part:
    rows, parts = ended
    asked = {name: rows[name].copy() for name in ("isl", "osl", "origin")}
    happened = {name: rows[column].copy() for name, column in OF_REQUESTS.items()}
    return Part(rows["row"].copy(), Finished(**asked, **happened, parts=parts.copy()))
