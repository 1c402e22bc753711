"""A simulated fleet in one sentence, and what its users wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.units import number, show
from drivetrain.verbs.simulate_run import Played

_FULL = 0.9  # of the KV cache, on average, from which it is what requests wait for

_WAIT = {
    "queue": "waiting to be admitted",
    "prefill": "computing prompts",
    "decode": "decoding itself",
    "stall": "waiting for other requests' prompts in the same steps",
    "preemption": "computing again what was preempted",
    "transfer": "moving the cache from prefill to decode, or from host memory",
    "network": "the network",
    "frontend": "the engine's front end",
    "retry": "attempts and answers that were thrown away",
}
_DO = {
    "queue": "more replicas, or an admission policy that refuses what would be late",
    "prefill": "a wider layout, or a prefix cache with a route that finds it (prefix-aware)",
    "decode": "fp8 weights or KV cache, a wider layout, speculation, or fewer requests at once (--max-num-seqs)",
    "stall": "a smaller --max-batched-tokens, or pools of their own for prefill and decode",
    "preemption": "more KV cache (--kv fp8, a wider layout) or a smaller --max-num-seqs",
    "transfer": "a faster link, or pools that do both",
    "network": "replicas nearer to where requests come from",
    "frontend": "nothing in the fleet's size changes it",
    "retry": "spares for what fails; a cascade that escalates less",
}


_TO_FIRST = ("queue", "prefill", "transfer", "network", "frontend", "retry")
_AFTER = ("decode", "stall", "preemption")
_OF = {"ttft": "the time to the first token", "tpot": "the time between tokens", "e2e": "the whole time"}


def limit_of(fields: Mapping[str, Any], played: Played) -> dict[str, Any] | None:
    """The largest part of what is too long, else of the whole, and what would shorten it; nothing without answers.

    A missed target on TTFT looks at what comes before the first token, one on TPOT or ITL at what comes after.
    """
    seconds = fields["attribution_s"]
    if not fields["attribution"]:
        return None
    missed = {
        target["slo"].partition("_")[0].replace("itl", "tpot") for target in fields["targets"] if not target["met"]
    }
    of = "ttft" if missed == {"ttft"} else "tpot" if missed == {"tpot"} else "e2e"
    among = {"ttft": _TO_FIRST, "tpot": _AFTER, "e2e": (*_TO_FIRST, *_AFTER)}[of]
    part = max(among, key=lambda name: seconds[name])
    share = seconds[part] / sum(seconds[name] for name in among)
    do, kv = _DO[part], fields["kv_occupancy_frac"]
    if part == "queue" and kv is not None and kv > _FULL:
        do = f"more KV cache, which is {number(100 * kv, 2)} % full (--kv fp8, a wider layout), or more replicas"
    if part == "retry" and len(played.simulated.fleet.services) == 1:
        do = "spares for what fails, or a sooner --retry"
    return {"part": part, "of": of, "share_frac": share, "seconds": seconds[part], "what": _WAIT[part],
            "of_what": _OF[of], "advice": do}  # fmt: skip


def verdict_of(fields: Mapping[str, Any], played: Played) -> str:
    """What was played, and how it went."""
    what = f"{_fleet(played)} {'served' if not fields['rejected'] + fields['lost'] + fields['unfinished'] else 'met'}"
    some = f"{fields['sent']:,} of " if fields["sent"] < fields["n_requests"] else ""
    load = f"{some}{fields['n_requests']:,} requests in {show(fields['duration_s'] * len(played.runs), 's')}"
    return f"{what} {load}: {_outcome(fields)}{_missing(fields)}."


def _fleet(played: Played) -> str:
    """The fleet as one says it.

    One pool: ``4x h100-sxm-80gb as 4 replicas of tp1 (vllm-0.19, bf16)``; several by their number of accelerators.
    """
    pools = played.simulated.pools
    if len(pools) > 1:
        return " + ".join(f"{p.replicas * p.n_accelerators}x {p.accelerator} ({p.name}, {p.replicas}x {p.layout})"
                          for p in pools)  # fmt: skip
    p = pools[0]
    copies = f"{p.replicas} replicas of {p.layout}" if p.replicas > 1 else f"one replica of {p.layout}"
    if p.max_replicas > p.replicas:
        copies = f"{p.replicas} to {p.max_replicas} replicas of {p.layout}"
    return f"{p.replicas * p.n_accelerators}x {p.accelerator} as {copies} ({p.engine}, {p.weights})"


def _outcome(fields: Mapping[str, Any]) -> str:
    """Against targets where there are some, else the latencies that users feel."""
    ttft, tpot = fields["ttft_s"]["p95"], fields["tpot_s"]["p95"]
    if ttft is None:
        return "none was answered"
    felt = f"first token within {show(ttft, 's')} for 95 %"
    if tpot is not None:
        felt += f", {show(tpot, 's')} per token"
    targets = fields["targets"]
    if not targets:
        return felt
    good = f"{number(100 * fields['slo_goodput_frac'], 4)} % of requests within the SLO"
    missed = [f"{t['slo']} reaches {show(t['reached_s'], 's')} against {show(t['limit_s'], 's')}"
              for t in targets if not t["met"] and t["reached_s"] is not None]  # fmt: skip
    return f"{good}; {'; '.join(missed)}" if missed else f"{good}, every target met; {felt}"


def _missing(fields: Mapping[str, Any]) -> str:
    """Requests that were not answered, where that is worth a word."""
    under_way = fields["unfinished"] - (fields["n_requests"] - fields["sent"])
    found = [f"{n:,} {word}" for n, word in ((fields["rejected"], "refused"), (fields["lost"], "lost"),
                                             (under_way, "still under way")) if n]  # fmt: skip
    return f"; {', '.join(found)}" if found else ""
