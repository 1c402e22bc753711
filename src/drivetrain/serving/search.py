"""Which deployments could serve a model, and what each is worth under one traffic.

``layouts`` lists sensible cuts, ``candidates`` compiles them on every offered accelerator and engine, ``search``
hands all of them with their batch limits to the machine-code sweep and keeps what is best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model, MoE
from drivetrain.cost import jit
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import BadInputError, LayoutError, UnsupportedError
from drivetrain.serving import sweep as sw
from drivetrain.serving.deployment import (
    Cut,
    Deployment,
    Memory,
    SequenceBytes,
    contexts,
    cut,
    deploy,
    memory,
    scalars,
    sequence_bytes,
)
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.slo import METRICS, STATISTICS, Target

Floats = NDArray[np.float64]

BUDGETS = (2048.0, 8192.0, 16384.0)
SEQUENCE_LIMITS = (16.0, 64.0, 256.0)
MAX_REPLICA_ACCELERATORS = 64
_TP_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Offer:
    """An accelerator one can have: its rates, what else of the server draws power, what it costs (NaN: unknown)."""

    hardware: Hardware
    vendor: str
    host_w: float
    usd_per_hour: float
    server_accelerators: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Request stream to plan for.

    Latencies hold at ``peak_rate``, money and energy are over ``mean_rate``; requests/s.
    """

    lengths: Lengths
    mean_rate: float
    peak_rate: float


