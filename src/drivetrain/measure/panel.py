"""The prediction panel: fixed configurations whose predictions may only move with a line in the changelog.

The file holds configurations and what was predicted for them; :func:`evaluate` predicts them anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from drivetrain.arch.layout import parse_layout
from drivetrain.catalogue import loader
from drivetrain.measure.layouts import Placed
from drivetrain.measure.serving import SPREADS, Query, predict

INPUTS = ("model", "accelerator", "engine", "layout", "weight_dtype", "kv_dtype", "isl", "osl", "concurrency")
OUTPUTS = ("tpot_s", "ttft_s")
_DIGITS = 4


def evaluate(row: Mapping[str, str]) -> dict[str, str]:
    """A configuration with its predictions, rounded to four digits."""
    engine = loader.load("engines", row["engine"])
    query = Query(
        model=loader.load("models", row["model"]),
        dtype=row["weight_dtype"],
        kv_dtype=row["kv_dtype"],
        accelerator=loader.load("accelerators", row["accelerator"]),
        engine=engine,
        released=engine.released,
        placed=Placed(parse_layout(row["layout"]), 1),
        isl=float(row["isl"]),
        osl=float(row["osl"]),
        spread=SPREADS["inferencex"],
        concurrency=int(row["concurrency"]),
        statistic="mean",
    )
    found = predict("panel", query)
    assert found.tpot is not None
    assert found.ttft is not None
    values = {"tpot_s": found.tpot.value, "ttft_s": found.ttft.value}
    return {name: row[name] for name in INPUTS} | {name: f"{v:.{_DIGITS}g}" for name, v in values.items()}


def read(path: Path) -> list[dict[str, str]]:
    """The panel as it stands in the file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def render(rows: Iterable[Mapping[str, str]]) -> str:
    """The panel's file."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, (*INPUTS, *OUTPUTS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def fingerprint(path: Path) -> str:
    """What the changelog names the panel by: the first 12 digits of the file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def moved(before: Iterable[Mapping[str, str]], after: Iterable[Mapping[str, str]], tolerance: float) -> list[str]:
    """Configurations whose predictions differ by more than ``tolerance``, with both values."""
    out = []
    for old, new in zip(before, after, strict=True):
        for name in OUTPUTS:
            was, now = float(old[name]), float(new[name])
            if abs(now / was - 1.0) > tolerance:
                what = " ".join(old[column] for column in INPUTS)
                out.append(f"{what}: {name} {old[name]} -> {new[name]} ({now / was - 1.0:+.1%})")
    return out
