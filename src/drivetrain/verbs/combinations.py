"""Searching with levers that may be pulled: each alone everywhere, then the promising ones together.

Alone every lever is searched over all offers. Two, and three, together are searched on the offers that were cheapest
so far, those first whose savings multiply to most; a few of each, so that the search stays fast. What is found is what
these rules reach: a combination outside them may be cheaper still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from drivetrain.catalogue.model import Model
from drivetrain.errors import DoesNotFitError, LayoutError, UnsupportedError
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Job, Offer, Outcome, Traffic, candidates, search
from drivetrain.serving.slo import Target
from drivetrain.serving.techniques.active import activate
from drivetrain.verbs.allowed import base_setting
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.kept import changes_of, keeps, recovery
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import Lever, Setting
from drivetrain.verbs.space import jobs_of
from drivetrain.verbs.technique_notes import technique_assumptions

Combination = tuple[Lever, ...]
_OFFERS = 3
_TOGETHER = (12, 6)  # combinations of two and of three that are searched
_COLUMN = {"energy": sw.JOULES_PER_TOKEN, "carbon": sw.JOULES_PER_TOKEN, "accelerators": sw.ACCELERATORS}


@dataclass(slots=True)
class _Found:
    """Jobs and rows so far, and the best score of each combination, by the names of its levers."""

    jobs: list[Job] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    scores: dict[frozenset[str], float] = field(default_factory=dict)
    by_offer: dict[int, tuple[float, Offer]] = field(default_factory=dict)


def search_combinations(
    resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], levers: Sequence[Lever],
    offers: Sequence[Offer] = (), together: tuple[int, ...] = _TOGETHER,
) -> Outcome:  # fmt: skip
    """All rows of the question as asked and of combinations of ``levers`` that keep enough quality.

    Raises what :func:`~drivetrain.verbs.space.jobs_of` raises where nothing at all can run.
    """
    offers = offers or resolved.offers
    found = _Found()
    trouble: DoesNotFitError | UnsupportedError | LayoutError | None = None
    try:
        _add(found, resolved, traffic, targets, {(): jobs_of(resolved, offers=offers)})
    except (DoesNotFitError, UnsupportedError, LayoutError) as error:
        trouble = error
    _add(found, resolved, traffic, targets, {(lever,): _jobs(resolved, (lever,), offers) for lever in levers})
    if not found.jobs and trouble is not None:
        raise trouble
    runs = [lever for lever in levers if frozenset((lever.name,)) in found.scores]
    ratio = _ratios(found, runs, found.scores.get(frozenset(), np.inf))
    best_offers = [offer for _, offer in sorted(found.by_offer.values(), key=lambda pair: pair[0])[:_OFFERS]]
    tried: list[Combination] = [(lever,) for lever in runs if lever.pairs]
    for most in together if best_offers else ():
        tried = _extended(resolved, tried, runs, ratio)[:most]
        _add(found, resolved, traffic, targets, {c: _jobs(resolved, c, best_offers) for c in tried})
    rows = np.concatenate(found.rows) if found.rows else np.empty((0, sw.N_COLUMNS))
    return Outcome(tuple(found.jobs), rows)


def as_asked(resolved: Resolved, jobs: Iterable[Job]) -> list[Job]:
    """Those of ``jobs`` that run the model and the techniques that the question names."""
    return [
        job for job in jobs
        if job.deployment.cut.model is resolved.model
        and job.deployment.cut.techniques.choice == resolved.techniques.choice
    ]  # fmt: skip


def pulled_assumptions(resolved: Resolved, chosen: Chosen | None) -> tuple[Assumption, ...]:
    """What a plan rests on beside the question's own assumptions, where it uses techniques that were allowed."""
    if chosen is None or chosen.job.deployment.cut.techniques.choice == resolved.techniques.choice:
        return ()
    d = chosen.job.deployment
    found = technique_assumptions(d.cut.techniques, resolved.workload, (chosen.job.offer.hardware,), (d.cut.checkpoint,))
    return tuple(a for a in found if a not in resolved.assumptions)


def changes_in(resolved: Resolved, job: Job) -> tuple[str, ...]:
    """What a job changes in the outputs of the model asked for."""
    cut = job.deployment.cut
    stand_in = "" if cut.model is resolved.model else f"sibling={cut.model.name}"
    return changes_of(cut.model.checkpoints[0], cut.checkpoint, cut.kv_dtype, cut.techniques.choice, stand_in)


def kept_by(resolved: Resolved, job: Job) -> float | None:
    """Share of the benchmark score that a job keeps."""
    model = job.deployment.cut.model
    return recovery(changes_in(resolved, job), resolved.model, None if model is resolved.model else model)


