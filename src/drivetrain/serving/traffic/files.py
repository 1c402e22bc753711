"""Opening trace files: what container they are, which columns they have, and the DuckDB relation that reads them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from drivetrain.errors import FileError

if TYPE_CHECKING:
    import duckdb

MARK = "# drivetrain requests"
"""How a CSV file of our own begins; ``name=value`` pairs follow. In Parquet the pairs are metadata."""

_HEAD = 1 << 26  # characters of a JSON array in which its first object must end


@dataclass(frozen=True, slots=True)
class Contents:
    """A file as a table: its columns, and ``marks`` that our own writer left."""

    path: Path
    container: str
    columns: tuple[str, ...]
    options: str = ""
    marks: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        """Whether rows are JSON objects."""
        return self.container.startswith("JSON")

    def relation(self, used: Mapping[str, str]) -> str:
        """The table function that reads the columns ``used`` (name -> type of JSON values)."""
        at = _text(str(self.path))
        if self.container == "Parquet":
            return f"read_parquet({at})"
        if self.container == "CSV":
            types = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in self.columns)
            how = f"auto_detect=false, header=true, delim=',', quote='\"', columns={{{types}}}{self.options}"
            return f"read_csv({at}, {how})"
        types = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in used.items())
        layout = "array" if self.container == "JSON" else "newline_delimited"
        big = ", maximum_object_size=268435456"  # one conversation may be long
        return f"read_json({at}, format='{layout}', columns={{{types}}}{big}{self.options})"


def contents_of(path: Path) -> Contents:
    """Look into ``path``. Raises :class:`FileError` where it cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise FileError(f"cannot read the trace {path}: {error.strerror or error}.") from None
    if magic[:4] == b"PAR1":
        return _parquet(path)
    options = ", compression='gzip'" if magic[:2] == b"\x1f\x8b" else ", compression='uncompressed'"
    try:
        with _opened(path, magic) as file:
            start = file.read(1)
            while start and (start.isspace() or start == "\ufeff"):
                start = file.read(1)
            if not start:
                raise FileError(f"the trace {path} is empty.")
            if start in "[{":
                container = "JSON" if start == "[" else "JSON lines"
                return Contents(path, container, _keys(path, start, file), options)
            return _csv(path, start, file, options)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise FileError(f"{path} is neither text nor Parquet ({error}).") from None


def connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that reads files in their order."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


def quoted(name: str) -> str:
    """A column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _opened(path: Path, magic: bytes) -> IO[str]:
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _parquet(path: Path) -> Contents:
    import duckdb

    with connection() as database:
        try:
            rows = database.execute(f"describe select * from read_parquet({_text(str(path))})").fetchall()
            pairs = database.execute(f"select key, value from parquet_kv_metadata({_text(str(path))})").fetchall()
        except duckdb.Error as error:
            raise FileError(f"cannot read {path} as Parquet: {_first_line(error)}") from None
    mark = next((value for key, value in pairs if key == b"drivetrain"), b"")
    return Contents(path, "Parquet", tuple(str(row[0]) for row in rows), marks=_marks(mark.decode()))


def _csv(path: Path, start: str, file: IO[str], options: str) -> Contents:
    line = start + file.readline()
    marks: Mapping[str, int] = {}
    if line.startswith(MARK):
        marks, options, line = _marks(line[len(MARK) :]), options + ", skip=1", file.readline()
    columns = tuple(name.strip() for name in next(csv.reader([line.rstrip("\r\n")]), []))
    if len(set(columns)) < len(columns) or not all(columns):
        raise FileError(f"{path}: the first line must name each column once; it is '{line.strip()[:80]}'.")
    return Contents(path, "CSV", columns, options, marks)


def _keys(path: Path, start: str, file: IO[str]) -> tuple[str, ...]:
    """Keys of the first object, in their order."""
    if start == "{":
        text, where = start + file.readline(), "line 1"
    else:
        text, where = "", "the first object"
    decoder, size = json.JSONDecoder(), 1 << 16
    while True:
        if start == "[":
            text += file.read(size)
        try:
            first: Any = decoder.raw_decode(text.lstrip())[0] if text.strip() not in ("", "]") else {}
            break
        except ValueError as error:
            if start == "{" or len(text) < size or size > _HEAD:
                raise FileError(f"{path}: {where} is not JSON ({error}).") from None
            size *= 4
    if not isinstance(first, dict):
        raise FileError(f"{path}: {where} is not a JSON object.")
    if not first:
        raise FileError(f"the trace {path} has no rows.")
    return tuple(first)


def _marks(text: str) -> dict[str, int]:
    pairs = (word.split("=", 1) for word in text.split() if "=" in word)
    return {key: int(value) for key, value in pairs if value.isdigit()}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
