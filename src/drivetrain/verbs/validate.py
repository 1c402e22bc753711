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
    "training": ("training", "training"),
}


@dataclass(frozen=True, slots=True)
class Validation:
    """``summary`` is the JSON object of the contract, ``predictions`` one row per row of the file."""

    summary: dict[str, Any]
    predictions: list[dict[str, Any]]


def validate(
    kind: str, path: str | Path, progress: Progress = quiet, *, calibrate_on: str = "", simulate: bool = False
) -> Validation:
    """Predict and score a file: serving, mlperf, collectives, power or training; or a folder of recorded requests.

    ``calibrate_on`` names a recorded run to fit on first, or ``first-half``. ``simulate`` plays the load tests of
    serving through the fleet simulator instead of the replay of the harness.
    """
    if simulate and kind != "serving":
        raise BadInputError("--simulate goes with 'validate serving'; recorded requests are always simulated.")
    if kind == "requests":
        return _replayed(Path(path), calibrate_on, progress)
    if calibrate_on:
        raise BadInputError(
            "--calibrate-on goes with recorded requests; 'drivetrain calibrate FILE' fits on load tests."
        )
    if kind not in _KINDS:
        raise BadInputError(f"unknown kind '{kind}'. Kinds: {', '.join(_KINDS)}, requests.")
    columns = import_module(f"drivetrain.measure.{_KINDS[kind][1]}")
    return _validated(kind, read(Path(path), columns.REQUIRED), str(path), progress, simulate=simulate)


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


def _replayed(folder: Path, calibrate_on: str, progress: Progress) -> Validation:
    from drivetrain.measure.recorded_score import validate_requests

    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder of recorded requests.")
    started = time.perf_counter()
    found = validate_requests(folder, calibrate_on, progress)
    found.summary["meta"] = _meta(str(folder), started)
    return Validation(found.summary, found.predictions)


def _meta(name: str, started: float) -> dict[str, Any]:
    return {"version": __version__, "file": name, "elapsed_s": round(time.perf_counter() - started, 3)}


def _validated(
    kind: str, table: Table, name: str, progress: Progress, points: bool = False, simulate: bool = False
) -> Validation:
    started = time.perf_counter()
    module = import_module(f"drivetrain.measure.{_KINDS[kind][0]}")
    found = module.outcomes(table, progress, **_player(simulate))
    summary = module.summary(table, found)
    summary["meta"] = _meta(name, started)
    if simulate:
        summary["simulated"] = True
    if points:
        summary["points"] = [_point(raw, outcome) for raw, outcome in zip(table.rows, found, strict=True)]
    return Validation(summary, prediction_rows(found, module.COLUMNS))


def _player(simulate: bool) -> dict[str, Any]:
    if not simulate:
        return {}
    from drivetrain.measure import harness_fleet

    return {"play": harness_fleet.simulate}


def _point(raw: Raw, outcome: Outcome) -> dict[str, Any]:
    """One reference row: what it is, measured and predicted by metric, and its source."""
    pairs = {
        metric: {"measured": pair.measured, "predicted": pair.predicted, "error": round(pair.error, 6)}
        for metric, pair in outcome.pairs.items()
    }
    return {"row_id": raw.row_id, **outcome.keys, **pairs, "source": raw.text("source")}
