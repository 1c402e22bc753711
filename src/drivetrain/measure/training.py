"""Predict and score ``training_runs.csv``: tokens per second and accelerator, step time, GPU-hours of whole runs.

Rows whose layout is not recorded get their source's own recipe or the best layout found
(:mod:`drivetrain.measure.training_recipes`), and their note says which; where only recomputation is unknown, the
lightest that fits memory. Whole runs add failures and checkpoints
(:mod:`drivetrain.training.goodput`). The baseline is constant MFU: the median of ``6 N`` per token times measured speed
over the dense peak, per accelerator and precision, of the other sources (of the generation, then of all, where an
accelerator is not among them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.errors import BadInputError, DoesNotFitError, DrivetrainError
from drivetrain.measure.outcome import Outcome, Progress, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.table import Raw, Table
from drivetrain.measure.training_recipes import settled
from drivetrain.measure.training_runs import REQUIRED, Run, read_run
from drivetrain.training.coefficients import Coefficients, coefficients
from drivetrain.training.goodput import checkpoint_of, goodput
from drivetrain.training.predict import Prediction, predict, spread
from drivetrain.training.search import search

__all__ = ["COLUMNS", "REQUIRED", "outcomes", "summary"]
COLUMNS = ("id", "tokens_per_s_per_accel", "tokens_per_s_per_accel_p10", "tokens_per_s_per_accel_p90", "step_time_s",
           "gpu_hours", "layout", "tier")  # fmt: skip
METRICS = ("tokens_per_s_per_accel", "gpu_hours")
LEAST_ROWS = 8  # of a source that counts in the mean over sources
HOPELESS = 1.5  # times its memory: no error of the count of memory explains a layout that needs more
STORE_BYTES_PER_S = 200e9  # what a large cluster's file system takes from one checkpoint (assumed)


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predictions of every row, in order."""
    read: dict[int, Run] = {}
    refused: dict[int, str] = {}
    for i, raw in enumerate(table.rows):
        try:
            if raw.problem:
                raise BadInputError(raw.problem)
            read[i] = read_run(raw)
        except DrivetrainError as error:
            refused[i] = str(error.args[0])
    whole = dict(zip(read, settled(list(read.values()), _rates), strict=True))
    found = []
    for i, raw in enumerate(table.rows):
        name = raw.text("id") or raw.row_id
        try:
            if i in refused:
                raise BadInputError(refused[i])
            found.append(_outcome(name, raw, whole[i], recorded=read[i].layout is not None))
        except DrivetrainError as error:
            found.append(Outcome(name, values={"id": name}, reason=str(error.args[0])))
        progress(i + 1, len(table.rows))
    return found


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:
    """The JSON object of ``validate training``: errors by group, and per source beside constant MFU."""
    answer = summarise("training", found, METRICS, ("source", "accelerator", "precision", "model", "layout"))
    by_source = _by_source(table, found)
    answer["by_source"] = by_source
    counted = [row for row in by_source if row["n"] >= LEAST_ROWS]
    answer["macro"] = {
        name: _mean([row[name] for row in counted]) for name in ("mean_abs", "median_abs", "constant_mfu_mean_abs")
    }
    return answer


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is missing: constant MFU needs another source."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 6) if known and len(known) == len(values) else None


def _rates(run: Run) -> Coefficients:
    return coefficients(run.framework, run.cluster.hardware.generation, run.release)[0]


