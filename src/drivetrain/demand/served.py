"""The most tokens per accelerator-second that the serving model finds, for many cases at once.

A case is one call: lengths and targets, on a model. All accelerators, layouts, batch limits and token budgets of it go
through one compiled sweep (:mod:`drivetrain.serving.search`) under more traffic than any replica takes, so what counts
is a full replica. Engines are taken as if they ran on every accelerator whose precisions the checkpoint needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import layout_problem, parse_layout
from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator, Server
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving import sweep as sw
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.search import Job, Offer, Traffic, candidates, resized, search
from drivetrain.serving.slo import parse_slo

Floats = NDArray[np.float64]
RATES_SCALED = ("flops", "hbm_bytes_per_s", "memory_bytes", "links")
_REQUESTS_PER_S = 2000.0  # more than any replica takes; whole replicas round by little
_UNLIMITED = 1e12
_BUDGETS = (512.0, 8192.0)  # tokens of a step: short steps for latency, long ones for throughput
_LEAST_SEQS = 64.0


@dataclass(frozen=True, slots=True)
class Case:
    """One call of a class: on its own model and on the next smaller one, each with the layouts worth trying."""

    name: str
    models: tuple[str, str]
    layouts: tuple[tuple[str, ...], tuple[str, ...]]
    input_tokens: float
    output_tokens: float
    targets: str


@dataclass(frozen=True, slots=True)
class Part:
    """An accelerator on offer by its own name: of the catalogue, or a scaled copy of one."""

    offer: Offer

    @property
    def name(self) -> str:
        """Its name, which for a copy is not the catalogue's."""
        return self.offer.hardware.name

    def scaled(self, name: str, factors: Mapping[str, float]) -> Part:
        """A copy called ``name``: rates times ``factors`` (flops, hbm_bytes_per_s, memory_bytes, links, watts)."""
        watts = factors.get("watts", 1.0)
        rates = {key: value for key, value in factors.items() if key != "watts"}
        was = self.offer.hardware
        hardware = replace(was.scaled(**rates), name=name, tdp_w=was.tdp_w * watts, idle_w=was.idle_w * watts)
        return Part(replace(self.offer, hardware=hardware, host_w=self.offer.host_w * watts))


def parts(names: Sequence[str]) -> list[Part]:
    """Accelerators of the catalogue in the largest server that holds them."""
    servers: dict[str, list[Server]] = {}
    for server in loader.load_all("servers").values():
        servers.setdefault(server.accelerator, []).append(server)
    load_frac = loader.economics()["server_load_frac"].mid.value
    return [_part(loader.load("accelerators", name), servers.get(name, []), load_frac) for name in names]


def model_params(name: str) -> float:
    """Parameters of a model of the catalogue, all of them."""
    return float(count(loader.load("models", name)).total)


def best(
    cases: Sequence[Case], made: Sequence[Part], states: Sequence[tuple[str, tuple[str, ...]]], hits: Sequence[float],
    engine: str, also_smaller: Sequence[str] = (),
) -> tuple[Floats, Floats, dict[tuple[str, str, str], str]]:  # fmt: skip
    """Accelerator-seconds and joules per token [case, part, state, size, hit], and layouts at the own size.

    Joules are at the meter. A state takes the best of all precisions it may use; infinite where nothing runs. The
    next smaller model is run on the parts named in ``also_smaller`` only.
    """
    shape = (len(cases), len(made), len(states), 2, len(hits))
    work, joules = np.full(shape, np.inf), np.full(shape, np.inf)
    layouts: dict[tuple[str, str, str], str] = {}
    names = {part.name: v for v, part in enumerate(made)}
    running: Engine = loader.load("engines", engine)
    pue = loader.economics()["pue"].mid.value
    few = [part for part in made if part.name in also_smaller]
    ready: dict[tuple[str, tuple[str, ...], int], list[Job]] = {}
    for c, case in enumerate(cases):
        for size, on in enumerate((made, few)):
            if not on:
                continue
            model: Model = loader.load("models", case.models[size])
            usable = [(s, _usable(model, allowed)) for s, (_, allowed) in enumerate(states)]
            key = (model.name, case.layouts[size], size)
            if key not in ready:
                ready[key] = _jobs(model, case.layouts[size], on, running)
            for h, hit in enumerate(hits):
                for run in _runs(ready[key], case, hit):
                    v = names[run.part]
                    for s, dtypes in usable:
                        if run.dtype in dtypes and run.seconds < work[c, v, s, size, h]:
                            work[c, v, s, size, h], joules[c, v, s, size, h] = run.seconds, run.joules * pue
                            if size == 0 and h == 0:
                                layouts[case.name, run.part, states[s][0]] = f"{run.layout} {run.dtype}"
    return work, joules, layouts


