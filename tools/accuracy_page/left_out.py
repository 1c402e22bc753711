"""Predictions by fits that had not seen what they predict: kept in a CSV file, so that the page is rebuilt in seconds.

Its first line names the data and the calibration it belongs to by digest. Where either has changed since, or the
calibration's own in-sample errors are no longer what this code gives, the figures are stale and the page says so.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.errors import FileError
from drivetrain.measure.crossval import KINDS
from drivetrain.measure.fit import Row
from drivetrain.measure.table import digest
from drivetrain.report.output import write_whole

METRICS = ("tpot", "ttft")
NAMES = tuple(kind.name for kind in KINDS)
LeftOut = Mapping[str, Mapping[str, tuple[float, float]]]  # row id -> kind -> TPOT and TTFT, seconds
_STAMP = re.compile(r"# data sha256 (?P<data>[0-9a-f]+), calibration sha256 (?P<calibration>[0-9a-f]+)")
_MOVED = 0.002  # of a median error: more than four digits of coefficients and margins of memory make


@dataclass(frozen=True, slots=True)
class Stamp:
    """Digests of the measured file and of the shipped calibration."""

    data: str
    calibration: str


def stamp(data: Path, calibration: Path) -> Stamp:
    """The stamp of what is there now."""
    return Stamp(*(digest(path) for path in (data, calibration)))


def refit(data: Path, calibration: Path, out: Path, tell: Callable[[str, int, int], None]) -> None:
    """Fit from the priors and with everything left out in turn; write the calibration and the left-out predictions."""
    from drivetrain.verbs.calibrate import calibrate, render

    _, found = calibrate(data, scratch=True, cross_validate=True, tell=tell)
    write_whole(calibration, render(found.calibration))
    write_whole(out, dump(stamp(data, calibration), found.rows, found.left_out))


def dump(of: Stamp, rows: Sequence[Row], predictions: Mapping[str, Any]) -> str:
    """The file: ``predictions[kind]`` is (n, 2), TPOT and TTFT in the order of ``rows``."""
    buffer = io.StringIO()
    buffer.write(f"# data sha256 {of.data}, calibration sha256 {of.calibration}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["row_id", *(f"{kind}_{metric}_s" for kind in predictions for metric in METRICS)])
    for i, row in enumerate(rows):
        writer.writerow([row.row_id, *(f"{predictions[kind][i, m]:.5g}" for kind in predictions for m in (0, 1))])
    return buffer.getvalue()


def load(path: Path) -> tuple[Stamp, LeftOut]:
    """The stamp and the predictions of a file that :func:`dump` made."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}. Make it: make accuracy-refit.") from None
    first, _, rest = text.partition("\n")
    found = _STAMP.fullmatch(first.strip())
    if found is None:
        raise FileError(f"{path} does not say what it was made from. Make it anew: make accuracy-refit.")
    rows = list(csv.DictReader(io.StringIO(rest)))
    wanted = {f"{kind}_{metric}_s" for kind in NAMES for metric in METRICS} | {"row_id"}
    if missing := wanted - set(rows[0] if rows else ()):
        raise FileError(f"{path} lacks {', '.join(sorted(missing))}. Make it anew: make accuracy-refit.")
    predictions = {
        row["row_id"]: {k: (float(row[f"{k}_tpot_s"]), float(row[f"{k}_ttft_s"])) for k in NAMES} for row in rows
    }
    return Stamp(found["data"], found["calibration"]), predictions


def stale(made: Stamp, now: Stamp, predictions: LeftOut, row_ids: Sequence[str]) -> list[str]:
    """Why left-out figures do not belong to what is there now; empty where they do."""
    reasons = []
    if made.data != now.data:
        reasons.append("the measured file has changed")
    if made.calibration != now.calibration:
        reasons.append("the calibration has changed")
    if absent := [name for name in row_ids if name not in predictions]:
        reasons.append(f"{len(absent):,} rows have no left-out prediction")
    return reasons


def moved(fit: Mapping[str, Any], rows: Sequence[Row], now: Mapping[str, tuple[float, float]]) -> list[str]:
    """Whether in-sample errors are still those of the calibration: else the code has moved since the fit.

    ``now`` holds what ``drivetrain validate`` predicts, by row id; ``fit`` is the calibration's own table.
    """
    reasons = []
    for column, metric in enumerate(METRICS):
        then = fit.get(f"{metric}_median_abs_in_sample")
        errors = [abs(now[r.row_id][column] / measured - 1.0) for r in rows
                  if r.row_id in now and np.isfinite(measured := (r.tpot, r.ttft)[column])]  # fmt: skip
        if then is not None and errors and abs(float(np.median(errors)) - float(then)) > _MOVED:
            reasons.append(
                f"the code predicts otherwise than when it was fitted ({metric.upper()} in sample {100 * then:.1f} % "
                f"then, {100 * float(np.median(errors)):.1f} % now)"
            )
    return reasons
