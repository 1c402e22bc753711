"""Scatter plots of text for the terminal: markers, lines, ticks with round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from rich.text import Text

from drivetrain.units import number

_BLANK = "\u2800"  # what the canvas leaves where no dot is set
_TICK_COLUMNS = 14  # about so many columns between the ticks below


@dataclass(frozen=True, slots=True)
class Mark:
    """One character at a place."""

    x: float
    y: float
    character: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """What a scatter plot shows. ``lines`` join points in order; ``wall`` is a vertical line at an x."""

    marks: Sequence[Mark]
    lines: Sequence[Sequence[tuple[float, float]]] = ()
    wall: float | None = None
    log_y: bool = False
    zero_y: bool = True
    styles: dict[str, str] = field(default_factory=dict)
    percent_x: bool = False


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Place of ``value`` from 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def scatter(plot: Scatter, width: int = 78, height: int = 10) -> list[Text]:
    """Draw ``plot`` on ``height`` rows and at most ``width`` columns, axes included.

    Later marks lie over earlier ones. Every mark differs by its character, so colour is never needed.
    """
    from plotille import Canvas

    xs, ys = [m.x for m in plot.marks], [m.y for m in plot.marks]
    x_axis = _axis([*xs, *([plot.wall] if plot.wall else [])], log=False, zero=False)
    y_axis = _axis(ys, log=plot.log_y, zero=plot.zero_y)
    y_ticks = {_row(y_axis.at(v), height): number(v) for v in ticks(y_axis, max(3, height // 2))}
    margin = max(len(text) for text in y_ticks.values()) + 2
    columns = max(width - margin, 20)
    canvas = Canvas(columns, height, 0, 0, 1, 1)
    if plot.wall is not None:
        for row in range(height):
            canvas.text(_inside(x_axis.at(plot.wall), columns), (row + 0.5) / height, "┊")
    for line in plot.lines:
        for (x0, y0), (x1, y1) in pairwise(line):
            canvas.line(_inside(x_axis.at(x0), columns), _inside(y_axis.at(y0), height),
                        _inside(x_axis.at(x1), columns), _inside(y_axis.at(y1), height))  # fmt: skip
    for mark in plot.marks:
        canvas.text(_inside(x_axis.at(mark.x), columns), _inside(y_axis.at(mark.y), height), mark.character)
    drawn = str(canvas.plot(linesep="\n")).replace(_BLANK, " ").split("\n")
    lines = [_body(text, y_ticks.get(height - 1 - row, ""), margin, plot.styles) for row, text in enumerate(drawn)]
    return [*lines, *_below(x_axis, margin, columns, percent=plot.percent_x)]


def ticks(axis: _Axis, n: int) -> list[float]:
    """About ``n`` round values within an axis: 1, 2 or 5 times a power of ten.

    >>> ticks(_Axis(0.0, 100.0, False), 4)
    [0.0, 50.0, 100.0]
    >>> ticks(_Axis(10.0, 2000.0, True), 4)
    [10.0, 100.0, 1000.0]
    """
    if axis.log:
        first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
        for steps in ((1,), (1, 3), (1, 2, 5)):
            found = [s * 10.0**e for e in range(first, last + 1) for s in steps]
            found = [v for v in found if axis.low <= v * (1 + 1e-9) and v <= axis.high * (1 + 1e-9)]
            if len(found) >= min(n, 3):
                return found
        return found or [axis.low, axis.high]  # narrower than any round step
    raw = (axis.high - axis.low) / max(n - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * (1 - 1e-9))
    first_index = math.ceil(axis.low / step - 1e-9)
    last_index = math.floor(axis.high / step + 1e-9)
    return [round(i * step, 12) for i in range(first_index, last_index + 1)]


def _axis(values: Sequence[float], *, log: bool, zero: bool) -> _Axis:
    low, high = min(values), max(values)
    if log:
        return _Axis(low / 1.1, high * 1.1, True)
    room = (high - low) * 0.04 or abs(high) * 0.05 or 1.0
    return _Axis(0.0 if zero and low >= 0 else low - room, high + room, False)


def _inside(share: float, cells: int) -> float:
    """A share from 0 to 1 that falls on a cell: the upper end of an axis belongs to its last cell."""
    return min(max(share, 0.0), 1.0 - 0.5 / cells)


def _row(share: float, height: int) -> int:
    """Row from below in which a share of the height lies."""
    return min(int(_inside(share, height) * height), height - 1)


def _body(drawn: str, tick: str, margin: int, styles: dict[str, str]) -> Text:
    joint = "┤" if tick else "│"
    text = Text.assemble((f"{tick:>{margin - 2}} {joint}", "dim"))
    for style, run in groupby(drawn.rstrip(), lambda c: styles.get(c, "dim" if ord(c) > ord(_BLANK) else "")):
        text.append("".join(run), style=style)
    return text


def _below(axis: _Axis, margin: int, columns: int, *, percent: bool) -> list[Text]:
    """The line under the plot and the numbers of its ticks."""
    line, words = ["─"] * columns, [" "] * columns
    for value in ticks(axis, max(columns // _TICK_COLUMNS, 2)):
        column = min(int(_inside(axis.at(value), columns) * columns), columns - 1)
        line[column] = "┬"
        text = f"{number(100 * value, 4)} %" if percent else number(value)
        start = min(max(column - len(text) // 2, 0), columns - len(text))
        if all(c == " " for c in words[max(start - 1, 0) : start + len(text)]):
            words[start : start + len(text)] = list(text)
    return [
        Text(" " * (margin - 1) + "└" + "".join(line), style="dim"),
        Text(" " * margin + "".join(words).rstrip(), style="dim"),
    ]
