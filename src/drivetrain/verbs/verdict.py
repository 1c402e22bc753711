"""A plan in one sentence."""

from __future__ import annotations

from typing import Any

from drivetrain.scenario import ServeScenario
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import SteadyState
from drivetrain.units import number, show

_LIMIT_WORDS = {
    "hbm_bandwidth": "decode is bound by HBM bandwidth",
    "compute": "it is bound by compute",
    "network": "it is bound by the interconnect",
    "overhead": "it is bound by engine overhead",
    "kv_capacity": "it is bound by KV-cache capacity",
}


def verdict(scenario: ServeScenario, best: dict[str, Any]) -> str:
    """What to buy, what it costs, what limits it."""
    replicas = best["replicas"]
    copies = f"{replicas} replicas of" if replicas > 1 else "one replica of"
    if best["usd_per_million_output_tokens"] is None:
        money = f"{number(best['joules_per_output_token'])} J per output token (no price known)"
    else:
        money = f"${number(best['usd_per_million_output_tokens'])} per million output tokens"
    return (
        f"{best['n_accelerators']}x {best['accelerator']} as {copies} {best['layout']} "
        f"({best['engine']}, {best['weight_dtype']}) serve "
        f"{number(scenario.rate or 0)} req/s at {money}; {_LIMIT_WORDS[best['bottleneck']]}."
    )


def miss_verdict(miss: dict[str, Any]) -> str:
    """How close the closest came, and what would have to change."""
    if not miss["violates"]:
        return (
            f"Nothing keeps up: even {miss['n_accelerators']}x {miss['accelerator']} as {miss['layout']} would queue "
            "for longer than it serves. "
            "Raise --max-accelerators, lower --rate or allow lighter weights (--weights any)."
        )
    missed = "; ".join(
        f"{v['slo']} reaches {show(v['reached_s'], 's')} against {show(v['limit_s'], 's')}" for v in miss["violates"]
    )
    return (
        "Nothing meets the targets. "
        f"Closest: {miss['n_accelerators']}x {miss['accelerator']} as {miss['layout']} ({miss['weight_dtype']}), "
        f"{missed}. "
        "Relax that target, shorten the requests, or allow lighter weights (--weights any) or more accelerators."
    )


def violations(state: SteadyState, targets: tuple[Target, ...]) -> list[dict[str, Any]]:
    """Targets that ``state`` misses, with what it reaches."""
    return [
        {"slo": t.name, "limit_s": t.limit_s, "reached_s": getattr(state.latency(t.metric), t.statistic)}
        for t in targets
        if getattr(state.latency(t.metric), t.statistic) > t.limit_s
    ]
