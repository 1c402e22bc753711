"""Findings on claims for people: a table, one claim with its inputs, a Markdown page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.insight.claims.ledger import BOUNDED, VERDICTS, Finding
from drivetrain.insight.claims.text import ESSAYS
from drivetrain.report.serve import consoles
from drivetrain.units import number, show

_STYLE = {"holds": "green", "holds under conditions": "yellow", "too loose": "yellow", "wrong": "red",
          "outdated": "red", "not testable here": "dim"}  # fmt: skip
_BAR = 40
_SURE = 0.995  # from here on two figures would round to 100 %
_PREFIXED = ("bytes/s", "bytes", "FLOP/s", "W", "s", "J")  # units that take a prefix, and that --set reads so
_COUNTED = ("tokens", "parameters")  # shown as 15T, 8.03B


def print_findings(found: Sequence[Finding]) -> None:
    """One claim in full, or a table of several with the verdicts counted."""
    out, _ = consoles()
    if len(found) == 1:
        _print_one(out, found[0])
        return
    if not found:
        out.print("no claim has this verdict")
        return
    for essay, title in ESSAYS.items():
        rows = [one for one in found if one.essay == essay]
        if rows:
            out.print(_table(f"essay {essay}: {title}", rows))
    for line in _tally(found):
        out.print(line)
    out.print(Text("next: drivetrain claims ID shows a claim with its inputs, sources and command", style="cyan"))


def markdown(found: Sequence[Finding]) -> str:
    """Findings as Markdown: an overview by essay, then each claim with evidence and command."""
    lines = [_counted(found), ""]
    for essay, title in ESSAYS.items():
        rows = [one for one in found if one.essay == essay]
        if not rows:
            continue
        lines += [f"## Essay {essay}: {title}", "", "| claim | says | computed | verdict |", "|---|---|---|---|"]
        lines += [f"| [{o.id}](#{o.id.lower()}) | {_cell(o.claim)} | {_cell(_value(o))} | {o.verdict} |" for o in rows]
        lines.append("")
        for one in rows:
            lines += [*_entry(one), ""]
    return "\n".join(lines[:-1]) + "\n"


def csv_rows(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """One row a claim; the range as two columns, inputs left to JSON."""
    rows = []
    for one in found:
        row = one.row()
        row.pop("inputs")
        low, high = row.pop("range") or (None, None)
        rows.append(row | {"low": low, "high": high})
    return rows


def _entry(one: Finding) -> list[str]:
    lines = [f"### {one.id}", "", f"{one.claim}", "", f"**{one.verdict[0].upper()}{one.verdict[1:]}.** {one.evidence}"]
    if one.computed is not None:
        lines += ["", f"- {_escaped(one.quantity)}: {_value(one)}", f"- `{one.command}`"]
    return lines


def _counted(found: Sequence[Finding]) -> str:
    distinct = sum(one.computed is not None and not one.same_as for one in found)
    counts = Counter(one.verdict for one in found)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{len(found)} claims, {distinct} of them computed on their own: {told}."


def _tally(found: Sequence[Finding]) -> list[Text]:
    """One bar a verdict."""
    counts = Counter(one.verdict for one in found)
    most = max(counts.values())
    lines = []
    for verdict in VERDICTS:
        if counts[verdict]:
            length = max(1, round(_BAR * counts[verdict] / most))
            lines.append(Text(f"{verdict:<23}{'█' * length} {counts[verdict]}", style=_STYLE[verdict]))
    distinct = sum(one.computed is not None and not one.same_as for one in found)
    lines.append(Text(f"{len(found)} claims, {distinct} computed on their own", style="bold"))
    return lines


def _table(title: str, rows: Sequence[Finding]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("claim", ratio=5)
    table.add_column("computed", ratio=3)
    table.add_column("verdict", ratio=2)
    for one in rows:
        table.add_row(one.id, Text(one.claim), Text(_value(one)), Text(one.verdict, style=_STYLE[one.verdict]))
    return table


def _print_one(out: Console, one: Finding) -> None:
    out.print(Text.assemble((f"{one.id}  ", "bold"), one.claim))
    out.print(Text(one.verdict, style=f"bold {_STYLE[one.verdict]}"))
    out.print(Text(one.evidence))
    if one.computed is None:
        return
    out.print(Text(f"\n{one.quantity}: {_value(one)}"))
    if one.inputs:
        out.print(_inputs(one))
    out.print(Text(f"see it: {one.command}", style="cyan"))
    first = next(iter(one.inputs), "")
    if first:
        out.print(Text(f"change it: drivetrain claims {one.same_as or one.id} --set {first}=…", style="cyan"))


def _inputs(one: Finding) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("input", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("unit", overflow="fold")
    table.add_column("source", overflow="fold")
    for name, item in one.inputs.items():
        ends = (item.low, item.high)
        low, high = (item.value if end is None else end for end in ends)
        prefixed = item.unit in _PREFIXED
        value, *told = (show(x, item.unit) if prefixed else _plain(x) for x in (item.value, low, high))
        unit = "" if prefixed or item.unit == "1" else item.unit
        table.add_row(name, value, "" if ends == (None, None) else " to ".join(told), unit, Text(item.source))
    return table


def _value(one: Finding) -> str:
    """Number and range in the unit that reads best.

    >>> from drivetrain.insight.claims.ledger import run
    >>> _value(run(["A17"])[0]), _value(run(["A21"])[0])
    ('–', '1,868 (1,868 to 1,943) tokens per parameter')
    """
    if one.computed is None:
        return "–"
    ends = () if one.range is None or one.range[0] == one.range[1] else one.range
    value, *shown = (_number(number, one.unit) for number in (one.computed, *ends))
    unit = "" if one.unit in ("1", *BOUNDED, *_PREFIXED) else f" {one.unit}"
    return f"{value} ({' to '.join(shown)}){unit}" if shown else f"{value}{unit}"


def _plain(value: float) -> str:
    """Four figures, a power of ten without idle zeros.

    >>> _plain(5e26), _plain(5.88e23), _plain(1500.0)
    ('5e+26', '5.88e+23', '1,500')
    """
    return re.sub(r"\.?0+e", "e", number(value, 4))


def _number(value: float, unit: str) -> str:
    if unit in BOUNDED:
        return f"{number(100.0 * value, 2 if value < _SURE else 3)} %"
    if unit in _PREFIXED:
        return show(value, unit)
    return show(value, "params") if unit in _COUNTED else number(value)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")
