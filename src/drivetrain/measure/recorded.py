"""Recorded runs of a server, replayed request by request: arrivals and lengths in, latencies compared.

A folder holds ``runs.csv``, one row per run (what was served, where and with which settings), and ``requests.csv``,
one row per request. What a run does not record is derived from the engine's defaults and said: the memory that holds KV
cache from the engine's share of the accelerator, the token budget and the sequence limit from its defaults there.
Latencies are the client's: ``ttft_s`` from arrival to first token, ``tpot_s = (e2e_s - ttft_s) / (n_out - 1)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Model
from drivetrain.cost.efficiency import Efficiency, collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError, FileError
from drivetrain.measure.layouts import place
from drivetrain.measure.names import find_accelerator, find_dtype, find_engine, find_model
from drivetrain.measure.serving import cut_of, default_kv
from drivetrain.measure.table import Raw, Table, read
from drivetrain.serving.deployment import Deployment, deploy
from drivetrain.serving.sim.build import Setup, pool_of
from drivetrain.serving.sim.records import Fleet, Options, Outcome, Policies, Policy
from drivetrain.serving.sim.run import simulate
from drivetrain.serving.traffic.records import requests_of

Floats = NDArray[np.float64]

RUN_COLUMNS = ("run", "model", "accelerator")
REQUEST_COLUMNS = ("run", "arrival_s", "input_tokens", "output_tokens")
LATENCIES = ("ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One run: what was served how, its requests, and their measured latencies (nan where not recorded).

    ``notes`` say what was derived or read loosely.
    """

    run: str
    model: Model
    accelerator: Accelerator
    engine: Engine
    released: str
    weight_dtype: str
    kv_dtype: str
    layout: Layout
    replicas: int
    budget: float
    max_num_seqs: float
    kv_tokens: float
    arrival_s: Floats
    isl: Floats
    osl: Floats
    measured: Mapping[str, Floats]
    notes: tuple[str, ...]

    @property
    def family(self) -> str:
        """The engine's family."""
        return self.engine.family


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """Latencies of a run's requests as simulated, in the order of :class:`Recorded`, and when the last one ended."""

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    end_s: float

    def of(self, metric: str) -> Floats:
        """One of :data:`LATENCIES`."""
        found: Floats = getattr(self, metric)
        return found


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
        try:
            found.append(_recorded(raw, by_run.get(raw.text("run"), []), requests))
        except (BadInputError, FileError) as error:
            skipped.append({"row_id": raw.text("run") or raw.row_id, "reason": str(error.args[0])})
    return found, skipped


def replay(recorded: Recorded, eff: Efficiency | None = None, seed: int = 1) -> tuple[Replayed, Outcome]:
    """Play the run's requests through the simulator, with other coefficients where ``eff`` is given."""
    pool = pool_of(deployment_of(recorded, eff), recorded.budget, recorded.max_num_seqs,
                   Setup(name=recorded.run, replicas=recorded.replicas))  # fmt: skip
    if recorded.kv_tokens > 0 and pool.cache.block_tokens > 0:
        blocks = int(recorded.kv_tokens // (pool.cache.block_tokens * pool.dp * pool.pp))
        pool = replace(pool, cache=replace(pool.cache, blocks=blocks))
    fleet = Fleet(pools=(pool,), policies=Policies(route=Policy("least-loaded")))
    requests = requests_of(recorded.isl, recorded.osl, arrival_s=recorded.arrival_s)
    outcome = simulate(fleet, requests, Options(seed=seed))
    ttft, e2e = outcome.first_s - outcome.sent_s, outcome.finish_s - outcome.sent_s
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(recorded.osl > 1, (e2e - ttft) / (recorded.osl - 1.0), np.nan)
    return Replayed(ttft, tpot, e2e, float(np.nanmax(outcome.finish_s))), outcome


def deployment_of(recorded: Recorded, eff: Efficiency | None = None) -> Deployment:
    """What served the run."""
    hardware = hardware_of(recorded.accelerator)
    known = eff or own_efficiency(recorded)
    piece = cut_of(recorded.model.name, recorded.weight_dtype, recorded.layout, recorded.kv_dtype)
    return deploy(piece, hardware, recorded.engine, known, collective_coefficients(recorded.family))


def own_efficiency(recorded: Recorded) -> Efficiency:
    """The calibration in force for the run's engine, generation and release."""
    return efficiency(recorded.family, recorded.accelerator.generation, recorded.released)


def _recorded(raw: Raw, rows: Sequence[Raw], table: Table) -> Recorded:
    if raw.problem:
        raise BadInputError(raw.problem)
    if not rows:
        raise BadInputError("requests.csv has no requests of this run.")
    notes: list[str] = []
    model, accelerator = find_model(raw.text("model"), notes), find_accelerator(raw.text("accelerator"))
    version = raw.text("vllm_version", "engine_version", "software_version")
    name = raw.text("engine") or ("vllm" if raw.text("vllm_version") else "")
    if not name:
        name = "vllm"
        notes.append("engine not recorded: vllm assumed")
    engine = find_engine(name, version, notes, raw.text("started_at", "measured_date", "date")[:7])
    dtype = find_dtype(raw.text("weight_dtype", "dtype", "weight_precision") or "bf16", model, accelerator.vendor)
    kv_text = raw.text("kv_dtype", "kv_cache_dtype", "kv_precision")
    kv = find_dtype(kv_text, model, accelerator.vendor) if kv_text not in ("", "auto") else default_kv(dtype, name)
    placed = place(_topology(raw), model, notes)
    limits = engine.limits_on(accelerator.name, accelerator.usable_bytes)
    budget, seqs = raw.number("max_num_batched_tokens"), raw.number("max_num_seqs")
    kv_tokens = raw.number("kv_tokens_capacity") or 0.0
    if not budget:
        notes.append(f"max_num_batched_tokens not recorded: {limits[0]}, the engine's default there")
    if not seqs:
        notes.append(f"max_num_seqs not recorded: {limits[1] or 'no limit'}, the engine's default there")
    if not kv_tokens:
        notes.append(f"KV capacity not recorded: what {engine.name} leaves of {engine.memory_frac:.0%} of memory")
    arrival, isl, osl = (_column(rows, name) for name in ("arrival_s", "input_tokens", "output_tokens"))
    order = np.argsort(arrival, kind="stable")
    measured = {
        m: _column(rows, m, blank=True)[order] if table.has(m) else np.full(len(rows), np.nan) for m in LATENCIES
    }
    return Recorded(
        run=raw.text("run"), model=model, accelerator=accelerator, engine=engine, released=engine.released,
        weight_dtype=dtype, kv_dtype=kv, layout=placed.layout, replicas=placed.replicas,
        budget=float(budget or limits[0]),
        max_num_seqs=float(seqs or limits[1] or math.inf) * placed.layout.dp, kv_tokens=kv_tokens,
        arrival_s=arrival[order] - arrival.min(), isl=isl[order], osl=osl[order], measured=measured, notes=tuple(notes),
    )  # fmt: skip


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
            raise BadInputError(f"request {raw.row_id}: {name} is {value:g}; it must be a whole number from 1 up.")
        out[i] = np.nan if value is None else value
    return out
