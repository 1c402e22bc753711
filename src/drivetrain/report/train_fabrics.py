"""The same training job on several networks: share of time spent waiting, by size, and where the link comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.units import number

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST_SIZES = 6


def fabric_lines(found: Mapping[str, Any], *, pictures: bool = True) -> Iterator[Table | Text]:
    """A table of waiting by network and size, then one sentence a network."""
    yield Text()
    job = f"{found['model']}, {found['global_batch']:,} x {found['seq']:,} tokens a step"
    yield Text(f"time waiting for links (MFU), {job}", style="bold")
    yield _table(found, pictures=pictures)
    for row in found["by_fabric"]:
        yield Text(sentence(row))
    if any(row["hypothetical"] for row in found["rows"]):
        yield Text(
            "* one scale-up domain for all: larger than the part's own, so a bound and not for sale.", style="dim"
        )
    if len({row["fabric"] for row in found["rows"]}) > 1:
        yield Text(
            "Each has its own best layout: one that waits less may lose more elsewhere, compare MFU.", style="dim"
        )
    if any(":ecmp" in row["fabric"] for row in found["rows"]):
        yield Text("roce as ib where it is tuned; :ecmp with flows that collide, all-reduce up to 1.4 times slower.",
                   style="dim")  # fmt: skip
    yield Text("Other jobs on the network and oversubscription are not modelled.", style="dim")


def sentence(row: Mapping[str, Any]) -> str:
    """What one network comes to.

    >>> sentence({"fabric": "ib-ndr", "fits_from": 64, "largest": 16384, "waiting_frac_smallest": 0.06,
    ...           "waiting_frac_largest": 0.28, "largest_loss_from": 16384, "link_first_from": None,
    ...           "efficiency_frac": 0.4})[:85]
    'ib-ndr: 6 % of the time waiting on 64, 28 % on 16,384; each then does 40 % of what it'
    """
    if row["fits_from"] is None:
        return f"{row['fabric']}: fits none of these sizes."
    if row["fits_from"] == row["largest"]:
        waits = number(100 * row["waiting_frac_largest"], 2)
        return f"{row['fabric']}: {waits} % of the time waiting on {row['largest']:,}."
    lost, first = row["largest_loss_from"], row["link_first_from"]
    largest = f"the largest loss from {lost:,}" if lost else "never the largest loss"
    limit = f"the first limit from {first:,}" if first else f"compute is the first limit up to {row['largest']:,}"
    few, many = (number(100 * row[f"waiting_frac_{end}"], 2) for end in ("smallest", "largest"))
    return (
        f"{row['fabric']}: {few} % of the time waiting on {row['fits_from']:,}, {many} % on {row['largest']:,}; "
        f"each then does {number(100 * row['efficiency_frac'], 2)} % of what it did; {largest}; {limit}."
    )


def _table(found: Mapping[str, Any], *, pictures: bool) -> Table:
    sizes = sorted({row["n_accelerators"] for row in found["rows"]})
    step = 1 if len(sizes) <= _MOST_SIZES else -(-len(sizes) // (_MOST_SIZES - 2))
    shown = [*sizes[::step], sizes[-1]]
    shown = list(dict.fromkeys(shown))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("network")
    if pictures:
        table.add_column(f"{sizes[0]:,}–{sizes[-1]:,}", no_wrap=True, min_width=len(sizes))
    for n in shown:
        table.add_column(f"{n:,}", justify="right", no_wrap=True)
    for fabric in dict.fromkeys(row["fabric"] for row in found["rows"]):
        rows = {row["n_accelerators"]: row for row in found["rows"] if row["fabric"] == fabric}
        spark = ["".join(_cell(rows[n]) for n in sizes)] if pictures else []
        table.add_row(fabric, *spark, *(_value(rows[n]) for n in shown))
    return table


def _cell(row: Mapping[str, Any]) -> str:
    """One cell of a bar chart whose full height is half of the time."""
    if not row["feasible"]:
        return "·"
    return _BLOCKS[max(1, min(8, round(row["waiting_frac"] * 16)))]


def _value(row: Mapping[str, Any]) -> str:
    if not row["feasible"]:
        return "–"
    star = "*" if row["hypothetical"] else ""
    return f"{number(100 * row['waiting_frac'], 2)}% ({number(100 * row['mfu'], 2)}){star}"
