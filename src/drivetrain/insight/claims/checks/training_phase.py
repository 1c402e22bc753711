"""Which resource limits training, and which inference (A01, A13, A29)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.inference_phase import H100, MODEL
from drivetrain.insight.claims.checks.interconnect import ETHERNET, LARGE, link_input, trained
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.replica import changed, replica, tpot_s
from drivetrain.training.marginal import BETTER


def decode_gain(v: Values, resource: str) -> float:
    """By how much a token comes sooner with twice of one resource, 70B on four H100."""
    plain = replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"])
    more: dict[str, Any] = {resource: BETTER}
    return tpot_s(plain, v["batch"]) / tpot_s(changed(plain, **more), v["batch"]) - 1.0


_LOAD: dict[str, Input] = {
    "global_batch": choice(1024, "sequences", "8 million tokens a training step"),
    "input_tokens": choice(1000, "tokens", "a chat turn with some history"),
    "output_tokens": choice(300, "tokens", "a chat answer"),
}


# A01: four resources -------------------------------------------------------------------------------------------------


def four_inputs() -> Mapping[str, Input]:
    """A large training run, an interactive replica, the power of 2030."""
    return {
        "n_accelerators": choice(8192, "accelerators", "a large run of one job", 1024, 16384),
        "link_bytes_per_s": link_input(ETHERNET, 25e9, 100e9),
        "batch": choice(8, "requests", "an interactive load", 1, 64),
        **_LOAD,
        "matters": choice(0.1, "1", "a gain of a tenth from twice as much"),
    }


def gains(v: Values) -> dict[str, float]:
    """The best gain that twice of each resource brings: a step or a token sooner, a larger run of 2030."""
    step = trained(LARGE, v["n_accelerators"], ETHERNET, v["link_bytes_per_s"], v["global_batch"])["gain_if_doubled"]

    def either(in_training: str, in_decode: str) -> float:
        return max(float(step[in_training]), decode_gain(v, in_decode))

    return {
        "compute": either("compute", "flops"),
        "memory bandwidth": either("hbm_bandwidth", "hbm_bytes_per_s"),
        "network": either("network", "links"),
        "power": _power_gain(BETTER),
    }


@lru_cache(maxsize=16)
def _power_gain(factor: float) -> float:
    from drivetrain.training.ceilings.largest import largest_runs

    sites = dict.fromkeys(("power.now", "power.campus", "power.network"), factor)
    runs = [largest_runs([2030], scaled=scaled, n=4000)[0].largest.p50 for scaled in ({}, sites)]
    return runs[1] / runs[0] - 1.0


def _judge_four(c: Computed, v: Values) -> Verdict:
    if c.value >= v["matters"]:
        return "holds"
    mattering = sum(gain >= v["matters"] for gain in gains(v).values())
    return "holds under conditions" if c.high >= v["matters"] or mattering == len(gains(v)) - 1 else "too loose"


def _told_four(c: Computed, v: Values) -> str:
    told = ", ".join(f"{name} {gain:.0%}" for name, gain in gains(v).items())
    return (
        f"Twice of each resource gains at best: {told} (a training step of {v['n_accelerators']:,.0f} H100, a token at "
        f"{v['batch']:.0f} requests, the largest run of 2030). The least of the four is {c.value:.0%}: which one is "
        "the ceiling depends on what is run."
    )


register(Check(
    id="A01", quantity="least of the gains from twice the compute, memory bandwidth, network or power", unit="1",
    inputs=four_inputs, compute=lambda v: min(gains(v).values()), judge=_judge_four, evidence=_told_four,
    command="drivetrain claims A01 --set batch=8", moved={"n_accelerators": 16384, "link_bytes_per_s": 12.5e9},
))  # fmt: skip


# A13: two phases -----------------------------------------------------------------------------------------------------


def phases_inputs() -> Mapping[str, Input]:
    """A training job and a replica of the same model and accelerator."""
    return {
        "n_accelerators": choice(128, "accelerators", "16 nodes", 16, 4096),
        "batch": choice(16, "requests", "an interactive load", 1, 128),
        **_LOAD,
        "different": choice(0.25, "1", "gains from twice the FLOPs that differ by a quarter"),
    }


def phase_gap(v: Values) -> float:
    """What twice the FLOPs gain in training, less what they gain per token served."""
    link = ethernet()
    step = trained(LARGE, v["n_accelerators"], ETHERNET, link, v["global_batch"])["gain_if_doubled"]["compute"]
    return float(step) - decode_gain(v, "flops")


def ethernet() -> float:
    """Bytes/s of one port of 400 Gbit/s Ethernet, as the catalogue has it."""
    return link_input(ETHERNET, 0.0, 0.0).value


def _judge_phases(c: Computed, v: Values) -> Verdict:
    if c.value < v["different"]:
        return "too loose"
    return "holds" if c.low >= v["different"] else "holds under conditions"


def _told_phases(c: Computed, v: Values) -> str:
    step = trained(LARGE, v["n_accelerators"], ETHERNET, ethernet(), v["global_batch"])["gain_if_doubled"]
    token = {name: decode_gain(v, name) for name in ("flops", "hbm_bytes_per_s")}
    return (
        f"Llama 3.1 70B on H100: twice the FLOPs make a training step {step['compute']:.0%} faster and a token at "
        f"{v['batch']:.0f} requests {token['flops']:.0%}; twice the memory bandwidth {step['hbm_bandwidth']:.0%} and "
        f"{token['hbm_bytes_per_s']:.0%}. The gap in FLOPs is {c.value:.2f} ({c.low:.2f} to {c.high:.2f})."
    )


register(Check(
    id="A13", quantity="gain from twice the FLOPs in training less that in generation", unit="1",
    inputs=phases_inputs, compute=phase_gap, judge=_judge_phases, evidence=_told_phases,
    command="drivetrain claims A13 --set batch=16", moved={"n_accelerators": 16384, "batch": 400},
))  # fmt: skip


# A29: memory bandwidth in training -----------------------------------------------------------------------------------

_KINDS = ((LARGE, 128, 1024), ("deepseek-v3", 256, 1920))  # model, accelerators, sequences a step


def bandwidth_inputs() -> Mapping[str, Input]:
    """Which of two models is trained, and what gain is worth naming."""
    return {
        "experts": choice(0, "1", "0: Llama 3.1 70B on 128 H100, 1: DeepSeek-V3 on 256", 0, 1),
        "matters": choice(0.1, "1", "a gain of a tenth from twice the bandwidth"),
    }


def bandwidth_gain(v: Values) -> float:
    """What twice the HBM bandwidth gains in a training step."""
    model, n, batch = _KINDS[int(v["experts"])]
    return float(trained(model, n, ETHERNET, ethernet(), batch)["gain_if_doubled"]["hbm_bandwidth"])


def _judge_bandwidth(c: Computed, v: Values) -> Verdict:
    if c.value >= v["matters"]:
        return "holds"
    return "holds under conditions" if c.high >= v["matters"] else "too loose"


def _told_bandwidth(c: Computed, v: Values) -> str:
    model, n, batch = _KINDS[int(v["experts"])]
    step = trained(model, n, ETHERNET, ethernet(), batch)
    used = step["memory_bytes"]
    return (
        f"Twice the HBM bandwidth makes a step of {model} on {n} H100 {c.value:.0%} faster ({c.low:.0%} to "
        f"{c.high:.0%}; most with many experts), twice the FLOPs {step['gain_if_doubled']['compute']:.0%}. Of what "
        f"memory holds the step takes {used['total'] / used['capacity']:.0%}: its size binds as well."
    )


register(Check(
    id="A29", quantity="gain of a training step from twice the HBM bandwidth", unit="1",
    inputs=bandwidth_inputs, compute=bandwidth_gain, judge=_judge_bandwidth, evidence=_told_bandwidth,
    command="drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 128 --global-batch 1024 --fabric roce-400g "
    "--format json", moved={"experts": 1},
))  # fmt: skip
