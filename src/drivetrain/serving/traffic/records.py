"""What traffic is made of: the requests, what was assumed to make them, and the names of their blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import Floats, Ints, Requests
from drivetrain.serving.traffic.streams import DIFFICULTY, stream


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was assumed, changed or left out while requests were made."""

    what: str
    value: str


class Traffic(NamedTuple):
    """Requests and all that was taken as given to make them."""

    requests: Requests
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Names of blocks by request: ``flat[start : start + count]``. Requests may share a stretch of ``flat``."""

    start: Ints
    count: Ints
    flat: Ints


def requests_of(
    isl: NDArray[np.number], osl: NDArray[np.number], *, arrival_s: Floats | None = None, seed: int = 1,
    names: Names | None = None, hash_tokens: int = 0, concurrency: int = 0, **columns: NDArray[np.number] | None,
) -> Requests:  # fmt: skip
    """Fill in what is not given: arrival at 0, no session, no successor, difficulty evenly between 0 and 1.

    >>> made = requests_of(np.array([8, 9]), np.array([1, 2]))
    >>> made.session.tolist(), made.after.tolist(), made.hash_tokens
    ([-1, -1], [-1, -1], 0)
    """
    n = len(isl)
    whole = {key: _whole(columns.pop(key, None), n, usual) for key, usual in _WHOLE.items()}
    difficulty, gap_s = columns.pop("difficulty", None), columns.pop("gap_s", None)
    if columns:
        raise TypeError(f"requests have no column {sorted(columns)}")
    if names is None:
        names, hash_tokens = Names(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(0, np.int64)), 0
    return Requests(
        arrival_s=_floats(arrival_s, n),
        isl=np.ascontiguousarray(isl, dtype=np.int64),
        osl=np.ascontiguousarray(osl, dtype=np.int64),
        difficulty=stream(seed, DIFFICULTY).random(n) if difficulty is None else _floats(difficulty, n),
        gap_s=_floats(gap_s, n),
        hash_start=names.start,
        hash_count=names.count,
        hashes=names.flat,
        hash_tokens=int(hash_tokens),
        concurrency=int(concurrency),
        **whole,
    )


def taken(requests: Requests, rows: Ints) -> Requests:
    """The given rows in the given order. Whoever waits for a row that is left out must be left out too.

    >>> made = requests_of(np.array([8, 9, 7]), np.array([1, 1, 1]), after=np.array([-1, -1, 1]))
    >>> taken(made, np.array([1, 2])).after.tolist()
    [-1, 0]
    """
    place = np.full(len(requests), -2, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    after = requests.after[rows]
    return replace(
        requests,
        after=np.where(after >= 0, place[after], -1),
        **{key: getattr(requests, key)[rows] for key in _BY_ROW},
    )


def compacted(requests: Requests) -> Requests:
    """The same requests with the names that they use and no others, row by row."""
    flat = requests.hashes[ragged(requests.hash_start, requests.hash_count)]
    return replace(requests, hashes=flat, hash_start=np.cumsum(requests.hash_count) - requests.hash_count)


def concatenated(parts: list[Requests]) -> Requests:
    """Requests one after another. None of them waits for another."""
    offsets = np.cumsum([0] + [len(part.hashes) for part in parts])[:-1]
    starts = [part.hash_start + offset for part, offset in zip(parts, offsets, strict=True)]
    columns: dict[str, Any] = {
        key: np.concatenate([getattr(part, key) for part in parts]) for key in (*_BY_ROW, "after", "hashes")
    }
    return replace(parts[0], **columns | {"hash_start": np.concatenate(starts)})


def roots_of(after: Ints) -> Ints:
    """For each row the one that came by itself and on whose answers it waits, through all between.

    >>> roots_of(np.array([-1, 0, -1, 1])).tolist()
    [0, 0, 2, 0]
    """
    roots = np.where(after >= 0, after, np.arange(len(after)))
    while not np.array_equal(further := roots[roots], roots):  # each pass doubles the steps made
        roots = further
    return roots


def ragged(start: Ints, count: Ints) -> Ints:
    """``start[0], start[0] + 1, ...`` (``count[0]`` of them), then those of the next row.

    >>> ragged(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(start - ends + count, count) + np.arange(total)


_WHOLE = {"priority": 0, "session": -1, "origin": 0, "service": -1, "after": -1}
_BY_ROW = ("arrival_s", "isl", "osl", "priority", "session", "origin", "service", "difficulty", "gap_s", "hash_start",
           "hash_count")  # fmt: skip


def _whole(values: NDArray[np.number] | None, n: int, usual: int) -> Ints:
    return np.full(n, usual, np.int64) if values is None else np.ascontiguousarray(values, dtype=np.int64)


def _floats(values: NDArray[np.number] | None, n: int) -> Floats:
    return np.zeros(n) if values is None else np.ascontiguousarray(values, dtype=np.float64)
