"""Rows of a trace file as arrays, some at a time, each checked: what is no request is named by its row and column.

Rows count from 1, without the header. A row is bad where a length is missing, not a whole number or below 1, a time
is negative or not a number, or another column is not what it says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import FileError
from drivetrain.serving.sim.records import Floats, Ints
from drivetrain.serving.traffic.files import connection, quoted
from drivetrain.serving.traffic.formats import FIELDS, NUMBERS, Source
from drivetrain.serving.traffic.wrong import ChoiceError, Say

BAD_ROWS = ("error", "drop")
MOST_TOKENS = 1e9
"""No prompt or answer is longer; what is longer is a broken file."""

READ = 1 << 16
"""Rows that are held at a time."""

_WHOLE = ("priority", "origin", "service", "after")
_USUAL = {"priority": 0.0, "origin": 0.0, "service": -1.0, "after": -1.0, "gap_s": 0.0}


_Values = Mapping[str, tuple[Any, ...]]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that are requests. ``time`` is in the file's unit (nan: none), ``number`` counts the file's rows from 0.

    ``after`` names rows by ``number``. ``difficulty`` is ``None`` where the file has none.
    """

    number: Ints
    time: Floats
    isl: Ints
    osl: Ints
    priority: Ints
    origin: Ints
    service: Ints
    after: Ints
    session: Ints
    gap_s: Floats
    difficulty: Floats | None
    hash_count: Ints
    hashes: Ints

    def __len__(self) -> int:
        return len(self.isl)

    def first(self, n: int) -> Rows:
        """The first ``n`` rows."""
        kept = {key: getattr(self, key)[:n] for key in _ARRAYS}
        difficulty = None if self.difficulty is None else self.difficulty[:n]
        return Rows(**kept, difficulty=difficulty, hashes=self.hashes[: int(self.hash_count[:n].sum())])


def joined(parts: list[Rows]) -> Rows:
    """Rows one after another."""
    kept = {key: np.concatenate([getattr(part, key) for part in parts]) for key in (*_ARRAYS, "hashes")}
    given = [part.difficulty for part in parts if part.difficulty is not None]
    return Rows(**kept, difficulty=np.concatenate(given) if given else None)


@dataclass(slots=True)
class Left:
    """How many rows were left out and why."""

    failed: int = 0
    bad: Counter[str] = field(default_factory=Counter)


def rows_of(
    source: Source, left: Left, *, bad_rows: str, osl: int | None = None, hashes: bool = True
) -> Iterator[Rows]:
    """Read ``source`` from its beginning to its end. ``osl`` stands in where the file states no output length."""
    import duckdb

    if "osl" not in source.columns and osl is None:
        raise ChoiceError(lambda say: f"{source.path} states no output lengths. Give one for all rows ({say('osl')}).")
    names = [name for name in FIELDS if name in source.columns and (hashes or name != "hashes")]
    roots: dict[int, int] = {}
    at = 0
    with connection() as database:
        try:
            found = database.execute(f"select {', '.join(source.columns[n] for n in names)} from {source.relation}")
            while read := found.fetchmany(READ):
                values = dict(zip(names, zip(*read, strict=True), strict=True))
                yield _checked(source, values, at, bad_rows, left, osl, roots)
                at += len(read)
        except duckdb.Error as error:
            raise FileError(f"cannot read {source.path}: {_said(error)}") from None


def _said(error: Exception) -> str:
    """What DuckDB says, on one line, without its advice on its own options."""
    lines = [line.strip() for line in str(error).split("Possible fixes")[0].split("\n\n")[0].splitlines()]
    return " ".join(line for line in lines if line)[:300]


def _checked(source: Source, values: _Values, at: int, bad_rows: str, left: Left, osl: int | None,
             roots: dict[int, int]) -> Rows:  # fmt: skip
    """Arrays of what is a request among the rows read, the first of which is row ``at``."""
    n = len(next(iter(values.values())))
    numbers = {name: np.array(values[name], np.float64) if name in values else np.full(n, np.nan) for name in NUMBERS}
    if "osl" not in values:
        numbers["osl"] = np.full(n, float(osl or 0))
    failed = np.zeros(n, dtype=bool)
    if source.kind == "sharegpt":  # a conversation without an answer is no request
        failed = np.isnan(numbers["isl"]) | np.isnan(numbers["osl"])
    elif source.has_failures:
        failed = numbers["osl"] == 0
    left.failed += int(failed.sum())
    wrong = np.zeros(n, dtype=bool)
    for name, reason, where in _faults(source, numbers, values):
        where = where & ~failed & ~wrong
        if not where.any():
            continue
        if bad_rows == "error":
            refuse(source, at + int(where.argmax()), name, reason)
        left.bad[f"{source.labels[name]} {reason}"] += int(where.sum())
        wrong |= where
    good = ~(failed | wrong)
    whole = {key: np.where(np.isnan(numbers[key]), _USUAL[key], numbers[key])[good].astype(np.int64) for key in _WHOLE}
    counts, flat = _names(source, values, at, good)
    session = _sessions(values, n)
    if "parent" in values:
        session = _roots(session, numbers["parent"], roots)
    return Rows(
        number=at + np.flatnonzero(good),
        time=numbers["time"][good],
        isl=numbers["isl"][good].astype(np.int64),
        osl=numbers["osl"][good].astype(np.int64),
        **whole,
        session=session[good],
        gap_s=np.where(np.isnan(numbers["gap_s"]), 0.0, numbers["gap_s"])[good],
        difficulty=numbers["difficulty"][good] if "difficulty" in values else None,
        hash_count=counts,
        hashes=flat,
    )


