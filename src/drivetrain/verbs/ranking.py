"""Which of the evaluated deployments is best, which misses by least, and which trade cost for speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Offer, Outcome, Traffic, pareto
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import Prepared, SteadyState, at_rate, max_rate, prepare
from drivetrain.verbs.describe import describe
from drivetrain.verbs.moves import Demand, planned, uncertainty_of
from drivetrain.verbs.ranges import price_ends, with_ranges
from drivetrain.verbs.resolve import Resolved

_OBJECTIVE_COLUMN = {"cost": sw.USD_PER_HOUR, "energy": sw.JOULES_PER_TOKEN, "carbon": sw.JOULES_PER_TOKEN,
                     "accelerators": sw.ACCELERATORS}  # fmt: skip
_PARETO_POINTS = 24
_PARETO_FLOOR = 0.01
_AS_CLOSE = 1.1
_AS_FAST = 1.1
_AS_SLACK = 0.05  # of the limits
_TYPICAL_TOKENS = 100.0


class Chosen:
    """One evaluated row, prepared again for explanation."""

    def __init__(
        self, resolved: Resolved, outcome: Outcome, row: int, traffic: Traffic, targets: tuple[Target, ...]
    ) -> None:
        values = outcome.rows[row]
        self.job = outcome.jobs[int(values[sw.JOB])]
        self.replicas = float(values[sw.REPLICAS])
        self.spares = resolved.limits.spares
        self.prepared: Prepared = prepare(
            self.job.deployment, traffic.lengths, self.job.budget, self.job.max_seqs, targets
        )
        self.state: SteadyState = at_rate(self.prepared, traffic.peak_rate / self.replicas)
        self.capacity = max_rate(self.prepared, targets)
        fields = describe(
            resolved,
            self.job.offer,
            self.prepared,
            self.state,
            self.replicas,
            traffic.mean_rate,
            self.capacity,
        )
        self.uncertainty = uncertainty_of(
            self.prepared.deployment, traffic.lengths, self.state.in_system,
            supported=fields["support"]["status"] == "supported",
        )  # fmt: skip
        self.moves = planned(
            self.prepared, self.state, self.job.packing(self.spares), int(self.replicas), self.capacity,
            Demand(traffic.peak_rate, targets), self.uncertainty, price_ends(resolved.prices.get(self.job.offer.name)),
        )  # fmt: skip
        self.fields = with_ranges(fields, self.uncertainty, self.moves)


def rank(outcome: Outcome, objective: str, burden: NDArray[np.float64] | None = None) -> list[int]:
    """Rows that meet the targets, best first; unpriced ones only where cost does not matter.

    ``burden`` of each job decides between rows that cost the same.
    """
    rows = outcome.rows
    meets = np.flatnonzero(rows[:, sw.MEETS] == 1.0)
    priced = meets[np.isfinite(rows[meets, sw.USD_PER_HOUR])]
    if objective == "cost":
        if not len(priced):  # nothing that has a price meets them: the smallest fleet, and the verdict says why
            return unpriced(outcome)
        meets = priced
    usd = np.nan_to_num(rows[meets, sw.USD_PER_HOUR], nan=np.inf)
    if objective == "latency":
        score = rows[meets, sw.TTFT_MEAN] + _TYPICAL_TOKENS * rows[meets, sw.TPOT_MEAN]
        # beyond a few percent, speed is bought with whole fleets: among the about fastest the smallest wins
        score = np.floor(np.log(score / score.min(initial=np.inf)) / np.log(_AS_FAST))
    elif objective == "tokens-per-megawatt":  # the tokens are given: the fleet of least provisioned power serves most
        watts = np.array([job.part.provisioned_w for job in outcome.jobs])
        score = rows[meets, sw.ACCELERATORS] * watts[rows[meets, sw.JOB].astype(int)]
    else:
        score = rows[meets, _OBJECTIVE_COLUMN[objective]]
    more = np.zeros(len(meets)) if burden is None else burden[rows[meets, sw.JOB].astype(int)]
    # ties: cheaper, then fewer, then less burden, then more slack; of about as much the lowest batch limit, since one
    # that does not bind is no merit; then order of the search (simpler layouts first)
    slack = np.floor(rows[meets, sw.VIOLATION] / _AS_SLACK)
    limit = np.array([job.max_seqs for job in outcome.jobs])[rows[meets, sw.JOB].astype(int)]
    order = np.lexsort(
        (rows[meets, sw.VIOLATION], limit, slack, more, rows[meets, sw.ACCELERATORS], usd, np.round(score, 9))
    )
    return [int(i) for i in meets[order]]


def unpriced(outcome: Outcome) -> list[int]:
    """Rows that meet the targets on accelerators without a price, smallest fleet first."""
    rows = outcome.rows
    meets = np.flatnonzero((rows[:, sw.MEETS] == 1.0) & ~np.isfinite(rows[:, sw.USD_PER_HOUR]))
    order = np.lexsort((rows[meets, sw.VIOLATION], rows[meets, sw.ACCELERATORS]))
    return [int(i) for i in meets[order]]


def closest(outcome: Outcome) -> int | None:
    """The row that misses the targets by least, or ``None`` where every load was unstable."""
    finite = np.flatnonzero(np.isfinite(outcome.rows[:, sw.VIOLATION]))
    if not len(finite):
        return None
    violation = outcome.rows[finite, sw.VIOLATION]
    near = finite[violation <= violation.min() * _AS_CLOSE]  # of those about as close, the smallest fleet
    return int(near[np.argmin(outcome.rows[near, sw.ACCELERATORS])])


def best_by_accelerator(outcome: Outcome, ranked: list[int]) -> list[int]:
    """The first of ``ranked`` on each accelerator."""
    return _first_of_each(outcome, ranked, lambda offer: offer.hardware.name)


def best_by_offer(outcome: Outcome, ranked: list[int]) -> list[int]:
    """The first of ``ranked`` on each thing that can be bought: accelerator, server or instance."""
    return _first_of_each(outcome, ranked, lambda offer: offer.name)


def _first_of_each(outcome: Outcome, ranked: list[int], key: Callable[[Offer], str]) -> list[int]:
    if not ranked:
        return []
    numbers = {name: i for i, name in enumerate(dict.fromkeys(key(job.offer) for job in outcome.jobs))}
    number_of = np.array([numbers[key(job.offer)] for job in outcome.jobs])
    offers = number_of[outcome.rows[ranked, sw.JOB].astype(int)]
    return [ranked[i] for i in np.sort(np.unique(offers, return_index=True)[1])]


def pareto_points(outcome: Outcome) -> list[dict[str, Any]]:
    """The front of tokens/s per accelerator against tokens/s per user, thinned to a readable number of points."""
    rows = outcome.rows
    # fleets that are hundreds of times larger than needed buy no more speed: they are not a choice
    sensible = np.flatnonzero(rows[:, sw.TOKENS_PER_ACCELERATOR] >= _PARETO_FLOOR * _busiest(rows))
    front = [int(sensible[i]) for i in pareto(rows[sensible])]
    keep = (
        [front[i] for i in np.unique(np.linspace(0, len(front) - 1, min(len(front), _PARETO_POINTS)).astype(int))]
        if front
        else []
    )
    points = []
    for row in keep:
        values = outcome.rows[row]
        job = outcome.jobs[int(values[sw.JOB])]
        cut = job.deployment.cut
        usd = float(values[sw.USD_PER_MILLION])
        points.append(
            {
                "tokens_per_s_per_accelerator": float(values[sw.TOKENS_PER_ACCELERATOR]),
                "tokens_per_s_per_user": 1.0 / float(values[sw.TPOT_MEAN]),
                "ttft_mean_s": float(values[sw.TTFT_MEAN]),
                "accelerator": job.offer.hardware.name,
                "offer": job.offer.name,
                "layout": str(cut.layout),
                "engine": job.deployment.engine.name,
                "weight_dtype": cut.checkpoint.weight_dtype,
                "replicas": int(values[sw.REPLICAS]),
                "n_accelerators": int(values[sw.ACCELERATORS]),
                "max_concurrency": int(job.max_seqs),
                "usd_per_million_output_tokens": usd if np.isfinite(usd) else None,
                "joules_per_output_token": float(values[sw.JOULES_PER_TOKEN]),
                "meets_slo": bool(values[sw.MEETS]),
            }
        )
    return points


def _busiest(rows: NDArray[np.float64]) -> float:
    stable = np.isfinite(rows[:, sw.TPOT_MEAN])
    return float(rows[stable, sw.TOKENS_PER_ACCELERATOR].max(initial=0.0))
