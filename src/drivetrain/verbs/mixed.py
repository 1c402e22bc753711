"""Mixed fleets: requests split by prompt length over two fleets, each with its own accelerator and layout.

A router sends prompts of at most T tokens to one fleet and longer ones to the other. Each class of request keeps the
targets in its fleet, so all requests together keep them. A random split of a stream leaves the burstiness of arrivals
at ``1 + p (cv2 - 1)`` for the share p. Thresholds are boundaries between the workload's request classes, near fifths
of its prompt tokens; the deployments are those of the plan, with one engine for each thing on offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.econ.tokens import usd_per_million
from drivetrain.errors import BadInputError
from drivetrain.serving import sweep as sw
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.purchase import Limits, claims
from drivetrain.serving.search import Job, Outcome, Traffic, resized, search
from drivetrain.serving.slo import Target
from drivetrain.verbs.ranking import Chosen, best_by_offer, rank
from drivetrain.verbs.resolve import Resolved

_SHARES = (0.2, 0.4, 0.6, 0.8)  # of prompt tokens in short prompts
_CHOICES = 12  # plans of each half that are paired
# what a plan takes by objective: a column that adds up over fleets, and its name in the answer
_METRIC = {"cost": (sw.USD_PER_HOUR, "usd_per_hour"), "energy": (sw.WALL_W, "power_w"),
           "carbon": (sw.WALL_W, "power_w"), "accelerators": (sw.ACCELERATORS, "n_accelerators")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Half:
    """The requests on one side of the threshold, and what can serve them."""

    traffic: Traffic
    outcome: Outcome
    rows: tuple[int, ...]


def mixed_fleet(
    resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], outcome: Outcome, uniform: Chosen | None
) -> dict[str, Any] | None:
    """The best pair of fleets and its gain over ``uniform``, the best single fleet; ``None`` where no pair will do.

    ``gain_frac`` is the relative fall of the objective, negative where two fleets take more than one.
    """
    limits = thresholds(traffic.lengths)
    if not limits:
        raise BadInputError("--mix needs prompts of different lengths: give a --workload instead of --isl and --osl.")
    column, metric = _METRIC[resolved.scenario.objective]
    jobs = _one_engine_each(outcome)
    found = []
    for threshold in limits:
        halves = [_half(resolved, part, targets, jobs) for part in split(traffic, threshold)]
        pair = _best_pair(halves[0], halves[1], resolved.limits, column)
        if pair is not None:
            found.append((*pair, threshold, halves))
    if not found:
        return None
    _, rows, threshold, halves = min(found, key=lambda f: f[0])
    pools = [
        Chosen(replace(resolved, lengths=half.traffic.lengths), half.outcome, row, half.traffic, targets).fields
        | {"request_share_frac": half.traffic.mean_rate / traffic.mean_rate}
        for half, row in zip(halves, rows, strict=True)
    ]
    return _answer(traffic, threshold, pools, metric, uniform)


def thresholds(lengths: Lengths) -> list[float]:
    """Prompt lengths to split at, in tokens: each class at most that long is short; none where all are equal."""
    order = np.argsort(lengths.isl)
    isl = lengths.isl[order]
    tokens = np.cumsum(lengths.weight[order] * isl)
    ends = np.flatnonzero(np.diff(isl) > 0)  # the last class before each boundary
    if not len(ends):
        return []
    near = {int(ends[np.argmin(np.abs(tokens[ends] / tokens[-1] - share))]) for share in _SHARES}
    return [float(isl[i]) for i in sorted(near)]


def split(traffic: Traffic, threshold: float) -> tuple[Traffic, Traffic]:
    """Short and long requests as two streams that add up to ``traffic``."""
    short = traffic.lengths.isl <= threshold
    return _part(traffic, short), _part(traffic, ~short)


def _part(traffic: Traffic, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Traffic:
    n = traffic.lengths
    share = float(n.weight[chosen].sum() / n.weight.sum())
    lengths = replace(
        n,
        weight=n.weight[chosen] / n.weight[chosen].sum(),
        isl=n.isl[chosen],
        osl=n.osl[chosen],
        computed=n.computed[chosen],
        reusable=None if n.reusable is None else n.reusable[chosen],
        arrival_cv2=1.0 + share * (n.arrival_cv2 - 1.0),
    )
    return Traffic(lengths, traffic.mean_rate * share, traffic.peak_rate * share)


def _one_engine_each(outcome: Outcome) -> list[Job]:
    """Jobs of the engine that does best on each offer: the cheapest that keeps the targets, else the nearest miss."""
    offers = {name: i for i, name in enumerate(dict.fromkeys(job.offer.name for job in outcome.jobs))}
    offer_of = np.array([offers[job.offer.name] for job in outcome.jobs])
    rows = outcome.rows
    order = np.lexsort((rows[:, sw.ACCELERATORS], rows[:, sw.VIOLATION] > 1.0))
    which, first = np.unique(offer_of[rows[order, sw.JOB].astype(int)], return_index=True)
    best = {i: outcome.jobs[int(rows[order[at], sw.JOB])].deployment.engine.name
            for i, at in zip(which, first, strict=True)}  # fmt: skip
    return [job for job in outcome.jobs if best.get(offers[job.offer.name]) == job.deployment.engine.name]


def _half(resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], jobs: Sequence[Job]) -> Half:
    priced = [job for job in jobs if np.isfinite(job.offer.usd_per_hour)] or jobs
    wanted = priced if resolved.scenario.objective == "cost" else jobs
    outcome = search(
        resized(wanted, traffic.lengths, resolved.scenario.max_num_seqs), traffic, targets, pue=resolved.pue,
        max_accelerators=resolved.limits.accelerators, limits=resolved.limits,
        mean_energy=resolved.scenario.objective in ("energy", "carbon"),
    )  # fmt: skip
    ranked = rank(outcome, resolved.scenario.objective)
    return Half(traffic, outcome, tuple(best_by_offer(outcome, ranked)[:_CHOICES]))


def _best_pair(short: Half, long: Half, limits: Limits, column: int) -> tuple[float, tuple[int, int]] | None:
    """The pair that takes least within the limits on both together."""
    pairs = sorted(
        (float(short.outcome.rows[a, column] + long.outcome.rows[b, column]), (a, b))
        for a in short.rows
        for b in long.rows
    )
    for total, (a, b) in pairs:
        if _within([(short.outcome, a), (long.outcome, b)], limits):
            return total, (a, b)
    return None


def _within(bought: Iterable[tuple[Outcome, int]], limits: Limits) -> bool:
    """Whether fleets together keep every limit."""
    needed: dict[str, float] = {}
    most: dict[str, float] = {}
    for outcome, row in bought:
        job = outcome.jobs[int(outcome.rows[row, sw.JOB])]
        unit = job.packing(limits.spares).unit
        for claim in claims(job.part, unit, limits):
            needed[claim.limit] = needed.get(claim.limit, 0.0) + claim.needed(outcome.rows[row, sw.ACCELERATORS] / unit)
            most[claim.limit] = claim.value
    return all(needed[name] <= most[name] * (1 + 1e-12) for name in needed)


def _answer(
    traffic: Traffic, threshold: float, pools: list[dict[str, Any]], metric: str, uniform: Chosen | None
) -> dict[str, Any]:
    tokens = traffic.mean_rate * traffic.lengths.osl_mean

    def total(name: str) -> float | None:
        values = [pool[name] for pool in pools]
        return None if None in values else sum(values)

    took, before = total(metric), uniform.fields[metric] if uniform else None
    sums: dict[str, Any] = {}
    for end in ("", "_p10", "_p90"):  # both pools at the same end: one model and mostly one engine err alike
        usd, watts = total(f"usd_per_hour{end}"), total(f"power_w{end}")
        sums |= {
            f"n_accelerators{end}": total(f"n_accelerators{end}"),
            f"usd_per_hour{end}": usd,
            f"usd_per_million_output_tokens{end}": None if usd is None else usd_per_million(usd, tokens),
            f"joules_per_output_token{end}": None if watts is None else watts / tokens,
        }
    return {
        "split": {"prompt_tokens": threshold, "short": pools[0]["request_share_frac"],
                  "long": pools[1]["request_share_frac"]},
        "pools": pools,
        **sums,
        "provisioned_power_w": total("provisioned_power_w"),
        "metric": metric,
        "gain_frac": None if took is None or not before else 1.0 - took / before,
    }  # fmt: skip
