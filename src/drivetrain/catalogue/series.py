"""Public series in time that the outlook is tested on. Facts of ``series.toml``.

A point belongs to the month in which its period ends; ``year`` is that month's end as a decimal year.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import suggest

STEM = "series"
_KINDS = ("measured", "derived", "projected")


@dataclass(frozen=True, slots=True)
class Point:
    """One value: the month it belongs to (``YYYY-MM``), the end of that month as a decimal year, what it is."""

    month: str
    year: float
    value: float
    kind: str
    source: str
    unverified: bool
    note: str


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order of time, in ``unit``."""

    name: str
    title: str
    unit: str
    source: str
    seen: str
    points: tuple[Point, ...]

    def measured(self) -> tuple[Point, ...]:
        """The points that are no one's forecast."""
        return tuple(point for point in self.points if point.kind != "projected")


def series(name: str) -> Series:
    """The series called ``name``.

    >>> one = series("nvidia-data-centre-revenue")
    >>> one.points[-1].month, one.points[-1].value / 1e9
    ('2026-04', 75.2)
    """
    known = every_series()
    if name not in known:
        raise UnknownNameError("series", name, suggest(name, known, 3), f"Known: {', '.join(known)}.")
    return known[name]


def every_series() -> Mapping[str, Series]:
    """All series by name, those of the user's folder over the shipped ones."""
    return dict(_read_all(user_folder()))


def facts() -> Iterator[tuple[str, Stated]]:
    """Where every point is written, for the check of the catalogue."""
    for name, one in every_series().items():
        for point in one.points:
            kind = "measured" if point.kind == "measured" else "derived"
            yield f"{name} {point.month}", Stated(point.source, one.seen, kind, point.unverified, point.note)


def year_of(month: str) -> float:
    """The end of ``YYYY-MM`` as a decimal year.

    >>> year_of("2025-12"), year_of("2026-03")
    (2026.0, 2026.25)
    """
    year, number = month.split("-")
    return int(year) + int(number) / 12.0


@cache
def _read_all(user: str) -> Mapping[str, Series]:
    found: dict[str, Series] = {}
    for path, entries in overlaid(STEM, user):
        for name, raw in entries.items():
            found[name] = _read(name, Table(raw, f"{path}: {name}"))
    return found


def _read(name: str, table: Table) -> Series:
    title, unit, source, seen = (table.text(key) for key in ("title", "unit", "source", "seen"))
    points = tuple(_point(Table(raw, f"{table.where}: points"), source) for raw in table.take("points"))
    table.done()
    if any(later.year <= earlier.year for earlier, later in itertools.pairwise(points)):
        raise FileError(f"{table.where}: points are not in order of time. Sort them by 'at'; a month has one point.")
    return Series(name, title, unit, source, seen, points)


def _point(table: Table, source: str) -> Point:
    month = table.text("at")
    try:
        year = year_of(month)
    except ValueError:
        raise FileError(f"{table.field('at')} is '{month}'. Write a month such as 2026-03.") from None
    value = table.take("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise FileError(f"{table.field('value')} is {value!r}. Write a positive number.")
    point = Point(month, year, float(value), table.text("kind", among=_KINDS), table.text("source", source),
                  table.flag("unverified", False), table.text("note", ""))  # fmt: skip
    table.done()
    return point