@dataclass(frozen=True, slots=True)
class _Run:
    """The best of one part and precision: accelerator-seconds and joules per token, and how it is cut."""

    part: str
    dtype: str
    seconds: float
    joules: float
    layout: str


def _jobs(model: Model, layouts: Sequence[str], made: Sequence[Part], engine: Engine) -> list[Job]:
    """Every way to serve ``model``, compiled once; sized for the lengths of each case later."""
    cuts = [layout for layout in map(parse_layout, layouts) if not layout_problem(model, layout)]
    offers, short = [part.offer for part in made], _lengths(64.0, 64.0, 0.0)
    jobs, _ = candidates(model, _checkpoints(model), offers, (engine,), short, only_layouts=cuts, allow_unverified=True)
    return [job for job in jobs if job.budget in _BUDGETS]


def _lengths(isl: float, osl: float, hit: float) -> Lengths:
    computed = np.array([max(isl * (1.0 - hit), 1.0)])
    return Lengths(np.ones(1), np.array([isl]), np.array([osl]), computed, 1.0)


def _runs(ready: Sequence[Job], case: Case, hit: float) -> Iterator[_Run]:
    """The best of ``ready`` for one call, by part and precision."""
    isl, osl = max(case.input_tokens, 1.0), max(case.output_tokens, 1.0)
    lengths = _lengths(isl, osl, hit)
    jobs = [job for job in resized(ready, lengths) if job.max_seqs >= _LEAST_SEQS or job.max_seqs == job.memory.fits]
    traffic = Traffic(lengths, _REQUESTS_PER_S, _REQUESTS_PER_S)
    outcome = search(jobs, traffic, parse_slo(case.targets), pue=1.0, max_accelerators=_UNLIMITED)
    rows = outcome.rows[outcome.rows[:, sw.MEETS] == 1.0]
    keys = [(job.offer.hardware.name, job.deployment.cut.checkpoint.weight_dtype) for job in outcome.jobs]
    index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    of = np.array([index[key] for key in keys], dtype=np.int64)[rows[:, sw.JOB].astype(np.int64)]
    order = np.lexsort((-rows[:, sw.TOKENS_PER_ACCELERATOR], of))
    _, first = np.unique(of[order], return_index=True)
    tokens_per_output = (isl + osl) / osl
    for i in order[first]:
        row, job = rows[i], outcome.jobs[int(rows[i, sw.JOB])]
        yield _Run(job.offer.hardware.name, job.deployment.cut.checkpoint.weight_dtype,
                   1.0 / (float(row[sw.TOKENS_PER_ACCELERATOR]) * tokens_per_output),
                   float(row[sw.JOULES_PER_TOKEN]) / tokens_per_output, str(job.deployment.cut.layout))  # fmt: skip


def _usable(model: Model, allowed: Sequence[str]) -> set[str]:
    """Weights of a model that a state may use; of one that has none of those, its widest."""
    has = {one.weight_dtype for one in _checkpoints(model)}
    of = {dtype for dtype in has if any(name == _FAMILY[dtype] for name in allowed)}
    widest = max((_BITS[_FAMILY[dtype]] for dtype in has), default=0)
    return of or {dtype for dtype in has if _BITS[_FAMILY[dtype]] == widest}


_FAMILY = {"bf16": "bf16", "fp16": "bf16", "fp8": "fp8", "fp8_block": "fp8", "mxfp8": "fp8", "nvfp4": "fp4",
           "mxfp4": "fp4"}  # fmt: skip
_BITS = {"bf16": 16, "fp8": 8, "fp4": 4}


def _checkpoints(model: Model) -> tuple[Checkpoint, ...]:
    """Those in floating formats, one of each; integer ones are left aside."""
    found: dict[str, Checkpoint] = {}
    for one in model.checkpoints:
        if one.weight_dtype in _FAMILY:
            found.setdefault(f"{one.weight_dtype} {one.written_as}", one)
    return tuple(found.values())


def _part(accelerator: Accelerator, servers: Sequence[Server], load_frac: float) -> Part:
    server = max(servers, key=lambda s: s.n_accelerators, default=None)
    nic, fabric = (server.nic_bytes_per_s, server.fabric) if server else (accelerator.scaleout_bytes_per_s, "")
    hardware = hardware_of(accelerator, domain=accelerator.scaleup.domain, nic_bytes_per_s=nic, fabric=fabric)
    host_w = server.host_w / server.n_accelerators if server else 0.0
    return Part(Offer(hardware, accelerator, host_w * load_frac, 1.0, server.n_accelerators if server else 1))
