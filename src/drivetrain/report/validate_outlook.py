"""Back-tests of the outlook for people: a table a series, what failed, what to be careful with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles


def print_back_tests(answer: Mapping[str, Any]) -> None:
    """Print every series with its models, the best of each kind marked."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    out.print(Text(answer["note"], style="dim"))
    for one in answer["series"]:
        train, test = one["train"], one["test"]
        out.print()
        out.print(Text(one["title"], style="bold"))
        out.print(f"  fitted on {_span(train)}, reported on {_span(test)}")
        out.print(_table(one["models"]))
        for told in one["failed"]:
            out.print(f"  failed: {told}")
        out.print(Text(f"  {one['caution']}", style="dim"))


def _table(models: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("model", "kind", "MAPE", "bias", "assumes"):
        table.add_column(title, justify="right" if title in ("MAPE", "bias") else "left", no_wrap=title != "assumes")
    for one in models:
        table.add_row(one["model"], one["kind"], f"{one['mape_frac']:.1%}", f"{one['bias_frac']:+.1%}", one["note"])
    return table


def _span(points: list[dict[str, Any]]) -> str:
    """How many points from when to when.

    >>> _span([{"at": "2025-01"}]), _span([{"at": "2025-01"}, {"at": "2025-04"}])
    ('1 point (2025-01)', '2 points (2025-01 to 2025-04)')
    """
    first, last = points[0]["at"], points[-1]["at"]
    return f"1 point ({first})" if len(points) == 1 else f"{len(points)} points ({first} to {last})"
