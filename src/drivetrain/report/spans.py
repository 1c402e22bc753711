"""Ranges of text on a logarithmic axis: ``├──●────┤`` from 10 to 90 %, the half marked, a trend beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

_HALF, _TREND = "●", "×"


@dataclass(frozen=True, slots=True)
class Row:
    """One range: ``p10``, ``p50`` and ``p90`` above 0, and where a trend lies (``None``: there is none)."""

    label: str
    span: Mapping[str, float]
    trend: float | None = None
    style: str = "blue"


def log_ranges(rows: Sequence[Row], width: int = 78) -> list[Text]:
    """One line a row and the decades below, at most ``width`` columns.

    >>> lines = log_ranges([Row("a", {"p10": 1.0, "p50": 10.0, "p90": 100.0})], 23)
    >>> lines[0].plain, lines[1].plain
    ('a  ├────────●────────┤', '   ┴────────┴────────┴')
    """
    margin = max(len(row.label) for row in rows) + 2
    ends = [value for row in rows for value in (*_ends(row), *([row.trend] if row.trend else []))]
    low, high = math.floor(math.log10(min(ends)) + 1e-9), math.ceil(math.log10(max(ends)) - 1e-9)
    high = max(high, low + 1)
    each = max((width - margin - 1) // (high - low), 2)  # whole cells a decade, so that ticks are even
    cells = each * (high - low) + 1

    def at(value: float) -> int:
        return min(max(round((math.log10(value) - low) * each), 0), cells - 1)

    drawn = [_line(row, at, cells, margin) for row in rows]
    axis = "".join("┴" if i % each == 0 else "─" for i in range(cells))
    return [*drawn, Text(" " * margin + axis, style="dim"), Text(_words(low, high, each, margin), style="dim")]


def _ends(row: Row) -> tuple[float, float]:
    return row.span["p10"], row.span["p90"]


def _line(row: Row, at: object, cells: int, margin: int) -> Text:
    assert callable(at)
    left, half, right = (at(row.span[name]) for name in ("p10", "p50", "p90"))
    drawn = [" "] * cells
    for i in range(left, right + 1):
        drawn[i] = "─"
    drawn[left], drawn[right], drawn[half] = "├", "┤", _HALF
    if row.trend is not None:
        drawn[at(row.trend)] = _TREND
    text = Text.assemble(f"{row.label:<{margin}}", ("".join(drawn).rstrip(), row.style))
    text.highlight_regex(_TREND, "bold red")
    return text


def _words(low: int, high: int, each: int, margin: int) -> str:
    """``1e26`` under its tick, as many as do not touch."""
    every = -(-6 // each)
    words = [" "] * ((high - low) * each + margin + 5)
    for decade in range(low, high + 1, every):
        start = margin + (decade - low) * each
        words[start : start + 4] = list(f"1e{decade}".ljust(4))[:4]
    return "".join(words).rstrip()
