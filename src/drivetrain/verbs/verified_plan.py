"""A verified plan with as many replicas as its simulation asks for, instead of those that the closed form planned.

Everything of the best configuration is evaluated anew at that number: what is bought, money and energy at the same mean
load, latencies at the rate of the busiest hour over the new number. Ranges keep their widths relative to the value;
what is bought has none, as its number is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivetrain.arch.layout import parse_layout
from drivetrain.scenario import ServeScenario, scenario_of
from drivetrain.scenario_file import choices_of
from drivetrain.serving.steady import at_rate
from drivetrain.verbs.bought import whole_servers
from drivetrain.verbs.describe import describe
from drivetrain.verbs.predict_serve import prepared_of
from drivetrain.verbs.resolve import Resolved, resolve
from drivetrain.verbs.verdict import verdict

_ENDS = ("_p10", "_p90")
_BOUGHT = ("n_accelerators", "usd_per_hour")


def corrected(answer: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """``answer`` (of :func:`drivetrain.plan_serve`) as ``found`` (of ``verify``) has it; itself where they agree.

    A plan that no number of replicas would save stays as planned, and so does one whose pools are apart, where numbers
    are not searched for. ``verified`` is in it in any case.
    """
    kept = {**answer, "verified": dict(found)}
    best, needed = answer["best"], found["replicas_needed"]
    if needed in (None, best["replicas"]) or isinstance(best["layout"], Mapping):
        return kept
    scenario = scenario_of(choices_of(answer["scenario"]))
    resolved = _resolved(scenario, best)
    offer, prepared = prepared_of(resolved)
    offered = answer["offered_output_tokens_per_s"]
    state = at_rate(prepared, offered["rate_peak"] / needed)
    capacity = best["max_rate_per_s"] / best["replicas"]
    fresh = describe(resolved, offer, prepared, state, float(needed), offered["rate_mean"], capacity)
    kept["best"] = new = _over(best, fresh)
    kept["verdict"] = f"{verdict(scenario, new)} Replicas are those that the simulation asks for."
    servers = answer.get("whole_servers")
    if servers:
        kept["whole_servers"] = whole_servers(new, servers["server"], resolved.limits.spares)
    return kept


def _resolved(scenario: ServeScenario, best: Mapping[str, Any]) -> Resolved:
    """The question of the best configuration alone."""
    alone = replace(
        scenario, model=best.get("model") or scenario.model, accelerators=(best["accelerator"],), layouts=(),
        engines=(best["engine"],), weights=best["weight_dtype"], kv=best["kv_dtype"], techniques=best["with"],
        max_num_seqs=float(best["max_concurrency"]), max_batched_tokens=float(best["max_batched_tokens"]),
        region=scenario.region.split(",")[0].strip(),
    )  # fmt: skip
    resolved = resolve(alone)
    bought = best["instance"] or best["server"] or best["accelerator"]
    offers = tuple(offer for offer in resolved.offers if offer.name == bought) or resolved.offers
    return replace(resolved, offers=offers, layouts=(parse_layout(best["layout"]),))


def _over(best: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """``best`` with the values of ``fresh``, ends of ranges in proportion."""
    new = {name: fresh.get(name, value) for name, value in best.items()}
    for name, value in best.items():
        if isinstance(value, Mapping) and isinstance(new[name], Mapping):
            new[name] = _over(value, new[name])
            continue
        bare = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), "")
        was, now = best.get(bare), new.get(bare)
        if bare and value is not None and was and now is not None:
            new[name] = now if bare in _BOUGHT else value * now / was
    return new