def _jobs(resolved: Resolved, combination: Combination, offers: Sequence[Offer]) -> list[Job]:
    """Deployments with the levers pulled, without those that keep too little; none where nothing can run."""
    fields = {name: value for lever in combination for name, value in lever.changes.items()}
    techniques = {name: value for lever in combination for name, value in lever.techniques.items()}
    model: Model = fields.get("model", resolved.model)
    try:
        jobs, _ = candidates(
            model, (fields["checkpoint"],) if "checkpoint" in fields else resolved.checkpoints, offers,
            resolved.engines, resolved.lengths,
            kv_dtype=fields.get("kv_dtype", resolved.kv_dtype), only_layouts=resolved.layouts,
            budget=resolved.scenario.max_batched_tokens, max_seqs=resolved.scenario.max_num_seqs,
            techniques=activate(replace(resolved.techniques.choice, **techniques), model),
            allow_unverified=resolved.scenario.allow_unverified,
        )  # fmt: skip
    except (UnsupportedError, LayoutError):
        return []
    return _good_enough(resolved, jobs)


def _good_enough(resolved: Resolved, jobs: list[Job]) -> list[Job]:
    least, unknown_too = resolved.scenario.min_quality, resolved.scenario.allow_unknown_quality
    if least is None:
        return jobs
    enough: dict[int, bool] = {}
    for job in jobs:
        if id(job.deployment) not in enough:
            enough[id(job.deployment)] = keeps(kept_by(resolved, job), least, unknown_too)
    return [job for job in jobs if enough[id(job.deployment)]]


def _add(
    found: _Found, resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...],
    jobs: dict[Combination, list[Job]],
) -> None:  # fmt: skip
    """Search ``jobs`` and keep rows, best scores of combinations, and best scores of offers."""
    every = [job for some in jobs.values() for job in some]
    limits, objective = resolved.limits, resolved.scenario.objective
    outcome = search(every, traffic, targets, pue=resolved.pue, max_accelerators=limits.accelerators,
                     mean_energy=objective in ("energy", "carbon"), limits=limits)  # fmt: skip
    first = len(found.jobs)
    rows = outcome.rows
    score = np.where(rows[:, sw.MEETS] == 1.0, rows[:, _COLUMN.get(objective, sw.USD_PER_HOUR)], np.inf)
    score = np.nan_to_num(score, nan=np.inf)
    best = np.full(len(every), np.inf)
    np.minimum.at(best, rows[:, sw.JOB].astype(int), score)
    at = 0
    for combination, some in jobs.items():
        if not some:
            continue
        mine = best[at : at + len(some)]
        at += len(some)
        name = frozenset(lever.name for lever in combination)
        found.scores[name] = min(found.scores.get(name, np.inf), float(mine.min(initial=np.inf)))
    for job, value in zip(every, best, strict=True):
        known = found.by_offer.get(id(job.offer))
        if np.isfinite(value) and (known is None or value < known[0]):
            found.by_offer[id(job.offer)] = (float(value), job.offer)
    rows[:, sw.JOB] += first
    found.jobs += every
    found.rows.append(rows)


def _may(resolved: Resolved, setting: Setting, combination: Combination) -> bool:
    """Whether a combination keeps enough of the quality."""
    for lever in combination:
        setting = lever.on(setting)
    scenario = resolved.scenario
    return keeps(recovery(setting.changes, resolved.model), scenario.min_quality, scenario.allow_unknown_quality)


def _ratios(found: _Found, levers: Iterable[Lever], base: float) -> dict[str, float]:
    """Score of each lever alone over that without any; 1 where neither is known."""
    alone = {lever.name: found.scores.get(frozenset((lever.name,)), np.inf) for lever in levers}
    worst = max((s for s in alone.values() if np.isfinite(s)), default=1.0)
    of = base if np.isfinite(base) else worst
    return {name: score / of if np.isfinite(score) else 1.0 for name, score in alone.items()}


def _extended(
    resolved: Resolved, known: Sequence[Combination], levers: Sequence[Lever], ratio: dict[str, float]
) -> list[Combination]:
    """Combinations one lever longer that keep enough quality, those first whose savings multiply to most."""
    found: dict[frozenset[str], Combination] = {}
    setting = base_setting(resolved)
    for combination in known:
        kinds = {lever.kind for lever in combination}
        for lever in levers:
            longer = (*combination, lever)
            if lever.pairs and lever.kind not in kinds and _may(resolved, setting, longer):
                found.setdefault(frozenset(one.name for one in longer), longer)
    expected = {key: float(np.prod([ratio[name] for name in key])) for key in found}
    return [found[key] for key in sorted(found, key=lambda key: (expected[key], len(key)))]
