"""Several runs of one question with seeds of their own as one result.

Counts, money and tokens are sums over runs, everything else means; latencies and rates get ``…_low`` and ``…_high``
from Student's t over runs. Where all runs are alike, because nothing in them is left to chance, an interval of no width
would mislead: those of batch means stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from drivetrain.serving.sim.intervals import bounds, half_width
from drivetrain.serving.sim.latency import QUANTILES
from drivetrain.serving.sim.results import LATENCIES

_SUMS = ("n_requests", "sent", "completed", "rejected", "lost", "unfinished", "preemptions", "retries", "usd",
         "egress_usd", "accelerator_hours", "output_tokens", "wasted_output_tokens", "steps")  # fmt: skip
_SHARES = ("slo_goodput_frac", "utilisation_frac", "kv_occupancy_frac", "cache_hit_frac")
_RATES = ("output_tokens_per_s", "requests_per_s", "usd_per_million_output_tokens", "joules_per_output_token",
          "power_w")  # fmt: skip
_OF_THE_FIRST = ("series",)


def replicated(summaries: Sequence[dict[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """``summaries`` of one question, one per seed, as one; a single one stays as it is."""
    first = summaries[0]
    if len(summaries) == 1:
        return {**first, "replications": [_row(seed, s) for seed, s in zip(seeds, summaries, strict=True)]}
    merged: dict[str, Any] = {}
    for name, value in first.items():
        every = [summary.get(name) for summary in summaries]
        if name in _SUMS:
            merged[name] = sum(every)
        elif name in LATENCIES:
            merged[name] = _latency(every)
        elif name in _SHARES or name in _RATES:
            merged |= _number(name, every, 1.0 if name in _SHARES else math.inf)
        elif name in _OF_THE_FIRST:
            merged[name] = value
        elif not name.endswith(("_low", "_high")):
            merged[name] = _mean(every)
    merged["targets"] = [_target(target, merged) for target in first["targets"]]
    seconds = merged["attribution_s"]
    whole = sum(v for v in seconds.values() if v is not None)
    merged["attribution"] = {name: v / whole for name, v in seconds.items()} if whole else None
    alike = all(_without_interval(s) == _without_interval(first) for s in summaries[1:])
    if alike:
        for name, value in first.items():
            if name in LATENCIES or name.endswith(("_low", "_high")):
                merged[name] = value
    merged["confidence"] = {**first["confidence"], "alike": True} if alike else {
        **first["confidence"], "method": f"Student's t over {len(summaries)} replications"}  # fmt: skip
    merged["replications"] = [_row(seed, s) for seed, s in zip(seeds, summaries, strict=True)]
    return merged


def _latency(every: Sequence[Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for statistic in ("mean", *QUANTILES):
        found |= _number(statistic, [one[statistic] for one in every], math.inf)
    return {**{k: found[k] for k in ("mean", *QUANTILES)}, **found}


def _number(name: str, every: Sequence[float | None], most: float) -> dict[str, float | None]:
    """The mean under ``name``, its interval beside it."""
    known = [value for value in every if value is not None]
    if len(known) < len(every):
        return {name: None}
    mean = math.fsum(known) / len(known)
    ends = bounds(mean, half_width(known), most=most)
    return {name: mean, **({f"{name}_low": ends[0], f"{name}_high": ends[1]} if ends else {})}


def _mean(every: Sequence[Any]) -> Any:  # noqa: ANN401 - the shape of what comes in
    """Numbers by their mean, inside objects and lists of one shape too; of anything else the first."""
    first = every[0]
    if isinstance(first, dict) and all(isinstance(e, dict) for e in every):
        return {name: _mean([e.get(name) for e in every]) for name in first}
    if isinstance(first, list) and all(isinstance(e, list) and len(e) == len(first) for e in every):
        return [_mean([e[i] for e in every]) for i in range(len(first))]
    if all(isinstance(e, (int, float)) and not isinstance(e, bool) for e in every):
        mean = math.fsum(every) / len(every)
        return first if all(e == first for e in every) else mean
    return first if all(e == first for e in every) or isinstance(first, (str, bool)) else None


def _target(target: dict[str, Any], merged: dict[str, Any]) -> dict[str, Any]:
    metric, _, statistic = target["slo"].partition("_")
    reached = merged[f"{metric}_s"][statistic]
    return {**target, "reached_s": reached, "met": reached is not None and reached <= target["limit_s"]}


def _row(seed: int, summary: dict[str, Any]) -> dict[str, Any]:
    return {"seed": seed, "completed": summary["completed"], "ttft_mean_s": summary["ttft_s"]["mean"],
            "ttft_p95_s": summary["ttft_s"]["p95"], "tpot_mean_s": summary["tpot_s"]["mean"],
            "e2e_mean_s": summary["e2e_s"]["mean"], "slo_goodput_frac": summary["slo_goodput_frac"],
            "output_tokens_per_s": summary["output_tokens_per_s"], "preemptions": summary["preemptions"]}  # fmt: skip


def _without_interval(summary: dict[str, Any]) -> tuple[Any, ...]:
    return (summary["duration_s"], summary["attribution_s"], *(summary[name] for name in LATENCIES))
