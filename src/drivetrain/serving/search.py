"""Which deployments could serve a model, and what each is worth under one traffic.

``layouts`` lists sensible cuts, ``candidates`` compiles them on every offered accelerator and engine, ``search``
hands all of them with their batch limits to the machine-code sweep and keeps what is best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.catalogue.hardware import Accelerator
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
from drivetrain.serving.purchase import LOOSE, UNLIMITED, Limits, Packing, Part, Unit, claims, most_units, packing
from drivetrain.serving.reuse import Work, cache_is_finite, host_seconds, lengths_on
from drivetrain.serving.slo import Target, limit_arrays
from drivetrain.serving.startable import Starters, chunks_prompts
from drivetrain.serving.techniques.active import OFF, Active
from drivetrain.serving.techniques.power import clock_under

Floats = NDArray[np.float64]

BUDGETS = (512.0, 2048.0, 8192.0)
SEQUENCE_LIMITS = (16.0, 64.0, 256.0)
MAX_REPLICA_ACCELERATORS = 64
_TP_LIMIT = 16
_COUNTLESS = 2.0**40  # units where nothing limits them; keeps counts exact


@dataclass(frozen=True, slots=True)
class Offer:
    """An accelerator one can have: its rates, what else of the server draws power, what it costs (NaN: unknown).

    ``host_w`` is the mean draw of its share of the host, ``host_nameplate_w`` what is provisioned for that share;
    ``unit`` is what one buys, ``server`` the server that holds it (empty where none is known).
    """

    hardware: Hardware
    accelerator: Accelerator
    host_w: float
    usd_per_hour: float
    server_accelerators: int
    unit: Unit = LOOSE
    server: str = ""
    host_nameplate_w: float = 0.0

    @property
    def name(self) -> str:
        """What is bought: the server or instance by name, or the accelerator."""
        return self.unit.name or self.hardware.name

    @property
    def vendor(self) -> str:
        """Who makes the accelerator."""
        return self.accelerator.vendor


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

    @property
    def part(self) -> Part:
        """What one of its accelerators counts as against limits."""
        o = self.offer
        watts = self.deployment.hardware.tdp_w + o.host_nameplate_w
        return Part(o.hardware.name, o.unit, o.server, o.server_accelerators, o.usd_per_hour, watts)

    def packing(self, spares: int = 0) -> Packing:
        """How its replicas fill what is bought."""
        return packing(self.offer.unit, self.deployment.cut.layout.n_accelerators, spares)


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
    techniques: Active = OFF,
    allow_unverified: bool = False,
) -> tuple[list[Job], tuple[float, Job] | None]:
    """Jobs for every combination that can run and fits; and, of those that do not fit, the one that misses by least.

    What can run is what the support matrix calls supported, with ``allow_unverified`` also what it does not know.
    ``budget`` and ``max_seqs`` fix the tokens and sequences of a step instead of trying several. Where ``techniques``
    leave nothing that runs, the last reason is raised.
    """
    cuts: dict[tuple[str, Layout, float | None], tuple[Cut, SequenceBytes]] = {}
    jobs: list[Job] = []
    nearest: tuple[float, Job] | None = None
    refused: LayoutError | UnsupportedError | None = None
    starters = Starters(model, engines, kv_dtype, allow_unverified, techniques.choice, checkpoints)
    for offer in offers:
        here = techniques.on(offer.hardware)
        try:
            clock_under(offer.hardware, here.choice.power_cap)
        except UnsupportedError as error:
            refused = error
            continue
        choices = only_layouts or list(layouts(model, offer.hardware.topology.domain, most))
        for checkpoint in checkpoints:
            for layout in choices:
                starting = starters.of(offer.accelerator, checkpoint, layout)
                if not starting:
                    continue
                key = (checkpoint.name, layout, here.gain)
                try:
                    if key not in cuts:
                        piece = cut(model, checkpoint, layout, kv_dtype or checkpoint.kv_dtype, here)
                        cuts[key] = (piece, sequence_bytes(piece, lengths))
                    piece, one = cuts[key]
                except LayoutError as error:
                    refused = error
                    continue
                for engine in starting:
                    chunks = chunks_prompts(engine, offer.accelerator, model, checkpoint, here.choice, allow_unverified)
                    eff = efficiency(engine.family, offer.hardware.generation, engine.released)
                    sized = [
                        (b, memory(piece, offer.hardware, engine, eff, one, b))
                        for b in _budgets(engine, offer.hardware, lengths, budget, chunks)
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
    if not jobs and nearest is None and refused is not None:
        raise refused
    return jobs, nearest


def resized(jobs: Sequence[Job], lengths: Lengths, max_seqs: float | None = None) -> list[Job]:
    """The deployments of ``jobs`` with memory and batch limits for other lengths; nothing is compiled again."""
    sizes: dict[int, SequenceBytes] = {}
    found: list[Job] = []
    for job in {(id(job.offer), id(job.deployment), job.budget): job for job in jobs}.values():
        d = job.deployment
        one = sizes.get(id(d.cut)) or sizes.setdefault(id(d.cut), sequence_bytes(d.cut, lengths))
        room = memory(d.cut, d.hardware, d.engine, d.efficiency, one, job.budget)
        if room.fits >= 1:
            limits = [min(max_seqs, room.fits)] if max_seqs else _limits(d.engine, room, d.cut.layout.dp)
            found += [Job(job.offer, d, room, job.budget, n) for n in limits]
    return found


def search(jobs: Sequence[Job], traffic: Traffic, targets: Iterable[Target], *, pue: float, max_accelerators: float,
           mean_energy: bool = False, limits: Limits = UNLIMITED) -> Outcome:  # fmt: skip
    """Evaluate all jobs under ``traffic``; rows that meet ``targets`` at the peak are marked.

    No row buys more than ``max_accelerators`` or ``limits`` allow.
    """
    if not jobs:
        return Outcome((), np.empty((0, sw.N_COLUMNS)))
    if traffic.mean_rate <= 0 or traffic.peak_rate < traffic.mean_rate:
        raise BadInputError("traffic needs a positive mean rate and a peak rate that is no smaller.")
    targets = tuple(targets)
    latencies, want = limit_arrays(targets)
    jit.ready()
    met = lengths_met(jobs, traffic.lengths, targets)
    packed = pack(jobs, met)
    rows = np.empty((len(jobs) * sw.ROWS_PER_JOB, sw.N_COLUMNS))
    n = traffic.lengths
    within = replace(limits, accelerators=min(limits.accelerators, float(max_accelerators)))
    count = sw.sweep(
        *packed, n.weight, n.isl, n.osl, n.arrival_cv2, job_rows(jobs, within, met), traffic.peak_rate,
        traffic.mean_rate, latencies, want, pue, mean_energy, rows,
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


def _budgets(engine: Engine, hardware: Hardware, lengths: Lengths, fixed: float | None, chunks: bool) -> list[float]:
    own = fixed or float(engine.limits_on(hardware.name, hardware.memory_bytes)[0])
    if not chunks:
        return [whole_prompts(own, lengths)]
    return [own] if fixed else sorted({own, *BUDGETS})


def whole_prompts(budget: float, lengths: Lengths) -> float:
    """The token budget with which every prompt is prefilled whole."""
    return max(budget, float(lengths.computed.max()))


def _limits(engine: Engine, room: Memory, dp: int) -> list[float]:
    # each data-parallel attention rank is an engine of its own, with its own limit
    most = min(room.fits, float(engine.max_num_seqs * dp) if engine.max_num_seqs else math.inf)
    return [*(n for n in SEQUENCE_LIMITS if n < 0.8 * most), most]


def lengths_met(jobs: Sequence[Job], lengths: Lengths, targets: tuple[Target, ...]) -> list[Lengths]:
    """``lengths`` as each job meets them: its deployment's own, with a finite cache also its batch limits'."""
    of_deployment: dict[int, Lengths] = {}
    found: list[Lengths] = []
    for job in jobs:
        d = job.deployment
        if targets and cache_is_finite(d):
            found.append(lengths_on(d, lengths, Work(job.budget, job.max_seqs, targets)))
            continue
        if id(d) not in of_deployment:
            of_deployment[id(d)] = lengths_on(d, lengths)
        found.append(of_deployment[id(d)])
    return found


def _distinct(jobs: Sequence[Job], met: Sequence[Lengths]) -> dict[tuple[int, int], tuple[Deployment, Lengths]]:
    """Deployments with the lengths they meet, in the order of :func:`pack`."""
    pairs = zip(jobs, met, strict=True)
    return {(id(job.deployment), id(n)): (job.deployment, n) for job, n in pairs}


def pack(jobs: Sequence[Job], met: Sequence[Lengths]) -> tuple[Floats | NDArray[np.int64], ...]:
    """Concatenate the distinct deployments' coefficients, contexts and prompts as each of them meets the workload."""
    pairs = list(_distinct(jobs, met).values())
    deployments = [d for d, _ in pairs]
    said = {id(n): (n.kept, n.computed.tobytes()) for _, n in pairs}
    views: dict[tuple[tuple[float, ...], tuple[float, bytes]], tuple[int, Lengths]] = {}
    context_of = []
    for d, lengths in pairs:
        view = views.setdefault((d.coefficients.spans, said[id(lengths)]), (len(views), lengths))
        context_of.append(view[0])
    width = max(len(s) for s, _ in views)
    n_classes = len(met[0].isl)
    spans, decode, prefill = (np.zeros((len(views), width)), np.zeros((len(views), width)),
                              np.zeros((len(views), width, n_classes)))  # fmt: skip
    computed = np.zeros((len(views), n_classes))
    for (key, _), (i, lengths) in views.items():
        c = contexts(key, lengths)
        spans[i, : len(key)], decode[i, : len(key)], prefill[i, : len(key)] = c.spans, c.decode, c.prefill
        computed[i] = lengths.computed
    return (
        np.concatenate([d.coefficients.ops for d in deployments]),
        np.concatenate([d.coefficients.collectives for d in deployments]),
        np.cumsum([0, *(len(d.coefficients.ops) for d in deployments)]).astype(np.int64),
        np.cumsum([0, *(len(d.coefficients.collectives) for d in deployments)]).astype(np.int64),
        np.array(context_of, dtype=np.int64),
        spans, decode, prefill, computed,
    )  # fmt: skip


