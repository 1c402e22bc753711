"""``validate``: predict the rows of a measured file and score them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from drivetrain import __version__
from drivetrain.errors import BadInputError, FileError
from drivetrain.measure.outcome import Outcome, Progress, prediction_rows, quiet
from drivetrain.measure.table import Raw, Table, parse, read

# kind -> (module that predicts and scores it, module that names its columns)
_KINDS = {
    "serving": ("serving_score", "serving"),
    "mlperf": ("mlperf", "mlperf"),
    "collectives": ("collectives", "collectives"),
    "power": ("power", "power"),
}


@dataclass(frozen=True, slots=True)
class Validation:
    """``summary`` is the JSON object of the contract, ``predictions`` one row per row of the file."""

    summary: dict[str, Any]
    predictions: list[dict[str, Any]]


def validate(kind: str, path: str | Path, progress: Progress = quiet) -> Validation:
    """Predict and score a file of ``kind``: serving, mlperf, collectives or power."""
    if kind == "requests":
        if not Path(path).is_dir():
            raise FileError(f"{path} is not a folder of recorded requests.")
        raise BadInputError("validate requests is not there yet: it comes with the simulator.")
    if kind not in _KINDS:
        raise BadInputError(f"unknown kind '{kind}'. Kinds: {', '.join(_KINDS)}, requests.")
    columns = import_module(f"drivetrain.measure.{_KINDS[kind][1]}")
    return _validated(kind, read(Path(path), columns.REQUIRED), str(path), progress)


def validate_reference(progress: Progress = quiet) -> list[Validation]:
    """Predict and score the measured reference points that ship with the package."""
    from importlib import resources

    folder = resources.files("drivetrain.measure").joinpath("reference")
    found = []
    for kind, (_, module) in _KINDS.items():
        path = folder.joinpath(f"{kind}.csv")
        if path.is_file():
            columns = import_module(f"drivetrain.measure.{module}")
            table = parse(path.read_text(encoding="utf-8"), columns.REQUIRED, "row_id", f"reference/{kind}.csv")
            found.append(_validated(kind, table, "reference points shipped with the package", progress, points=True))
    return found


def _validated(kind: str, table: Table, name: str, progress: Progress, points: bool = False) -> Validation:
    started = time.perf_counter()
    module = import_module(f"drivetrain.measure.{_KINDS[kind][0]}")
    found = module.outcomes(table, progress)
    summary = module.summary(table, found)
    summary["meta"] = {"version": __version__, "file": name, "elapsed_s": round(time.perf_counter() - started, 3)}
    if points:
        summary["points"] = [_point(raw, outcome) for raw, outcome in zip(table.rows, found, strict=True)]
    return Validation(summary, prediction_rows(found, module.COLUMNS))


def _point(raw: Raw, outcome: Outcome) -> dict[str, Any]:
    """One reference row: what it is, measured and predicted by metric, and its source."""
    pairs = {
        metric: {"measured": pair.measured, "predicted": pair.predicted, "error": round(pair.error, 6)}
        for metric, pair in outcome.pairs.items()
    }
    return {"row_id": raw.row_id, **outcome.keys, **pairs, "source": raw.text("source")}
