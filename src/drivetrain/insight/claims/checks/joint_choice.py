"""One system instead of separate purchases: mending the fault, choosing together (A69, A70)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from drivetrain.errors import DoesNotFitError
from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.replica import changed, full_rate, replica
from drivetrain.insight.claims.sourced import over_input, price_input
from drivetrain.units import show

LARGE, H100, PCIE = "llama-3.1-70b", "h100-sxm-80gb", "h100-pcie-80gb"
H200, B200 = "h200-sxm-141gb", "b200-sxm-180gb"
SLO = "tpot_p95=50ms"


# A69: more hardware or mending the fault


def _fault_inputs() -> Mapping[str, Input]:
    return {
        "batch_limit": choice(16, "sequences", "a server left at a small batch; engines ship with 256", 8, 64),
        "memory_frac": choice(0.55, "1", "weights leave little for the cache", 0.52, 0.6),
        "links_frac": replace(over_input(PCIE, H100, "scaleup.bytes_per_s"), low=0.07, high=0.28),
        "more": choice(0.5, "1", "half as many accelerators again"),
    }


def gains_from_mending(v: Values) -> dict[str, float]:
    """Requests/s after mending a fault over before, by fault: four H100 with Llama 3.1 70B."""
    sound = replica(LARGE, H100, "tp4", 1000.0, 500.0)
    small = replica(LARGE, H100, "tp4", 1000.0, 500.0, max_num_seqs=v["batch_limit"])
    best = full_rate(sound, SLO)
    return {
        "utilisation": best / full_rate(small, SLO),
        "memory": best / full_rate(changed(sound, memory_bytes=v["memory_frac"]), SLO),
        "interconnect": best / full_rate(changed(sound, links=v["links_frac"]), SLO),
    }


def mending_over_buying(v: Values) -> float:
    """The least of these gains over that of more accelerators, which serve in proportion."""
    return min(gains_from_mending(v).values()) / (1.0 + v["more"])


def _fault_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= 1.0:
        return "holds"
    best = max(gains_from_mending(v).values()) / (1.0 + v["more"])
    return "holds under conditions" if c.value >= 1.0 else ("too loose" if best >= 1.0 else "wrong")


def _fault_evidence(c: Computed, v: Values) -> str:
    told = ", ".join(f"{name} {gain:.1f}x" for name, gain in gains_from_mending(v).items())
    return (
        f"Mending one fault of four H100 with Llama 3.1 70B: {told} the requests. {v['more']:.0%} more accelerators "
        f"serve {1 + v['more']:.1f}x and leave the cost of a token as it was; the least of the three is {c.value:.2f} "
        "times that."
    )


register(Check(
    id="A69", quantity="least gain from mending a fault over that from more accelerators", unit="1",
    inputs=_fault_inputs, compute=mending_over_buying, judge=_fault_verdict, evidence=_fault_evidence,
    command="drivetrain claims A69", moved={"memory_frac": 0.95},
))  # fmt: skip


# A70: one decision or one after another

_LAYOUTS = ("tp1", "tp2", "tp4", "tp8")
_WEIGHTS = ("shipped", "fp8")


def _joint_inputs() -> Mapping[str, Input]:
    return {
        "tpot_s": choice(0.03, "s", "p95 that users accept, 33 tokens/s", 0.02, 0.05),
        "h100_usd_per_hour": price_input(H100),
        "h200_usd_per_hour": price_input(H200),
        "b200_usd_per_hour": price_input(B200),
        "worth": choice(1.1, "1", "a tenth of the cost"),
    }


def regret_of_separate_choices(v: Values) -> float:
    """Cost of a token with accelerator, layout and precision chosen one after another over all chosen together."""
    return _usd(v, *chosen_separately(v, _flops)) / _usd(v, *chosen_together(v))


def chosen_separately(v: Values, rate_of: Callable[[str], float]) -> tuple[str, str, str]:
    """Accelerator by a datasheet rate per dollar, then the cheapest layout as shipped, then the cheapest precision."""
    part = max(_prices(v), key=lambda one: rate_of(one) / _prices(v)[one])
    layout = min(_LAYOUTS, key=lambda one: _usd(v, part, one, "shipped"))
    return part, layout, min(_WEIGHTS, key=lambda one: _usd(v, part, layout, one))


def chosen_together(v: Values) -> tuple[str, str, str]:
    """The cheapest of all combinations within the target."""
    every = [(part, layout, weights) for part in _prices(v) for layout in _LAYOUTS for weights in _WEIGHTS]
    return min(every, key=lambda one: _usd(v, *one))


def _prices(v: Values) -> dict[str, float]:
    return {H100: v["h100_usd_per_hour"], H200: v["h200_usd_per_hour"], B200: v["b200_usd_per_hour"]}


def _usd(v: Values, part: str, layout: str, weights: str) -> float:
    """Dollars over requests: all combinations serve the same requests."""
    rate = _most(part, layout, weights, v["tpot_s"])
    return _prices(v)[part] * int(layout[2:]) / rate if rate else math.inf


@lru_cache(maxsize=1024)
def _most(part: str, layout: str, weights: str, limit_s: float) -> float:
    try:
        return full_rate(replica(LARGE, part, layout, 1000.0, 500.0, weights=weights), f"tpot_p95={limit_s}s")
    except DoesNotFitError:
        return 0.0


def _flops(part: str) -> float:
    from drivetrain.catalogue import loader

    return float(loader.load("accelerators", part).flops["bf16"])


def _bandwidth(part: str) -> float:
    from drivetrain.catalogue import loader

    return float(loader.load("accelerators", part).hbm_bytes_per_s)


def _joint_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["worth"]:
        return "holds"
    return "holds under conditions" if c.value >= v["worth"] else "too loose"


def _joint_evidence(c: Computed, v: Values) -> str:
    best = chosen_together(v)
    apart, together = (" ".join(found).replace("-sxm", "") for found in (chosen_separately(v, _flops), best))
    other = _usd(v, *chosen_separately(v, _bandwidth)) / _usd(v, *best)
    return (
        f"Llama 3.1 70B at a TPOT p95 of {show(v['tpot_s'], 's')} on H100, H200 or B200: one after another (FLOP/s per "
        f"dollar, layout as shipped, precision) gives {apart}, all together {together}. The first costs {c.value:.2f} "
        f"times as much a token; starting from bandwidth per dollar it is {other:.2f} times."
    )


register(Check(
    id="A70", quantity="cost of a token with separate over joint choice of accelerator, layout, precision", unit="1",
    inputs=_joint_inputs, compute=regret_of_separate_choices, judge=_joint_verdict, evidence=_joint_evidence,
    command="drivetrain claims A70 --set tpot_s=30ms", moved={"worth": 1.3, "tpot_s": 0.02},
))  # fmt: skip
