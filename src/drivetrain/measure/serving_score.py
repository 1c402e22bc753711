"""Serving predictions beside what was measured: which rows count, which are a class of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drivetrain.errors import DrivetrainError
from drivetrain.measure.choice import candidate, choose
from drivetrain.measure.harness import simulate
from drivetrain.measure.outcome import Outcome, Progress, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.serving import SATURATED_TTFT_S, Estimate, Play, Prediction, predict_rows
from drivetrain.measure.table import Raw, Table

METRICS = ("tpot", "ttft")
GROUPS = ("accelerator", "engine", "model", "concurrency", "harness")
COLUMNS = ("ttft_s", "ttft_s_p10", "ttft_s_p90", "tpot_s", "tpot_s_p10", "tpot_s_p90", "tier", "saturated")


def outcomes(table: Table, progress: Progress = quiet, play: Play = simulate) -> list[Outcome]:
    """Predict and pair every row of ``table``.

    Rows that the file marks otherwise (``clean_core``, ``clean_ttft``) and saturated ones (TTFT over 5 s) are
    predicted; the first are not scored, the second only for TPOT. ``play`` runs the load tests.
    """
    predictions = predict_rows(table.rows, progress, play)
    return [_outcome(raw, found, table) for raw, found in zip(table.rows, predictions, strict=True)]


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:
    """The JSON object of ``validate serving``."""
    answer = summarise("serving", found, METRICS, GROUPS)
    answer["scored"] = {
        "tpot": "rows with clean_core" if table.has("clean_core") else "all rows with tpot_s",
        "ttft": "rows with clean_ttft" if table.has("clean_ttft") else f"rows with ttft_s up to {SATURATED_TTFT_S:g} s",
    }
    answer["saturated"] = _saturated(table, found)
    answer["choice"] = _choice(table, found)
    return answer


def _outcome(raw: Raw, found: Prediction, table: Table) -> Outcome:
    clean = not table.has("clean_core") or _is(raw, "clean_core")
    if found.reason:
        return Outcome(raw.row_id, reason=found.reason, clean=clean)
    values: dict[str, Any] = {}
    for metric, estimate in (("ttft", found.ttft), ("tpot", found.tpot)):
        for suffix in ("", "_p10", "_p90"):
            name = {"": "value"}.get(suffix, suffix[1:])
            values[f"{metric}_s{suffix}"] = f"{getattr(estimate, name):.6g}" if estimate else ""
    values |= {"tier": found.tier, "saturated": found.saturated}
    pairs, unscored = {}, ""
    if clean:
        try:
            pairs = _pairs(raw, found, table)
        except DrivetrainError as error:
            unscored = str(error.args[0])
    concurrency = f"{found.concurrency:g}"
    keys = {"accelerator": found.accelerator, "engine": found.engine, "model": found.model, "concurrency": concurrency,
            "harness": raw.text("harness")}  # fmt: skip
    return Outcome(raw.row_id, values, pairs, keys, unscored=unscored, note="; ".join(found.notes), clean=clean)


def _pairs(raw: Raw, found: Prediction, table: Table) -> dict[str, Pair]:
    pairs = {}
    tpot, ttft = _measured(raw, "tpot_s"), _measured(raw, "ttft_s")
    if tpot and found.tpot:
        pairs["tpot"] = _pair(found.tpot, tpot)
    counts = _is(raw, "clean_ttft") if table.has("clean_ttft") else bool(ttft and ttft <= SATURATED_TTFT_S)
    if ttft and found.ttft and counts:
        pairs["ttft"] = _pair(found.ttft, ttft)
    return pairs


def _measured(raw: Raw, name: str) -> float | None:
    return raw.need(name) if raw.text(name) else None


def _pair(estimate: Estimate, measured: float) -> Pair:
    return Pair(estimate.value, measured, estimate.p10, estimate.p90)


def _is(raw: Raw, name: str) -> bool:
    try:
        return bool(raw.flag(name))
    except DrivetrainError:
        return False


def _saturated(table: Table, found: Sequence[Outcome]) -> dict[str, int] | None:
    """Confusion counts of the saturated class over clean rows with a measured TTFT."""
    if not table.has("ttft_s"):
        return None
    counts = {"measured": 0, "predicted": 0, "both": 0, "n": 0}
    for raw, outcome in zip(table.rows, found, strict=True):
        if outcome.reason or not outcome.clean or outcome.unscored or not raw.text("ttft_s"):
            continue
        measured, predicted = raw.need("ttft_s") > SATURATED_TTFT_S, bool(outcome.values["saturated"])
        counts["n"] += 1
        counts["measured"] += measured
        counts["predicted"] += predicted
        counts["both"] += measured and predicted
    return counts


def _choice(table: Table, found: Sequence[Outcome]) -> dict[str, Any] | None:
    """How well predictions choose among the configurations of the file; None where both latencies are not measured."""
    if not table.has("ttft_s", "tpot_s"):
        return None
    rows = [
        (raw, outcome.values)
        for raw, outcome in zip(table.rows, found, strict=True)
        if outcome.clean and not outcome.reason and not outcome.unscored and outcome.values["tpot_s"]
    ]
    named = [candidate(raw, float(values["tpot_s"]), float(values["ttft_s"])) for raw, values in rows]
    return asdict(choose(one for one in named if one is not None))
