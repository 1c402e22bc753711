"""What would make a question feasible: limits moved, fewer spares, targets relaxed, or less traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivetrain.serving.search import Job, Outcome, Traffic
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import at_rate
from drivetrain.verbs.excess import Excess
from drivetrain.verbs.ranking import Chosen, closest
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.verdict import violations

_ABSURD = 20.0  # nobody relaxes a target that far
_STEPS, _STEP_DOWN = 60, 0.97


def limit_relaxation(excess: Excess) -> dict[str, Any]:
    """The limits that ``excess`` would need moved, all of them together."""
    changes = [_change(claim.limit, claim.value, needed) for claim, needed in excess.exceeded]
    return {"changes": changes, "plan": plan_words(excess.job)}


def spares_relaxation(excesses: Sequence[Excess], spares: int) -> list[dict[str, Any]]:
    """The most spares with which a plan stays within the limits, where fewer would do."""
    most, job = -1, None
    for e in excesses:
        units = round(e.n_accelerators / e.job.packing(spares).unit)
        room = min(claim.most_units for claim, _ in e.exceeded) - (units - spares)
        if most < room < spares:
            most, job = int(room), e.job
    return [] if job is None else [{"changes": [_change("spares", spares, most)], "plan": plan_words(job)}]


def target_relaxation(
    resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], outcome: Outcome
) -> list[dict[str, Any]]:
    """The targets that the closest plan within the limits misses, where it only misses targets."""
    row = closest(outcome)
    if row is None:
        return []
    chosen = Chosen(resolved, outcome, row, traffic, targets)
    missed = violations(chosen.state, targets)
    changes = [_change(v["slo"], v["limit_s"], v["reached_s"]) for v in missed]
    sensible = all(v["reached_s"] < _ABSURD * v["limit_s"] for v in missed)
    return [{"changes": changes, "plan": plan_words(chosen.job)}] if changes and sensible else []


def rate_relaxation(traffic: Traffic, chosen: Chosen, best: Excess) -> list[dict[str, Any]]:
    """The mean rate that the closest plan holds within the limits, where they hold a replica at all."""
    replicas, rate = held(chosen, best), chosen.capacity
    for _ in range(_STEPS):  # capacity alone lets a queue outlast the service where no target forbids it
        state = at_rate(chosen.prepared, rate)
        if state.stable and state.queue_s <= state.e2e.mean - state.queue_s:
            break
        rate *= _STEP_DOWN
    mean = traffic.mean_rate * replicas * rate / traffic.peak_rate
    return [{"changes": [_change("rate", traffic.mean_rate, mean)], "plan": plan_words(best.job)}] if mean > 0 else []


def _change(what: str, before: float, after: float) -> dict[str, Any]:
    return {"limit": what, "from": before, "to": after}


def plan_words(job: Job) -> str:
    """A layout and what it runs on."""
    return f"{job.deployment.cut.layout} on {job.offer.name}"


def held(chosen: Chosen, best: Excess) -> int:
    """Replicas of the closest plan within the limits it exceeds."""
    units = min(claim.most_units for claim, _ in best.exceeded)
    return chosen.job.packing(chosen.spares).replicas(units)