@dataclass(frozen=True, slots=True)
class Job:
    """A deployment with its batch limits."""

    offer: Offer
    deployment: Deployment
    memory: Memory
    budget: float
    max_seqs: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All evaluations.

    ``rows`` have the columns of :mod:`drivetrain.serving.sweep`; ``jobs`` is indexed by its JOB column.
    """

    jobs: tuple[Job, ...]
    rows: Floats

    @property
    def n_evaluated(self) -> int:
        """Distinct deployments evaluated."""
        return len(self.rows)


def layouts(model: Model, domain: int, most: int = MAX_REPLICA_ACCELERATORS) -> Iterator[Layout]:
    """Cuts of ``model`` worth trying where ``domain`` accelerators share fast links, at most ``most`` accelerators.

    Tensor parallelism inside the domain, two to four pipeline stages, and for models with experts: experts spread
    over the tensor- parallel ranks, or over data-parallel attention ranks.
    """
    moe = any(isinstance(g.ffn, MoE) for g in model.layers)
    seen: set[Layout] = set()

    def offered(layout: Layout) -> Iterator[Layout]:
        if layout.n_accelerators <= most and layout not in seen and not layout_problem(model, layout):
            seen.add(layout)
            yield layout

    powers = [1 << i for i in range(7)]
    for tp in [n for n in powers if n <= min(domain, _TP_LIMIT)]:
        for pp in (1, 2, 4):
            yield from offered(Layout(tp=tp, pp=pp))
            if moe and tp > 1:
                yield from offered(Layout(tp=tp, pp=pp, ep=tp))
    if moe:
        for n in powers[1:]:
            yield from offered(Layout(dp=n, ep=n))
            if n >= 4 and domain >= 2:
                yield from offered(Layout(tp=2, dp=n // 2, ep=n))


def candidates(
    model: Model,
    checkpoints: Sequence[Checkpoint],
    offers: Sequence[Offer],
    engines: Sequence[Engine],
    lengths: Lengths,
    *,
    kv_dtype: str = "",
    only_layouts: Sequence[Layout] = (),
    budget: float | None = None,
    max_seqs: float | None = None,
    most: int = MAX_REPLICA_ACCELERATORS,
) -> tuple[list[Job], tuple[float, Job] | None]:
    """Jobs for every combination that can run and fits; and, of those that do not fit, the one that misses by least.

    ``budget`` and ``max_seqs`` fix the tokens and sequences of a step instead of trying several.
    """
    cuts: dict[tuple[str, Layout], tuple[Cut, SequenceBytes]] = {}
    jobs: list[Job] = []
    nearest: tuple[float, Job] | None = None
    for offer in offers:
        choices = only_layouts or list(layouts(model, offer.hardware.topology.domain, most))
        for checkpoint in checkpoints:
            for layout in choices:
                key = (checkpoint.name, layout)
                if key not in cuts:
                    piece = cut(model, checkpoint, layout, kv_dtype or checkpoint.kv_dtype)
                    cuts[key] = (piece, sequence_bytes(piece, lengths))
                piece, one = cuts[key]
                for engine in engines:
                    if not runs(engine, offer, checkpoint):
                        continue
                    eff = efficiency(engine.family, offer.hardware.generation)
                    sized = [
                        (b, memory(piece, offer.hardware, engine, eff, one, b))
                        for b in ([budget] if budget else _budgets(engine, offer.hardware, lengths))
                    ]
                    fitting = [(b, m) for b, m in sized if m.fits >= 1]
                    try:
                        deployment = deploy(piece, offer.hardware, engine, eff, collective_coefficients(engine.family))
                    except (LayoutError, UnsupportedError):
                        continue
                    if not fitting:
                        missing = Job(offer, deployment, sized[0][1], sized[0][0], 0.0)
                        room = missing.memory
                        if nearest is None or room.sequence_bytes - room.cache < nearest[0]:
                            nearest = (room.sequence_bytes - room.cache, missing)
                        continue
                    for tokens, room in fitting:
                        jobs += [
                            Job(offer, deployment, room, tokens, n)
                            for n in ([min(max_seqs, room.fits)] if max_seqs else _limits(engine, room, layout.dp))
                        ]
    return jobs, nearest


def runs(engine: Engine, offer: Offer, checkpoint: Checkpoint) -> bool:
    """Whether the engine supports the accelerator's vendor and the checkpoint's precision runs there."""
    vendor_ok = not engine.vendors or offer.vendor.lower() in {v.lower() for v in engine.vendors}
    dtype_ok = not engine.weight_dtypes or checkpoint.weight_dtype in engine.weight_dtypes
    # four-bit activations need the units for it: there is no weight-only path for nvfp4 that engines ship
    return vendor_ok and dtype_ok and (checkpoint.weight_dtype != "nvfp4" or "nvfp4" in offer.hardware.flops)


def search(jobs: Sequence[Job], traffic: Traffic, targets: Iterable[Target], *, pue: float, max_accelerators: float,
           mean_energy: bool = False) -> Outcome:  # fmt: skip
    """Evaluate all jobs under ``traffic``; rows that meet ``targets`` at the peak are marked."""
    if not jobs:
        return Outcome((), np.empty((0, sw.N_COLUMNS)))
    if traffic.mean_rate <= 0 or traffic.peak_rate < traffic.mean_rate:
        raise BadInputError("traffic needs a positive mean rate and a peak rate that is no smaller.")
    limits = np.full((4, 5), np.inf)
    want = np.zeros((4, 5), dtype=np.bool_)
    for target in targets:
        at = METRICS.index(target.metric), STATISTICS.index(target.statistic)
        limits[at], want[at] = target.limit_s, True
    jit.ready()
    packed = _pack(jobs, traffic.lengths)
    rows = np.empty((len(jobs) * sw.ROWS_PER_JOB, sw.N_COLUMNS))
    n = traffic.lengths
    count = sw.sweep(
        *packed, n.weight, n.isl, n.osl, n.computed, n.arrival_cv2, _job_rows(jobs), traffic.peak_rate,
        traffic.mean_rate, limits, want, pue, float(max_accelerators), mean_energy, rows,
    )  # fmt: skip
    return Outcome(tuple(jobs), rows[:count])


def pareto(rows: Floats) -> list[int]:
    """Rows on the front of tokens/s per accelerator against tokens/s per user (both up), fastest user first."""
    stable = np.flatnonzero(np.isfinite(rows[:, sw.TPOT_MEAN]))
    order = stable[np.lexsort((-rows[stable, sw.TOKENS_PER_ACCELERATOR], rows[stable, sw.TPOT_MEAN]))]
    front: list[int] = []
    best = -math.inf
    for index in order:
        if rows[index, sw.TOKENS_PER_ACCELERATOR] > best * (1 + 1e-9):
            best = rows[index, sw.TOKENS_PER_ACCELERATOR]
            front.append(int(index))
    return front


def _budgets(engine: Engine, hardware: Hardware, lengths: Lengths) -> list[float]:
    own = float(engine.limits_on(hardware.name, hardware.memory_bytes)[0])
    if not engine.chunked_prefill:  # a prompt is prefilled whole
        return [max(own, float(lengths.computed.max()))]
    return sorted({own, *BUDGETS})


def _limits(engine: Engine, room: Memory, dp: int) -> list[float]:
    # each data-parallel attention rank is an engine of its own, with its own limit
    most = min(room.fits, float(engine.max_num_seqs * dp) if engine.max_num_seqs else math.inf)
    return [*(n for n in SEQUENCE_LIMITS if n < 0.8 * most), most]


def _pack(jobs: Sequence[Job], lengths: Lengths) -> tuple[Floats | NDArray[np.int64], ...]:
    """Concatenate the distinct deployments' coefficients and contexts."""
    deployments = list({id(job.deployment): job.deployment for job in jobs}.values())
    by_spans: dict[tuple[float, ...], int] = {}
    for d in deployments:
        by_spans.setdefault(d.coefficients.spans, len(by_spans))
    width = max(len(s) for s in by_spans)
    n_classes = len(lengths.isl)
    spans, decode, prefill = (np.zeros((len(by_spans), width)), np.zeros((len(by_spans), width)),
                              np.zeros((len(by_spans), width, n_classes)))  # fmt: skip
    for key, i in by_spans.items():
        c = contexts(key, lengths)
        spans[i, : len(key)], decode[i, : len(key)], prefill[i, : len(key)] = c.spans, c.decode, c.prefill
    return (
        np.concatenate([d.coefficients.ops for d in deployments]),
        np.concatenate([d.coefficients.collectives for d in deployments]),
        np.cumsum([0, *(len(d.coefficients.ops) for d in deployments)]).astype(np.int64),
        np.cumsum([0, *(len(d.coefficients.collectives) for d in deployments)]).astype(np.int64),
        np.array([by_spans[d.coefficients.spans] for d in deployments], dtype=np.int64),
        spans, decode, prefill,
    )  # fmt: skip


def _job_rows(jobs: Sequence[Job]) -> Floats:
    index: dict[int, int] = {}
    rows = np.empty((len(jobs), sw.N_JOB))
    for i, job in enumerate(jobs):
        d = job.deployment
        rows[i, : sw.DEPLOYMENT] = scalars(d, job.budget, job.max_seqs)
        rows[i, sw.DEPLOYMENT] = index.setdefault(id(d), len(index))
        rows[i, sw.PER_REPLICA] = d.cut.layout.n_accelerators
        rows[i, sw.USD_HOUR] = job.offer.usd_per_hour
        rows[i, sw.HOST_W] = job.offer.host_w
    return rows