def _faults(source: Source, numbers: Mapping[str, Floats], values: _Values) -> Iterator[tuple[str, str, _Bools]]:
    """What can be wrong, column by column: (field, reason, which rows)."""
    for name, held in numbers.items():
        if name not in values:
            continue
        nothing = np.isnan(held)
        missing = np.array([value is None for value in values[name]]) if nothing.any() else nothing
        yield name, "is not a number", nothing & ~missing
        if name in ("isl", "osl", "difficulty"):
            yield name, "is missing", missing
        yield name, "is not finite", np.isinf(held)
        with np.errstate(invalid="ignore"):
            if name in ("isl", "osl"):
                yield name, "is not at least 1 token", held < 1
                yield name, f"is more than {MOST_TOKENS:,.0f} tokens", held > MOST_TOKENS
                yield name, "is not a whole number of tokens", held != np.floor(held)
            elif name in _WHOLE:
                yield name, "is not a whole number", ~nothing & (held != np.floor(held))
            if name in ("gap_s", "origin") or (name == "time" and source.own):
                yield name, "is negative", held < 0


def _mend(say: Say) -> str:
    return f"Mend the file, or leave such rows out ({say('bad_rows', 'drop')})."


def refuse(source: Source, row: int, name: str, reason: str, hint: str = "") -> NoReturn:
    """Raise the error that names a bad row (counted from 0 here) and column, with what the file says there."""
    label = source.labels[name]
    with connection() as database:
        cell = source.columns[name] if source.estimated else quoted(label)
        sql = f"select cast({cell} as varchar) from {source.relation} limit 1 offset {row}"
        found = database.execute(sql).fetchone()
    text = f" ({str(found[0])[:40]})" if found and found[0] is not None else ""
    raise ChoiceError(lambda say: f"{source.path}, row {row + 1:,}: {label}{text} {reason}. {hint or _mend(say)}")


def _sessions(values: _Values, n: int) -> Ints:
    """Whole numbers as they are, other names as 62-bit hashes, nothing as -1."""
    if "session" not in values:
        return np.full(n, -1, dtype=np.int64)
    known: dict[str | None, int] = {None: -1}
    for name in values["session"]:
        if name not in known:
            plain = name.strip().lstrip("-").isdigit() and len(name) < 18
            known[name] = int(name) if plain else _hashed(name)
    return np.array([known[name] for name in values["session"]], dtype=np.int64)


def _hashed(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 2


def _roots(session: Ints, parent: Floats, roots: dict[int, int]) -> Ints:
    """The first of the chain that each goes on; remembered in ``roots``."""
    for own, before in zip(session.tolist(), parent.tolist(), strict=True):
        roots[own] = roots.get(int(before), int(before)) if before >= 0 else own
    return np.array([roots[own] for own in session.tolist()], dtype=np.int64)


def _names(source: Source, values: _Values, at: int, good: _Bools) -> tuple[Ints, Ints]:
    """Block names of the good rows: how many each has, and all in one array."""
    if "hashes" not in values:
        return np.zeros(int(good.sum()), np.int64), np.zeros(0, np.int64)
    lists = [value or () for value, kept in zip(values["hashes"], good, strict=True) if kept]
    counts = np.array([len(names) for names in lists], dtype=np.int64)
    try:
        return counts, np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=int(counts.sum()))
    except TypeError:
        row = next(i for i, names in enumerate(values["hashes"]) if good[i] and None in (names or ()))
        refuse(source, at + row, "hashes", "is no list of whole numbers")


_ARRAYS = ("number", "time", "isl", "osl", "priority", "origin", "service", "after", "session", "gap_s", "hash_count")
