"""What a plan's answer becomes when prefill and decode may be served, or must be, by pools of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from drivetrain.arch.pools import PoolLayouts, names_pools, parse_pools
from drivetrain.catalogue import loader
from drivetrain.catalogue.disaggregation import Handover
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.disagg_fleet import Fleet
from drivetrain.serving.disagg_marginal import fleet_marginals
from drivetrain.serving.marginal import STEP
from drivetrain.serving.pool_purchase import exceeded
from drivetrain.serving.purchase import Limits
from drivetrain.serving.search import Job, Traffic
from drivetrain.serving.slo import Target
from drivetrain.units import number, show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.describe_disagg import describe_fleet
from drivetrain.verbs.disagg import DisaggPlan, by_offer, disaggregated_plan
from drivetrain.verbs.kept import quality_fields
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.verdict import bought_words, miss_verdict, pool_words, verdict, violations

_TYPICAL_TOKENS = 100.0
_RELAXED = 1.5
_NO_FRONTIER = {
    "lever": "cost against quality",
    "reason": "not computed for pools: plan with each choice itself, or with --disaggregate off for the frontier.",
}
_UNRANKED = {
    "lever": "precisions, techniques, engines, layouts",
    "reason": "not ranked from a plan of pools: plan with the choice itself, e.g. --with or --weights.",
}


def pools_of(scenario: ServeScenario) -> PoolLayouts | None:
    """The layouts that a plan's pools must have, where ``--layouts`` spells pools; their replicas it chooses itself."""
    if not names_pools(scenario.layouts):
        return None
    pools = parse_pools(scenario.layouts)
    if scenario.disaggregate == "off":
        raise BadInputError(f"layout '{pools}' is disaggregated: add --disaggregate on (or auto).")
    open_ = PoolLayouts(pools.prefill, pools.decode)
    if pools != open_:
        raise BadInputError(f"a plan chooses the replicas: write '{open_}' without them.")
    return pools


def undivided(scenario: ServeScenario, pools: PoolLayouts | None) -> ServeScenario:
    """``scenario`` with the layouts of both pools as plain layouts."""
    if pools is None:
        return scenario
    return replace(scenario, layouts=tuple(dict.fromkeys((str(pools.prefill), str(pools.decode)))))


