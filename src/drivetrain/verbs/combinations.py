"""Searching with levers that may be pulled: each alone everywhere, then the promising ones together.

Alone every lever is searched over all offers. Two, and three, together are searched on the offers that were cheapest
so far, those first whose savings multiply to most; a few of each, so that the search stays fast. What is found is what
these rules reach: a combination outside them may be cheaper still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.model import Model
from drivetrain.errors import DoesNotFitError, LayoutError, UnsupportedError
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Job, Offer, Outcome, Traffic, candidates, search
from drivetrain.serving.slo import Target
from drivetrain.serving.techniques.active import activate
from drivetrain.verbs.allowed import base_setting
from drivetrain.verbs.kept import changes_of, keeps, recovery, stand_in_key
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import Lever
from drivetrain.verbs.space import jobs_of

Combination = tuple[Lever, ...]
TOGETHER = (12, 6)  # combinations of two and of three that are searched
_OFFERS = 3
_COLUMN = {"energy": sw.JOULES_PER_TOKEN, "carbon": sw.JOULES_PER_TOKEN, "accelerators": sw.ACCELERATORS}


class Search:
    """A search that widens: what was evaluated is kept and not evaluated again."""

    def __init__(
        self, resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], offers: Sequence[Offer] = ()
    ) -> None:
        self.resolved, self.traffic, self.targets = resolved, traffic, targets
        self.offers = tuple(offers or resolved.offers)
        self.jobs: list[Job] = []
        self._rows: list[NDArray[np.float64]] = []
        self._scores: dict[frozenset[str], float] = {}
        self._by_offer: dict[int, tuple[float, Offer]] = {}

    @property
    def outcome(self) -> Outcome:
        """All rows so far."""
        if len(self._rows) != 1:
            self._rows = [np.concatenate(self._rows) if self._rows else np.empty((0, sw.N_COLUMNS))]
        return Outcome(tuple(self.jobs), self._rows[0])

    def widen(
        self, levers: Sequence[Lever], together: tuple[int, ...] = TOGETHER, *, least: float | None = None
    ) -> None:
        """Search the question as asked, with each of ``levers`` and with several that keep ``least`` of the quality.

        Raises what :func:`~drivetrain.verbs.space.jobs_of` raises where nothing at all can run.
        """
        alone: dict[Combination, list[Job]] = {}
        trouble: DoesNotFitError | UnsupportedError | LayoutError | None = None
        if frozenset() not in self._scores:
            try:
                alone[()] = jobs_of(self.resolved, offers=self.offers)
            except (DoesNotFitError, UnsupportedError, LayoutError) as error:
                trouble = error
        for lever in levers:
            if frozenset((lever.name,)) not in self._scores:
                alone[(lever,)] = self._jobs((lever,), self.offers, least)
        self._add(alone)
        if not self.jobs and trouble is not None:
            raise trouble
        runs = [lever for lever in levers if frozenset((lever.name,)) in self._scores]
        offers = [offer for _, offer in sorted(self._by_offer.values(), key=lambda pair: pair[0])[:_OFFERS]]
        ratio = self._ratios(runs)
        tried: list[Combination] = [(lever,) for lever in runs if lever.pairs]
        for most in together if offers else ():
            tried = self._longer(tried, runs, ratio, least)[:most]
            new = [c for c in tried if frozenset(lever.name for lever in c) not in self._scores]
            self._add({c: self._jobs(c, offers, least) for c in new})

    def _jobs(self, combination: Combination, offers: Sequence[Offer], least: float | None) -> list[Job]:
        """Deployments with the levers pulled, without those that keep too little; none where nothing can run."""
        resolved = self.resolved
        fields = {name: value for lever in combination for name, value in lever.changes.items()}
        techniques = {name: value for lever in combination for name, value in lever.techniques.items()}
        model: Model = fields.get("model", resolved.model)
        cache = fields.get("kv_dtype", resolved.kv_dtype)
        if model is not resolved.model:
            cache = ""
        elif "checkpoint" in fields:
            cache = cache or resolved.checkpoints[0].kv_dtype  # lighter weights are no reason for a lighter cache
        try:
            jobs, _ = candidates(
                model, model.alike(fields["checkpoint"]) if "checkpoint" in fields else resolved.checkpoints, offers,
                resolved.engines, resolved.lengths,
                kv_dtype=cache, only_layouts=resolved.layouts,
                budget=resolved.scenario.max_batched_tokens, max_seqs=resolved.scenario.max_num_seqs,
                techniques=activate(replace(resolved.techniques.choice, **techniques), model),
                allow_unverified=resolved.scenario.allow_unverified,
            )  # fmt: skip
        except (UnsupportedError, LayoutError):
            return []
        if least is None:
            return jobs
        enough: dict[int, bool] = {}
        for job in jobs:
            if id(job.deployment.cut) not in enough:
                enough[id(job.deployment.cut)] = self._keeps(kept_by(resolved, job), least)
        return [job for job in jobs if enough[id(job.deployment.cut)]]

    def _add(self, jobs: dict[Combination, list[Job]]) -> None:
        """Search ``jobs``; keep rows, and best scores of combinations and offers."""
        every = [job for some in jobs.values() for job in some]
        if not every:
            return
        limits, objective = self.resolved.limits, self.resolved.scenario.objective
        rows = search(every, self.traffic, self.targets, pue=self.resolved.pue, max_accelerators=limits.accelerators,
                      mean_energy=objective in ("energy", "carbon"), limits=limits).rows  # fmt: skip
        taken = rows[:, _COLUMN.get(objective, sw.USD_PER_HOUR)]
        if objective == "tokens-per-megawatt":
            watts = np.array([job.part.provisioned_w for job in every])
            taken = rows[:, sw.ACCELERATORS] * watts[rows[:, sw.JOB].astype(int)]
        score = np.where(rows[:, sw.MEETS] == 1.0, taken, np.inf)
        best = np.full(len(every), np.inf)
        np.minimum.at(best, rows[:, sw.JOB].astype(int), np.nan_to_num(score, nan=np.inf))
        at = 0
        for combination, some in jobs.items():
            mine = best[at : at + len(some)]
            at += len(some)
            if some:
                self._scores[frozenset(lever.name for lever in combination)] = float(mine.min())
        for job, value in zip(every, best, strict=True):
            known = self._by_offer.get(id(job.offer))
            if np.isfinite(value) and (known is None or value < known[0]):
                self._by_offer[id(job.offer)] = (float(value), job.offer)
        rows[:, sw.JOB] += len(self.jobs)
        self.jobs += every
        self._rows.append(rows)

    def _ratios(self, levers: Iterable[Lever]) -> dict[str, float]:
        """Score of each lever alone over that without any; 1 where neither is known."""
        alone = {lever.name: self._scores[frozenset((lever.name,))] for lever in levers}
        base = self._scores.get(frozenset(), np.inf)
        of = base if np.isfinite(base) else max((s for s in alone.values() if np.isfinite(s)), default=1.0)
        return {name: score / of if np.isfinite(score) else 1.0 for name, score in alone.items()}

    def _longer(
        self, known: Sequence[Combination], levers: Sequence[Lever], ratio: dict[str, float], least: float | None
    ) -> list[Combination]:
        """Combinations one lever longer that keep enough, those first whose savings multiply to most."""
        found: dict[frozenset[str], Combination] = {}
        for combination in known:
            kinds = {lever.kind for lever in combination}
            for lever in levers:
                longer = (*combination, lever)
                if lever.pairs and lever.kind not in kinds and self._may(longer, least):
                    found.setdefault(frozenset(one.name for one in longer), longer)
        expected = {key: float(np.prod([ratio[name] for name in key])) for key in found}
        return [found[key] for key in sorted(found, key=lambda key: expected[key])]

    def _may(self, combination: Combination, least: float | None) -> bool:
        """Whether a combination keeps enough of the quality."""
        setting = base_setting(self.resolved)
        for lever in combination:
            setting = lever.on(setting)
        return least is None or self._keeps(recovery(setting.changes, self.resolved.model), least)

    def _keeps(self, kept: float | None, least: float) -> bool:
        return keeps(kept, least, self.resolved.scenario.allow_unknown_quality)


def changes_in(resolved: Resolved, job: Job) -> tuple[str, ...]:
    """What a job changes in the outputs of the model asked for."""
    cut = job.deployment.cut
    stand_in = stand_in_key(resolved.model, cut.model, cut.checkpoint)
    return changes_of(cut.model.checkpoints[0], cut.checkpoint, cut.kv_dtype, cut.techniques.choice, stand_in)


def kept_by(resolved: Resolved, job: Job) -> float | None:
    """Share of the benchmark score that a job keeps."""
    model = job.deployment.cut.model
    return recovery(changes_in(resolved, job), resolved.model, None if model is resolved.model else model)


def burdens(resolved: Resolved, jobs: Sequence[Job]) -> NDArray[np.float64]:
    """How much each job does otherwise than asked: quality lost first, then changes of outputs, then techniques."""
    of_cut: dict[int, float] = {}
    lost: dict[tuple[str, ...], float] = {}
    found = np.empty(len(jobs))
    asked = resolved.techniques.choice
    for i, job in enumerate(jobs):
        cut = job.deployment.cut
        if id(cut) not in of_cut:
            more = len(set(cut.techniques.choice.chosen.items()) - set(asked.chosen.items()))
            changes = changes_in(resolved, job)
            if changes not in lost:
                kept = kept_by(resolved, job)
                lost[changes] = 1.0 if kept is None else 1.0 - min(kept, 1.0)
            of_cut[id(cut)] = 1e4 * lost[changes] + 1.0 * len(changes) + 1e-2 * more
        found[i] = of_cut[id(cut)]
    return found
