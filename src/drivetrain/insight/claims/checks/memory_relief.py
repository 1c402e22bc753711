"""What relieves a system bound by memory: faster memory, more accelerators, smaller weights (A46, A47, A49)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib.resources import files

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.replica import changed, cost, explained, memory_frac, replica, tpot_s
from drivetrain.insight.claims.sourced import part_input, price_input
from drivetrain.units import show

H100, H200, B200 = "h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"
SMALL, LARGE = "llama-3.1-8b", "llama-3.1-70b"
PROMPT, ANSWER = 500.0, 500.0


# A46: bandwidth gap against speed gap


def _gap_inputs() -> Mapping[str, Input]:
    return {
        "batch": choice(8, "requests", "latency-sensitive", 1, 32),
        "h100_bandwidth": part_input(H100, "hbm_bytes_per_s", "bytes/s"),
        "b200_bandwidth": part_input(B200, "hbm_bytes_per_s", "bytes/s"),
        "overhead": choice(1, "1", "launches and engine as calibrated; engines differ by about a third", 0.67, 1.33),
        "almost": choice(0.9, "1", "nine tenths of the gap is almost all"),
    }


def speed_over_bandwidth(v: Values) -> float:
    """Speed ratio of B200 to H100 over their bandwidth ratio."""
    speed = 1.0
    for part, name, power in ((H100, "h100_bandwidth", 1), (B200, "b200_bandwidth", -1)):
        plain = replica(SMALL, part, "tp1", PROMPT, ANSWER)
        rate = v[name] / plain.deployment.hardware.hbm_bytes_per_s
        speed *= tpot_s(changed(plain, overhead=v["overhead"], hbm_bytes_per_s=rate), v["batch"]) ** power
    return speed / (v["b200_bandwidth"] / v["h100_bandwidth"])


def _gap_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["almost"]:
        return "holds"
    return "holds under conditions" if c.value >= v["almost"] else "too loose"


def _gap_evidence(c: Computed, v: Values) -> str:
    ratio = v["b200_bandwidth"] / v["h100_bandwidth"]
    shares = [speed / ratio for speed in measured_speedups()]
    return (
        f"B200 has {ratio:.2f} times the bandwidth of H100; Llama 3.1 8B at batch {v['batch']:g} is predicted to "
        f"answer {c.value * ratio:.2f} times as fast, {c.value:.0%} of the gap. Measured at batch 32 on one GPU each "
        f"(ML.ENERGY, 2026-02): {min(shares):.0%} to {max(shares):.0%}. Launches and the engine do not get faster with "
        "memory."
    )


def measured_speedups() -> list[float]:
    """Gap between tokens on one H100 over that on one B200, of models measured on both."""
    text = files("drivetrain.measure.reference").joinpath("power.csv").read_text(encoding="utf-8")
    itl: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["n_gpus"] == "1":
            itl.setdefault(row["model"], {})[row["gpu"]] = float(row["itl_ms"])
    return [both["H100"] / both["B200"] for both in itl.values() if {"H100", "B200"} <= set(both)]


register(Check(
    id="A46", quantity="share of the bandwidth gap B200 to H100 that arrives as speed", unit="1",
    inputs=_gap_inputs, compute=speed_over_bandwidth, judge=_gap_verdict, evidence=_gap_evidence,
    command="drivetrain claims A46 --set batch=8", moved={"overhead": 0},
))  # fmt: skip


# A47: spreading over more accelerators


def _spread_inputs() -> Mapping[str, Input]:
    return {
        "batch": choice(8, "requests", "an interactive load", 1, 32),
        "links_factor": choice(1, "1", "links as they are, a factor of two either way", 0.5, 2),
        "quicker": choice(1.1, "1", "a tenth faster counts as relief"),
    }


def speedup_from_spreading(v: Values) -> float:
    """How many times faster tokens come from eight than from two accelerators."""
    two, eight = (changed(replica(LARGE, H200, f"tp{n}", PROMPT, ANSWER), links=v["links_factor"]) for n in (2, 8))
    return tpot_s(two, v["batch"]) / tpot_s(eight, v["batch"])


def _spread_verdict(c: Computed, v: Values) -> Verdict:
    return "too loose" if c.value >= v["quicker"] else "holds"


def _spread_evidence(c: Computed, v: Values) -> str:
    two, eight = (explained(replica(LARGE, H200, f"tp{n}", PROMPT, ANSWER), v["batch"]) for n in (2, 8))
    network = eight.breakdown_s["network"] / sum(eight.breakdown_s.values())
    return (
        f"Llama 3.1 70B on eight H200 instead of two: {c.value:.1f} times as fast, not four times, with {network:.0%} "
        "of a token in communication. Four times the accelerators are four times the bandwidth, so memory's share of "
        f"a token falls from {memory_frac(two):.0%} to {memory_frac(eight):.0%}: spreading does scale bandwidth."
    )


register(Check(
    id="A47", quantity="speed-up of a token from two to eight accelerators", unit="1",
    inputs=_spread_inputs, compute=speedup_from_spreading, judge=_spread_verdict, evidence=_spread_evidence,
    command="drivetrain claims A47 --set links_factor=1", moved={"links_factor": 0.001},
))  # fmt: skip


# A49: better memory or something else


def _remedy_inputs() -> Mapping[str, Input]:
    return {
        "tpot_s": choice(0.03, "s", "p95 that users accept, 33 tokens/s", 0.02, 0.05),
        "h100_usd_per_hour": price_input(H100),
        "h200_usd_per_hour": price_input(H200),
    }


def remedies(v: Values) -> dict[str, float]:
    """USD per million tokens at full load within the target: as it is, and with four remedies."""
    h100, h200, slo = v["h100_usd_per_hour"], v["h200_usd_per_hour"], f"tpot_p95={v['tpot_s']}s"
    return {
        "as it is": cost(LARGE, H100, "tp4", 1000, 500, slo, h100),
        "better memory": cost(LARGE, H200, "tp4", 1000, 500, slo, h200),
        "more accelerators": cost(LARGE, H100, "tp8", 1000, 500, slo, h100),
        "fp8 weights": cost(LARGE, H100, "tp4", 1000, 500, slo, h100, weights="fp8"),
        "fp8 weights on half": cost(LARGE, H100, "tp2", 1000, 500, slo, h100, weights="fp8"),
    }


def memory_over_best_other(v: Values) -> float:
    """Cost with better memory over that of the cheapest other remedy; nothing where no other keeps the target."""
    usd = remedies(v)
    return usd["better memory"] / min(usd["more accelerators"], usd["fp8 weights"], usd["fp8 weights on half"])


def _remedy_verdict(c: Computed, _v: Values) -> Verdict:
    if c.high < 1.0:
        return "holds"
    return "holds under conditions" if c.value < 1.0 else "too loose"


def _remedy_evidence(c: Computed, v: Values) -> str:
    all_ = remedies(v)
    told = ", ".join(f"{name} ${usd:.2f}" for name, usd in all_.items())
    return (
        f"Llama 3.1 70B at a TPOT p95 of {show(v['tpot_s'], 's')}, per million output tokens at full load: {told}. "
        f"Better memory costs {c.value:.2f} times the best of the others."
    )


register(Check(
    id="A49", quantity="cost with better memory over that of the cheapest other remedy", unit="1",
    inputs=_remedy_inputs, compute=memory_over_best_other, judge=_remedy_verdict, evidence=_remedy_evidence,
    command="drivetrain claims A49 --set tpot_s=30ms", moved={"h200_usd_per_hour": 0.5},
))  # fmt: skip
