"""A plan in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.scenario import ServeScenario
from drivetrain.serving.disagg import DisaggState
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
    copies = f"{replicas} replicas of {best['layout']}" if replicas > 1 else f"one replica of {best['layout']}"
    if best["usd_per_million_output_tokens"] is None:
        money = f"{number(best['joules_per_output_token'])} J per output token (no price known)"
    else:
        money = f"${number(best['usd_per_million_output_tokens'])} per million output tokens"
    how = ", ".join(filter(None, (best["engine"], best["weight_dtype"], best["with"])))
    return (
        f"{bought_words(best)} as {pool_words(best) or copies} ({how}) serve "
        f"{number(scenario.rate or 0)} req/s at {money}; {_LIMIT_WORDS[best['bottleneck']]}.{changed_words(best)}"
    )


def changed_words(f: Mapping[str, Any]) -> str:
    """What is changed in the model's outputs, and what that leaves of its benchmark score."""
    if not f["output_changes"]:
        return ""
    left = f["quality_delta"]["recovery"]
    kept = "an unknown share" if left is None else f"{number(100 * left)} %"
    return f" Outputs change: {' with '.join(f['output_changes'])} keeps {kept} of the benchmark score."


def pool_words(f: Mapping[str, Any]) -> str:
    """Both pools of a disaggregated layout; nothing for a plain one.

    >>> pool_words({"layout": {"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8", "replicas": 1}},
    ...             "engine": "vllm"})
    'prefill 2x tp4 + decode 1x tp8'
    >>> pool_words({"layout": "tp8"})
    ''
    """
    layout = f["layout"]
    if not isinstance(layout, Mapping):
        return ""
    two = len({pool.get("accelerator") for pool in layout.values()}) > 1
    on = {role: f" on {pool['accelerator']}" if two else "" for role, pool in layout.items()}
    return " + ".join(f"{role} {pool['replicas']}x {pool['layout']}{on[role]}" for role, pool in layout.items())


def bought_words(f: Mapping[str, Any]) -> str:
    """What is bought, as one says it: units by name, the accelerators in them, how many of those are spare.

    >>> bought_words({"accelerator": "h100", "n_accelerators": 24, "server": "dgx-h100", "n_servers": 3,
    ...               "spare_accelerators": 8})
    '3x dgx-h100 (24 h100, 8 spare)'
    """
    bill = f["disaggregated"]["bought"] if f.get("disaggregated") else []
    if len(bill) > 1:
        return " + ".join(f"{line['n_units'] or line['n_accelerators']}x {line['unit'] or line['accelerator']}"
                          for line in bill)  # fmt: skip
    n, name = f["n_accelerators"], f["accelerator"]
    unit = f.get("server") or f.get("instance")
    spare = f"{f['spare_accelerators']} spare" if f.get("spare_accelerators") else ""
    if not unit:
        return f"{n}x {name}" + (f" ({spare})" if spare else "")
    held = f"{n} accelerators" if unit == name else f"{n} {name}"
    return f"{f.get('n_servers') or f.get('n_instances')}x {unit} ({', '.join(filter(None, (held, spare)))})"


def miss_verdict(miss: dict[str, Any]) -> str:
    """How close the closest came, and what would have to change."""
    if not miss["violates"]:
        return (
            f"Nothing keeps up: even {bought_words(miss)} as {pool_words(miss) or miss['layout']} would queue "
            "for longer than it serves. "
            "Raise --max-accelerators, lower --rate or allow lighter weights (--weights any)."
        )
    missed = "; ".join(
        f"{v['slo']} reaches {show(v['reached_s'], 's')} against {show(v['limit_s'], 's')}" for v in miss["violates"]
    )
    return (
        "Nothing meets the targets. "
        f"Closest: {bought_words(miss)} as {pool_words(miss) or miss['layout']} ({miss['weight_dtype']}), "
        f"{missed}. "
        "Relax that target, shorten the requests, or allow lighter weights (--weights any) or more accelerators."
    )


def mixed_verdict(mixed: Mapping[str, Any], single: str) -> str:
    """Two fleets that do what no single one can, and why that cannot."""
    short, long = (f"{bought_words(pool)} as {pool['replicas']}x {pool['layout']}" for pool in mixed["pools"])
    usd = mixed["usd_per_million_output_tokens"]
    money = "" if usd is None else f" at ${number(usd)} per million output tokens"
    return (
        f"No single fleet will do, two together do{money}: {short} for prompts up to "
        f"{number(mixed['split']['prompt_tokens'], 4)} tokens and {long} for longer ones. One fleet: {single}"
    )


def violations(state: SteadyState | DisaggState, targets: tuple[Target, ...]) -> list[dict[str, Any]]:
    """Targets that ``state`` misses, with what it reaches."""
    return [
        {"slo": t.name, "limit_s": t.limit_s, "reached_s": getattr(state.latency(t.metric), t.statistic)}
        for t in targets
        if getattr(state.latency(t.metric), t.statistic) > t.limit_s
    ]
