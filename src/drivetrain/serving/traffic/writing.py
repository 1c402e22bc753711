"""Requests to a file of our own, Parquet or CSV, which :func:`read` gives back as they were.

Columns: ``arrival_s`` (s from the start), ``input_tokens``, ``output_tokens``, ``difficulty`` (0 to 1), and, where
any row has them, ``prefix_hash_ids`` (a list of whole numbers, one a block), ``session``, ``priority`` (smaller
first), ``origin`` and ``service`` (numbers from 0), ``after`` (the row, from 0, whose answer it waits for), ``gap_s``
(s from that answer). What belongs to all rows, tokens of a block and the concurrency of a closed loop, is Parquet
metadata under ``drivetrain`` or the first line of a CSV file. The file appears when it is complete.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import FileError
from drivetrain.serving.sim.records import Requests
from drivetrain.serving.traffic.files import MARK, connection, quoted
from drivetrain.serving.traffic.records import ragged

_COLUMNS = {"arrival_s": "arrival_s", "input_tokens": "isl", "output_tokens": "osl", "difficulty": "difficulty"}
_OPTIONAL = {"session": -1, "priority": 0, "origin": 0, "service": -1, "after": -1, "gap_s": 0}


def write(requests: Requests, path: str | Path) -> None:
    """Write ``requests`` to ``path``, whose ending says what it becomes: ``.parquet`` or ``.csv``."""
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in (".parquet", ".csv"):
        raise FileError(f"cannot write requests to {target}: give a name that ends in .parquet or .csv.")
    marks = f"hash_tokens={requests.hash_tokens} concurrency={requests.concurrency}"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=ending, dir=target.parent)
        os.close(handle)
        try:
            _write(requests, Path(name), marks)
            os.chmod(name, 0o644)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {target}: {error.strerror or error}.") from None


def _write(requests: Requests, path: Path, marks: str) -> None:
    table: dict[str, NDArray[np.generic]] = {name: getattr(requests, key) for name, key in _COLUMNS.items()}
    table |= {
        name: getattr(requests, name) for name, usual in _OPTIONAL.items() if (getattr(requests, name) != usual).any()
    }
    columns = [f"requests.{quoted(name)}" for name in table]
    source = "requests"
    with connection() as database:
        database.register("requests", table | {"row": np.arange(len(requests))})
        if requests.hash_tokens:
            database.register("names", _names(requests))
            columns.append("coalesce(lists.names, []) as prefix_hash_ids")
            lists = "select row, list(name order by place) as names from names group by row"
            source += f" left join ({lists}) as lists using (row)"
        rows = f"select {', '.join(columns)} from {source} order by row"
        place = "'" + str(path).replace("'", "''") + "'"
        if path.suffix == ".parquet":
            how = f"format parquet, compression zstd, kv_metadata {{drivetrain: '{marks}'}}"
            database.execute(f"copy ({rows}) to {place} ({how})")
            return
        database.execute(f"copy ({rows}) to {place} (format csv, header true)")
    body = path.with_suffix(".body")
    try:
        os.replace(path, body)
        with body.open("rb") as made, path.open("wb") as file:
            file.write(f"{MARK} {marks}\n".encode())
            shutil.copyfileobj(made, file)
    finally:
        body.unlink(missing_ok=True)


def _names(requests: Requests) -> dict[str, NDArray[np.generic]]:
    """One row for each name of each request."""
    place = ragged(requests.hash_start, requests.hash_count)
    row = np.repeat(np.arange(len(requests)), requests.hash_count)
    return {"row": row, "place": np.arange(len(place)), "name": requests.hashes[place]}
