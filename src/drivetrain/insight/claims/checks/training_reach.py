"""What a cluster trains, and architecture against infrastructure (A12, A14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.inference_phase import H100
from drivetrain.insight.claims.checks.interconnect import ETHERNET, trained
from drivetrain.insight.claims.checks.training_phase import ethernet
from drivetrain.insight.claims.inputs import choice, of_economic, stated
from drivetrain.insight.claims.sourced import part_input, price_input
from drivetrain.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from drivetrain.training.ceilings.contest import Cluster

# A14: what a cluster trains ------------------------------------------------------------------------------------------


def cluster_inputs() -> Mapping[str, Input]:
    """Llama 3.1 405B's cluster and hours, and the data it was trained on."""
    return {
        "n_accelerators": stated(16384, "accelerators", "llama-3-report"),
        "accelerator_hours": stated(30.84e6, "h", "llama-3-1-card"),
        "effective_time_frac": stated(0.9, "share", "llama-3-report: more than 90 %", 0.9, 0.97),
        "global_batch": stated(2048, "sequences", "llama-3-report: 16 million tokens a step", 1024, 2048),
        "published_tokens": stated(15.6e12, "tokens", "llama-3-report"),
        "close": choice(0.25, "1", "how near the prediction must come"),
    }


def tokens_trained(v: Values) -> float:
    """Tokens that the hours train a 405B model on, by the step-time model."""
    n = v["n_accelerators"]
    step = trained("llama-3.1-405b", n, ETHERNET, ethernet(), v["global_batch"])
    seconds = v["accelerator_hours"] / n * SECONDS_PER_HOUR * v["effective_time_frac"]
    return float(step["tokens_per_s"]) * seconds


def _judge_cluster(c: Computed, v: Values) -> Verdict:
    off = abs(c.value / v["published_tokens"] - 1.0)
    if off <= v["close"]:
        return "holds"
    return "holds under conditions" if c.low <= v["published_tokens"] <= c.high else "wrong"


def _told_cluster(c: Computed, v: Values) -> str:
    step = trained("llama-3.1-405b", v["n_accelerators"], ETHERNET, ethernet(), v["global_batch"])
    return (
        f"{v['accelerator_hours'] / 1e6:.2f} million hours of {v['n_accelerators']:,.0f} H100 at a predicted "
        f"{step['mfu']:.0%} of peak train 405B parameters on {c.value / 1e12:.1f}e12 tokens ({c.low / 1e12:.1f} to "
        f"{c.high / 1e12:.1f}); Meta reports {v['published_tokens'] / 1e12:.1f}e12. Hours, network and step time fix "
        "the product of size and data."
    )


register(Check(
    id="A14", quantity="tokens that Llama 3.1 405B's cluster and hours train it on", unit="tokens",
    inputs=cluster_inputs, compute=tokens_trained, judge=_judge_cluster, evidence=_told_cluster,
    command="drivetrain predict train -m llama-3.1-405b -a h100-sxm -n 16384 --global-batch 2048 --fabric roce-400g "
    "--tokens 15.6T", moved={"accelerator_hours": 10e6},
))  # fmt: skip


# A12: architecture against infrastructure ----------------------------------------------------------------------------


def contest_inputs() -> Mapping[str, Input]:
    """Two pairs of architecture and cluster that cost the same an hour."""
    return {
        "compute_gain": choice(3.0, "1", "the frontier architecture learns as a plain one with three times the compute",
                               1.5, 6.0),
        "well_built_mfu": of_economic("training_mfu_frac", "share"),
        "starved_mfu": choice(0.1, "share", "an accelerator that waits for its network most of the time", 0.05, 0.25),
        "budget_usd": choice(5e6, "USD", "one training run", 1e6, 1e8),
        "usd_per_hour": price_input(H100),
        "peak_flops_per_s": part_input(H100, "flops.bf16", "FLOP/s"),
    }  # fmt: skip


def lead_of_simpler(v: Values) -> float:
    """Loss of the starved frontier architecture less that of the simpler one on the system built well, nats."""
    from drivetrain.catalogue import loader
    from drivetrain.training.ceilings.contest import Architecture, Pair, cluster, contest

    power = loader.load("accelerators", H100).tdp_w

    def on(name: str, mfu: float) -> Cluster:
        return cluster(name, peak_flops_per_s=v["peak_flops_per_s"], mfu=mfu, usd_per_hour=v["usd_per_hour"],
                       power_w=power)  # fmt: skip

    plain = Pair(Architecture("plain"), on("built well", v["well_built_mfu"]))
    starved = Pair(Architecture("frontier", compute_gain=v["compute_gain"]), on("starved", v["starved_mfu"]))
    return contest(plain, starved, usd=v["budget_usd"]).lead


def _judge_contest(c: Computed, _: Values) -> Verdict:
    if c.value <= 0.0:
        return "wrong"
    return "holds" if c.low > 0.0 else "holds under conditions"


def _told_contest(c: Computed, v: Values) -> str:
    undone = v["well_built_mfu"] / v["starved_mfu"]
    return (
        f"For ${v['budget_usd']:,.0f} of H100 hours the simpler model at {v['well_built_mfu']:.0%} of peak leads the "
        f"frontier one at {v['starved_mfu']:.0%} by {c.value:.4f} nats ({c.low:.4f} to {c.high:.4f}): a cluster worse "
        f"by a factor of {undone:.1f} undoes an architecture worth up to {undone:.1f} times the compute; this one is "
        f"worth {v['compute_gain']:g}."
    )


register(Check(
    id="A12", quantity="loss of a starved frontier architecture over a simpler model on a good system", unit="nats",
    inputs=contest_inputs, compute=lead_of_simpler, judge=_judge_contest, evidence=_told_contest,
    command="drivetrain claims A12 --set starved_mfu=0.1", moved={"compute_gain": 6.0},
))  # fmt: skip
