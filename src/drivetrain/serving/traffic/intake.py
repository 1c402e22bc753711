"""From rows of a file to requests: seconds, jitter, scale, names of blocks; for a whole trace or its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from drivetrain.serving.sim.records import Floats, Ints, Requests
from drivetrain.serving.traffic.blocks import MOONCAKE_TOKENS, block_tokens_of, merge_factor, merged
from drivetrain.serving.traffic.choices import Reading
from drivetrain.serving.traffic.formats import Source
from drivetrain.serving.traffic.records import Names, Note, requests_of
from drivetrain.serving.traffic.rows import Rows
from drivetrain.serving.traffic.streams import ARRIVALS, DIFFICULTY, JITTER, stream
from drivetrain.serving.traffic.timing import LOOK, quantum_of
from drivetrain.serving.traffic.wrong import ChoiceError


class Extent(NamedTuple):
    """Rows that come by themselves, the first and the last time of any of them, in the file's unit."""

    n: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What holds for all rows of a trace.

    ``base`` is the time (in the file's unit) that becomes 0, ``timed`` says whether its times are used. A name stands
    for ``block_tokens`` of the file, ``into`` of which make one of ours.
    """

    timed: bool
    base: float
    quantum_s: float
    speedup: float
    own_rate: float
    block_tokens: int
    into: int


def frame_of(source: Source, how: Reading, head: Rows, extent: Extent, loop: bool) -> Frame:
    """Tell what holds for a trace from its first rows and its extent. A closed ``loop`` needs no times."""
    timed = source.has_times and not loop and not bool(np.isnan(head.time).all())
    if not timed and not loop and how.rate is None:
        raise ChoiceError(
            lambda say: (
                f"{source.path} has no arrival times. Give a {say('rate')} for Poisson arrivals, or a "
                f"{say('concurrency')} for a closed loop."
            )
        )
    base, quantum, speedup, own_rate = 0.0, 0.0, 1.0, math.nan
    if timed:
        base = 0.0 if source.own else extent.first
        quantum = _quantum(source, how, head)
        span_s = (extent.last - extent.first) / source.per_second
        own_rate = (extent.n - 1) / span_s if span_s > 0 else math.nan
        speedup = _speedup(source, how, own_rate)
    block = 0
    if len(head.hashes):
        look = head.first(LOOK)
        block = how.file_hash_tokens or source.marks.get("hash_tokens", 0) or block_tokens_of(look.isl, look.hash_count)
        if not block and source.kind == "mooncake":
            block = MOONCAKE_TOKENS
        if not block:
            raise ChoiceError(
                lambda say: (
                    f"{source.path}: how many tokens a name in {source.labels['hashes']} stands for cannot be told. "
                    f"Give the tokens of a block ({say('file_hash_tokens')}), or leave the names out "
                    f"({say('hashes', 'drop')})."
                )
            )
    into = merge_factor(block, how.hash_tokens) if block else 1
    return Frame(timed, base, quantum, speedup, own_rate, block, into)


def _speedup(source: Source, how: Reading, own_rate: float) -> float:
    """What times are divided by."""
    if how.rate is None:
        return how.speedup or 1.0
    if math.isnan(own_rate):
        raise ChoiceError(
            lambda say: (
                f"all rows of {source.path} arrive at one time: there is no rate to scale. Leave {say('rate')} out."
            )
        )
    return how.rate / own_rate


def _quantum(source: Source, how: Reading, head: Rows) -> float:
    """The tick over which arrivals are spread."""
    if not isinstance(how.jitter, str):
        return float(how.jitter)
    if source.marks:  # our own writer knows what it wrote
        return 0.0
    time = head.first(LOOK).time[head.first(LOOK).after < 0]
    if source.kind == "burstgpt" and bool((time == np.floor(time)).all()):
        return 1.0
    return quantum_of((time - time[0]) / source.per_second)


class Intake:
    """Makes requests of rows, in the file's order; draws go on from one part to the next."""

    def __init__(self, source: Source, how: Reading, frame: Frame) -> None:
        self.source, self.how, self.frame = source, how, frame
        self._jitter, self._difficulty = stream(how.seed, JITTER), stream(how.seed, DIFFICULTY)
        self._poisson, self._last_s = stream(how.seed, ARRIVALS), 0.0

    def seconds(self, time: Floats) -> Floats:
        """Times of the file in seconds of the run, without jitter."""
        return (time - self.frame.base) / self.source.per_second / self.frame.speedup

    def requests(self, rows: Rows, after: Ints | None = None, concurrency: int = 0) -> Requests:
        """The requests of ``rows``; ``after`` names places among them."""
        n = len(rows)
        count, flat = merged(rows.hash_count, rows.hashes, self.frame.into)
        return requests_of(
            rows.isl, rows.osl,
            arrival_s=np.zeros(n) if concurrency else self._arrivals(rows),
            priority=rows.priority, session=rows.session, origin=rows.origin, service=rows.service, after=after,
            gap_s=rows.gap_s, difficulty=self._difficulty.random(n) if rows.difficulty is None else rows.difficulty,
            names=Names(np.cumsum(count) - count, count, flat) if self.frame.block_tokens else None,
            hash_tokens=self.frame.block_tokens * self.frame.into, concurrency=concurrency,
        )  # fmt: skip

    def _arrivals(self, rows: Rows) -> Floats:
        if not self.frame.timed:
            gaps = self._poisson.exponential(1.0 / float(self.how.rate or 1.0), len(rows))
            gaps[0] += self._last_s
            times = np.cumsum(gaps)
            self._last_s = float(times[-1])
            return times
        times = self.seconds(rows.time)
        if self.frame.quantum_s:
            times = times + self._jitter.random(len(rows)) * (self.frame.quantum_s / self.frame.speedup)
        return np.where(np.isnan(times), 0.0, times)

    def notes(self) -> list[Note]:
        """What was assumed of times and names."""
        frame, how = self.frame, self.how
        said = []
        if not frame.timed and how.rate is not None:
            said.append(Note("arrivals", f"the file has no times: Poisson, {how.rate:g}/s (seed {how.seed})"))
        if frame.timed and frame.quantum_s:
            text = f"arrivals come in steps of {frame.quantum_s:g} s; each is spread evenly over its step"
            said.append(Note("clock", text))
        if frame.timed and frame.speedup != 1.0:
            said.append(Note(
                "time axis", f"{frame.speedup:.6g} times as fast: {frame.own_rate * frame.speedup:.6g} instead of "
                f"{frame.own_rate:.6g} requests/s, bursts keep their shape",
            ))  # fmt: skip
        if frame.block_tokens:
            text = f"a name stands for {frame.block_tokens} tokens"
            text += f", {frame.into} of them merged into one" if frame.into > 1 else ""
            said.append(Note("prefix blocks", text))
        return said
