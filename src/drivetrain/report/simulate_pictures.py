"""What a run looked like, for the terminal: levels over time as small bars, waiting times over requests as a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from string import ascii_uppercase
from typing import Any

import numpy as np
from rich.text import Text

from drivetrain.report.canvas import Mark, Scatter, scatter
from drivetrain.report.picture_data import is_wide
from drivetrain.units import number, show

_BARS = "▁▂▃▄▅▆▇█"
_LEVELS = (("queue", "waiting", "yellow"), ("running", "running", "cyan"), ("kv_frac", "KV cache", "blue"),
           ("busy_frac", "busy", "green"))  # fmt: skip
_NAMED = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_LABEL = 10
_TINY = 0.001  # shares below this are not worth their digits


def levels_over_time(answer: Mapping[str, Any], width: int = 78, pool: str = "") -> list[Text]:
    """Requests waiting and running, KV cache and steps over time: one row of bars each, mean and most beside it.

    Bars of requests reach to the most there was, bars of shares to all there is. Several pools are added up; shares
    are their means.
    """
    rows = _by_time([row for row in answer["series"] if not pool or row["pool"] == pool])
    if len(rows) < 2:
        return []
    cells = max(min(width - _LABEL - 28, 60), 8)
    end = f"{show(rows[-1]['time_s'], 's')}"
    levels: tuple[tuple[str, str, str], ...] = _LEVELS
    if len({row["ready"] for row in rows}) > 1:  # something starts, fails or comes back
        levels = (*_LEVELS, ("ready", "replicas", "magenta"))
    lines = [Text.assemble(f"{'over time':<{_LABEL}}", ("0" + end.rjust(cells - 1), "dim"))]
    for name, label, style in levels:
        values = np.array([row[name] for row in rows])
        share = name.endswith("_frac")
        most = 1.0 if share else float(values.max())
        said = (f"mean {percent(values.mean())}, most {percent(values.max())}" if share
                else f"mean {number(values.mean())}, most {number(values.max())}")  # fmt: skip
        lines.append(Text.assemble(f"{label:<{_LABEL}}", (bars(values, most, cells), style), ("  " + said, "dim")))
    return lines


def percent(share: float, digits: int = 2) -> str:
    """A share as people say it, tiny ones without their digits.

    >>> percent(0.1234), percent(6.8e-6), percent(0.0)
    ('12 %', '< 0.1 %', '0 %')
    """
    return "< 0.1 %" if 0.0 < share < _TINY else f"{number(100 * share, digits)} %"


def bars(values: Any, most: float, cells: int) -> str:  # noqa: ANN401 - numbers
    """``values`` as ``cells`` bars, each the mean of its stretch, full at ``most``; a blank where there is nothing.

    >>> bars([0, 1, 2, 8], 8.0, 4)
    ' ▁▂█'
    """
    at = np.linspace(0, len(values), cells + 1)
    numbers = np.asarray(values, dtype=float)
    means = [numbers[int(a) : max(int(b), int(a) + 1)].mean() for a, b in pairwise(at.tolist())]
    if most <= 0:
        return " " * cells
    heights = [0.0 if m <= 0 else min(max(round(m / most * len(_BARS)), 1), len(_BARS)) for m in means]
    return "".join(" " if not h else _BARS[int(h) - 1] for h in heights)


def curves(answers: Sequence[Mapping[str, Any]], names: Sequence[str], width: int = 78, height: int = 8) -> list[Text]:
    """Seconds to the first token against the share of requests that are served within them: a letter per answer."""
    marks: list[Mark] = []
    lines = []
    for i, (letter, answer) in enumerate(zip(ascii_uppercase, answers, strict=False)):
        known = answer["distribution"]
        if not known:
            continue
        points = [(f, t) for f, t in zip(known["frac"], known["ttft_s"], strict=True) if t > 0]
        if len(points) < 2:
            continue
        lines.append(points)
        shift = 0.2 * i / len(answers)  # letters of curves that run together do not cover each other
        spots = tuple(_NAMED.values()) if len(answers) == 1 else tuple(0.06 + shift + 0.2 * k for k in range(5))
        marks += [Mark(f, float(np.interp(f, known["frac"], known["ttft_s"])), "●" if len(answers) == 1 else letter)
                  for f in spots]  # fmt: skip
    if not lines:
        return []
    seconds = [t for line in lines for _, t in line]
    edge = [Mark(f, t, "·") for line in lines for f, t in (line[0], line[-1])]
    plot = Scatter([*edge, *marks], lines=lines, log_y=is_wide(seconds), zero_y=True, percent_x=True,
                   styles={"●": "bold yellow"})  # fmt: skip
    title = "seconds to the first token, against the share of requests within them"
    found = [Text(title if len(title) <= width else "seconds to first token by share", style="bold"),
             *scatter(plot, width, height)]  # fmt: skip
    if len(answers) > 1:
        text = "   ".join(f"{letter} {name}" for letter, name in zip(ascii_uppercase, names, strict=False))
        return [*found, Text(text, style="dim")]
    return [*found, Text("● " + ", ".join(_NAMED), style="dim")]


def _by_time(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Rows of all pools at one time as one: counts added up, shares weighted by the replicas that serve."""
    found = []
    for at, group in groupby(sorted(rows, key=lambda row: row["time_s"]), key=lambda row: row["time_s"]):
        same = list(group)
        ready = sum(row["ready"] for row in same)
        weights = [row["ready"] / ready if ready else 1 / len(same) for row in same]
        row = {"time_s": at, **{name: sum(r[name] for r in same) for name in ("queue", "running", "ready")}}
        row |= {name: sum(w * r[name] for w, r in zip(weights, same, strict=True)) for name in ("kv_frac", "busy_frac")}
        found.append(row)
    return found
