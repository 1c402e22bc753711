"""The best disaggregated fleets for one traffic.

Pools are searched apart: the sweep finds, for every candidate of a pool, the fewest replicas that keep the targets
that this pool alone decides (TTFT for prefill, TPOT and ITL for decode). The best few of each are then paired and sized
together, link and held memory included: the fewest decode replicas that can meet the targets with prefill to spare,
then the fewest prefill replicas with those, then a few more decode replicas in case they spare prefill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from drivetrain.arch.layout import Layout
from drivetrain.arch.pools import PoolLayouts
from drivetrain.catalogue.disaggregation import Handover, handover
from drivetrain.serving import sweep as sw
from drivetrain.serving.disagg_fleet import Fleet, Question
from drivetrain.serving.pool_pairs import pair_problem
from drivetrain.serving.pool_sizing import Candidate, Counter, sized
from drivetrain.serving.pools import decode_lengths, decoding, prefill_lengths
from drivetrain.serving.search import Job, Traffic, resized, search
from drivetrain.serving.slo import Target
from drivetrain.serving.startable import support

_KEPT = 4  # candidates of a pool, and pairs, that are sized for each combination of offers
PROMPTS = 256.0  # prompts in a prefill replica at once, at most
_AS_CLOSE = 1.1

Group = tuple[str, str, str, str]  # offer, engine, checkpoint, kv precision


def fleets(
    question: Question, jobs: Sequence[Job], *, layouts: PoolLayouts | None = None, max_seqs: float | None = None,
    mixed: bool = False,
) -> tuple[list[Fleet], int]:  # fmt: skip
    """Evaluated fleets, and how many solutions of a pool's steady state it took to find them.

    ``jobs`` are what could run undivided: their deployments are the candidates of both pools, of one layout each where
    ``layouts`` says so. ``max_seqs`` limits the decode batch. ``mixed`` also pairs different offers of one vendor.
    """
    q, lengths = question, question.traffic.lengths
    usable = [(job, known) for job in jobs if (known := handover_on(job, q.allow_unverified)) is not None]
    prompts = replace(q.traffic, lengths=prefill_lengths(lengths))
    prefill = [job for job, _ in usable if layouts is None or job.deployment.cut.layout == layouts.prefill]
    firsts, tried = _shortlist(
        q, resized(prefill, prompts.lengths, PROMPTS), prompts, _of(q.targets, "ttft", "e2e"), sw.TTFT_MEAN
    )
    thens: dict[Group, list[Candidate]] = {}
    for first_token in ("prefill", "decode"):
        seen, share = decode_lengths(lengths, first_token)
        decode = [
            job
            for job, known in usable
            if known.first_token == first_token and (layouts is None or job.deployment.cut.layout == layouts.decode)
        ]
        if not decode or share <= 0.0:
            continue
        answers = Traffic(seen, q.traffic.mean_rate * share, q.traffic.peak_rate * share)
        fitting = resized(_decoding(_smallest_budget(decode)), seen, max_seqs)
        found, n = _shortlist(q, fitting, answers, _of(q.targets, "tpot", "itl", "e2e"), sw.TPOT_MEAN)
        thens |= found
        tried += n
    counter = Counter(tried)
    out: list[Fleet] = []
    for pairs in _pairs(q, firsts, thens, mixed).values():
        for first, then in pairs[:_KEPT]:
            out += sized(q, first, then, counter)
    return out, counter.n


def handover_on(job: Job, allow_unverified: bool = False) -> Handover | None:
    """How the job's engine hands over on its accelerator; ``None`` where it does not, or nobody says it does.

    Caches go from device memory to device memory: on GPUs.
    """
    known = handover(job.deployment.engine)
    if known is None or job.offer.accelerator.kind != "gpu":
        return None
    cut = job.deployment.cut
    found = support(
        job.deployment.engine, job.offer.accelerator, cut.model, cut.checkpoint, cut.kv_dtype, ("disaggregation",)
    )
    enough = ("supported", "unverified") if allow_unverified else ("supported",)
    return known if found.status in enough else None


def _smallest_budget(jobs: Sequence[Job]) -> list[Job]:
    """One job for each deployment, that of the smallest step budget: decoding needs no room for prompts."""
    found: dict[int, Job] = {}
    for job in sorted(jobs, key=lambda job: job.budget):
        found.setdefault(id(job.deployment), job)
    return list(found.values())


def _decoding(jobs: Sequence[Job]) -> list[Job]:
    """Jobs with the deployment of a decode replica; jobs that shared one still do."""
    lean = {id(job.deployment): decoding(job.deployment) for job in jobs}
    return [replace(job, deployment=lean[id(job.deployment)]) for job in jobs]


def _of(targets: Iterable[Target], *metrics: str) -> tuple[Target, ...]:
    return tuple(target for target in targets if target.metric in metrics)


def _shortlist(
    q: Question, jobs: Sequence[Job], traffic: Traffic, targets: tuple[Target, ...], speed: int
) -> tuple[dict[Group, list[Candidate]], int]:
    """The best candidates of one pool for each offer, engine and checkpoint, one a layout, and the rows evaluated.

    Where nothing meets the targets, what misses by least stands for the group: a fleet must be shown all the same.
    """
    outcome = search(jobs, traffic, targets, pue=q.pue, max_accelerators=q.limits.accelerators, limits=q.limits,
                     mean_energy=q.objective in ("energy", "carbon"))  # fmt: skip
    rows = outcome.rows
    column = {"energy": sw.WALL_W, "carbon": sw.WALL_W, "latency": speed}.get(q.objective)
    best: dict[tuple[Group, Layout], tuple[tuple[float, float, float], Candidate]] = {}
    for row in rows[np.isfinite(rows[:, sw.VIOLATION])]:
        job = outcome.jobs[int(row[sw.JOB])]
        layout, replicas, violation = job.deployment.cut.layout, int(row[sw.REPLICAS]), float(row[sw.VIOLATION])
        score = float(replicas * layout.n_accelerators) if column is None else float(row[column])
        # of those that miss, the smallest of about as close ones
        missed = 0.0 if row[sw.MEETS] == 1.0 else 1.0 + math.floor(math.log(violation) / math.log(_AS_CLOSE))
        rank = (missed, score, violation)
        key = (_group(job), layout)
        if key not in best or rank < best[key][0]:
            best[key] = (rank, Candidate(job, replicas, score))
    groups: dict[Group, list[Candidate]] = {}
    for (group, _), (_, candidate) in sorted(best.items(), key=lambda item: item[1][0]):
        if len(groups.setdefault(group, [])) < _KEPT:
            groups[group].append(candidate)
    return groups, len(rows)


def _group(job: Job) -> Group:
    cut = job.deployment.cut
    return job.offer.name, job.deployment.engine.name, cut.checkpoint.name, cut.kv_dtype


def _pairs(
    q: Question, firsts: Mapping[Group, list[Candidate]], thens: Mapping[Group, list[Candidate]], mixed: bool
) -> dict[tuple[str, str], list[tuple[Candidate, Candidate]]]:
    """Pairs that can hand over, by offers of the two pools, the most promising first."""
    found: dict[tuple[str, str], list[tuple[Candidate, Candidate]]] = {}
    for a, some in firsts.items():
        for b, others in thens.items():
            if a[1:] != b[1:] or (a[0] != b[0] and not mixed):
                continue
            for first in some:
                for then in others:
                    one, two = first.job.deployment.cut.layout, then.job.deployment.cut.layout
                    known = handover(then.job.deployment.engine)
                    if known is None or first.job.offer.vendor != then.job.offer.vendor:
                        continue
                    if not pair_problem(known, q.model, one, two):
                        found.setdefault((a[0], b[0]), []).append((first, then))
    for offers, pairs in found.items():
        weigh = _weight(q.objective, offers)
        pairs.sort(key=lambda pair: weigh(pair[0]) + weigh(pair[1]))
    return found


def _weight(objective: str, offers: tuple[str, str]) -> Callable[[Candidate], float]:
    """Accelerators of different offers compare by price, where both have one."""
    if objective == "cost" and offers[0] != offers[1]:
        return lambda c: c.score * np.nan_to_num(c.job.offer.usd_per_hour, nan=1e3)
    return lambda c: c.score