def _outcome(name: str, raw: Raw, run: Run, recorded: bool) -> Outcome:
    """The prediction of a run whose layout is settled; ``recorded``: as the row gives it."""
    layout = run.layout
    if layout is None:  # none was found: the search says why
        layout = search(run.model, run.job, run.cluster, _rates(run), known=run.known, most=1).best[0].layout
    _, tier = coefficients(run.framework, run.cluster.hardware.generation, run.release)
    got = predict(run.model, run.job, run.cluster, layout, framework=run.framework, release=run.release, must_fit=False)
    if not recorded and sum(got.memory.values()) > HOPELESS * run.cluster.hardware.memory_bytes:
        raise DoesNotFitError(f"layout not recorded, and none fits: {got.notes[0]}")
    wide = spread(run.model, layout_known=recorded, tier=tier, accelerator=run.cluster.hardware.name)
    got = replace(got, p10=got.tokens_per_s_per_accelerator * math.exp(-wide),
                  p90=got.tokens_per_s_per_accelerator * math.exp(wide))  # fmt: skip
    values: dict[str, Any] = {
        "id": name, "tokens_per_s_per_accel": got.tokens_per_s_per_accelerator, "tokens_per_s_per_accel_p10": got.p10,
        "tokens_per_s_per_accel_p90": got.p90, "step_time_s": got.step_s, "layout": str(layout), "tier": got.tier,
    }  # fmt: skip
    pairs: dict[str, Pair] = {}
    if run.measured:
        pairs["tokens_per_s_per_accel"] = Pair(got.tokens_per_s_per_accelerator, run.measured, got.p10, got.p90)
    trained, hours = raw.number("tokens_trained"), raw.number("gpu_hours")
    if raw.text("kind") == "run_total" and trained:
        values["gpu_hours"] = _hours(trained, got, run)
        if hours:
            pairs["gpu_hours"] = Pair(values["gpu_hours"], hours)
    return Outcome(
        name, values=values, pairs=pairs, note="; ".join((*run.notes, *got.notes)),
        unscored="" if pairs else "nothing measured that is predicted",
        keys={
            "source": run.source, "accelerator": run.cluster.hardware.name, "precision": run.job.precision,
            "model": run.model.name, "layout": "recorded" if recorded else "searched",
        },
    )  # fmt: skip


def _hours(tokens: float, got: Prediction, run: Run) -> float:
    """Accelerator-hours of a whole run: training time over the share of time that trains."""
    saved = checkpoint_of(run.model.params, run.cluster.n, store_bytes_per_s=STORE_BYTES_PER_S)
    frac = goodput(run.cluster.n, saved).effective_time_frac
    return tokens / got.tokens_per_s_per_accelerator / 3600.0 / frac


def _by_source(table: Table, found: Sequence[Outcome]) -> list[dict[str, Any]]:
    rows = [(o, raw) for o, raw in zip(found, table.rows, strict=True) if "tokens_per_s_per_accel" in o.pairs]
    constant = constant_mfu([read_run(raw) for _, raw in rows])
    out = []
    for source in sorted({o.keys["source"] for o, _ in rows}):
        mine = [i for i, (o, _) in enumerate(rows) if o.keys["source"] == source]
        pairs = [rows[i][0].pairs["tokens_per_s_per_accel"] for i in mine]
        off = np.array([p.error for p in pairs])
        inside = [p.p10 <= p.measured <= p.p90 for p in pairs if p.p10 is not None and p.p90 is not None]
        plain = [abs(constant[i] / p.measured - 1.0) for i, p in zip(mine, pairs, strict=True)]
        out.append({
            "source": source, "n": len(mine), "mean_abs": round(float(np.abs(off).mean()), 6),
            "median_abs": round(float(np.median(np.abs(off))), 6),
            "log_bias": round(float(np.log1p(off).mean()), 6), "coverage80": round(float(np.mean(inside)), 6),
            "constant_mfu_mean_abs": None if np.isnan(plain).any() else round(float(np.mean(plain)), 6),
        })  # fmt: skip
    return out


def constant_mfu(runs: Sequence[Run]) -> list[float]:
    """Tokens per second and accelerator by constant MFU, of sources other than each row's own.

    By accelerator, precision and whether there are experts; then by generation; then by precision; then of all.
    """
    shares = [(run.measured or math.nan) * _flops(run) / _peak(run) for run in runs]
    keys: tuple[Callable[[Run], object], ...] = (
        lambda r: (r.cluster.hardware.name, r.job.precision, r.model.n_moe_layers > 0),
        lambda r: (r.generation, r.job.precision, r.model.n_moe_layers > 0),
        lambda r: (r.job.precision, r.model.n_moe_layers > 0),
        lambda r: r.model.n_moe_layers > 0,
        lambda _: True,
    )
    out = []
    for run in runs:
        for key in keys:
            others = [
                share for share, other in zip(shares, runs, strict=True)
                if other.source != run.source and key(other) == key(run) and share == share
            ]  # fmt: skip
            if others:
                break
        out.append(float(np.median(others)) * _peak(run) / _flops(run) if others else math.nan)
    return out


def _flops(run: Run) -> float:
    return run.model.forward_flops * (2.0 if run.job.lora_rank else 3.0)


def _peak(run: Run) -> float:
    return run.cluster.hardware.flops[run.cluster.hardware.compute_dtype(run.job.precision)]
