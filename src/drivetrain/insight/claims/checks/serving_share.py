"""What serving costs, and what decides it: accelerators chosen for training, latency, drivers (A61 to A63)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.replica import changed, cost, full_rate, replica
from drivetrain.insight.claims.sourced import over_input, price_input
from drivetrain.units import show

LARGE, A100, H100 = "llama-3.1-70b", "a100-sxm-80gb", "h100-sxm-80gb"
H200, B200 = "h200-sxm-141gb", "b200-sxm-180gb"
_HOURS_PER_DAY = 24.0
NAMED = ("memory bandwidth", "utilisation", "serving stack")


# A61: infrastructure chosen for training


def _regret_inputs() -> Mapping[str, Input]:
    return {
        "h100_usd_per_hour": replace(price_input(H100), low=None, high=None),
        "h200_usd_per_hour": replace(price_input(H200), low=None, high=None),
        "b200_usd_per_hour": price_input(B200),
        "tpot_s": choice(0.05, "s", "p95 that users accept, 20 tokens/s"),
        "bad": choice(1.1, "1", "a tenth dearer is badly placed"),
    }


def regret_of_training_choice(v: Values) -> float:
    """Cost of serving on the accelerator that trains cheapest over that on the one that serves cheapest.

    Llama 3.1 70B on those accelerators whose serving was calibrated on measurements.
    """
    training, serving = costs_of_both(v)
    return serving[min(training, key=lambda part: training[part])] / min(serving.values())


def costs_of_both(v: Values) -> tuple[dict[str, float], dict[str, float]]:
    """USD by accelerator: of training on compute-optimal tokens with 1,024, and per million tokens served."""
    prices = {H100: v["h100_usd_per_hour"], H200: v["h200_usd_per_hour"], B200: v["b200_usd_per_hour"]}
    training = {part: usd * _accelerator_hours(part) for part, usd in prices.items()}
    slo = f"tpot_p95={v['tpot_s']}s"
    layouts = {H100: ("tp4", "tp8"), H200: ("tp2", "tp4"), B200: ("tp1", "tp2", "tp4")}
    serving = {part: min(cost(LARGE, part, layout, 1000.0, 500.0, slo, usd) for layout in layouts[part])
               for part, usd in prices.items()}  # fmt: skip
    return training, serving


@lru_cache
def _accelerator_hours(part: str, n: int = 1024) -> float:
    from drivetrain.verbs.predict_train import predict_train

    return float(predict_train(model=LARGE, accelerator=part, n=n)["days"]) * _HOURS_PER_DAY * n


def _regret_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["bad"]:
        return "holds"
    return "holds under conditions" if c.high >= v["bad"] else "wrong"


def _regret_evidence(c: Computed, v: Values) -> str:
    training, serving = costs_of_both(v)
    best_training, best_serving = min(training, key=training.__getitem__), min(serving, key=serving.__getitem__)
    return (
        f"Of H100, H200 and B200, {_short(best_training)} trains Llama 3.1 70B cheapest "
        f"(${training[best_training]:,.0f}) and {_short(best_serving)} serves it cheapest at a TPOT p95 of "
        f"{show(v['tpot_s'], 's')} (${serving[best_serving]:.2f} per million tokens). Served on the part bought for "
        f"training, a token costs {c.value:.2f} times as much; where both are the same part there is no regret."
    )


def _short(part: str) -> str:
    return part.partition("-")[0].upper()


register(Check(
    id="A61", quantity="cost of serving on the part that trains cheapest over the cheapest to serve", unit="1",
    inputs=_regret_inputs, compute=regret_of_training_choice, judge=_regret_verdict, evidence=_regret_evidence,
    command="drivetrain claims A61", moved={"b200_usd_per_hour": 6, "h200_usd_per_hour": 4},
))  # fmt: skip


# A62: the latency that users accept


def _latency_inputs() -> Mapping[str, Input]:
    return {
        "tight_s": choice(0.015, "s", "TPOT p95 of 67 tokens/s", 0.0125, 0.02),
        "relaxed_s": choice(0.1, "s", "TPOT p95 of 10 tokens/s, faster than most read", 0.05, 0.2),
        "usd_per_hour": price_input(H100),
        "matters": choice(1.5, "1", "half as dear again"),
    }


def cost_of_latency(v: Values) -> float:
    """Cost of a token at a tight limit over that at a relaxed one, on the same eight H100."""
    tight, relaxed = (
        cost(LARGE, H100, "tp8", 1000.0, 500.0, f"tpot_p95={v[name]}s", v["usd_per_hour"])
        for name in ("tight_s", "relaxed_s")
    )
    return tight / relaxed


def _latency_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["matters"]:
        return "holds"
    return "holds under conditions" if c.value >= v["matters"] else "too loose"


def _latency_evidence(c: Computed, v: Values) -> str:
    tight, relaxed = (cost(LARGE, H100, "tp8", 1000.0, 500.0, f"tpot_p95={v[name]}s", v["usd_per_hour"])
                      for name in ("tight_s", "relaxed_s"))  # fmt: skip
    return (
        f"Eight H100 serve Llama 3.1 70B at ${tight:.2f} per million tokens within {show(v['tight_s'], 's')} a token "
        f"and at ${relaxed:.2f} within {show(v['relaxed_s'], 's')}: {c.value:.1f} times. A cost without its latency "
        "says little."
    )


register(Check(
    id="A62", quantity="cost of a token at a tight latency over a relaxed one, same accelerators", unit="1",
    inputs=_latency_inputs, compute=cost_of_latency, judge=_latency_verdict, evidence=_latency_evidence,
    command="drivetrain claims A62 --set tight_s=15ms", moved={"tight_s": 0.06},
))  # fmt: skip


# A63: what decides the cost


def _tornado_inputs() -> Mapping[str, Input]:
    hardware = {
        f"{driver}_{end}": over_input(part, H100, field)
        for driver, field in (
            ("bandwidth", "hbm_bytes_per_s"),
            ("flops", "flops.bf16"),
            ("links", "scaleup.bytes_per_s"),
        )
        for end, part in (("low", A100), ("high", B200))
    }
    return {
        "tpot_s": choice(0.05, "s", "p95 that users accept, 20 tokens/s", 0.03, 0.1),
        "used_low": of_economic("utilisation_frac", "1"),
        "used_high": of_economic("hyperscaler_utilisation_frac", "1"),
        "batch_low": choice(16, "sequences", "a stack that batches little"),
        "batch_high": choice(256, "sequences", "what engines ship with"),
        "usd_low": price_input(H100),
        "usd_high": _on_demand(H100),
        **hardware,
        "half": choice(0.5, "1", "more than all others together"),
    }


def _on_demand(part: str) -> Input:
    from drivetrain.catalogue import loader
    from drivetrain.insight.claims.inputs import of_fact

    found = [p for p in loader.load_all("prices").values() if p.accelerator == part and p.terms == "on demand"]
    return of_fact(found[0].usd, "USD/h")


def tornado(v: Values) -> dict[str, float]:
    """By driver: logarithm of the cost of a token at its bad end over that at its good end, all else in the middle."""
    slo = f"tpot_p95={v['tpot_s']}s"
    base = replica(LARGE, H100, "tp4", 1000.0, 500.0, weights="fp8")

    def on(**rates: Any) -> float:  # noqa: ANN401 - factors by resource
        return full_rate(changed(base, **rates), slo)

    def batched(n: float) -> float:
        return full_rate(replica(LARGE, H100, "tp4", 1000.0, 500.0, weights="fp8", max_num_seqs=n), slo)

    return {
        "memory bandwidth": math.log(on(hbm_bytes_per_s=v["bandwidth_high"]) / on(hbm_bytes_per_s=v["bandwidth_low"])),
        "utilisation": math.log(v["used_high"] / v["used_low"]),
        "serving stack": math.log(batched(v["batch_high"]) / batched(v["batch_low"])),
        "rent": math.log(v["usd_high"] / v["usd_low"]),
        "FLOPs": math.log(on(flops=v["flops_high"]) / on(flops=v["flops_low"])),
        "links": math.log(on(links=v["links_high"]) / on(links=v["links_low"])),
    }


def named_frac(v: Values) -> float:
    """Share of the squared logarithms in bandwidth, utilisation and serving stack."""
    squares = {name: effect**2 for name, effect in tornado(v).items()}
    return sum(squares[name] for name in NAMED) / sum(squares.values())


def _tornado_verdict(c: Computed, v: Values) -> Verdict:
    if c.value < v["half"]:
        return "too loose"
    effects = {name: abs(effect) for name, effect in tornado(v).items()}
    named = min(effects.pop(name) for name in NAMED)
    return "holds" if c.low >= v["half"] and named >= max(effects.values()) else "holds under conditions"


def _tornado_evidence(c: Computed, v: Values) -> str:
    effects = {name: math.exp(abs(effect)) for name, effect in tornado(v).items()}
    told = ", ".join(f"{name} {effects[name]:.1f}x" for name in sorted(effects, key=lambda name: -effects[name]))
    least = min(effects[name] for name in NAMED)
    more = [name for name in effects if name not in NAMED and effects[name] > least]
    larger = f"{' and '.join(more) or 'nothing else'} {'count' if len(more) > 1 else 'counts'}"
    return (
        f"Llama 3.1 70B in FP8 on four H100 at a TPOT p95 of {show(v['tpot_s'], 's')}: what the range of each driver "
        f"does to the cost of a token: {told}. The three named are {c.value:.0%} of the variance; {larger} for more "
        "than the least of them."
    )


register(Check(
    id="A63", quantity="share of bandwidth, utilisation and stack in the variance of the cost of a token", unit="share",
    inputs=_tornado_inputs, compute=named_frac, judge=_tornado_verdict, evidence=_tornado_evidence,
    command="drivetrain claims A63", moved={"batch_low": 200, "used_low": 0.7},
))  # fmt: skip
