"""What scaling laws say, for people: the run under each, its best use, the laws and where they were fitted."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.ranges import with_range
from drivetrain.report.serve import consoles
from drivetrain.units import number, show

_TOLD = 0.05  # decades beyond the fit worth a word
_FORMS = {
    "parametric": "L = {e:.4g} + {a:.4g}/N^{alpha:.4g} + {b:,.4g}/D^{beta:.4g}",
    "repeated": "L = {e:.4g} + {a:.4g}/N'^{alpha:.4g} + {b:,.4g}/D'^{beta:.4g}",
}


def print_laws(answer: Mapping[str, Any]) -> None:
    """One question under every law on stdout."""
    out, _ = consoles()
    rows = answer["laws"]
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    ran = [row for row in rows if "loss" in row]
    if ran:
        for note in dict.fromkeys(note for row in ran[:1] for note in row["notes"]):
            out.print(Text(note, style="yellow"))
        out.print()
        out.print(_runs(ran))
        out.print()
        out.print(_best(ran))
        if len({row["data"] for row in ran}) > 1:
            out.print(Text("Losses of laws fitted on different texts do not compare.", style="dim"))
    out.print()
    out.print(Text("laws", style="bold"))
    for row in rows:
        for line in law_lines(row):
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            for part in textwrap.wrap(line, out.width, subsequent_indent=indent):
                out.print(part)
    for name, reason in answer["not_possible"].items():
        out.print(Text(f"not {name}: {reason}", style="dim"))
    out.print(Text(f"next: {_next(rows[0])}", style="cyan"))


def law_lines(row: Mapping[str, Any]) -> list[str]:
    """A law's equation, how its best ratio moves with compute, and where it was fitted.

    >>> row = {"law": "mine", "form": "parametric", "ratio_exponent": 0.0, "data": "mine", "fitted": None,
    ...        "coefficients": {k: {"value": v, "unverified": False} for k, v in
    ...                         zip(("e", "a", "b", "alpha", "beta"), (1.0, 4.0, 4.0, 0.5, 0.5))}}
    >>> law_lines(row)
    ['  mine: L = 1 + 4/N^0.5 + 4/D^0.5', '    on mine; best tokens a parameter go as C^0; where fitted is not known']
    """
    values = {name: fact["value"] for name, fact in row["coefficients"].items()}
    form = _FORMS.get(row["form"])
    told = form.format(**values) if form else ", ".join(f"{name} {value:g}" for name, value in values.items())
    unsure = " (unverified)" if any(fact["unverified"] for fact in row["coefficients"].values()) else ""
    moves = with_range(number(row["ratio_exponent"], 2), row["ratio_exponent"], row.get("ratio_exponent_p10"),
                       row.get("ratio_exponent_p90"))  # fmt: skip
    return [
        f"  {row['law']}: {told}{unsure}",
        f"    on {row['data']}; best tokens a parameter go as C^{moves}; {_where(row['fitted'])}",
    ]


def _where(fitted: Mapping[str, Any] | None) -> str:
    if fitted is None:
        return "where fitted is not known"
    parts = [f"{fitted['n_runs']} runs"]
    if fitted["params"]:
        parts.append(f"up to {show(fitted['params'][1], 'params')} parameters")
    if fitted["flops"]:
        parts.append(f"{fitted['flops'][1]:.2g} FLOP")
    return ", ".join(parts)


def _runs(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("the run", ("law", "size", "tokens", "seen", "loss", "beyond fit"))
    for row in rows:
        loss, beyond = row["loss"], row["decades_beyond"]
        table.add_row(
            row["law"], show(row["params"], "params"), show(row["tokens"], "params"),
            f"{number(row['epochs'], 2)}x" if row["epochs"] > 1.0 else "once",
            _ranged(loss, ""), f"{number(10.0**beyond, 2)}x" if beyond > _TOLD else "",
        )  # fmt: skip
    return table


def _best(rows: Sequence[Mapping[str, Any]]) -> Table:
    title = "best use of that compute, 80 % with what the form gets wrong"
    table = _table(title, ("law", "size", "tokens", "tokens/size", "loss", "with 10x"))
    for row in rows:
        best = row["optimum"]
        table.add_row(
            row["law"], show(best["params"], "params"), show(best["tokens"], "params"),
            _ranged(best["tokens_per_param"], "wide_", 3), f"{best['loss']:.4g}", f"{row['ten_times_loss']:.4g}",
        )  # fmt: skip
    return table


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head == "law" else "right", no_wrap=True)
    return table


def _ranged(value: Mapping[str, Any], which: str, digits: int = 4) -> str:
    low, high = value[f"{which}p10"], value[f"{which}p90"]
    text = number(value["value"], digits)
    return text if low is None else f"{text} ({number(low, digits)}–{number(high, digits)})"


def _next(row: Mapping[str, Any]) -> str:
    if "loss" not in row:
        return "drivetrain predict loss --flops 1e24"
    return f"drivetrain plan train --flops {row['flops']:.3g} -a h100-sxm"
