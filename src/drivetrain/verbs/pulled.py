"""A plan's search with what ``--allow`` names, and what its answer says of it."""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.serving.search import Job, Outcome, Traffic
from drivetrain.serving.slo import Target
from drivetrain.verbs.allowed import Allowed
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.combinations import Search, burdens
from drivetrain.verbs.ranking import Chosen, rank
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.technique_notes import hits_reached, technique_assumptions


def searched(resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], allowed: Allowed) -> Search:
    """The search of the question as asked, with the levers that are allowed."""
    found = Search(resolved, traffic, targets)
    found.widen(allowed.levers, least=resolved.scenario.min_quality)
    return found


def ranked_rows(resolved: Resolved, outcome: Outcome, allowed: Allowed) -> list[int]:
    """Rows that meet the targets, best first; of equals those that do least otherwise than asked."""
    return rank(outcome, resolved.scenario.objective, burdens(resolved, outcome.jobs) if allowed.levers else None)


def as_asked(resolved: Resolved, jobs: Iterable[Job]) -> list[Job]:
    """Those of ``jobs`` that run the model and the techniques that the question names."""
    return [
        job for job in jobs
        if job.deployment.cut.model is resolved.model
        and job.deployment.cut.techniques.choice == resolved.techniques.choice
    ]  # fmt: skip


def pulled_assumptions(resolved: Resolved, chosen: Chosen | None) -> tuple[Assumption, ...]:
    """What a plan rests on beside the question's own assumptions: techniques that were allowed, hits of its cache."""
    if chosen is None:
        return ()
    hits = hits_reached(chosen.job.deployment, chosen.prepared.lengths)
    if chosen.job.deployment.cut.techniques.choice == resolved.techniques.choice:
        return hits
    cut, hardware = chosen.job.deployment.cut, chosen.job.offer.hardware
    found = technique_assumptions(cut.techniques, resolved.workload, (hardware,), (cut.checkpoint,))
    return (*(a for a in found if a not in resolved.assumptions), *hits)
