"""A folder of recorded runs, read: what was served where, and its requests.

``runs.csv`` has one row a run, ``requests.csv`` one row a request; what a run's row leaves blank is taken from
``RUN.meta.json`` (``engine_kwargs`` as vLLM names them) where there is one. What neither records is derived from the
engine's defaults and said. Weights are in the precision that the row states, else that of the quantisation or the
repository named, else that of the only published weights; ``dtype`` in 16 bit is that of activations where weights are
narrower. Requests marked as failed are left out; a request that cannot be read costs its run, which is listed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.market import Engine
from drivetrain.errors import BadInputError, DrivetrainError, FileError
from drivetrain.measure.layouts import place
from drivetrain.measure.names import find_accelerator, find_engine, find_model
from drivetrain.measure.recorded import LATENCIES, Recorded, fitted_in
from drivetrain.measure.recorded_link import links_of
from drivetrain.measure.recorded_weights import find_weights
from drivetrain.measure.serving import default_kv
from drivetrain.measure.table import Raw, Table, read

Floats = NDArray[np.float64]

RUN_COLUMNS = ("run", "model", "accelerator")
REQUEST_COLUMNS = ("run", "arrival_s", "input_tokens", "output_tokens")
_FROM_META = {
    "tensor_parallel_size": "tp", "pipeline_parallel_size": "pp", "data_parallel_size": "dp",
    "enable_expert_parallel": "expert_parallel", "max_num_seqs": "max_num_seqs",
    "max_num_batched_tokens": "max_num_batched_tokens", "dtype": "dtype", "quantization": "quantization",
    "kv_cache_dtype": "kv_cache_dtype", "gpu_memory_utilization": "gpu_memory_utilization",
    "enable_chunked_prefill": "enable_chunked_prefill", "model": "model", "vllm_version": "vllm_version",
    "started_at": "started_at", **{name: name for name in ("speculative_config", "enforce_eager", "cpu_offload_gb")},
}  # fmt: skip
# What a run may have switched on that the replay does not play.
_NOT_PLAYED = {
    "speculative_config": "speculative decoding", "spec_decoding": "speculative decoding",
    "enforce_eager": "launching without graphs", "cpu_offload_gb": "weights in host memory",
}  # fmt: skip
_OFF = ("", "0", "0.0", "false", "off", "no", "none", "null", "{}")
_FAILED = ("fail", "error", "abort", "cancel", "timeout", "timed")
_SIXTEEN = ("vllm", "sglang")  # engines whose cache is in 16 bit unless it is asked for otherwise


def read_runs(folder: Path) -> tuple[list[Recorded], list[dict[str, str]]]:
    """The runs of ``folder`` and those that cannot be replayed, with the reason."""
    for name in ("runs.csv", "requests.csv"):
        if not (folder / name).is_file():
            raise FileError(f"{folder} has no {name}; a folder of recorded runs holds runs.csv and requests.csv.")
    runs = read(folder / "runs.csv", RUN_COLUMNS, "run")
    requests = read(folder / "requests.csv", REQUEST_COLUMNS, "")  # ids repeat from run to run: rows are named by line
    by_run: dict[str, list[Raw]] = {}
    for raw in requests.rows:
        by_run.setdefault(raw.text("run"), []).append(raw)
    found, skipped = [], []
    for raw in runs.rows:
        name = raw.text("run")
        try:
            found.append(fitted_in(_recorded(_completed(raw, folder), by_run.get(name, []), requests)))
        except DrivetrainError as error:
            skipped.append({"row_id": name or raw.row_id, "reason": str(error.args[0])})
    return found, skipped


def _completed(raw: Raw, folder: Path) -> Raw:
    """The run's row with its blanks filled from the engine's arguments in ``RUN.meta.json``."""
    path = folder / f"{Path(raw.text('run')).name}.meta.json"
    if raw.problem or not raw.text("run") or not path.is_file():
        return raw
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path.name} cannot be read as JSON ({error}).") from None
    if not isinstance(meta, dict) or not isinstance(meta.get("engine_kwargs", {}), dict):
        raise FileError(f"{path.name} is no JSON object with the engine's arguments in engine_kwargs.")
    given: dict[str, Any] = {**meta, **meta.get("engine_kwargs", {})}
    cells = {column: str(given[name]) for name, column in _FROM_META.items() if given.get(name) is not None}
    return replace(raw, cells={**raw.cells, **{c: text for c, text in cells.items() if not raw.text(c)}})


def _recorded(raw: Raw, rows: Sequence[Raw], table: Table) -> Recorded:
    if raw.problem:
        raise BadInputError(raw.problem)
    notes: list[str] = []
    kept = _kept(rows, notes)
    model = find_model(raw.text("model"), notes)
    accelerator = find_accelerator(raw.text("accelerator"))
    engine = _engine(raw, notes)
    dtype = find_weights(raw.text("model"), raw.text("weight_dtype", "weight_precision"), raw.text("quantization"),
                         raw.text("dtype"), model, accelerator.vendor, notes)  # fmt: skip
    kv_text = raw.text("kv_dtype", "kv_cache_dtype", "kv_precision")
    if kv_text in ("", "auto"):
        kv = "bf16" if engine.family in _SIXTEEN else default_kv(dtype, engine.family)
    else:
        kv = find_weights("", kv_text, "", "", model, accelerator.vendor, notes)
    notes += [f"{words} is not replayed" for column, words in _NOT_PLAYED.items()
              if raw.text(column).lower() not in _OFF]  # fmt: skip
    placed = place(_topology(raw), model, notes)
    links = links_of(raw, accelerator, placed.layout, engine.family, notes)
    limits = engine.limits_on(accelerator.name, accelerator.usable_bytes)
    budget, seqs = raw.number("max_num_batched_tokens"), raw.number("max_num_seqs")
    kv_tokens = raw.number("kv_tokens_capacity") or 0.0
    if not budget:
        notes.append(f"max_num_batched_tokens not recorded: {limits[0]}, the engine's default there")
    if not seqs:
        notes.append(f"max_num_seqs not recorded: {limits[1] or 'no limit'}, the engine's default there")
    if not kv_tokens:
        notes.append(f"KV capacity not recorded: what {engine.name} leaves of {engine.memory_frac:.0%} of memory")
    if placed.replicas > 1:
        notes.append(f"{placed.replicas} replicas of {placed.layout} share the requests, the least loaded first")
    arrival, isl, osl = (_column(kept, name) for name in ("arrival_s", "input_tokens", "output_tokens"))
    order = np.argsort(arrival, kind="stable")
    return Recorded(
        run=raw.text("run"), model=model, accelerator=accelerator, engine=engine, released=engine.released,
        weight_dtype=dtype, kv_dtype=kv, layout=placed.layout, replicas=placed.replicas,
        budget=float(budget or limits[0]),
        max_num_seqs=float(seqs or limits[1] or math.inf) * placed.layout.dp, kv_tokens=kv_tokens,
        chunked=raw.flag("enable_chunked_prefill"), links=links, tight=False,
        arrival_s=arrival[order] - arrival.min(), isl=isl[order], osl=osl[order],
        measured={name: found[order] for name, found in _latencies(kept, table, arrival, osl).items()},
        notes=tuple(notes),
    )  # fmt: skip


def _kept(rows: Sequence[Raw], notes: list[str]) -> list[Raw]:
    """The requests that did not fail."""
    if not rows:
        raise BadInputError("requests.csv has no requests of this run.")
    kept = [raw for raw in rows if not _failed(raw)]
    if not kept:
        raise BadInputError("all requests of this run are marked as failed.")
    if len(kept) < len(rows):
        notes.append(
            f"{len(rows) - len(kept)} of {len(rows)} requests failed and are left out, with the load they were"
        )
    return kept


def _failed(raw: Raw) -> bool:
    try:
        succeeded = raw.flag("success")
    except BadInputError as error:
        raise BadInputError(f"request {raw.row_id}: {error.args[0]}") from None
    status = raw.text("status").lower()
    return succeeded is False or bool(raw.text("error")) or any(word in status for word in _FAILED)


def _engine(raw: Raw, notes: list[str]) -> Engine:
    """The engine of the run, with the share of memory that it was given."""
    version = raw.text("vllm_version", "engine_version", "software_version")
    name = raw.text("engine") or ("vllm" if raw.text("vllm_version") else "")
    if not name:
        name = "vllm"
        notes.append("engine not recorded: vllm assumed")
    found = find_engine(name, version, notes, raw.text("started_at", "measured_date", "date")[:7])
    if version and found.version != ".".join(version.lstrip("v").split(".")[:2]):
        notes.append(f"{name} {version} is not in the catalogue: rules and overheads of {found.name}")
    share = raw.number("gpu_memory_utilization", "mem_fraction_static")
    if share is None:
        return found
    if not 0.0 < share <= 1.0:
        raise BadInputError(f"gpu_memory_utilization is {share:g}; it must be above 0 and at most 1.")
    return replace(found, memory_frac=share)


def _topology(raw: Raw) -> Raw:
    """The run's degrees in the columns that :func:`place` reads."""
    tp, pp, dp = (raw.whole(name) or 1 for name in ("tp", "pp", "dp"))
    parallel = raw.flag("expert_parallel")
    cells = {**raw.cells, "n_gpus": raw.text("n_gpus") or str(tp * pp * dp), "tp": str(tp), "pp": str(pp)}
    if dp > 1:
        cells["dp_attention"] = "True"
    if parallel and not raw.text("ep"):
        cells["ep"] = str(tp * dp)
    return replace(raw, cells=cells)


