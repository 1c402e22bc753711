"""Training against inference at a laboratory and in the world: once or always, shares (A58 to A60)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed, of_economic
from drivetrain.insight.claims.sourced import part_input, price_input
from drivetrain.units import SECONDS_PER_DAY

H100 = "h100-sxm-80gb"


# A58: is training over when the final run is


def _once_inputs() -> Mapping[str, Input]:
    return {
        "research": of_economic("lab_research_compute_usd", "USD"),
        "final_runs": of_economic("lab_final_runs_usd", "USD"),
        "inference": of_economic("lab_inference_usd", "USD"),
        "once": choice(2, "1", "up to as much again around a run still counts as training once"),
    }


def research_over_final_runs(v: Values) -> float:
    """Compute for training and research in a year over that of the final runs of models released."""
    return v["research"] / v["final_runs"]


def _once_verdict(c: Computed, v: Values) -> Verdict:
    if c.value <= v["once"]:
        return "holds"
    return "holds under conditions" if c.low <= v["once"] else "too loose"


def _once_evidence(c: Computed, v: Values) -> str:
    return (
        f"OpenAI spent about {v['research'] / 1e9:.1f} billion dollars on training and research compute in 2024, "
        f"{c.value:.1f} times its final runs, and {v['inference'] / 1e9:.1f} billion on inference. A released model is "
        f"trained once; a lab trains all the time, with {v['research'] / v['inference']:.1f} times the money of "
        "inference."
    )


register(Check(
    id="A58", quantity="training and research compute of a lab over its final training runs", unit="1",
    inputs=_once_inputs, compute=research_over_final_runs, judge=_once_verdict, evidence=_once_evidence,
    command="drivetrain claims A58 --set final_runs=4.8e8", moved={"final_runs": 4e9},
))  # fmt: skip


# A59: shares of inference


def _share_inputs() -> Mapping[str, Input]:
    return {
        "share_2023": _share("2023-12", 0.30, 0.36),
        "share_2025": _share("2025-12", 0.47, 0.53),
        "claimed_share": claimed(2 / 3, "1"),
        "compute_growth": of_economic("compute_growth", "1"),
        "close": choice(0.03, "1", "what 'about' leaves open"),
    }


def _share(month: str, low: float, high: float) -> Input:
    from drivetrain.catalogue.series import series

    point = next(point for point in series("inference-share").points if point.month == month)
    return Input(point.value, "1", f"{point.source}, {month}", low, high)


def share_by_trend(v: Values) -> float:
    """Share of 2026 if the odds of inference against training grow as they did from 2023 to 2025."""
    before, now = (share / (1.0 - share) for share in (v["share_2023"], v["share_2025"]))
    odds = now * math.sqrt(now / before)
    return odds / (1.0 + odds)


def _share_verdict(c: Computed, v: Values) -> Verdict:
    if abs(c.value - v["claimed_share"]) <= v["close"]:
        return "holds"
    reached = c.low - v["close"] <= v["claimed_share"] <= c.high + v["close"]
    return "holds under conditions" if reached else "too loose"


def _share_evidence(c: Computed, v: Values) -> str:
    train_before = v["compute_growth"] * math.sqrt((1.0 - v["share_2025"]) / (1.0 - v["share_2023"]))
    train_then = v["compute_growth"] * (1.0 - v["claimed_share"]) / (1.0 - v["share_2025"])
    return (
        f"A projection, not a measurement. Odds that grow as from 2023 to 2025 give {c.value:.0%} in 2026, so "
        f"{v['claimed_share']:.0%} needs the shift to speed up. With all compute times {v['compute_growth']:.1f} a "
        f"year, training still grows {train_before:.1f} times a year to 2025 and {train_then:.1f} times in 2026: "
        "inference takes over a share, not from training."
    )


register(Check(
    id="A59", quantity="share of inference in 2026 at the trend of 2023 to 2025", unit="share",
    inputs=_share_inputs, compute=share_by_trend, judge=_share_verdict, evidence=_share_evidence,
    command="drivetrain claims A59 --set share_2025=0.5", moved={"share_2025": 0.57},
))  # fmt: skip


# A60: the share at who trains and at who deploys


def _who_inputs() -> Mapping[str, Input]:
    return {
        "research": of_economic("lab_research_compute_usd", "USD"),
        "inference": of_economic("lab_inference_usd", "USD"),
        "adapted_params": choice(7e10, "parameters", "a ready model of 70 billion, adapted"),
        "adapting_tokens": choice(1e9, "tokens", "fine-tuning on a house's own texts"),
        "served_per_s": choice(1000, "tokens per second", "some requests a second, read and written"),
        "days": choice(730, "1", "two years in production"),
        "training_mfu": of_economic("training_mfu_frac", "share"),
        "training_over_serving_mfu": of_economic("training_mfu_over_serving_mfu"),
        "peak_flops_per_s": part_input(H100, "flops.bf16", "FLOP/s"),
        "usd_per_hour": price_input(H100),
        "claimed_low": claimed(0.8, "share"),
    }


def share_at_lab(v: Values) -> float:
    """Inference in the compute a laboratory paid in a year: OpenAI in 2024, without what Microsoft served itself."""
    return v["inference"] / (v["inference"] + v["research"])


def share_at_deployer(v: Values) -> float:
    """Inference in the dollars of adapting a ready model and serving it, by the model of lifetime cost."""
    from drivetrain.econ.lifetime import Site, serving_bill, serving_shares, training_bill

    train = Site(v["peak_flops_per_s"], v["training_mfu"], 0.0, v["usd_per_hour"])
    serve = Site(v["peak_flops_per_s"], v["training_mfu"] / v["training_over_serving_mfu"], 0.0, v["usd_per_hour"])
    adapted = training_bill(v["adapted_params"], v["adapting_tokens"], train)
    served = v["served_per_s"] * v["days"] * SECONDS_PER_DAY
    return serving_shares(adapted, serving_bill(v["adapted_params"], serve), served)["usd"]


def _who_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["claimed_low"]:
        return "holds"
    return "holds under conditions" if share_at_deployer(v) >= v["claimed_low"] else "wrong"


def _who_evidence(c: Computed, v: Values) -> str:
    return (
        f"OpenAI's inference was {c.value:.0%} of its compute dollars in 2024 ({c.low:.0%} to {c.high:.0%}), against "
        f"the claim's {v['claimed_low']:.0%} and more. Who adapts a ready model of {v['adapted_params'] / 1e9:.0f} "
        f"billion parameters and serves {v['served_per_s']:,.0f} tokens a second for {v['days']:.0f} days spends "
        f"{share_at_deployer(v):.1%} on inference."
    )


register(Check(
    id="A60", quantity="share of inference in a laboratory's compute dollars, 2024", unit="share",
    inputs=_who_inputs, compute=share_at_lab, judge=_who_verdict, evidence=_who_evidence,
    command="drivetrain claims A60", moved={"inference": 3e10},
))  # fmt: skip
