"""Claims about the memory wall: what waits for memory in a decode step, and how one tells (A41, A42, A48).

All are differences of two predictions of the serving model: the same replica with more FLOPs, more bandwidth, fewer
overheads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed
from drivetrain.insight.claims.replica import changed, explained, memory_frac, replica, tpot_s
from drivetrain.units import show

if TYPE_CHECKING:
    from drivetrain.serving.report import Utilisation

H100, H200, B200 = "h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"
SMALL, LARGE = "llama-3.1-8b", "llama-3.1-70b"
PROMPT, ANSWER = 500.0, 500.0


# A41: more FLOPs where memory is waited for


def _flops_inputs() -> Mapping[str, Input]:
    return {
        "batch": choice(8, "requests", "an interactive load", 1, 32),
        "flops_factor": choice(2, "1", "twice the peak of every precision"),
        "no_help": choice(0.05, "1", "a gain below 5 % counts as none"),
    }


def gain_from_flops(v: Values) -> float:
    """Share by which tokens come faster with more FLOPs and nothing else."""
    plain = replica(LARGE, H100, "tp4", PROMPT, ANSWER)
    return tpot_s(plain, v["batch"]) / tpot_s(changed(plain, flops=v["flops_factor"]), v["batch"]) - 1.0


def _flops_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["no_help"]:
        return "wrong"
    return "holds" if c.high < v["no_help"] else "holds under conditions"


def _flops_evidence(c: Computed, v: Values) -> str:
    plain = replica(LARGE, H100, "tp4", PROMPT, ANSWER)
    wider = tpot_s(plain, v["batch"]) / tpot_s(changed(plain, hbm_bytes_per_s=v["flops_factor"]), v["batch"]) - 1.0
    full = gain_from_flops({**v, "batch": plain.max_seqs})
    return (
        f"Llama 3.1 70B on four H100 at batch {v['batch']:g}: {v['flops_factor']:g} times the FLOPs make tokens "
        f"{c.value:.1%} faster, as much more bandwidth {wider:.0%}. With memory full of requests "
        f"({plain.max_seqs:,.0f}) FLOPs do help: {full:.0%}."
    )


register(Check(
    id="A41", quantity="gain in tokens per second per user from twice the FLOPs", unit="1",
    inputs=_flops_inputs, compute=gain_from_flops, judge=_flops_verdict, evidence=_flops_evidence,
    command="drivetrain claims A41 --set flops_factor=2", moved={"batch": 600},
))  # fmt: skip


# A42: the slowest read


def _read_inputs() -> Mapping[str, Input]:
    return {
        "batch": choice(8, "requests", "an interactive load", 1, 32),
        "input_tokens": choice(500, "tok", "a short chat", 100, 8000),
        "whole": choice(0.75, "1", "a read of three quarters of the step sets its time"),
    }


def largest_read_frac(v: Values) -> float:
    """Share of a decode step in the slowest kind of read of a layer, all layers together (kind: FFN, cache, ...)."""
    step = explained(replica(SMALL, H100, "tp1", v["input_tokens"], ANSWER), v["batch"]).decode
    return (
        max(sum(op.parts.get(part, 0.0) for part in ("weights", "kv", "activations")) for op in step.ops) / step.seconds
    )


def _read_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["whole"]:
        return "holds"
    used = explained(replica(SMALL, H100, "tp1", v["input_tokens"], ANSWER), v["batch"])
    return "too loose" if memory_frac(used) > c.value else "wrong"


def _read_evidence(c: Computed, v: Values) -> str:
    plain = replica(SMALL, H100, "tp1", v["input_tokens"], ANSWER)
    used = explained(plain, v["batch"])
    layers = plain.deployment.cut.model.n_layers
    return (
        f"Llama 3.1 8B on an H100 at batch {v['batch']:g}: the slowest kind of read is {c.value:.0%} of a step, and it "
        f"is {layers} reads after one another; all reads are {memory_frac(used):.0%}. Bytes over bandwidth, summed, "
        f"plus overhead make the latency ({show(used.decode.seconds, 's')}), the slowest rank where there are several."
    )


register(Check(
    id="A42", quantity="share of a decode step in its slowest kind of read", unit="share",
    inputs=_read_inputs, compute=largest_read_frac, judge=_read_verdict, evidence=_read_evidence,
    command="drivetrain predict serve -m llama-3.1-8b -a h100-sxm --engine vllm-0.19 -l tp1 --isl 500 --osl 500 "
    "--concurrency 8 --operators", moved={"input_tokens": 120000, "batch": 3},
))  # fmt: skip


# A48: utilisation as a diagnosis


def _diagnosis_inputs() -> Mapping[str, Input]:
    return {
        "threshold": claimed(0.8, "1"),
        "bound": choice(0.5, "1", "more than half of a token spent on memory is bound by it"),
        "most": choice(0.75, "1", "a diagnosis should catch three of four"),
        "bandwidth_reached": choice(1, "1", "factor on the share of bandwidth that kernels reach", 0.9, 1.1),
        "overhead": choice(1, "1", "launches and engine as calibrated"),
    }


def caught_frac(v: Values) -> float:
    """Share of decode loads bound by memory that run above the threshold: two models, three parts, three batches."""
    bound = _memory_bound(v)
    return sum(used.mbu >= v["threshold"] for used in bound) / len(bound)


def _memory_bound(v: Values) -> list[Utilisation]:
    found = []
    for model, part, layout in ((SMALL, H100, "tp1"), (SMALL, H200, "tp1"), (SMALL, B200, "tp1"), (LARGE, H100, "tp4"),
                                (LARGE, H200, "tp2"), (LARGE, B200, "tp1")):  # fmt: skip
        plain = replica(model, part, layout, PROMPT, ANSWER)
        share = min(plain.deployment.efficiency.gemm_bandwidth * v["bandwidth_reached"], 1.0)
        ready = changed(plain, overhead=v["overhead"], shares={"gemm_bandwidth": share})
        found += [
            used for used in (explained(ready, batch) for batch in (1.0, 8.0, 32.0)) if memory_frac(used) > v["bound"]
        ]
    return found


def _diagnosis_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["most"]:
        return "holds"
    return "too loose" if any(used.mbu >= v["threshold"] for used in _memory_bound(v)) else "wrong"


def _diagnosis_evidence(c: Computed, v: Values) -> str:
    bound = [used.mbu for used in _memory_bound(v)]
    return (
        f"Of {len(bound)} decode loads that spend more than half of a token on memory, {c.value:.0%} run above "
        f"{v['threshold']:.0%} of the datasheet's bandwidth: they reach {min(bound):.0%} to {max(bound):.0%}, because "
        "kernels keep less than the datasheet and launches come between. Being above tells that memory binds, being "
        "below does not tell that it does not; the share of the step does."
    )


register(Check(
    id="A48", quantity="share of decode loads bound by memory that the threshold catches", unit="share",
    inputs=_diagnosis_inputs, compute=caught_frac, judge=_diagnosis_verdict, evidence=_diagnosis_evidence,
    command="drivetrain predict serve -m llama-3.1-8b -a h100-sxm --engine vllm-0.19 -l tp1 --isl 500 --osl 500 "
    "--concurrency 8", moved={"bandwidth_reached": 1.4, "overhead": 0},
))  # fmt: skip
