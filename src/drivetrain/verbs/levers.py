"""What other choices would gain from where a plan stands: each alone, best first, and the best pairs.

Gains are at full load, see :mod:`drivetrain.verbs.setting`; what stays as it is, see :mod:`drivetrain.verbs.standing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from drivetrain.serving.slo import Target
from drivetrain.units import number
from drivetrain.verbs.choices import overlap_lever
from drivetrain.verbs.kept import keeps, quality_fields, recovery
from drivetrain.verbs.lever_list import levers_at, other_layouts
from drivetrain.verbs.option import allow_term, option_of
from drivetrain.verbs.pools_lever import pools_gain
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import USD, FullLoad, Lever, Missing
from drivetrain.verbs.standing import Pull, Standing

TIERS = ("measured", "calibrated", "roofline", "assumed")
_WORTH = 0.005  # what gains less is not paired
_MORE = 1e-3  # by how much a pair must gain more than its better half
_SHOWN_PAIRS = 5
_PAIRED = {"quick": 5, "all": 8}


@dataclass(slots=True)
class Levers:
    """The levers of a plan: rows for the answer, what cannot be pulled and why, what gains are measured from."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    not_available: list[dict[str, str]] = field(default_factory=list)
    base: dict[str, Any] | None = None
    n_evaluated: int = 0


def levers_of(resolved: Resolved, targets: tuple[Target, ...], chosen: Chosen, mode: str = "quick") -> Levers:
    """Every lever from where ``chosen`` stands, best first, then the best pairs. ``mode`` all pairs more of them."""
    if mode == "off":
        return Levers()
    standing = Standing(resolved, targets, chosen)
    here = standing.base().get(standing.layout)
    if here is None:
        return Levers()
    pulls, missing = _alone(standing)
    rows = [_row(standing, pull) for pull in pulls]
    pools = pools_gain(resolved, standing.offer, standing.setting, here, standing.counter)
    if isinstance(pools, Missing):
        missing["disaggregate=on"] = pools.reason
    else:
        rows.append(pools)
    rows.sort(key=lambda row: -row["gain_frac"])
    alone = {pull.name: pull.gain for pull in pulls}
    for pair in _pairs(standing, pulls, _PAIRED[mode]):
        names = [lever.name for lever in pair.levers]
        both = {"parts": names, "alone_frac": [alone.get(name) for name in names]}
        rows += [_row(standing, pair) | both]
    listed = [{"lever": name, "reason": reason} for name, reason in missing.items()]
    return Levers(rows, listed, _base_fields(standing, here), standing.counter.n)


def _alone(standing: Standing) -> tuple[list[Pull], dict[str, str]]:
    """Every lever that can be pulled, best first, and why others cannot."""
    pulls: list[Pull] = []
    missing: dict[str, str] = {}
    for lever in levers_at(standing):
        if isinstance(lever, tuple):
            missing[lever[0]] = lever[1]
            continue
        refused = _refused(standing, lever)
        pulled = Missing(refused) if refused else standing.pull(lever)
        if isinstance(pulled, Pull):
            pulls.append(pulled)
        elif lever.kind != "engine":  # engines for other hardware are no news
            missing.setdefault(_family(lever), pulled.reason)
    pulls += other_layouts(standing)
    best = sorted(_best_of_family(pulls), key=lambda pull: -pull.gain)
    for pull in best:
        missing.pop(_family(pull.levers[0]), None)
    return best, missing


def _family(lever: Lever) -> str:
    """Ways to do the same thing: drafting with one method, some other engine, some power cap."""
    return lever.kind if lever.kind in ("power-cap", "engine") else lever.name.partition(",")[0]


def _best_of_family(pulls: Iterable[Pull]) -> Iterator[Pull]:
    best: dict[str, Pull] = {}
    for pull in pulls:
        family = _family(pull.levers[0])
        if family not in best or pull.gain > best[family].gain:
            best[family] = pull
    yield from best.values()


