"""Traces from files: Azure, BurstGPT, Mooncake, Bailian, ShareGPT, load-test datasets and our own CSV or Parquet.

``read`` holds a trace in memory and sorts it where it must. ``read_chunks`` keeps to a bounded part of it, for traces
of any length that are in order. Both give the same requests. A trace is played once: to repeat it would let every
prefix be found again and put a period into the load, so a longer run needs a longer trace or a generated one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import Ints, Requests
from drivetrain.serving.traffic.choices import Reading
from drivetrain.serving.traffic.context import TooLong, within
from drivetrain.serving.traffic.formats import Source, source_of
from drivetrain.serving.traffic.intake import Extent, Intake, frame_of
from drivetrain.serving.traffic.records import Note, Traffic, compacted, concatenated, roots_of, taken
from drivetrain.serving.traffic.rows import Left, Rows, joined, refuse, rows_of
from drivetrain.serving.traffic.timing import LOOK, Gaps, order_of
from drivetrain.serving.traffic.wrong import ChoiceError, at_least


def read(path: str | Path, *, concurrency: int = 0, think_s: float = 0.0, **choices: Any) -> Traffic:  # noqa: ANN401
    """The requests of a trace file, and notes on all that was assumed or changed.

    ``choices`` are the fields of :class:`Reading`. With ``concurrency`` the trace gives only lengths: so many requests
    are sent at the start, and each answer sends the next ``think_s`` later.
    """
    how = Reading(**choices)
    source = source_of(path, how.chars_per_token)
    left = Left()
    parts = list(_parts(source, how, left))
    if not parts:
        _nothing(source, left)
    rows = joined(parts)
    after = _successors(source, rows)
    loop = _loop(source, concurrency, think_s, how, after)
    own = rows.time[after < 0]
    frame = frame_of(source, how, rows, Extent(len(own), float(own.min()), float(own.max())), loop > 0)
    if frame.timed:
        _timed(source, rows, after < 0)
    intake = Intake(source, how, frame)
    requests = intake.requests(rows, after, loop)
    notes = [*_about(source, how, left, len(rows)), *intake.notes()]
    if loop:
        gap_s = np.full(len(rows), think_s) if concurrency else requests.gap_s
        requests = replace(requests, gap_s=gap_s)
        notes.append(Note("arrivals", f"a closed loop of {loop:,}: the trace gives the lengths, not the times"))
    else:
        requests = _in_order(requests, rows, notes)
        requests = _until(requests, how.duration_s)
        gaps = Gaps()
        gaps.add(requests.arrival_s[requests.after < 0])
        notes += gaps.notes()
    requests, long = within(requests, how.context, how.too_long)
    if not len(requests):
        raise _nothing_left(source, how, long)
    return Traffic(requests, (*notes, *long.notes()))


def read_chunks(
    path: str | Path, *, rows: int = 100_000, notes: list[Note] | None = None, **choices: Any,  # noqa: ANN401
) -> Iterator[Requests]:  # fmt: skip
    """The requests of a trace file in parts of at most ``rows``, in memory that does not grow with the trace.

    The trace must be in order and its rows must come by themselves. ``choices`` are the fields of :class:`Reading`;
    with ``rate`` the file is read twice, first for its own rate. ``notes`` receives what was assumed, at the end.
    """
    if rows < 1:
        raise ChoiceError(lambda say: f"{say('rows')} is {rows}. Give the size of a part, at least 1.")
    how = Reading(**choices)
    source = source_of(path, how.chars_per_token)
    return _chunks(source, how, rows, [] if notes is None else notes)


def _chunks(source: Source, how: Reading, size: int, notes: list[Note]) -> Iterator[Requests]:
    intake = Intake(source, how, frame_of(source, how, *_survey(source, how), loop=False))
    left, gaps, long, at = Left(), Gaps(), TooLong(), 0
    for ready in _ready(source, how, intake, left):
        kept = _until(ready, how.duration_s)
        for start in range(0, len(kept), size):
            part = taken(kept, np.arange(start, min(start + size, len(kept))))
            gaps.add(part.arrival_s)
            fitting, over = within(part, how.context, how.too_long, at)
            at, long = at + len(part), long + over
            if len(fitting):
                yield compacted(fitting)
        if len(kept) < len(ready):
            break
    notes += [*_about(source, how, left, at), *intake.notes(), *gaps.notes(), *long.notes()]


def _ready(source: Source, how: Reading, intake: Intake, left: Left) -> Iterator[Requests]:
    """Requests in order of arrival. With jitter a row waits until no later one can come before it."""
    timed, last, pending = intake.frame.timed, -np.inf, None
    for rows in _parts(source, how, left):
        if bool((rows.after >= 0).any()):
            row = int(rows.number[(rows.after >= 0).argmax()])
            refuse(source, row, "after", "makes the row wait for another", "Read such a trace as a whole.")
        if timed:
            _timed(source, rows, rows.after < 0)
            last = _ascending(source, rows, last)
        held = intake.requests(rows)
        if not intake.frame.quantum_s or not timed:
            yield held
            continue
        held = held if pending is None else concatenated([pending, held])
        held = taken(held, np.argsort(held.arrival_s, kind="stable"))
        known_s = float(intake.seconds(np.array([last]))[0])
        ready = int(np.searchsorted(held.arrival_s, known_s, "right"))
        pending = compacted(taken(held, np.arange(ready, len(held))))
        yield compacted(taken(held, np.arange(ready)))
    if pending is not None:
        yield pending


def _survey(source: Source, how: Reading) -> tuple[Rows, Extent]:
    """The first rows, from which the clock is told, and how far the trace extends, as far as that matters."""
    head: list[Rows] = []
    extent, left = Extent(0, np.inf, -np.inf), Left()
    for rows in _parts(source, how, left):
        if extent.n < LOOK:
            head.append(rows)
        first, last = min(extent.first, float(rows.time[0])), max(extent.last, float(rows.time[-1]))
        extent = Extent(extent.n + len(rows), first, last)
        if how.rate is None and extent.n >= LOOK:
            break
    if not head:
        _nothing(source, left)
    return joined(head), extent


def _parts(source: Source, how: Reading, left: Left) -> Iterator[Rows]:
    """The rows of the file that are requests, at most ``limit``."""
    n = 0
    for rows in rows_of(source, left, bad_rows=how.bad_rows, osl=how.osl, hashes=how.hashes == "keep"):
        kept = rows if how.limit is None else rows.first(how.limit - n)
        n += len(kept)
        if len(kept):
            yield kept
        if n == how.limit:
            return


def _nothing(source: Source, left: Left) -> NoReturn:
    out = left.failed + sum(left.bad.values())
    why = f": all {out:,} rows are left out ({', '.join([*left.bad]) or 'failed requests'})" if out else ""
    raise ChoiceError(lambda _: f"the trace {source.path} has no requests{why}.")


def _nothing_left(source: Source, how: Reading, long: TooLong) -> ChoiceError:
    """Why no row is a request of the run."""
    if long.count:
        return ChoiceError(
            lambda say: (
                f"{source.path}: all {long.of:,} requests are too long for the context of {long.context:,} "
                f"tokens. Cut their prompts with {say('too_long', 'truncate')}."
            )
        )
    return ChoiceError(
        lambda say: f"{source.path}: no request arrives within {how.duration_s:g} s. Give a longer {say('duration_s')}."
    )


def _timed(source: Source, rows: Rows, own: NDArray[np.bool_]) -> None:
    """Every row that comes by itself needs a time."""
    missing = own & np.isnan(rows.time)
    if missing.any():
        refuse(source, int(rows.number[missing.argmax()]), "time", "is missing")


def _ascending(source: Source, rows: Rows, last: float) -> float:
    """The last time of ``rows``, which must ascend from ``last``."""
    back = np.diff(rows.time, prepend=last) < 0
    if back.any():
        row = int(rows.number[back.argmax()])
        refuse(source, row, "time", "is earlier than that of the row before", "Sort the trace to read it in parts.")
    return float(rows.time[-1])


def _successors(source: Source, rows: Rows) -> Ints:
    """``after`` as places among ``rows``."""
    waits = rows.after >= 0
    if not waits.any():
        return np.full(len(rows), -1, dtype=np.int64)
    place = np.searchsorted(rows.number, rows.after)
    there = rows.number[np.minimum(place, len(rows) - 1)] == rows.after
    wrong = waits & ~(there & (rows.after < rows.number))
    if wrong.any():
        row = int(rows.number[wrong.argmax()])
        refuse(source, row, "after", "names no earlier row that is read", "Rows are named from 0, without the header.")
    return np.where(waits, place, -1)


def _loop(source: Source, concurrency: int, think_s: float, how: Reading, after: Ints) -> int:
    """How many requests a closed loop keeps in flight, 0 for an open one."""
    at_least("concurrency", concurrency)
    at_least("think_s", think_s)
    if concurrency and (how.rate is not None or how.speedup is not None or how.duration_s is not None):
        raise ChoiceError(
            lambda say: (
                f"a closed loop ({say('concurrency')}) has no arrival times: leave out {say('rate')}, "
                f"{say('speedup')} and {say('duration_s')}."
            )
        )
    if concurrency and bool((after >= 0).any()):
        raise ChoiceError(
            lambda say: f"{source.path} has rows that wait for the answers of others: leave out {say('concurrency')}."
        )
    return concurrency or (source.marks.get("concurrency", 0) if how.rate is None else 0)


def _in_order(requests: Requests, rows: Rows, notes: list[Note]) -> Requests:
    """Requests by arrival; says so where the file was not in order."""
    own = rows.time[rows.after < 0]
    back = int((np.diff(own) < 0).sum())
    if back:
        notes.append(Note("order", f"{back:,} of {len(rows):,} rows came before the row above them; sorted by time"))
    order = order_of(requests.arrival_s, requests.after)
    return requests if order is None else taken(requests, order)


def _until(requests: Requests, duration_s: float | None) -> Requests:
    """What comes, or follows from what comes, before ``duration_s``."""
    if duration_s is None:
        return requests
    return taken(requests, np.flatnonzero(requests.arrival_s[roots_of(requests.after)] < duration_s))


def _about(source: Source, how: Reading, left: Left, n: int) -> list[Note]:
    """What the file is and what was left out of it."""
    notes = [Note("trace", f"{source.title}, {n:,} requests")]
    if source.estimated:
        notes.append(Note("lengths", f"the file has text: {how.chars_per_token:g} characters are taken as a token"))
    if how.osl is not None:
        stated = "osl" in source.columns
        text = (
            f"{how.osl:,} given is not used: the file states its own" if stated else f"{how.osl:,}, the file has none"
        )
        notes.append(Note("output tokens", text))
    if left.failed:
        notes.append(Note("no answer", f"{left.failed:,} rows without an answer are left out"))
    notes += [Note("bad rows", f"{count:,} left out: {reason}") for reason, count in left.bad.items()]
    if source.ignored:
        notes.append(Note("columns not used", ", ".join(source.ignored)))
    return notes
