"""The best disaggregated plan of a resolved question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.arch.layout import check_layout
from drivetrain.arch.pools import PoolLayouts
from drivetrain.catalogue.model import Checkpoint
from drivetrain.errors import DoesNotFitError, UnsupportedError
from drivetrain.serving.disagg import max_rate
from drivetrain.serving.disagg_fleet import Fleet, Question, balanced_rate, needs
from drivetrain.serving.disagg_search import fleets, handover_on
from drivetrain.serving.pools import decode_lengths
from drivetrain.serving.purchase import Limits
from drivetrain.serving.search import Job, Offer, Traffic
from drivetrain.serving.slo import Target
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.space import jobs_of

_AS_FAST = 1.1
_AS_CLOSE = 1.1
_MOST_MIXED = 4  # accelerators named, up to which pools of two different ones are tried


@dataclass(frozen=True, slots=True)
class DisaggPlan:
    """Disaggregated fleets that were found: those that meet the targets, best first, or the closest miss.

    ``fleets`` holds all that were sized; ``n_evaluated`` counts solutions of a pool's steady state.
    """

    question: Question
    ranked: tuple[Fleet, ...]
    unpriced: tuple[Fleet, ...]
    closest: Fleet | None
    fleets: tuple[Fleet, ...]
    n_evaluated: int

    @property
    def best(self) -> Fleet | None:
        """The best fleet that meets the targets."""
        return self.ranked[0] if self.ranked else None

    def capacity(self, fleet: Fleet) -> float:
        """Largest rate of ``fleet`` within the targets, requests/s."""
        return max_rate(fleet.deployment, self.question.targets)

    def utilisation(self, fleet: Fleet) -> tuple[float, float]:
        """Peak load of the prefill and of the decode pool over the most each takes, the other being no limit."""
        d, rate = fleet.deployment, self.question.traffic.peak_rate
        prefill, decode = needs(d, self.question.targets)
        return rate * prefill / d.prefill_accelerators, rate * decode / d.decode_accelerators

    def balanced_rate(self, fleet: Fleet, targets: tuple[Target, ...] | None = None) -> float:
        """Requests/s within the targets (or others) for each accelerator, pools in their best proportion.

        What whole replicas hide at small rates: each pool as many as it needs, in fractions.
        """
        return balanced_rate(fleet.deployment, self.question.targets if targets is None else targets)

    def balanced_usd_per_request(self, fleet: Fleet) -> float:
        """Price of a request at full load, pools in their best proportion (NaN where a price is unknown)."""
        prefill, decode = needs(fleet.deployment, self.question.targets)
        return (prefill * fleet.prefill.offer.usd_per_hour + decode * fleet.decode.offer.usd_per_hour) / 3600.0


def disaggregated_plan(
    resolved: Resolved,
    traffic: Traffic,
    targets: tuple[Target, ...],
    *,
    offers: Sequence[Offer] = (),
    checkpoints: Sequence[Checkpoint] = (),
    kv_dtype: str | None = None,
    layouts: PoolLayouts | None = None,
    limits: Limits | None = None,
    jobs: Sequence[Job] = (),
) -> DisaggPlan | None:
    """Search prefill and decode pools of the resolved space or of a part of it; ``None`` where nothing hands over.

    ``jobs`` are the deployments of the space where they are already compiled. Pools of different accelerators are tried
    where the user named two to four.
    """
    if layouts is not None:
        for layout in (layouts.prefill, layouts.decode):
            check_layout(resolved.model, layout)
    only = () if layouts is None else (layouts.prefill, layouts.decode)
    scenario = resolved.scenario
    question = Question(resolved.model, traffic, targets, resolved.pue, limits or resolved.limits, scenario.objective)
    if not jobs:
        try:
            jobs = jobs_of(resolved, offers=offers, checkpoints=checkpoints, only_layouts=only, kv_dtype=kv_dtype)
        except (DoesNotFitError, UnsupportedError):
            if layouts is not None:
                raise
            return None
    handing = [handover_on(job, scenario.allow_unverified) for job in jobs]
    if not any(known and decode_lengths(traffic.lengths, known.first_token)[1] > 0.0 for known in handing):
        return None
    found, n = fleets(
        question, jobs, layouts=layouts, max_seqs=scenario.max_num_seqs,
        mixed=2 <= len(scenario.accelerators) <= _MOST_MIXED,
    )  # fmt: skip
    return _ranked(question, found, n)


def by_offer(ranked: Sequence[Fleet]) -> list[Fleet]:
    """The first of ``ranked`` for each accelerator, or pair of them."""
    first: dict[tuple[str, str], Fleet] = {}
    for fleet in ranked:
        first.setdefault((fleet.prefill.offer.hardware.name, fleet.decode.offer.hardware.name), fleet)
    return list(first.values())


def rank(fleets: Sequence[Fleet], objective: str) -> list[Fleet]:
    """Best first: by the objective, then cheaper, then fewer accelerators, then more slack in the targets."""
    fastest = min((f.score("latency") for f in fleets), default=1.0)

    def key(fleet: Fleet) -> tuple[float, ...]:
        score = fleet.score(objective)
        if objective == "latency":  # beyond a few percent, speed is bought with whole fleets
            score = math.floor(math.log(score / fastest) / math.log(_AS_FAST))
        usd = fleet.usd_per_hour
        return (round(score, 9), usd if math.isfinite(usd) else math.inf, fleet.n_accelerators, fleet.violation)

    return sorted(fleets, key=key)


def _ranked(question: Question, found: Sequence[Fleet], n: int) -> DisaggPlan:
    meeting = [f for f in found if f.meets]
    priced = [f for f in meeting if math.isfinite(f.usd_per_hour)]
    unpriced = rank([f for f in meeting if not math.isfinite(f.usd_per_hour)], "accelerators")
    ranked = rank(priced if question.objective == "cost" else meeting, question.objective)
    if question.objective == "cost" and not ranked:  # nothing has a price: the smallest fleet
        ranked = unpriced
    finite = [f for f in found if math.isfinite(f.violation)]
    worst = min((f.violation for f in finite), default=math.inf)
    near = [f for f in finite if f.violation <= worst * _AS_CLOSE]
    closest = min(near, key=lambda f: f.n_accelerators, default=None)
    return DisaggPlan(question, tuple(ranked), tuple(unpriced), closest, tuple(found), n)
