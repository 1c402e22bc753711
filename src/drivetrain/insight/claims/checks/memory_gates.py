"""What HBM decides: bytes against arithmetic in time and energy, HBM among the resources of a replica (A55, A56)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.errors import InfeasibleError
from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.replica import full_rate, replica
from drivetrain.units import show

if TYPE_CHECKING:
    from drivetrain.arch.operators import Op

H100, LARGE = "h100-sxm-80gb", "llama-3.1-70b"


# A55: moving parameters against arithmetic


def _bytes_inputs() -> Mapping[str, Input]:
    return {
        "flops": choice(1, "1", "factor on the reachable FLOP/s, known to about a tenth", 0.9, 1.1),
        "bandwidth": choice(1, "1", "factor on the reachable bytes/s, known to about a tenth", 0.9, 1.1),
        "joules_per_byte": of_economic("hbm_joules_per_byte", "J"),
        "joules_per_flop": of_economic("h100_joules_per_flop", "J"),
        "few": choice(8, "requests", "an interactive load"),
        "many": choice(1024, "requests", "what the memory of some accelerators holds"),
    }


def crossover_batch(v: Values) -> float:
    """Batch at which arithmetic takes as long as moving parameters, in a decode step of Llama 3.1 70B on four H100.

    Parameters move once a step and arithmetic grows with the batch, so it is the ratio of the times at a batch of one:
    reachable rates, before moving and computing overlap.
    """
    from drivetrain.cost.roofline import rates

    d = replica(LARGE, H100, "tp4", 500.0, 500.0).deployment
    moving = computing = 0.0
    for op, moved, flops in _matrices():
        flop_rate, byte_rate, _, _ = rates(op, d.hardware, d.efficiency)
        moving, computing = moving + moved / byte_rate, computing + flops / flop_rate
    return moving / computing * v["flops"] / v["bandwidth"]


def even_in_energy(v: Values) -> float:
    """Batch at which arithmetic takes as much energy as moving parameters from HBM."""
    found = _matrices()
    return (sum(moved for _, moved, _ in found) * v["joules_per_byte"]) / (
        sum(flops for _, _, flops in found) * v["joules_per_flop"]
    )


def _matrices() -> list[tuple[Op, float, float]]:
    """Matrix products of a decode step of one request, with bytes of parameters and FLOPs."""
    from drivetrain.arch.step import Step
    from drivetrain.cost.roofline import dot, features

    step = Step(decode=1.0, expert_tokens=1.0, within=lambda _span: (500.0, 0.0, 0.0))
    ops = [op for op in replica(LARGE, H100, "tp4", 500.0, 500.0).deployment.cut.ops if op.kind == "gemm"]
    return [(op, dot(op.weights, features(op, step)), dot(op.flops, features(op, step))) for op in ops]


def _bytes_verdict(c: Computed, v: Values) -> Verdict:
    both = min(c.value, even_in_energy(v))
    if both <= v["few"]:
        return "wrong"
    return "holds" if both > v["many"] else "holds under conditions"


def _bytes_evidence(c: Computed, v: Values) -> str:
    energy = even_in_energy(v)
    return (
        f"Llama 3.1 70B on H100 at batch {v['few']:g}: moving parameters takes {c.value / v['few']:.0f} times as long "
        f"as the arithmetic and {energy / v['few']:.0f} times the energy. Parameters are read once for all requests, "
        f"so both fall as one over the batch: time is even at {c.value:.0f}, energy at about {energy:.0f}; at "
        f"{v['many']:g} arithmetic takes {v['many'] / c.value:.1f} times as long."
    )


register(Check(
    id="A55", quantity="batch at which arithmetic takes as long as moving parameters", unit="requests",
    inputs=_bytes_inputs, compute=crossover_batch, judge=_bytes_verdict, evidence=_bytes_evidence,
    command="drivetrain claims A55", moved={"flops": 0.02},
))  # fmt: skip


# A56: HBM among the resources of a replica


def _gate_inputs() -> Mapping[str, Input]:
    return {
        "tpot_s": choice(0.05, "s", "p95 that users accept, 20 tokens/s", 0.02, 0.1),
        "input_tokens": choice(1000, "tok", "a chat with some history", 300, 8000),
        "half": choice(0.5, "1", "more than all other resources together"),
    }


def hbm_frac_of_marginals(v: Values) -> float:
    """Share of HBM (bandwidth and capacity) in what a tenth more of each resource gives a replica within its target."""
    gains = resource_gains(v)
    hbm = gains["hbm_bandwidth"] + gains["hbm_capacity"]
    return hbm / sum(gains.values())


def resource_gains(v: Values) -> dict[str, float]:
    """Gain in requests/s within the target for a tenth more of each resource."""
    from drivetrain.serving.marginal import marginals
    from drivetrain.serving.slo import parse_slo

    slo = f"tpot_p95={v['tpot_s']}s"
    ready = replica(LARGE, H100, "tp4", v["input_tokens"], 500.0)
    found = marginals(ready, parse_slo(slo), full_rate(ready, slo))
    if not found:
        raise InfeasibleError(f"no rate keeps a TPOT p95 of {show(v['tpot_s'], 's')} there.")
    return {gain.resource: max(gain.capacity_gain_frac, 0.0) for gain in found}


def _gate_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["half"]:
        return "holds"
    return "holds under conditions" if c.high >= v["half"] else "too loose"


def _gate_evidence(c: Computed, v: Values) -> str:
    told = ", ".join(
        f"{name.replace('_', ' ').replace('hbm', 'HBM')} {gain:.1%}" for name, gain in resource_gains(v).items()
    )
    tight, relaxed = (hbm_frac_of_marginals({**v, "tpot_s": limit}) for limit in (0.02, 0.1))
    return (
        f"Llama 3.1 70B on four H100 at a TPOT p95 of {show(v['tpot_s'], 's')}: a tenth more gives {told}; HBM is "
        f"{c.value:.0%} of it, {tight:.0%} at 20 ms and {relaxed:.0%} at 100 ms. It gates fast answers and long "
        "contexts; at relaxed latency arithmetic matters as much."
    )


register(Check(
    id="A56", quantity="share of HBM in what a tenth more of every resource gives", unit="share",
    inputs=_gate_inputs, compute=hbm_frac_of_marginals, judge=_gate_verdict, evidence=_gate_evidence,
    command="drivetrain claims A56 --set tpot_s=50ms", moved={"tpot_s": 0.022},
))  # fmt: skip
