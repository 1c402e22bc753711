"""A measured file as rows of text, with every problem named.

What is wrong with the file as a whole (absent, not CSV, columns missing) raises :class:`FileError`. What is wrong
with one row becomes the reason why that row is listed and not predicted: nothing is dropped silently.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivetrain.errors import BadInputError, FileError
from drivetrain.registry import suggest

_BLANK = frozenset({"", "none", "null", "n/a", "-"})


@dataclass(frozen=True, slots=True)
class Raw:
    """One row as it stands in the file; ``problem`` is empty where it can be read."""

    row_id: str
    line: int
    cells: Mapping[str, str]
    problem: str = ""

    def text(self, *names: str) -> str:
        """The first of ``names`` that is given, or an empty string."""
        for name in names:
            value = (self.cells.get(name) or "").strip()
            if value.lower() not in _BLANK:
                return value
        return ""

    def number(self, *names: str) -> float | None:
        """The first of ``names`` that is given, as a number from 0 up; None where none is. Raises where unreadable."""
        for name in names:
            text = self.text(name)
            if text:
                return _number(name, text)
        return None

    def need(self, name: str, least: float = 0.0) -> float:
        """A number that must be there and at least ``least``."""
        value = self.number(name)
        if value is None:
            raise BadInputError(f"{name} is blank.")
        if value < least or value == 0.0:
            raise BadInputError(f"{name} is {value:g}; it must be {f'at least {least:g}' if least else 'above 0'}.")
        return value

    def whole(self, *names: str) -> int | None:
        """As :meth:`number`, for counts from 1 up."""
        value = self.number(*names)
        if value is None:
            return None
        if value < 1 or value != int(value):
            raise BadInputError(f"{names[0]} is {value:g}; it must be a whole number from 1 up.")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """``True``, ``1``, ``1.0``, ``yes`` and their opposites; None where blank."""
        text = self.text(name).lower()
        if not text:
            return None
        if text in ("true", "1", "1.0", "yes"):
            return True
        if text in ("false", "0", "0.0", "no"):
            return False
        raise BadInputError(f"{name} is '{text}'; write True or False.")


@dataclass(frozen=True, slots=True)
class Table:
    """A file's columns and rows, in order."""

    columns: tuple[str, ...]
    rows: tuple[Raw, ...]

    def has(self, *names: str) -> bool:
        """Whether all of ``names`` are columns."""
        return all(name in self.columns for name in names)


def read(path: Path, required: Sequence[str | tuple[str, ...]], id_column: str = "row_id") -> Table:
    """Read a CSV file with a header. A tuple in ``required`` means any one of its columns.

    Where ``id_column`` is not required and absent, rows are named by their line.
    """
    return parse(_text(path), required, id_column, str(path))


def digest(path: Path) -> str:
    """What names a file's bytes in a fit: the first 16 digits of their SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def parse(text: str, required: Sequence[str | tuple[str, ...]], id_column: str, name: str) -> Table:
    """As :func:`read`, from the file's text; ``name`` stands in messages."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        columns = tuple(cell.strip() for cell in header)
        _check_columns(columns, required, name)
        rows = _rows(reader, columns, id_column, id_column in required)
    except csv.Error as error:
        raise FileError(f"{name}, line {reader.line_num}: not CSV ({error}).") from None
    return Table(columns, tuple(rows))


def _text(path: Path) -> str:
    if path.is_dir():
        raise FileError(f"{path} is a folder; give a CSV file.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not UTF-8 text; give a CSV file.") from None


def _check_columns(columns: tuple[str, ...], required: Sequence[str | tuple[str, ...]], name: str) -> None:
    if not any(columns):
        raise FileError(f"{name} is empty; it needs a header line of column names.")
    twice = sorted({c for c in columns if c and columns.count(c) > 1})
    if twice:
        raise FileError(f"{name}: column{'s' * (len(twice) > 1)} {', '.join(twice)} given twice.")
    missing = [one for one in required if not set((one,) if isinstance(one, str) else one) & set(columns)]
    if missing:
        shown = ", ".join(one if isinstance(one, str) else " or ".join(one) for one in missing)
        close = suggest(missing[0] if isinstance(missing[0], str) else missing[0][0], columns, 1)
        hint = f" Is '{close[0]}' meant to be one of them?" if close else ""
        raise FileError(f"{name}: missing column{'s' * (len(missing) > 1)} {shown}.{hint}")


def _rows(reader: object, columns: tuple[str, ...], id_column: str, id_needed: bool) -> list[Raw]:
    rows: list[Raw] = []
    first: dict[str, int] = {}
    for cells in reader:  # type: ignore[attr-defined]
        line: int = reader.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        row_id, problem = "", ""
        if len(cells) != len(columns):
            problem = f"{len(cells)} cells, the header has {len(columns)}."
        found = dict(zip(columns, cells, strict=False))
        row_id = (found.get(id_column) or "").strip()
        if not row_id:
            problem = problem or (f"{id_column} is blank." if id_needed else "")
            row_id = f"line {line}"
        elif row_id in first:
            problem = problem or f"{id_column} stands twice, first on line {first[row_id]}."
        first.setdefault(row_id, line)
        rows.append(Raw(row_id, line, found, problem))
    return rows


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BadInputError(f"{name} is '{text}', not a number.") from None
    if not math.isfinite(value):
        raise BadInputError(f"{name} is {text}; it must be a finite number.")
    if value < 0:
        raise BadInputError(f"{name} is {text}; it must not be negative.")
    return value
