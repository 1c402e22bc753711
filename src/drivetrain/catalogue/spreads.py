"""Quantities that are known to within a range, and choices beside them, each with its source: files ``<stem>*.toml``.

A spread is three numbers: half of the probability lies below ``mid``, the share ``share`` between ``low`` and
``high``, evenly on both sides; between them it is a lognormal of two pieces
(:mod:`drivetrain.training.ceilings.draws`). A row with ``value`` instead is a choice: a word, a number without a
range, a list or a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from drivetrain.catalogue.fact import KINDS
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import suggest

DIMENSIONS = (
    "1",
    "FLOP",
    "FLOP/s",
    "W",
    "J",
    "bytes",
    "bytes/s",
    "tok",
    "tok/s",
    "USD",
    "USD/h",
    "USD/kWh",
    "s",
    "1/s",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity that is known to within a range: SI."""

    name: str
    title: str
    dimension: str
    low: float
    mid: float
    high: float
    share: float
    stated: Stated


@dataclass(frozen=True, slots=True)
class Choice:
    """A value without a range, as TOML holds it."""

    name: str
    title: str
    value: Any
    stated: Stated


def spreads(stem: str) -> Mapping[str, Spread]:
    """Every spread of ``<stem>*.toml`` by ``group.name``, those of the user's folder over the shipped ones.

    >>> spreads("ceilings")["chips.stock"].mid
    15000000.0
    """
    return {name: row for name, row in _rows(stem, user_folder()).items() if isinstance(row, Spread)}


def choices(stem: str) -> Mapping[str, Choice]:
    """Every choice of ``<stem>*.toml`` by ``group.name``."""
    return {name: row for name, row in _rows(stem, user_folder()).items() if isinstance(row, Choice)}


def groups(stem: str) -> Mapping[str, tuple[str, ...]]:
    """The names of each group of ``<stem>*.toml``, in the order of the file."""
    found: dict[str, tuple[str, ...]] = {}
    for name in _rows(stem, user_folder()):
        group, _, own = name.rpartition(".")
        found[group] = (*found.get(group, ()), own)
    return found


def spread(stem: str, name: str, what: str = "") -> Spread:
    """The spread ``name`` of a stem; ``what`` is what it is called in the error where there is none."""
    known = spreads(stem)
    if name not in known:
        raise UnknownNameError(what or f"quantity of {stem}", name, suggest(name, known, 3),
                               f"Known: {', '.join(known)}.")  # fmt: skip
    return known[name]


def facts(stem: str) -> Iterator[tuple[str, Stated]]:
    """Where every row is written, for the check of the catalogue."""
    yield from ((name, row.stated) for name, row in _rows(stem, user_folder()).items())


@cache
def _rows(stem: str, user: str) -> Mapping[str, Spread | Choice]:
    found: dict[str, Spread | Choice] = {}
    for path, tables in overlaid(stem, user):
        for group, rows in tables.items():
            table = Table(rows, f"{path}: {group}")
            for name in table:
                row = table.table(name)
                found[f"{group}.{name}"] = (_choice if "value" in row else _spread)(f"{group}.{name}", row)
    return found


def _spread(name: str, table: Table) -> Spread:
    dimension = table.text("unit", "1", among=DIMENSIONS)
    low, mid, high = (table.quantity(key, dimension) for key in ("low", "mid", "high"))
    share = table.quantity("share", "1")
    if not 0 < low <= mid <= high:
        raise FileError(f"{table.where}: low, mid and high are {low:g}, {mid:g}, {high:g}; write them in rising order.")
    if not 0 < share < 1:
        raise FileError(
            f"{table.field('share')} is {share:g}; write the probability between low and high, such as 0.8."
        )
    record = Spread(name, table.text("title"), dimension, low, mid, high, share, _stated(table))
    table.done()
    return record


def _choice(name: str, table: Table) -> Choice:
    record = Choice(name, table.text("title"), table.take("value"), _stated(table))
    table.done()
    return record


def _stated(table: Table) -> Stated:
    return Stated(table.text("source"), table.text("seen"), table.text("kind", among=KINDS),
                  table.flag("unverified", False), table.text("note", ""))  # fmt: skip
