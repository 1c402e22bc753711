"""Essay 004, the economics of serving: sustained efficiency, hardware, software, schedules (B11, B12, B30, B31)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.replica import full_rate, replica, tpot_s
from drivetrain.insight.claims.sourced import price_input
from drivetrain.units import show

LARGE, SMALL, H100 = "llama-3.1-70b", "llama-3.1-8b", "h100-sxm-80gb"
ISL, OSL = 1000.0, 500.0
_OWNERS = ("google", "aws")  # vendors that sell to nobody


# B11: sustained efficiency, not peak scale


def _sustained_inputs() -> Mapping[str, Input]:
    return {
        "used_low": of_economic("utilisation_frac", "share"),
        "used_high": of_economic("hyperscaler_utilisation_frac", "share"),
        "tpot_s": choice(0.05, "s", "p95 that users accept, 20 tokens/s", 0.03, 0.1),
        "batch_low": choice(16, "sequences", "a stack that batches little"),
        "batch_high": choice(256, "sequences", "what engines ship with"),
        "replicas_low": choice(8, "replicas", "a small fleet", 4, 16),
        "replicas_high": choice(800, "replicas", "a large fleet"),
        "spare": choice(1, "replicas", "kept idle for a failure in either fleet"),
        "usd_per_hour": price_input(H100),
        "most": choice(0.5, "share", "more than scale does"),
    }


def cost_effects(v: Values) -> dict[str, float]:
    """By driver: how many times a token costs at its bad end what it costs at its good end."""
    from drivetrain.econ.tokens import usd_per_million

    def usd(batch: float, used: float, replicas: float) -> float:
        prepared = replica(LARGE, H100, "tp4", ISL, OSL, weights="fp8", max_num_seqs=batch)
        rate = full_rate(prepared, f"tpot_p95={v['tpot_s']}s") * OSL * used * replicas
        return usd_per_million(v["usd_per_hour"] * 4 * (replicas + v["spare"]), rate)

    good = (v["batch_high"], v["used_high"], v["replicas_high"])
    best = usd(*good)
    return {
        "throughput of a machine": usd(v["batch_low"], *good[1:]) / best,
        "utilisation": usd(good[0], v["used_low"], good[2]) / best,
        "size of the fleet": usd(*good[:2], v["replicas_low"]) / best,
    }


def sustained_frac(v: Values) -> float:
    """Share of the squared logarithms in throughput and utilisation, the rest in the size of the fleet."""
    squares = {name: math.log(times) ** 2 for name, times in cost_effects(v).items()}
    return 1.0 - squares["size of the fleet"] / sum(squares.values())


def _sustained_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["most"]:
        return "holds"
    return "holds under conditions" if c.value >= v["most"] else "wrong"


def _sustained_evidence(c: Computed, v: Values) -> str:
    told = ", ".join(f"{name} {times:.2f}x" for name, times in cost_effects(v).items())
    return (
        f"What each does to the cost of a token, Llama 3.1 70B on H100 within {show(v['tpot_s'], 's')} a token: {told} "
        f"({v['replicas_low']:.0f} against {v['replicas_high']:.0f} replicas). Throughput and utilisation are "
        f"{c.value:.0%} of the variance."
    )


register(Check(
    id="B11", quantity="share of throughput and utilisation, against size, in the variance of a token's cost",
    unit="share", inputs=_sustained_inputs, compute=sustained_frac, judge=_sustained_verdict,
    evidence=_sustained_evidence, command="drivetrain claims B11 --set tpot_s=50ms",
    moved={"batch_low": 250, "used_low": 0.74, "replicas_low": 1},
))  # fmt: skip


# B12: what training and inference buy


def _bill_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue.spreads import spreads

    network = spreads("supply")["cost.network_frac"]
    told = f"{network.stated.source}, {network.stated.seen}"
    return {
        "year": choice(2026.5, "year", "what is sold in the middle of 2026", 2026.0, 2027.0),
        "owners_parts": choice(0, "1", "1 counts parts that only their designers buy, at their cost", 0, 1),
        "network_training": Input(network.high, "share", told, network.mid, network.high),
        "network_serving": Input(network.low, "share", told, network.low, network.mid),
        "most": choice(0.5, "share", "half of the bill"),
        "nearly_all": choice(0.8, "share", "four fifths of the bill"),
    }


def bills(v: Values) -> dict[str, tuple[str, dict[str, float]]]:
    """By purpose: the accelerator that does it cheapest a year, and the shares of its capital by part."""
    from drivetrain.demand.productivity import table
    from drivetrain.demand.vintage import Vintage, annual_usd, known, mids

    at = mids()
    every = known(at, {name: np.full(1, units) for name, units in table().power.items()})
    sold = [one for one in every if float(one.from_year[0]) <= v["year"] < float(one.until_year[0])
            and (v["owners_parts"] > 0 or _merchant(one.accelerator))]  # fmt: skip

    def cheapest(work: Callable[[Vintage], float], network: float) -> tuple[str, dict[str, float]]:
        best = min(sold, key=lambda one: float(annual_usd(one, at["finance.rate"])[0]) / work(one))
        chip, server = float(best.parts.chip[0]), float(best.parts.server[0])
        usd = {best.name: chip + server, "network": (chip + server) * network / (1.0 - network),
               "site": float(best.parts.facility[0])}  # fmt: skip
        return best.name, {name: one / sum(usd.values()) for name, one in usd.items()}

    return {
        "training": cheapest(lambda one: one.peak_flops, v["network_training"]),
        "serving": cheapest(lambda one: float(one.units[0]), v["network_serving"]),
    }


def _merchant(accelerator: str) -> bool:
    from drivetrain.catalogue import loader

    return loader.load("accelerators", accelerator).vendor not in _OWNERS


def overlap(v: Values) -> float:
    """Sum over machines, network and site of the smaller of the two shares: 1 where both buy the same."""
    (_, first), (_, second) = bills(v).values()
    return sum(min(share, second.get(name, 0.0)) for name, share in first.items())


def _overlap_with_owners(v: Values) -> float:
    return overlap({**v, "owners_parts": 1.0})


def _bill_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["most"]:
        return "holds"
    return "holds under conditions" if c.value < v["nearly_all"] else "too loose"


def _bill_evidence(c: Computed, v: Values) -> str:
    (train, first), (serve, second) = bills(v).values()
    return (
        f"Of what is sold {train} is cheapest per peak FLOP and {serve} per token served. Of the bills {c.value:.0%} "
        f"are for the same things; the network is {first['network']:.0%} of a training and {second['network']:.0%} of "
        f"a serving cluster. With parts that only their designers buy {_overlap_with_owners(v):.0%} are. Layouts, "
        "batches and load are no part of a bill."
    )


register(Check(
    id="B12", quantity="share of the bill that the cheapest training and serving clusters have in common", unit="share",
    inputs=_bill_inputs, compute=overlap, judge=_bill_verdict, evidence=_bill_evidence,
    command="drivetrain claims B12 --set year=2026.5", moved={"owners_parts": 1},
))  # fmt: skip


# B30: batching, caching, routing and selection


def _software_inputs() -> Mapping[str, Input]:
    return {
        "tpot_s": choice(0.05, "s", "p95 that users accept, 20 tokens/s", 0.03, 0.1),
        "batch_low": choice(16, "sequences", "a stack that batches little", 8, 32),
        "batch_high": choice(256, "sequences", "what engines ship with"),
        "prefix_hit": choice(0.5, "share", "half of the input found in a prefix cache", 0.25, 0.75),
        "routed": choice(0.3, "share", "requests that a model of 8 billion answers as well", 0.1, 0.6),
        "much": choice(1.5, "1", "half as much again from the same machines"),
    }


def software_gains(v: Values) -> dict[str, float]:
    """Requests from the same machines, with over without each."""
    slo = f"tpot_p95={v['tpot_s']}s"

    def rate(model: str, layout: str, n: int, **choices: float) -> float:
        return full_rate(replica(model, H100, layout, ISL, OSL, weights="fp8", **choices), slo) / n

    base = rate(LARGE, "tp4", 4, max_num_seqs=v["batch_high"], prefix_hit=0.0)
    little = rate(LARGE, "tp4", 4, max_num_seqs=v["batch_low"], prefix_hit=0.0)
    cached = rate(LARGE, "tp4", 4, max_num_seqs=v["batch_high"], prefix_hit=v["prefix_hit"])
    small = rate(SMALL, "tp1", 1, max_num_seqs=v["batch_high"], prefix_hit=v["prefix_hit"])
    mixed = 1.0 / ((1.0 - v["routed"]) / cached + v["routed"] / small)
    return {"batching": base / little, "caching": cached / base, "routing to a smaller model": mixed / cached}


def software_gain(v: Values) -> float:
    """All of them, one after the other."""
    return math.prod(software_gains(v).values())


def _software_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["much"] and min(software_gains(v).values()) > 1.0:
        return "holds"
    return "holds under conditions" if c.value >= v["much"] else "too loose"


def _software_evidence(c: Computed, v: Values) -> str:
    told = ", ".join(f"{name} {times:.2f}x" for name, times in software_gains(v).items())
    return (
        f"Requests that H100 serve of Llama 3.1 70B within {show(v['tpot_s'], 's')} a token: {told}, together "
        f"{c.value:.1f} times from the same machines. The last asks that {v['routed']:.0%} of requests lose nothing by "
        "a smaller model, and the second that prompts repeat."
    )


register(Check(
    id="B30", quantity="requests from the same machines with batching, caching and routing over without", unit="1",
    inputs=_software_inputs, compute=software_gain, judge=_software_verdict, evidence=_software_evidence,
    command="drivetrain claims B30 --set routed=0.3", moved={"batch_low": 250, "prefix_hit": 0.05, "routed": 0.02},
))  # fmt: skip


# B31: the same fleet by schedule


def _schedule_inputs() -> Mapping[str, Input]:
    return {
        "one": choice(1, "sequences", "one request at a time"),
        "many": choice(128, "sequences", "requests batched", 64, 256),
        "usd_per_hour": price_input(H100),
        "very": choice(10.0, "1", "ten times"),
    }


def schedule_ratio(v: Values) -> float:
    """Cost of an output token one request at a time over batched, Llama 3.1 8B on one H100."""
    return _usd(v, v["one"]) / _usd(v, v["many"])


def _usd(v: Values, batch: float) -> float:
    from drivetrain.econ.tokens import usd_per_million

    prepared = replica(SMALL, H100, "tp1", ISL, OSL)
    return usd_per_million(v["usd_per_hour"], batch / tpot_s(prepared, batch))


def _schedule_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["very"]:
        return "holds"
    return "holds under conditions" if c.high >= v["very"] else "too loose"


def _schedule_evidence(c: Computed, v: Values) -> str:
    return (
        f"Llama 3.1 8B on an H100 costs ${_usd(v, v['one']):.2f} per million output tokens at {v['one']:.0f} in flight "
        f"and ${_usd(v, v['many']):.3f} at {v['many']:.0f}: {c.value:.0f} times by how requests are scheduled, at a "
        "token's latency that rises with it."
    )


register(Check(
    id="B31", quantity="cost of a token one request at a time over batched, same accelerator", unit="1",
    inputs=_schedule_inputs, compute=schedule_ratio, judge=_schedule_verdict, evidence=_schedule_evidence,
    command="drivetrain claims B31 --set many=128", moved={"one": 64},
))  # fmt: skip