def job_rows(jobs: Sequence[Job], limits: Limits, met: Sequence[Lengths]) -> Floats:
    """One row of scalars for each job, as the sweep reads them."""
    index = {key: i for i, key in enumerate(_distinct(jobs, met))}
    bought: dict[tuple[int, int, float], tuple[float, ...]] = {}
    rows = np.empty((len(jobs), sw.N_JOB))
    for i, job in enumerate(jobs):
        d = job.deployment
        rows[i, : sw.DEPLOYMENT] = scalars(d, job.budget, job.max_seqs, host_seconds(d, met[i]))
        rows[i, sw.DEPLOYMENT] = index[id(d), id(met[i])]
        rows[i, sw.PER_REPLICA] = d.cut.layout.n_accelerators
        rows[i, sw.USD_HOUR] = job.offer.usd_per_hour
        rows[i, sw.HOST_W] = job.offer.host_w
        key = (id(job.offer), d.cut.layout.n_accelerators, d.hardware.tdp_w)
        if key not in bought:
            p = job.packing(limits.spares)
            most = p.replicas(min(most_units(claims(job.part, p.unit, limits)), _COUNTLESS))
            bought[key] = (p.unit, p.replicas_per_unit, p.units_per_replica, p.spare_units, most)
        rows[i, sw.UNIT : sw.MOST + 1] = bought[key]
    return rows
