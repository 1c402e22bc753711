"""Nothing is feasible: which constraints clash, how far apart they are, and what relaxing each would take.

The search runs once more without limits on what is bought. Of the plans that keep the targets there, one that exceeds
a single limit says how far that limit must move. Two limits of that kind clash with each other, a single one with the
traffic and its targets; where every plan exceeds several, all of those must move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivetrain.serving.purchase import Limits
from drivetrain.serving.search import Outcome, Traffic
from drivetrain.serving.slo import Target
from drivetrain.units import number
from drivetrain.verbs.excess import Excess, exceeded, excesses, nearest, violated
from drivetrain.verbs.limit_words import advice, amount, option
from drivetrain.verbs.ranking import Chosen, closest
from drivetrain.verbs.relaxation import (
    held,
    limit_relaxation,
    plan_words,
    rate_relaxation,
    spares_relaxation,
    target_relaxation,
)
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.space import search_space
from drivetrain.verbs.verdict import bought_words, miss_verdict, violations

_COUNTLESS = 2.0**17  # accelerators where nothing limits them


def explain(resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], outcome: Outcome) -> dict[str, Any]:
    """``closest_miss``, ``verdict`` and ``relaxations`` of a question that nothing in ``outcome`` answers."""
    unlimited = search_space(resolved, traffic, targets, limits=Limits(_COUNTLESS, spares=resolved.limits.spares))
    beyond = excesses(unlimited, resolved.limits)
    near = nearest(beyond)
    if not near:  # limits are not to blame
        return _missed(resolved, traffic, targets, outcome if closest(outcome) is not None else unlimited)
    best = near[0]
    chosen = Chosen(resolved, unlimited, best.row, traffic, targets)
    miss = chosen.fields | {"violates": violated(best.exceeded)}
    found = [limit_relaxation(excess) for excess in near]
    found += spares_relaxation(beyond, resolved.limits.spares)
    found += target_relaxation(resolved, traffic, targets, outcome)
    found += rate_relaxation(traffic, chosen, best)
    return {"closest_miss": miss, "verdict": _verdict(traffic, chosen, near, found), "relaxations": found}


def _missed(resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], outcome: Outcome) -> dict[str, Any]:
    row = closest(outcome)
    if row is None:
        verdict = (
            f"Nothing takes {number(traffic.peak_rate)} req/s. Lower --rate or allow lighter weights (--weights any)."
        )
        return {"closest_miss": None, "verdict": verdict, "relaxations": []}
    chosen = Chosen(resolved, outcome, row, traffic, targets)
    missed = violations(chosen.state, targets)
    miss = chosen.fields | {"violates": missed + violated(exceeded(outcome, row, resolved.limits))}
    verdict = miss_verdict(chosen.fields | {"violates": missed})
    return {"closest_miss": miss, "verdict": verdict, "relaxations": []}


def _verdict(traffic: Traffic, chosen: Chosen, near: Sequence[Excess], found: Sequence[dict[str, Any]]) -> str:
    best, f = near[0], chosen.fields
    peak = f"the peak of {number(traffic.peak_rate)} req/s"
    if len(near) > 1:  # each alone could be raised: it is the two together that leave nothing
        (a, a_needed), (b, b_needed) = near[0].exceeded[0], near[1].exceeded[0]
        return (
            f"{option(a.limit, a.value)} and {option(b.limit, b.value)} together leave no plan for {peak}: "
            f"within the one it takes {amount(b.limit, b_needed)} ({plan_words(near[1].job)}), "
            f"within the other {amount(a.limit, a_needed)} ({plan_words(best.job)}). {advice(found)}"
        )
    limits = " and ".join(option(c.limit, c.value) for c, _ in best.exceeded)
    needs = " and ".join(amount(c.limit, needed) for c, needed in best.exceeded)
    n_held, plural = held(chosen, best), len(best.exceeded) > 1
    spares = f" and {chosen.spares} spare" if chosen.spares else ""
    if n_held < 1:
        smallest = f"{bought_words(f)} as {_replicas(f['replicas'])} of {f['layout']}"
        return (
            f"{limits} {'are' if plural else 'is'} below the smallest plan for {peak}: {smallest}, which needs "
            f"{needs}. {advice(found)}"
        )
    return (
        f"{limits} {'hold' if plural else 'holds'} {_replicas(n_held)} of {plan_words(best.job)}{spares}; "
        f"{peak} needs {f['replicas']} ({needs}). {advice(found)}"
    )


def _replicas(n: int) -> str:
    return "one replica" if n == 1 else f"{n} replicas"
