"""Scatter plots of a plan for the terminal: the Pareto front, cost against quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from string import ascii_uppercase
from typing import Any

from rich.text import Text

from drivetrain.report.canvas import Mark, Scatter, scatter
from drivetrain.report.picture_data import Front, Point, front_of, is_wide, quality_frontier
from drivetrain.units import number

_PLAN = "★"
_WIDEST, _NARROWEST, _GAP = 80, 48, 3
_FEWEST = 3  # points that make a plot worth its lines


def plan_pictures(answer: Mapping[str, Any], width: int) -> list[Text]:
    """The scatter plots that a plan's answer holds, as lines of at most ``width`` columns; two of them side by side."""
    front, frontier = front_of(answer), quality_frontier(answer)
    has_front = len(front.points) >= _FEWEST
    if has_front and frontier and width >= 2 * _NARROWEST + _GAP:
        half = (width - _GAP) // 2
        return _beside(pareto(front, half), quality(frontier, half), half)
    width = min(width, _WIDEST)
    lines = pareto(front, width) if has_front else []
    if frontier:
        lines += [Text(), *quality(frontier, width)] if lines else quality(frontier, width)
    return lines


def pareto(front: Front, width: int = 78, height: int = 7) -> list[Text]:
    """Tokens/s per accelerator against tokens/s per user: a letter per accelerator, capital where targets are met."""
    letters = dict(zip(front.groups, ascii_uppercase, strict=False))
    marks = [Mark(p.x, p.y, _letter(letters.get(p.group, "?"), p.meets)) for p in front.points]
    if front.chosen:
        marks.append(Mark(front.chosen.x, front.chosen.y, _PLAN))
    ordered = sorted(front.points, key=lambda p: p.x)
    plot = Scatter(
        marks,
        lines=[[(p.x, p.y) for p in ordered]],
        wall=front.least_x,
        log_y=is_wide([m.y for m in marks]),
        styles={_PLAN: "bold yellow", "┊": "cyan"},
    )
    long = "Pareto front at the peak: output tok/s per accelerator against tok/s per user"
    title = long if len(long) <= width else "tok/s per accelerator against tok/s per user"
    return [_title(title, width), *scatter(plot, width, height), *_wrapped(_front_legend(front, letters), width)]


def quality(points: Sequence[Point], width: int = 78, height: int = 7) -> list[Text]:
    """Cost against quality kept: a letter per choice, best quality first."""
    named = list(zip(ascii_uppercase, points, strict=False))
    plot = Scatter(
        [Mark(p.x, p.y, letter) for letter, p in reversed(named)],
        lines=[[(p.x, p.y) for _, p in named]],
        percent_x=True,
    )
    items = (
        Text(f"{letter} {p.label}: {number(100 * p.x, 4)} %, ${number(p.y)}".replace(" :", ":")) for letter, p in named
    )
    long = "Quality frontier: $ per million output tokens against quality kept"
    title = long if len(long) <= width else "$ per Mtok out against quality kept"
    return [_title(title, width), *scatter(plot, width, height), *_wrapped(items, width)]


def _title(text: str, width: int) -> Text:
    title = Text(text, style="bold")
    title.truncate(width, overflow="ellipsis")
    return title


def _beside(left: Sequence[Text], right: Sequence[Text], width: int) -> list[Text]:
    """Two blocks of lines, the left one ``width`` columns wide."""
    lines = []
    for one, other in zip_longest(left, right, fillvalue=Text()):
        gap = width + _GAP - one.cell_len if other else 0
        lines.append(Text.assemble(one, " " * gap, other))
    return lines


def _letter(letter: str, meets: bool) -> str:
    return letter if meets else letter.lower()


def _front_legend(front: Front, letters: Mapping[str, str]) -> Iterator[Text]:
    for group, letter in letters.items():
        yield Text(f"{letter} {group}")
    if not all(p.meets for p in front.points):
        yield Text("small letter: misses the SLO")
    if front.chosen:
        yield Text.assemble((_PLAN, "bold yellow"), f" the plan, {front.chosen.label}")
    if front.least_x is not None:
        yield Text.assemble(("┊", "cyan"), f" {front.slo}: at least {number(front.least_x)} tok/s per user")


def _wrapped(items: Iterator[Text], width: int) -> list[Text]:
    """Items side by side, broken between them."""
    lines = [Text()]
    for item in items:
        if lines[-1] and lines[-1].cell_len + 3 + item.cell_len > width:
            lines.append(Text())
        if lines[-1]:
            lines[-1].append("   ")
        lines[-1].append_text(item)
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines
