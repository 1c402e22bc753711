"""Inference: what a token waits for, and what compute is worth (A06, A28, A30).

All numbers are predictions of the serving model for Llama 3.1 70B.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.replica import changed, explained, full_rate, memory_frac, replica, tpot_s

MODEL = "llama-3.1-70b"
H100 = "h100-sxm-80gb"
SLO = "ttft_p95=2s,tpot_p95=50ms"


def chat(input_low: float, input_high: float) -> dict[str, Input]:
    """Lengths of a chat request."""
    return {
        "input_tokens": choice(1000, "tokens", "a chat turn with some history", input_low, input_high),
        "output_tokens": choice(300, "tokens", "a chat answer", 100, 1000),
    }


# A06: what a token waits for -----------------------------------------------------------------------------------------


def _waits_inputs() -> Mapping[str, Input]:
    return {
        **chat(200, 8000), "batch": choice(8, "requests", "an interactive load", 1, 256),
        "most": choice(0.5, "share", "more than half of the time"),
    }  # fmt: skip


def memory_share(v: Values) -> float:
    """Share of a token's time in which memory is read or written."""
    return memory_frac(explained(replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"]), v["batch"]))


def _judge_waits(c: Computed, v: Values) -> Verdict:
    if c.value < v["most"]:
        return "holds under conditions" if c.high >= v["most"] else "wrong"
    return "holds" if c.low >= v["most"] else "holds under conditions"


def _told_waits(c: Computed, v: Values) -> str:
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    parts = explained(plain, v["batch"]).breakdown_s
    share = {name: parts[name] / sum(parts.values()) for name in ("compute", "network", "overhead")}
    full = memory_frac(explained(plain, plain.max_seqs))
    return (
        f"With {v['batch']:.0f} requests on four H100, memory takes {c.value:.0%} of a token's time, arithmetic "
        f"{share['compute']:.0%}, links {share['network']:.0%}, the engine {share['overhead']:.0%}; with memory full "
        f"of requests ({plain.max_seqs:.0f}) memory takes {full:.0%}."
    )


register(Check(
    id="A06", quantity="share of a token's time spent on memory", unit="share",
    inputs=_waits_inputs, compute=memory_share, judge=_judge_waits, evidence=_told_waits,
    command="drivetrain predict serve -m llama-3.1-70b -a h100-sxm --engine vllm-0.19 -l tp4 --isl 1000 --osl 300 "
    "--concurrency 8", moved={"batch": 400, "input_tokens": 4000, "output_tokens": 50},
))  # fmt: skip


# A30: up to which batch bandwidth comes first ------------------------------------------------------------------------


def _first_inputs() -> Mapping[str, Input]:
    return {
        **chat(200, 4000), "interactive": choice(16, "requests", "a replica of low latency"),
        "factor": choice(2.0, "1", "how much more of either"),
    }  # fmt: skip


def crossover_batch(v: Values) -> float:
    """Requests in flight up to which more bandwidth speeds a token up more than as many more FLOPs (bisection)."""
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    wider, stronger = changed(plain, hbm_bytes_per_s=v["factor"]), changed(plain, flops=v["factor"])
    low, high = 1.0, float(plain.max_seqs)
    if tpot_s(wider, high) <= tpot_s(stronger, high):
        return high
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if tpot_s(wider, middle) <= tpot_s(stronger, middle) else (low, middle)
    return low


def _judge_first(c: Computed, v: Values) -> Verdict:
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    if c.value >= plain.max_seqs:
        return "holds"
    return "holds under conditions" if c.value >= v["interactive"] else "wrong"


def _told_first(c: Computed, v: Values) -> str:
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    return (
        f"With {v['input_tokens']:.0f} tokens in and {v['output_tokens']:.0f} out on four H100, {v['factor']:g} times "
        f"the bandwidth helps a token more than the FLOPs up to {c.value:.0f} requests in flight ({c.low:.0f} to "
        f"{c.high:.0f}); memory holds {plain.max_seqs:.0f}. Prompts of other requests are read between tokens, and "
        "they need FLOPs."
    )


register(Check(
    id="A30", quantity="requests in flight up to which bandwidth is the first limit", unit="requests",
    inputs=_first_inputs, compute=crossover_batch, judge=_judge_first, evidence=_told_first,
    command="drivetrain claims A30 --set input_tokens=1000", moved={"input_tokens": 20000},
))  # fmt: skip


# A28: what compute matters per query ---------------------------------------------------------------------------------


def _query_inputs() -> Mapping[str, Input]:
    return {
        **chat(200, 4000), "factor": choice(2.0, "1", "how much more of either"),
        "reasoning_tokens": choice(7000, "tokens", "an answer with its reasoning; only for the evidence"),
        "equal": choice(1.0, "1", "compute matters less below it"),
    }  # fmt: skip


def compute_over_bandwidth(v: Values) -> float:
    """Gain in requests/s from more FLOPs over that from as much more bandwidth, at full load within the SLO."""
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    rate = full_rate(plain, SLO)
    stronger = full_rate(changed(plain, flops=v["factor"]), SLO) / rate - 1.0
    wider = full_rate(changed(plain, hbm_bytes_per_s=v["factor"]), SLO) / rate - 1.0
    return stronger / wider


def _judge_query(c: Computed, v: Values) -> Verdict:
    if c.value >= v["equal"]:
        return "holds under conditions" if c.low < v["equal"] else "too loose"
    return "holds" if c.high < v["equal"] else "holds under conditions"


def _told_query(c: Computed, v: Values) -> str:
    plain = v["input_tokens"] + v["output_tokens"]
    more = (v["input_tokens"] + v["reasoning_tokens"]) / plain
    return (
        f"At full load within TTFT 2 s and TPOT 50 ms, {v['factor']:g} times the FLOPs gain {c.value:.2f} times what "
        f"as much bandwidth gains ({c.low:.2f} to {c.high:.2f}): reading {v['input_tokens']:.0f} tokens is arithmetic. "
        f"{v['reasoning_tokens']:.0f} tokens of reasoning make a query {more:.1f} times the FLOPs."
    )


register(Check(
    id="A28", quantity="gain from more FLOPs over gain from more bandwidth at full load", unit="1",
    inputs=_query_inputs, compute=compute_over_bandwidth, judge=_judge_query, evidence=_told_query,
    command="drivetrain claims A28 --set input_tokens=1000", moved={"input_tokens": 100, "output_tokens": 3000},
))  # fmt: skip
