"""What limits the largest training run, each as a spread with its source. Facts of ``ceilings.toml``.

A spread is three numbers: half of the probability lies below ``mid``, the share ``share`` between ``low`` and
``high``, evenly on both sides. Between them it is a lognormal of two pieces (:mod:`drivetrain.training.ceilings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from drivetrain.catalogue.fact import KINDS
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import suggest

STEM = "ceilings"
_DIMENSIONS = ("1", "FLOP", "FLOP/s", "W", "tok", "USD", "s")


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


def spread(name: str) -> Spread:
    """The spread called ``name``.

    >>> spread("chips.stock").mid, spread("chips.stock").stated.source
    (15000000.0, 'epoch-chip-stock')
    """
    known = spreads()
    if name not in known:
        raise UnknownNameError("limit of training runs", name, suggest(name, known, 3), f"Known: {', '.join(known)}.")
    return known[name]


def spreads() -> Mapping[str, Spread]:
    """Every spread by ``group.name``, those of the user's folder over the shipped ones."""
    return dict(_spreads(user_folder()))


def facts() -> Iterator[tuple[str, Stated]]:
    """Where every spread is written, for the check of the catalogue."""
    yield from ((name, one.stated) for name, one in spreads().items())


@cache
def _spreads(user: str) -> Mapping[str, Spread]:
    found: dict[str, Spread] = {}
    for path, groups in overlaid(STEM, user):
        for group, rows in groups.items():
            table = Table(rows, f"{path}: {group}")
            for name in table:
                found[f"{group}.{name}"] = _read(f"{group}.{name}", table.table(name))
    return found


def _read(name: str, table: Table) -> Spread:
    dimension = table.text("unit", "1", among=_DIMENSIONS)
    low, mid, high = (table.quantity(key, dimension) for key in ("low", "mid", "high"))
    share = table.quantity("share", "1")
    if not 0 < low <= mid <= high:
        raise FileError(f"{table.where}: low, mid and high are {low:g}, {mid:g}, {high:g}; write them in rising order.")
    if not 0 < share < 1:
        raise FileError(
            f"{table.field('share')} is {share:g}; write the probability between low and high, such as 0.8."
        )
    stated = Stated(table.text("source"), table.text("seen"), table.text("kind", among=KINDS),
                    table.flag("unverified", False), table.text("note", ""))  # fmt: skip
    record = Spread(name, table.text("title"), dimension, low, mid, high, share, stated)
    table.done()
    return record