def _pairs(standing: Standing, pulls: Sequence[Pull], most: int) -> list[Pull]:
    """Pairs that gain more than the better of the two: the best few, and the best that keeps outputs.

    Of levers that are known to start, unless the user allows others.
    """
    unverified_too = standing.resolved.scenario.allow_unverified
    known = [p for p in pulls if p.levers[0].pairs and p.metric == standing.metric
             and (unverified_too or not p.unverified)]  # fmt: skip
    good = [p for p in known if p.gain > _WORTH][:most]
    wanted = [(a.levers[0], b.levers[0], max(a.gain, b.gain)) for a, b in combinations(good, 2)]
    spread = next((p for p in known if p.levers[0].kind == "layout" and p.layout.dp > 1), None)
    if spread is not None and standing.layout.dp == 1 and not standing.setting.techniques.two_batch_overlap:
        wanted.append((spread.levers[0], overlap_lever(), spread.gain))
    found = []
    for one, other, alone in wanted:
        if one.kind == other.kind or _refused(standing, one, other):
            continue
        pair = standing.pull(one, other)
        if isinstance(pair, Pull) and pair.gain > max(alone, 0.0) + _MORE and (unverified_too or not pair.unverified):
            found.append(pair)
    found.sort(key=lambda pair: -pair.gain)
    exact = [pair for pair in found[_SHOWN_PAIRS:] if not _added(standing, pair)]
    shown = found[:_SHOWN_PAIRS]
    return shown if any(not _added(standing, pair) for pair in shown) else shown + exact[:1]


def _refused(standing: Standing, *levers: Lever) -> str:
    """Why the least quality that was asked for rules levers out; empty where it does not."""
    after, scenario = standing.after(levers), standing.resolved.scenario
    if after.changes == standing.setting.changes:
        return ""
    kept = recovery(after.changes, standing.resolved.model, after.model if after.stand_in else None)
    if keeps(kept, scenario.min_quality, scenario.allow_unknown_quality):
        return ""
    if kept is None:
        return "what it keeps of the quality is unknown, and --min-quality asks to know."
    least = 100 * (scenario.min_quality or 0.0)
    return f"keeps {number(100 * kept, 4)} % of the benchmark score, --min-quality asks {number(least, 4)} %."


def _added(standing: Standing, pull: Pull) -> tuple[str, ...]:
    """Changes of outputs that the pull adds to those the plan has."""
    return tuple(key for key in pull.setting.changes if key not in standing.setting.changes)


def _row(standing: Standing, pull: Pull) -> dict[str, Any]:
    d, added, after = pull.found.job.deployment, _added(standing, pull), pull.setting
    known = math.isfinite(standing.offer.usd_per_hour) or pull.metric != USD
    return {
        "lever": pull.name,
        "gain_frac": pull.gain,
        "metric": pull.metric,
        "changes_output": bool(added),
        "quality_delta": quality_fields(added, standing.resolved.model, after.model if after.stand_in else None),
        "tier": _tier(pull),
        "pair": len(pull.levers) > 1,
        "value": pull.found.cost[pull.metric] if known else None,
        "option": option_of(standing, pull),
        "kind": " + ".join(lever.kind for lever in pull.levers),
        "allow": ",".join(dict.fromkeys(filter(None, map(allow_term, pull.levers)))) or None,
        "layout": str(d.cut.layout),
        "engine": d.engine.name,
        "max_concurrency": int(pull.found.job.max_seqs),
        "max_batched_tokens": int(pull.found.job.budget),
        "unverified": pull.unverified or None,
        "note": "; ".join(lever.note for lever in pull.levers if lever.note),
    }


def _base_fields(standing: Standing, here: FullLoad) -> dict[str, Any]:
    """What gains are measured from: the plan's deployment with the batch limits that are best at full load."""
    job = here.job
    known = math.isfinite(standing.offer.usd_per_hour) or standing.metric != USD
    return {
        "metric": standing.metric,
        "value": here.cost[standing.metric] if known else None,
        "accelerator": standing.offer.hardware.name,
        "layout": str(standing.layout),
        "engine": job.deployment.engine.name,
        "max_concurrency": int(job.max_seqs),
        "max_batched_tokens": int(job.budget),
    }


def _tier(pull: Pull) -> str:
    """Evidence of the new deployment; what techniques do is computed, not fitted."""
    own = pull.found.job.deployment.efficiency.tier
    return max(own, "roofline", key=TIERS.index) if pull.setting.techniques.chosen else own
