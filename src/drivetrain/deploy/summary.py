"""What a saved plan's README tells of the plan itself: its load, what it costs, what it loses, what would be better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.units import number, show

_METRICS = {
    "usd_per_million_tokens_full_load": "cheaper per token at full load",
    "joules_per_output_token_full_load": "less energy per token at full load",
    "provisioned_joules_per_output_token": "fewer provisioned watts per token/s",
}
_WORTH = 0.005


def figure_lines(answer: Mapping[str, Any]) -> list[str]:
    """Mean and peak load, what is promised at the peak, what it costs, how much quality is kept."""
    best = answer["best"]
    found = []
    if offered := answer.get("offered_output_tokens_per_s"):
        found += [
            f"Mean load: {number(offered['rate_mean'])} requests/s, {number(offered['mean'])} output tokens/s over a "
            "day; cost and energy are of this.",
            f"Peak load: {number(offered['rate_peak'])} requests/s, {number(offered['peak'])} output tokens/s, the "
            "busiest hour with headroom; the fleet and its latencies are for this.",
        ]
    if best.get("output_tokens_per_s") is not None:
        found.append(f"Capacity within the targets: {number(best['output_tokens_per_s'])} output tokens/s.")
    names = (("ttft_s", "first token"), ("tpot_s", "per output token"), ("e2e_s", "whole request"))
    shown = [f"{name} {show(best[key]['p95'], 's')}" for key, name in names if best.get(key)]
    if shown:
        found.append(f"Latency at the peak, 95th percentile: {', '.join(shown)}.")
    if best.get("usd_per_million_output_tokens") is not None:
        found.append(
            f"Cost: ${number(best['usd_per_million_output_tokens'])} per million output tokens, "
            f"${number(best['usd_per_hour'])}/h ({best['price_basis']})."
        )
    if best.get("power_w") is not None:
        found.append(
            f"Power: {show(best['power_w'], 'W')} mean at the wall, PUE included; "
            f"{show(best['provisioned_power_w'], 'W')} of IT power provisioned, PUE not in it."
        )
    return [*found, *_quality_lines(best)]


def _quality_lines(best: Mapping[str, Any]) -> list[str]:
    """What the chosen precision, techniques and model lose against the model as shipped."""
    if "output_changes" not in best:
        return []
    if not best["output_changes"]:
        return ["Quality: outputs are those of the model as shipped; nothing is lost."]
    changes, delta = ", ".join(best["output_changes"]), best["quality_delta"] or {}
    left = delta.get("recovery")
    if left is None:
        return [f"Quality: {changes} changes outputs; nobody measured what is lost. Measure it on your task."]
    low, high = delta.get("low"), delta.get("high")
    between = "" if low is None or high is None else f", {number(100 * low)} to {number(100 * high)} %"
    unsure = "; not verified" if delta.get("unverified") else ""
    return [
        f"Quality: {changes} keeps {number(100 * left)} % of the shipped model's benchmark score (lost: "
        f"{number(max(100 * (1 - left), 0.0), 2)} %; {delta['n']} benchmarks{between}, {delta['matched']}{unsure})."
    ]


def status_lines(answer: Mapping[str, Any]) -> list[str]:
    """What the plan itself marks as not verified."""
    best = answer["best"]
    found = [] if best.get("tier") in ("measured", "calibrated") else [f"Evidence of the figures: {best.get('tier')}."]
    found += [f"Ranges of the figures: {note}." for note in best.get("range_notes") or ()]
    support = best.get("support")
    if isinstance(support, Mapping) and support.get("status") not in (None, "supported"):
        why = " ".join(str(text) for text in (*support.get("reasons", ()), *support.get("notes", ())))
        found.append(f"Support of engine, accelerator and precision together: {support['status']}. {why}".rstrip())
    return found


def next_best(answer: Mapping[str, Any]) -> str:
    """The lever that would gain most, and the one that would without changing outputs."""
    rows = [r for r in answer.get("levers") or () if r["gain_frac"] > _WORTH and not r.get("unverified")]
    rows.sort(key=lambda row: -row["gain_frac"])
    exact = next((row for row in rows if not row["changes_output"]), None)
    best = next((row for row in rows if row["changes_output"]), None)
    chosen = sorted((row for row in (exact, best) if row), key=lambda row: -row["gain_frac"])
    if not chosen:
        return "No lever that was tried gains more than half a percent."
    return "\n".join(f"- `{row['lever']}`: {_gain(row)}, {_kept(row)}" for row in chosen)


def _gain(row: Mapping[str, Any]) -> str:
    return f"{number(100 * row['gain_frac'], 2)} % {_METRICS.get(row['metric'], 'better at full load')}"


def _kept(row: Mapping[str, Any]) -> str:
    if not row["changes_output"]:
        return "outputs unchanged."
    left = (row["quality_delta"] or {}).get("recovery")
    share = "an unknown share" if left is None else f"{number(100 * left)} %"
    return f"keeps {share} of the benchmark score (needs `--allow`)."
