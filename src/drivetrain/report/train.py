"""A training plan or prediction for people: verdict, ranges, where peak goes, memory, layouts, networks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.canvas import Mark, Scatter, scatter
from drivetrain.report.serve import consoles
from drivetrain.report.train_command import command, next_line
from drivetrain.report.train_fabrics import fabric_lines
from drivetrain.report.train_numbers import number_lines, percent
from drivetrain.report.train_tables import accelerator_table, layout_table, schedule_table
from drivetrain.units import number, show
from drivetrain.verbs.train_words import LINK, RESOURCE, SHARE

_BAR = 50
_MOST_REASONS = 3
_FEWEST = 3  # points that make a plot worth its lines
_STYLE = {"useful": "green", "kernels": "blue", "recompute": "cyan", "communication": "red", "bubble": "yellow",
          "overhead": "magenta"}  # fmt: skip


def print_plan(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """A plan on stdout."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green" if answer["feasible"] else "bold red"))
    if answer["feasible"]:
        _body(out, answer, pictures=pictures)
        rows = [*answer["by_accelerator"], *answer["unpriced"]]
        if len(rows) > 1:
            out.print()
            out.print(accelerator_table(rows))
            if any(row["tier"] != "calibrated" for row in rows):
                out.print(Text("* speed by analogy with measured parts", style="dim"))
        _not_possible(out, answer["not_possible"])
    if "fabrics" in answer:
        _fabrics(out, answer["fabrics"], pictures=pictures)
    out.print()
    out.print(_timed(answer))
    out.print(Text(next_line(answer), style="cyan"))


def print_prediction(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """One configuration on stdout."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    _body(out, answer, pictures=pictures)
    if "fabrics" in answer:
        _fabrics(out, answer["fabrics"], pictures=pictures)
    out.print()
    out.print(_timed(answer))
    dropped = ("layout", "recompute", "schedule", "n", "fabric", "sizes")
    kept = {k: v for k, v in answer["scenario"].items() if k not in dropped}
    out.print(Text(f"next: {command('plan', kept | {'n': float(answer['n_accelerators'])})}", style="cyan"))


def _not_possible(out: Console, reasons: Mapping[str, str]) -> None:
    """Parts that will not do, the first few with why."""
    named = [(name, reason) for name, reason in reasons.items() if name]
    for name, reason in named[:_MOST_REASONS]:
        out.print(Text(f"not {name}: {reason}", style="dim"))
    if len(named) > _MOST_REASONS:
        out.print(
            Text(f"nor {', '.join(name for name, _ in named[_MOST_REASONS:])}: --format json says why", style="dim")
        )


def _told(out: Console, line: str) -> None:
    """A line whose further lines are set off like its text."""
    label, text = line[:10], line[10:]
    for i, part in enumerate(textwrap.wrap(text, out.width - 10)):
        out.print(f"{label if i == 0 else ' ' * 10}{part}")


def _timed(answer: Mapping[str, Any]) -> Text:
    n = answer["n_layouts"]
    told = "1 layout" if n == 1 else f"{n:,} layouts"
    return Text(f"{told} evaluated in {number(answer['elapsed_s'])} s.", style="dim")


def _fabrics(out: Console, found: Mapping[str, Any], *, pictures: bool) -> None:
    for line in fabric_lines(found, pictures=pictures):
        out.print(line)


def _body(out: Console, f: Mapping[str, Any], *, pictures: bool) -> None:
    for note in f["notes"]:
        out.print(Text(note, style="yellow"))
    out.print()
    for line in number_lines(f):
        _told(out, line)
    out.print()
    for drawn in (*waterfall_lines(f, pictures=pictures), *_memory(out, f, pictures=pictures)):
        out.print(drawn)
    waits = {LINK[name]: s for name, s in f["exposed_communication_s"].items() if s > 1e-4 * f["step_time_s"]}
    told = ", ".join(f"{name} {show(s, 's')}" for name, s in sorted(waits.items(), key=lambda item: -item[1]))
    _told(out, f"links     waited for {percent(f['waiting_frac'])} of the time: {told or 'nothing shows'}")
    gains = ", ".join(f"{RESOURCE[name]} +{percent(gain)}" for name, gain in f["gain_if_doubled"].items())
    _told(out, f"limits    twice as fast would gain: {gains}")
    if len(f["layouts"]) > 1:
        out.print()
        out.print(layout_table(f["layouts"]))
    if f["schedules"]:
        out.print()
        out.print(schedule_table(f["schedules"]))
    if pictures and out.is_terminal and len(f["layout_front"]) >= _FEWEST:
        for drawn in front_lines(f, min(out.width, 80)):
            out.print(drawn)


def waterfall_lines(f: Mapping[str, Any], *, pictures: bool) -> list[Text]:
    """From peak down to MFU: what each loss takes of the step, as bars that end where the next begins."""
    shares = f["breakdown"]
    lines = [Text("where the peak goes", style="bold")]
    at = 1.0
    rows = [("peak", 0.0, 1.0, 1.0, "white")]
    for name in ("overhead", "communication", "bubble", "recompute", "kernels"):
        rows.append((SHARE[name], max(at - shares[name], 0.0), at, shares[name], _STYLE[name]))
        at -= shares[name]
    rows.append(("MFU", 0.0, shares["useful"], shares["useful"], _STYLE["useful"]))
    for i, (label, start, end, share, style) in enumerate(rows):
        sign = "−" if 0 < i < len(rows) - 1 else " "
        left, right = round(start * _BAR), round(end * _BAR)
        cells = max(right - left, 1 if share > 0 else 0)
        bar = Text.assemble(" " * min(left, _BAR - cells), ("█" * cells, style)) if pictures else Text()
        lines.append(Text.assemble(f"{label:<20}{sign}{percent(share, 3):>7}  ", bar))
    return lines


def _memory(out: Console, f: Mapping[str, Any], *, pictures: bool) -> list[Text]:
    parts = {name: v for name, v in f["memory_bytes"].items() if name not in ("total", "capacity")}
    capacity = f["memory_bytes"]["capacity"]
    bar = stacked(parts, capacity) if pictures else Text()
    free = f"free {show(capacity - f['memory_bytes']['total'], 'bytes')}"
    lines = [
        Text(),
        Text.assemble("memory    ", bar, " " if bar else "", f"{show(capacity, 'bytes')} of one accelerator"),
    ]
    told = legend({name: show(value, "bytes") for name, value in parts.items()}, out.width - 12, free=free)
    return [*lines, *(Text.assemble(" " * 10, line) for line in told)]


def front_lines(f: Mapping[str, Any], width: int, height: int = 8) -> list[Text]:
    """Layouts that none beats in both speed and memory, the one chosen as a star."""
    rows = f["layout_front"]
    points = [(row["memory_bytes"] / 1e9, row["tokens_per_s_per_accel"]) for row in rows]
    chosen = (f["memory_bytes"]["total"] / 1e9, f["tokens_per_s_per_accel"])
    plot = Scatter([Mark(x, y, "o") for x, y in points] + [Mark(*chosen, "★")], lines=[points], zero_y=False,
                   styles={"★": "bold yellow"})  # fmt: skip
    title = Text("layout front: tokens/s each against GB of memory that it takes, ★ the best", style="bold")
    lean = rows[0]
    told = f"leanest: {lean['layout']}, recompute {lean['recompute']}, {percent(lean['slower_frac'])} slower"
    return [Text(), title, *scatter(plot, width, height), Text(told)]
