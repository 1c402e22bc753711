"""Cost against quality: for every share of the benchmark score that can be kept, the cheapest plan found.

Each way of changing outputs (published weights, a smaller cache, another model, several together) is planned for the
same requests, targets and limits. On the frontier are those that nothing else beats in both cost over the day and
recovery. A measured recovery above one counts as one: it is noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.errors import DoesNotFitError, LayoutError, UnsupportedError
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Job, Outcome
from drivetrain.serving.techniques.active import activate
from drivetrain.techniques import spelled
from drivetrain.verbs.allowed import base_setting
from drivetrain.verbs.choices import output_levers, sibling_levers
from drivetrain.verbs.combinations import Search, changes_in
from drivetrain.verbs.kept import quality_fields
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import Lever

SHIPPED = "as shipped"
_TOGETHER = {"quick": (4,), "all": (8, 4)}
_SAME = 1e-9


def quality_of_plan(
    resolved: Resolved, search: Search, chosen: Chosen | None
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """``quality_frontier`` and ``quality_unknown`` of a plan, and how many deployments were evaluated for them.

    Beside what the plan's own ``search`` found: other choices on the plan's accelerator, or where all levers are asked
    for on every offer.
    """
    mode = resolved.scenario.levers
    if mode == "off" or (mode == "quick" and chosen is None):
        return {"quality_frontier": [], "quality_unknown": []}, 0
    found = search.outcome
    plain = as_shipped(resolved)
    if mode == "quick" and chosen is not None:
        wider = Search(plain, search.traffic, search.targets, (chosen.job.offer,))
    else:
        wider = search if plain is resolved else Search(plain, search.traffic, search.targets)
    with suppress(DoesNotFitError, UnsupportedError, LayoutError):  # as shipped it need not run where the plan does
        wider.widen(_levers(plain), _TOGETHER[mode])
    new = wider.outcome
    outcomes = (new,) if wider is search else (found, new)
    return frontier(resolved, outcomes), new.n_evaluated - (found.n_evaluated if wider is search else 0)


def _levers(plain: Resolved) -> list[Lever]:
    """Every way of changing outputs, other models that take requests as long as these too."""
    longest = float((plain.lengths.isl + plain.lengths.osl).max())
    siblings = [lever for _, lever in sibling_levers(plain.model) if lever is not None]
    return [*output_levers(plain.model, base_setting(plain)),
            *(lever for lever in siblings if longest <= lever.changes["model"].max_context)]  # fmt: skip


def as_shipped(resolved: Resolved) -> Resolved:
    """``resolved`` with nothing that changes outputs: itself where nothing does."""
    if resolved.checkpoints == resolved.model.checkpoints[:1] and not (
        resolved.kv_dtype or resolved.techniques.choice.changes_output
    ):
        return resolved
    choice = replace(resolved.techniques.choice, sparsity="none", kv_compression=1.0)
    return replace(
        resolved,
        checkpoints=resolved.model.checkpoints[:1],
        kv_dtype="",
        techniques=activate(choice, resolved.model),
    )


def frontier(resolved: Resolved, outcomes: Iterable[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """``quality_frontier``, best quality first, and ``quality_unknown``, cheapest first, over all rows."""
    best: dict[tuple[str, ...], dict[str, Any]] = {}
    for outcome in outcomes:
        for changes, row in _cheapest(resolved, outcome).items():
            if changes not in best or row["usd_per_million_output_tokens"] < best[changes][
                "usd_per_million_output_tokens"
            ] * (1.0 - _SAME):
                best[changes] = row
    rows = sorted(best.values(), key=_cost)
    known = sorted((r for r in rows if r["recovery_frac"] is not None), key=lambda r: (-r["recovery_frac"], _cost(r)))
    front: list[dict[str, Any]] = []
    for row in known:
        if not front or _cost(row) < _cost(front[-1]) * (1.0 - _SAME):
            front.append(row)
    return {"quality_frontier": front, "quality_unknown": [r for r in rows if r["recovery_frac"] is None]}


def _cost(row: dict[str, Any]) -> float:
    return float(row["usd_per_million_output_tokens"])


def _cheapest(resolved: Resolved, outcome: Outcome) -> dict[tuple[str, ...], dict[str, Any]]:
    """The cheapest row that meets the targets for each set of changes, fewer changes first where costs are equal."""
    rows = outcome.rows
    good = np.flatnonzero((rows[:, sw.MEETS] == 1.0) & np.isfinite(rows[:, sw.USD_PER_HOUR]))
    if not len(good):
        return {}
    order = good[np.lexsort((rows[good, sw.VIOLATION], rows[good, sw.ACCELERATORS], rows[good, sw.USD_PER_HOUR]))]
    groups: dict[tuple[str, ...], int] = {}
    number: dict[int, int] = {}  # of a job's group; deployments of one cut share it
    of_job = np.empty(len(outcome.jobs), dtype=int)
    for i, job in enumerate(outcome.jobs):
        cut = id(job.deployment.cut)
        if cut not in number:
            number[cut] = groups.setdefault(changes_in(resolved, job), len(groups))
        of_job[i] = number[cut]
    mine = of_job[rows[order, sw.JOB].astype(int)]
    firsts = {int(g): int(order[i]) for g, i in zip(*np.unique(mine, return_index=True), strict=True)}
    return {
        changes: _row(resolved, changes, outcome.jobs[int(rows[firsts[g], sw.JOB])], rows[firsts[g]])
        for changes, g in groups.items()
        if g in firsts
    }


def _row(resolved: Resolved, changes: tuple[str, ...], job: Job, values: np.ndarray) -> dict[str, Any]:
    cut = job.deployment.cut
    stand_in = None if cut.model is resolved.model else cut.model
    quality = quality_fields(changes, resolved.model, stand_in)
    left = quality["recovery"]
    exact = replace(cut.techniques.choice, sparsity="none", kv_compression=1.0)
    with_ = f" with {spelled(exact)}" if exact.chosen else ""
    return {
        "label": (" + ".join(changes) or SHIPPED) + with_,
        "changes": list(changes),
        "recovery_frac": None if left is None else min(float(left), 1.0),
        "usd_per_million_output_tokens": float(values[sw.USD_PER_MILLION]),
        "joules_per_output_token": float(values[sw.JOULES_PER_TOKEN]),
        "model": cut.model.name,
        "accelerator": job.offer.hardware.name,
        "offer": job.offer.name,
        "n_accelerators": int(values[sw.ACCELERATORS]),
        "replicas": int(values[sw.REPLICAS]),
        "layout": str(cut.layout),
        "engine": job.deployment.engine.name,
        "weight_dtype": cut.checkpoint.weight_dtype,
        "kv_dtype": cut.kv_dtype,
        "quality_delta": quality,
    }