def divided(
    answer: Mapping[str, Any], resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...],
    jobs: Sequence[Job], layouts: PoolLayouts | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What changes in ``answer``, the plan of undivided replicas: nothing where those are the better choice."""
    scenario = resolved.scenario
    plan = disaggregated_plan(resolved, traffic, targets, jobs=jobs, layouts=layouts)
    only = scenario.disaggregate == "on"
    if plan is None:
        if only:
            raise UnsupportedError(_nobody(resolved))
        return {}
    counted = {"n_evaluated": answer["n_evaluated"] + plan.n_evaluated}
    rows = [describe_fleet(resolved, plan, fleet) for fleet in by_offer(plan.ranked)]
    best = rows[0] if rows else None
    undivided = answer["best"]
    if not only and (best is None or (undivided and not _better(best, undivided, scenario.objective))):
        return counted | {"by_accelerator": _merged(answer["by_accelerator"], rows, scenario.objective)}
    nothing: dict[str, Any] = {"levers": [], "levers_not_available": [_UNRANKED, _NO_FRONTIER], "levers_from": None,
                               "marginals": [], "quality_frontier": [], "quality_unknown": [],
                               "whole_servers": None, "by_instance": [], "by_region": []}  # fmt: skip
    if best is None or plan.best is None:
        return counted | nothing | _missed(resolved, plan, targets, jobs, layouts)
    how = Assumption("cache handover", *handing(plan.best.deployment.handover))
    return counted | nothing | {
        "feasible": True,
        "best": best,
        "verdict": verdict(scenario, best),
        "closest_miss": None,
        "relaxations": [],
        "by_accelerator": rows if only else _merged(answer["by_accelerator"], rows, scenario.objective),
        "by_instance": [describe_fleet(resolved, plan, f) for f in by_offer(plan.ranked)]
        if scenario.buy == "instances"
        else [],
        "pareto": _front(plan) if only else answer["pareto"],
        "levers": _levers(plan, plan.best, targets, undivided, best),
        "marginals": [asdict(m) | {"step_frac": STEP} for m in fleet_marginals(plan.best, targets)],
        "unpriced": [describe_fleet(resolved, plan, f) for f in by_offer(plan.unpriced) if f is not plan.best]
        if only
        else answer["unpriced"],
        "assumptions": [*answer["assumptions"], asdict(how)],
    }  # fmt: skip


def handing(h: Handover) -> tuple[str, str]:
    """How the cache is handed over, and who says so."""
    text = (
        f"{h.family}: sent per {h.sends}, first token from the {h.first_token} side, room held from the {h.reserves} on"
    )
    known = loader.sources()
    stated = (h.stated[name].source for name in ("first_token", "sends", "reserves"))
    titles = dict.fromkeys(known[source].title for source in stated if source in known)
    return text, "; ".join(titles)


def _better(one: Mapping[str, Any], other: Mapping[str, Any], objective: str) -> bool:
    """Whether ``one`` beats ``other``; as good is not enough for the more involved deployment."""
    return _measure(one, objective) < _measure(other, objective) * (1.0 - 1e-9)


def _measure(fields: Mapping[str, Any], objective: str) -> float:
    if objective == "latency":
        return float(fields["ttft_s"]["mean"] + _TYPICAL_TOKENS * fields["tpot_s"]["mean"])
    names = {"energy": "power_w", "carbon": "power_w", "accelerators": "n_accelerators",
             "tokens-per-megawatt": "provisioned_power_w"}  # fmt: skip
    name = names.get(objective, "usd_per_hour")
    value = fields[name]
    return math.inf if value is None else float(value)


def _merged(undivided: Sequence[Any], pools: Sequence[Any], objective: str) -> list[Any]:
    """The better of both kinds of plan on each accelerator, best first."""
    found: dict[str, Any] = {}
    for row in (*undivided, *pools):
        key = row["accelerator"] if isinstance(row["layout"], str) else _accelerators(row)
        if key not in found or _better(row, found[key], objective):
            found[key] = row
    return sorted(found.values(), key=lambda row: _measure(row, objective))


def _accelerators(row: Mapping[str, Any]) -> str:
    """The accelerators of both pools: one name where they are the same."""
    return " + ".join(dict.fromkeys(pool["accelerator"] for pool in row["layout"].values()))


def _short(resolved: Resolved, plan: DisaggPlan, jobs: Sequence[Job], layouts: PoolLayouts | None) -> dict[str, Any]:
    """Nothing within the limits: what the best pools without them would need."""
    nothing: dict[str, Any] = {"feasible": False, "best": None, "by_accelerator": [], "pareto": [], "unpriced": []}
    free = Limits(spares=resolved.limits.spares)
    q = plan.question
    wider = disaggregated_plan(resolved, q.traffic, q.targets, jobs=jobs, layouts=layouts, limits=free)
    fleet = None if wider is None else wider.best or wider.closest
    if wider is None or fleet is None:
        return nothing | {
            "closest_miss": None,
            "verdict": "No prefill and decode pools keep up. Lower --rate, or leave --disaggregate out.",
        }
    over = exceeded(fleet.lines, resolved.limits)
    fields = describe_fleet(resolved, wider, fleet)
    needs = ", ".join(f"{limit} {number(need)} of {number(value)}" for limit, value, need in over)
    return nothing | {
        "closest_miss": fields
        | {"violates": [{"limit": limit, "limit_value": value, "needed": need} for limit, value, need in over]},
        "verdict": f"No prefill and decode pools keep up within the limits: {bought_words(fields)} as "
        f"{pool_words(fields)} would need {needs}. Raise that limit, lower --rate or leave --disaggregate out.",
    }


def _missed(
    resolved: Resolved, plan: DisaggPlan, targets: tuple[Target, ...], jobs: Sequence[Job], layouts: PoolLayouts | None
) -> dict[str, Any]:
    """No pools meet the targets: the fleet that misses by least."""
    if plan.closest is None:
        return _short(resolved, plan, jobs, layouts)
    fields = describe_fleet(resolved, plan, plan.closest)
    miss = fields | {"violates": violations(plan.closest.state, targets)}
    return {
        "feasible": False, "best": None, "closest_miss": miss, "by_accelerator": [], "pareto": _front(plan),
        "unpriced": [], "verdict": miss_verdict(miss),
    }  # fmt: skip


def _levers(
    plan: DisaggPlan, fleet: Fleet, targets: tuple[Target, ...], undivided: Mapping[str, Any] | None,
    best: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """Targets half as large again, pools in their best proportion; and replicas that do both."""
    full = "usd_per_million_tokens_full_load"

    def lever(name: str, kind: str, option: str, gain: float, value: float | None) -> dict[str, Any]:
        return {
            "lever": name, "gain_frac": gain, "metric": full, "changes_output": False,
            "quality_delta": quality_fields((), plan.question.model), "tier": best["tier"], "pair": False,
            "value": value, "option": option, "kind": kind, "layout": pool_words(best), "engine": best["engine"],
            "max_concurrency": best["max_concurrency"], "max_batched_tokens": best["max_batched_tokens"],
            "unverified": None, "note": "pools in their best proportion" if kind == "target" else "",
        }  # fmt: skip

    base, osl = plan.balanced_rate(fleet), plan.question.traffic.lengths.osl_mean
    usd = plan.balanced_usd_per_request(fleet) / osl * 1e6
    found = []
    for target in targets if base else ():
        relaxed = tuple(Target(t.metric, t.statistic, t.limit_s * (_RELAXED if t == target else 1.0)) for t in targets)
        gain = 1.0 - base / plan.balanced_rate(fleet, relaxed)
        name = f"{target.name}={show(target.limit_s * _RELAXED, 's')} (half as much again)"
        option = ",".join(f"{t.name}={t.limit_s:g}s" for t in relaxed)
        value = usd * (1.0 - gain) if math.isfinite(usd) else None
        found.append(lever(name, "target", f'--slo "{option}"', gain, value))
    if undivided and undivided[full] and best[full]:
        gain = 1.0 - undivided[full] / best[full]
        found.append(lever("disaggregate=off", "disaggregation", "--disaggregate off", gain, undivided[full]))
    return sorted(found, key=lambda one: -one["gain_frac"])


def _front(plan: DisaggPlan) -> list[dict[str, Any]]:
    """The front of tokens/s per accelerator against tokens/s per user among the fleets that were sized."""
    osl = plan.question.traffic.lengths.osl_mean
    points: list[dict[str, Any]] = []
    for fleet in plan.fleets:
        if not fleet.state.stable:
            continue
        d, cut = fleet.deployment, fleet.decode.deployment.cut
        usd, tokens = fleet.usd_per_hour, plan.question.traffic.mean_rate * osl
        points.append(
            {
                "tokens_per_s_per_accelerator": plan.question.traffic.peak_rate * osl / fleet.n_accelerators,
                "tokens_per_s_per_user": 1.0 / fleet.state.tpot.mean,
                "ttft_mean_s": fleet.state.ttft.mean,
                "accelerator": fleet.decode.offer.hardware.name,
                "layout": f"prefill: {fleet.prefill.deployment.cut.layout} x{d.prefill_replicas}, "
                f"decode: {cut.layout} x{d.decode_replicas}",
                "engine": fleet.decode.deployment.engine.name,
                "weight_dtype": cut.checkpoint.weight_dtype,
                "replicas": d.prefill_replicas + d.decode_replicas,
                "n_accelerators": fleet.n_accelerators,
                "max_concurrency": int(d.decode.max_seqs),
                "usd_per_million_output_tokens": usd / 3600.0 * 1e6 / tokens if math.isfinite(usd) else None,
                "joules_per_output_token": fleet.wall_w / tokens,
                "meets_slo": fleet.meets,
            }
        )
    points.sort(key=lambda p: (-p["tokens_per_s_per_user"], -p["tokens_per_s_per_accelerator"]))
    front: list[dict[str, Any]] = []
    for point in points:
        if not front or point["tokens_per_s_per_accelerator"] > front[-1]["tokens_per_s_per_accelerator"]:
            front.append(point)
    return front


def _nobody(resolved: Resolved) -> str:
    if resolved.lengths.osl.max() <= 1.0:
        return "requests of one output token have nothing to decode: leave --disaggregate out."
    engines = ", ".join(engine.name for engine in resolved.engines)
    return (
        f"none of {engines} is known to hand {resolved.model.name} over between prefill and decode pools on these "
        "accelerators. Name other --engines or --accelerators, or leave --disaggregate out."
    )
