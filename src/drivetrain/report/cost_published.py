"""Our cost of owning beside published ones, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.units import number

_IS = {"test": "test", "definition": "defined"}


def print_published(answer: Mapping[str, Any]) -> None:
    """Every published hour with ours, which of them test the terms, and which prices were solved for."""
    out, _ = consoles()
    tests = answer["tests"]
    good, n_placeholders = tests["within_limit"], tests["n_placeholders"]
    out.print(Text(
        f"{tests['n']} published hours test the terms: worst {_percent(tests['worst_frac'])}, "
        f"mean {_percent(tests['mean_abs_frac'])} off; {tests['n_definitions']} agree by definition"
        f"{f', {n_placeholders} rest on placeholders *' if n_placeholders else ''}.",
        style="bold green" if good else "bold red",
    ))  # fmt: skip
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("accelerator", "operator", "published", "ours", "off", "is", "bought", "energy"):
        named = column in ("accelerator", "operator", "is")
        table.add_column(column, justify="left" if named else "right", no_wrap=True)
    for row in answer["rows"]:
        told = _IS[row["is"]] + ("*" if row["placeholder"] else "")
        table.add_row(
            row["accelerator"], row["operator"], f"{row['published_usd_per_hour']:.2f}",
            f"{row['usd_per_accelerator_hour']:.2f}", _signed(row["error_frac"]), told,
            f"{row['capital_usd']['total']:,.0f}", _percent(row["electricity_frac"]),
        )  # fmt: skip
    out.print(table)
    out.print("bought: USD with server and network, defined where solved from this hour; energy: electricity's share")
    if n_placeholders:
        out.print("* the source has none of its own and takes 1.2 times the predecessor's")
    for name, what in (("electricity_frac", "electricity"), ("electricity_and_facility_frac", "with the facility")):
        low, high = answer[name]
        out.print(f"{what}: {_percent(low)} to {_percent(high)} of the hour")
    solved = ", ".join(f"{row['accelerator']} {row['usd']:,.0f}" for row in answer["solved_for"])
    out.print(f"solved for, USD at a hyperscaler with server and network: {solved}")


def _signed(share: float) -> str:
    """A deviation; none where it rounds to none.

    >>> _signed(-0.0612), _signed(-1e-9)
    ('−6.1 %', '0 %')
    """
    text = f"{100 * share:+.1f}"
    return "0 %" if float(text) == 0 else f"{text} %".replace("-", "−")


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"
