"""When requests of a trace arrive: order, quantum and jitter, scale, gaps.

Scaling divides every time by one factor (``rate`` over the trace's own rate, (n - 1) / span), so that bursts keep their
shape and the coefficient of variation of the gaps stays what it was. A clock that ticks in quanta of q seconds puts
simultaneous arrivals where there were none: each is moved by a uniform draw from [0, q).
"""

from __future__ import annotations

import math

import numpy as np

from drivetrain.serving.sim.records import Floats, Ints
from drivetrain.serving.traffic.records import Note, roots_of

LONG_GAP_S = 3600.0
LOOK = 1 << 16
"""Rows at the beginning of a trace from which its clock and its blocks are told."""

_FEW = 20  # different times below which nothing is said about a clock
_SHARED = 1.5  # rows per different time from which on a clock looks coarse
_FINEST_S = 0.05  # quanta below this do not matter to a step of an engine
_ON_GRID, _NEAR = 0.9, 0.02


def quantum_of(time_s: Floats) -> float:
    """The tick of the clock that recorded ``time_s`` in seconds, 0 where none shows.

    A clock is called coarse where rows share times (more than 1.5 each on average) and 90 % of the steps between
    different times are whole multiples of the median step, within 2 %.

    >>> quantum_of(np.repeat(np.arange(0.0, 90.0, 3.0), 5))
    3.0
    >>> quantum_of(np.cumsum(np.random.default_rng(1).exponential(1.0, 500)))
    0.0
    """
    ticks = np.unique(time_s[np.isfinite(time_s)])
    if len(ticks) < _FEW or len(time_s) <= _SHARED * len(ticks):
        return 0.0
    steps = np.diff(ticks)
    step = float(np.median(steps))
    multiple = np.round(steps / step)
    whole = (multiple >= 1) & (np.abs(steps / step - multiple) <= _NEAR)
    return round(step, 3) if step >= _FINEST_S and whole.mean() >= _ON_GRID else 0.0


def rate_of(arrival_s: Floats) -> float:
    """Arrivals a second, (n - 1) / span; nan where that says nothing."""
    if len(arrival_s) < 2:
        return math.nan
    span = float(arrival_s.max() - arrival_s.min())
    return (len(arrival_s) - 1) / span if span > 0 else math.nan


def order_of(time: Floats, after: Ints) -> Ints | None:
    """Rows by time, those of one time as they were; ``None`` where that is the order they are in.

    A row that waits for another goes with the time of the one that came by itself, behind it.
    """
    own = time[after < 0]
    if bool(np.all(own[1:] >= own[:-1])):
        return None
    return np.argsort(time[roots_of(after)], kind="stable")


class Gaps:
    """What stands out in the arrivals of a stream, given in parts: hours without any, and many at once."""

    def __init__(self) -> None:
        self._n = self._long = self._same = 0
        self._longest_s, self._before, self._first_s, self._last_s = 0.0, 0, math.nan, math.nan

    def add(self, arrival_s: Floats) -> None:
        """Take in the next arrivals, in order."""
        if not len(arrival_s):
            return
        first = math.isnan(self._last_s)
        gaps = np.diff(arrival_s) if first else np.diff(arrival_s, prepend=self._last_s)
        if first:
            self._first_s = float(arrival_s[0])
        if len(gaps):
            at = int(gaps.argmax())
            if gaps[at] > self._longest_s:
                self._longest_s, self._before = float(gaps[at]), self._n + at + (2 if first else 1)
            self._long += int((gaps >= LONG_GAP_S).sum())
            self._same += int((gaps == 0).sum())
        self._n += len(arrival_s)
        self._last_s = float(arrival_s[-1])

    def notes(self) -> list[Note]:
        """What to say about it."""
        notes = []
        if self._long:
            hours = f"{self._longest_s / 3600:.1f} h before request {self._before:,}"
            text = f"{self._long:,} of an hour or more without arrivals, the longest {hours}; the fleet waits them out"
            notes.append(Note("long gaps", text))
        if self._first_s >= LONG_GAP_S:
            notes.append(Note("late start", f"the first request comes after {self._first_s / 3600:.1f} h"))
        if self._n > 1 and 2 * self._same >= self._n - 1:
            text = f"{self._same:,} of {self._n:,} requests arrive together with the one before them"
            notes.append(Note("simultaneous arrivals", text))
        return notes
