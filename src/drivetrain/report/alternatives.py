"""The best plan on each accelerator or instance as a table that fits the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from drivetrain.report.purchase import plan_name
from drivetrain.units import number, show

_ROWS = 6
_GAP = 3  # between columns
_LEFT = ("plan", "engine", "weights", "bound")
_DROPPED = ("engine", "bound")  # in this order, where the page is too narrow
_ONE = re.compile(r"\b1x ")
_MEMORY = re.compile(r"-\d+gb\b")
_SHORT = {
    "hbm_bandwidth": "HBM",
    "compute": "compute",
    "network": "links",
    "overhead": "engine",
    "kv_capacity": "KV room",
}


def alternatives(answer: Mapping[str, Any], width: int) -> Table:
    """The best plans of an answer, no figure cut: names get shorter, then columns fewer, then plans take two lines."""
    by = "instance" if answer["by_instance"] else "accelerator"
    objective = answer.get("scenario", {}).get("objective", "")
    rows = [_cells(row, objective) for row in answer[f"by_{by}"][:_ROWS]]
    columns = list(rows[0]) if rows else ["plan"]
    if len({row["weights"] for row in rows}) == 1:
        columns.remove("weights")
    if _width(columns, rows) > width:
        rows = [row | {"plan": _shortened(row["plan"])} for row in rows]
    for column in _DROPPED:
        if _width(columns, rows) > width:
            columns.remove(column)
    table = Table(title=f"best plan by {by}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
                  show_edge=False)  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right", no_wrap=column != "plan")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _cells(row: Mapping[str, Any], objective: str = "") -> dict[str, str]:
    usd = row["usd_per_million_output_tokens"]
    # The tokens are given, so most of them per megawatt are where least power is provisioned.
    aimed = {"power": show(row["provisioned_power_w"], "W")} if objective == "tokens-per-megawatt" else {}
    return {
        "plan": plan_name(row),
        "engine": row["engine"],
        "weights": row["weight_dtype"],
        **aimed,
        "$/Mtok": "–" if usd is None else number(usd),
        "J/tok": number(row["joules_per_output_token"]),
        "TTFT p95": show(row["ttft_s"]["p95"], "s"),
        "TPOT p95": show(row["tpot_s"]["p95"], "s"),
        "bound": _SHORT[row["bottleneck"]],
    }


def _width(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> int:
    wide = (max(len(text) for text in (column, *(row[column] for row in rows))) for column in columns)
    return sum(wide) + _GAP * (len(columns) - 1)


def _shortened(plan: str) -> str:
    """Accelerators without their memory, and no count of single replicas.

    >>> _shortened("4x gb200-nvl72 + 8x h200-sxm-141gb (1x pp4 > 2x tp4)")
    '4x gb200-nvl72 + 8x h200-sxm (pp4 > 2x tp4)'
    """
    what, _, cut = plan.partition(" (")
    return f"{_MEMORY.sub('', what)} ({_ONE.sub('', cut)}"
