"""How catalogue entries look on a terminal of 100 columns, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain import units
from drivetrain.errors import BadInputError

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]
WIDTH = 100
FORMATS = ("table", "json", "csv")
# in JSON and CSV only: the table has to fit, and the name of a price says what it is of
_HIDDEN = ("launched", "status")
_HIDDEN_OF_PRICES = ("accelerator", "kind", "terms")
_HIDDEN_OF_INSTANCES = ("size", "nic_bytes_per_s")
_HIDDEN_OF_ENGINES = ("memory_frac", "block_tokens")
_HIDDEN_OF_QUALITY = ("technique", "model", "benchmark", "source", "unverified")
_FOLDING = ("value", "source", "note", "vendors", "title", "aliases", "terms", "accelerator", "options", "summary")
# a column that only one kind has -> what its table leaves out
_HIDDEN_OF = (("terms", _HIDDEN_OF_PRICES), ("spot_usd", _HIDDEN_OF_INSTANCES), ("mixes", _HIDDEN_OF_ENGINES),
              ("benchmark", _HIDDEN_OF_QUALITY))  # fmt: skip
# ending of a field name -> dimension
_ENDINGS = (
    ("_flop_per_s", "FLOP/s"),
    ("bytes_per_s", "bytes/s"),
    ("_bytes", "bytes"),
    ("_w", "W"),
    ("latency_s", "s"),
    ("_per_kwh", "USD/kWh"),
    ("_params", "params"),
)


def rows(found: Sequence[Row], form: str) -> None:
    """Print a list of entries."""
    if _machine(found, form):
        return
    hidden = next((hidden for key, hidden in _HIDDEN_OF if found and key in found[0]), _HIDDEN)
    columns = [key for key in (found[0] if found else {}) if key not in hidden]
    columns = [key for key in columns if any(row[key] not in (None, "") for row in found)]
    table = _table(*(_heading(key) for key in columns))
    for row in found:
        table.add_row(*(_cell(key, row[key], 3) for key in columns))
    _print(table)
    if "spot_usd" in columns:
        _note("USD for one hour of the whole instance, in us or where it is cheapest; reserved is for three years")
    doubtful = sum(bool(row.get("unverified")) for row in found)
    if doubtful:
        _note(f"{doubtful} of {len(found)} rest on values that nobody could confirm: --format csv says which")
    for row in found:
        if row.get("status", "shipping") != "shipping":
            _note(f"{row['name']} is {row['status']}")


def entry(row: Row, form: str) -> None:
    """Print one entry; with ``values``, the sourced ones below it."""
    values = row.get("values", [])
    if form == "csv":
        flat = values or [{"field": key, "value": value} for key, value in _flat(row)]
        _machine(flat, form)
        return
    if _machine(row, form):
        return
    table = _table("field", "value")
    for key, value in _flat({key: value for key, value in row.items() if key != "values"}):
        for i, line in enumerate(_lines(key, value)):
            table.add_row("" if i else key, line)
    _print(table)
    if values:
        _print(_sources(values))
        _note("* used; lines below it without * are sources that disagree. ? nobody could confirm the value.")


def problems(found: Sequence[Row], form: str) -> None:
    """Print broken rules, or that there are none."""
    if _machine(found, form):
        return
    for row in found:
        sys.stdout.write(f"{row['file']}: {row['field']}: {row['message']}\n")
    _note(f"{len(found)} problem{'' if len(found) == 1 else 's'}" if found else "the catalogue is sound")


def _sources(values: Iterable[Row]) -> Table:
    table = _table("", "field", "stated", "kind", "source", "seen", "note")
    for value in values:
        mark = ("*" if value["used"] else " ") + ("?" if value["unverified"] else "")
        stated = str(value["stated"])
        table.add_row(mark, value["field"] if value["used"] else "", stated, value["kind"], value["source"],
                      value["seen"], value["note"])  # fmt: skip
    return table


def _machine(data: Any, form: str) -> bool:  # noqa: ANN401 - rows or one row
    if form not in FORMATS:
        raise BadInputError(f"unknown format '{form}'. Write --format table, json or csv.")
    if form == "json":
        sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(data[0]) if data else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(data)
    return form != "table"


def _flat(row: Row, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value not in (None, "", []):
            yield f"{prefix}{key}", value


def _lines(key: str, value: Any) -> list[str]:  # noqa: ANN401 - whatever the record holds
    """One line for a plain value; one an item for a list of records, without what is unset."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_cell(key, _set_fields(item)) for item in value]
    if isinstance(value, list) and value and isinstance(value[0], list):
        return ["  ".join(f"{_cell('', item[0])}: {_cell('', item[1])}" for item in value)]
    return [_cell(key, value)]


def _set_fields(record: Row) -> Row:
    kept = {k: _set_fields(v) if isinstance(v, dict) else v for k, v in record.items()}
    return {k: v for k, v in kept.items() if v not in (None, False, "", "none", 0, {}, [])}


def _cell(key: str, value: Any, digits: int = 4) -> str:  # noqa: ANN401 - whatever the record holds
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell("", item) for item in value)
    if isinstance(value, dict):
        return ", ".join(
            f"{name} ({_cell(name, item)})" if isinstance(item, dict) else f"{name} {_cell(name, item)}"
            for name, item in value.items()
        )
    if not isinstance(value, (int, float)):
        return str(value)
    dimension = _dimension(key)
    if dimension in ("", "USD/kWh"):
        return f"{value:,}" if isinstance(value, int) else units.number(value)
    return units.show(value, dimension, digits)


def _dimension(key: str) -> str:
    if key.startswith("flops."):
        return "FLOP/s"
    return next((dimension for ending, dimension in _ENDINGS if key.endswith(ending)), "")


def _heading(key: str) -> str:
    for ending in ("_params", "_flop_per_s", "_bytes_per_s", "_bytes", "_mean", "_usd", "_w", "_s"):
        key = key.removesuffix(ending)
    return key.replace("_", " ")


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading not in _FOLDING)
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console()
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    console.print(table, highlight=False)


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")