def _latencies(rows: Sequence[Raw], table: Table, arrival: Floats, osl: Floats) -> Mapping[str, Floats]:
    """Measured latencies, nan where blank: as recorded, else from the times of the first and the last token."""
    found = {}
    for metric in LATENCIES:
        short = metric.removesuffix("_s")
        if table.has(metric):
            found[metric] = _column(rows, metric, blank=True)
        elif table.has(f"{short}_ms"):
            found[metric] = _column(rows, f"{short}_ms", blank=True) / 1e3
        else:
            found[metric] = np.full(len(rows), np.nan)
    for metric, column in (("ttft_s", "first_token_s"), ("e2e_s", "last_token_s")):
        if np.isnan(found[metric]).all() and table.has(column):
            found[metric] = _column(rows, column, blank=True) - arrival
    if np.isnan(found["tpot_s"]).all():
        found["tpot_s"] = (found["e2e_s"] - found["ttft_s"]) / np.maximum(osl - 1.0, 1.0)
    found["tpot_s"] = np.where(osl > 1.0, found["tpot_s"], np.nan)  # one token has no next one
    return found


def _column(rows: Sequence[Raw], name: str, blank: bool = False) -> Floats:
    """A column of numbers; a cell that is none, or not above zero where tokens are counted, names its row."""
    out = np.empty(len(rows))
    for i, raw in enumerate(rows):
        if raw.problem:
            raise BadInputError(f"request {raw.row_id}: {raw.problem}")
        try:
            value = raw.number(name)
        except BadInputError as error:
            raise BadInputError(f"request {raw.row_id}: {error.args[0]}") from None
        if value is None and not blank:
            raise BadInputError(f"request {raw.row_id}: {name} is blank.")
        if value is not None and name.endswith("_tokens") and (value < 1 or value != int(value)):
            hint = " Mark requests that failed in a column success." if name == "output_tokens" and value == 0 else ""
            raise BadInputError(
                f"request {raw.row_id}: {name} is {value:g}; it must be a whole number from 1 up.{hint}"
            )
        out[i] = np.nan if value is None else value
    return out
