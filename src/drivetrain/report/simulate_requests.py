"""One row per request, as Parquet or CSV: what was asked, when what happened, and where the time went."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.errors import FileError
from drivetrain.serving.sim.finished import Finished
from drivetrain.serving.sim.records import COMPLETED, LOST, PARTS, REJECTED, UNFINISHED, Fleet, Ints

_STATUS = {COMPLETED: "completed", REJECTED: "rejected", LOST: "lost", UNFINISHED: "unfinished"}
_FORMATS = {".parquet": "(FORMAT parquet, COMPRESSION zstd)", ".csv": "(FORMAT csv, HEADER)"}
_MEMORY = "1GB"  # beyond which rows wait on disk to be put in order


def checked_file(option: str, name: str, kinds: Sequence[str], inputs: Sequence[str] = ()) -> Path:
    """The path of a file to be written; errors tell before anything is computed what would stop it."""
    path = Path(name)
    if path.suffix.lower() not in kinds:
        raise FileError(f"{option} {name}: the name must end in {' or '.join(kinds)}.")
    if path.is_dir():
        raise FileError(f"{option} {name}: is a folder. Give the name of a file in it.")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise FileError(f"{option} {name}: there is no folder {path.parent}. Make it first.")
    if not os.access(parent, os.W_OK):
        raise FileError(f"{option} {name}: cannot be written there. Choose another place.")
    if any(given and Path(given).exists() and path.exists() and path.samefile(given) for given in inputs):
        raise FileError(f"{option} {name}: is a file that is read. Give another name.")
    return path


class RequestFile:
    """A file of requests that come run by run, or part by part; it is there when :meth:`write` was called.

    Used as a context, it leaves nothing behind but the file. Rows wait in a database beside it until all are there,
    so that memory stays small. ``variants`` and ``replications`` add a column that tells runs apart.
    """

    def __init__(self, path: Path, *, variants: bool = False, replications: bool = False) -> None:
        import duckdb

        self.path, self.n = path, 0
        self._hidden = ["place", *(["variant"] * (not variants)), *(["replication"] * (not replications))]
        self._variants: list[str] = []
        self._folder = Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}."))
        self._failures = (OSError, duckdb.Error)
        self._connection = duckdb.connect(str(self._folder / "rows"))
        self._connection.execute(f"SET threads = 1; SET memory_limit = '{_MEMORY}'")

    def __enter__(self) -> RequestFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def of(self, variant: str = "") -> Callable[[int, Fleet, Ints, Finished], None]:
        """What takes the requests of a ``variant``: number of the run, its fleet, their rows, what happened."""
        self._variants.append(variant)
        place = len(self._variants) - 1

        def take(replication: int, fleet: Fleet, rows: Ints, done: Finished) -> None:
            n = len(rows)
            keys = {"place": np.full(n, place), "variant": np.full(n, variant, dtype=object),
                    "replication": np.full(n, replication)}  # fmt: skip
            if n:
                self._add(keys | _columns(fleet, rows, done))

        return take

    def write(self) -> int:
        """Make the file, rows in order; how many they are."""
        if not self.n:
            raise FileError(f"nothing is written to {self.path}: no request was sent.")
        whole = self._folder / f"whole{self.path.suffix}"
        target = str(whole).replace("'", "''")
        shown = f"SELECT * EXCLUDE ({', '.join(self._hidden)}) FROM requests ORDER BY place, replication, request"
        try:
            self._connection.execute(f"COPY ({shown}) TO '{target}' {_FORMATS[self.path.suffix.lower()]}")
            whole.chmod(0o644)
            whole.replace(self.path)
        except self._failures as error:
            raise FileError(f"cannot write {self.path}: {error}.") from None
        return self.n

    def _add(self, columns: dict[str, np.ndarray[Any, Any]]) -> None:
        picked = ", ".join(_selected(name, values) for name, values in columns.items())
        into = "INSERT INTO requests" if self.n else "CREATE TABLE requests AS"
        try:
            self._connection.register("columns", columns)
            self._connection.execute(f"{into} SELECT {picked} FROM columns")
            self._connection.unregister("columns")
        except self._failures as error:
            raise FileError(f"cannot write {self.path}: {error}.") from None
        self.n += len(columns["request"])


def _columns(fleet: Fleet, rows: Ints, done: Finished) -> dict[str, np.ndarray[Any, Any]]:
    pools = np.array([pool.name for pool in fleet.pools for _ in range(pool.max_replicas)] + [""], dtype=object)
    answered = done.completed
    found: dict[str, np.ndarray[Any, Any]] = {
        "request": rows, "sent_s": done.sent_s, "first_s": done.first_s, "finish_s": done.finish_s,
        "status": np.array([_STATUS[code] for code in range(len(_STATUS))], dtype=object)[done.status],
        "pool": pools[done.replica], "replica": done.replica, "input_tokens": done.isl, "output_tokens": done.osl,
        "ttft_s": done.ttft_s, "tpot_s": done.tpot_s, "e2e_s": done.e2e_s, "cached_tokens": done.cached_tokens,
        "preemptions": done.preemptions, "retries": done.retries, "stages": done.stages,
        "made_output_tokens": done.output_tokens,
    }  # fmt: skip
    return found | {f"{part}_s": np.where(answered, done.parts[:, i], np.nan) for i, part in enumerate(PARTS)}


def _selected(name: str, values: np.ndarray[Any, Any]) -> str:
    """The column; NaN, an empty text and the replica of what was never routed are null."""
    if name == "replica":
        return "CASE WHEN replica < 0 THEN NULL ELSE replica END AS replica"
    if values.dtype == object:
        return f"nullif({name}, '') AS {name}"
    return f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}" if values.dtype.kind == "f" else name
