"""Inference hardware: precision, the choice of accelerator, links, HBM4 (A08, A11, A15, A32).

All but HBM4 are predictions of the serving model for Llama 3.1 70B.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.inference_phase import H100, MODEL, SLO, chat
from drivetrain.insight.claims.inputs import choice, claimed, of_economic
from drivetrain.insight.claims.replica import cost, explained, full_rate, replica, tpot_s
from drivetrain.insight.claims.sourced import price_input

# A11: what precision is worth ----------------------------------------------------------------------------------------


def _precision_inputs() -> Mapping[str, Input]:
    return {
        **chat(500, 4000), "weight_bits": choice(8, "bits", "fp8 weights of a published checkpoint; 4 or 16", 4, 8),
        "narrows": choice(1.25, "1", "a quarter more from the same hardware"),
    }  # fmt: skip


def rate_per_accelerator(v: Values, bits: float) -> float:
    """Requests/s of an H100 at the best of four layouts with weights of ``bits``."""
    from drivetrain.errors import DoesNotFitError

    weights = {4: "int4", 8: "fp8"}.get(int(bits), "shipped")
    best = 0.0
    for n in (1, 2, 4, 8):
        try:
            found = replica(MODEL, H100, f"tp{n}", v["input_tokens"], v["output_tokens"], weights=weights)
        except DoesNotFitError:
            continue
        best = max(best, full_rate(found, SLO) / n)
    return best


def _judge_precision(c: Computed, v: Values) -> Verdict:
    if c.value < v["narrows"]:
        return "wrong"
    return "holds" if c.low >= v["narrows"] else "holds under conditions"


def _told_precision(c: Computed, v: Values) -> str:
    narrow, plain = rate_per_accelerator(v, v["weight_bits"]), rate_per_accelerator(v, 16)
    return (
        f"With {v['weight_bits']:.0f}-bit weights an H100 serves {narrow:.2f} requests/s of Llama 3.1 70B within the "
        f"same latency, with 16-bit weights {plain:.2f}: {c.value:.2f} times as many ({c.low:.2f} to {c.high:.2f}). "
        "Only quantisation is tested here; what it does to answers is another matter."
    )


register(Check(
    id="A11", quantity="requests per accelerator with quantised over 16-bit weights", unit="1",
    inputs=_precision_inputs, compute=lambda v: rate_per_accelerator(v, v["weight_bits"]) / rate_per_accelerator(v, 16),
    judge=_judge_precision, evidence=_told_precision,
    command="drivetrain claims A11 --set weight_bits=8", moved={"weight_bits": 16},
))  # fmt: skip


# A15: what hardware decides ------------------------------------------------------------------------------------------

_LAYOUTS = {"a100-sxm-80gb": "tp4", H100: "tp4", "h200-sxm-141gb": "tp2", "b200-sxm-180gb": "tp2", "mi300x": "tp2"}


def _hardware_inputs() -> Mapping[str, Input]:
    prices = {f"usd_per_hour_{name.split('-')[0]}": price_input(name) for name in _LAYOUTS}
    return {**prices, **chat(500, 4000), "decides": choice(2.0, "1", "twice the cost for the same service")}


def usd_by_part(v: Values) -> dict[str, float]:
    """USD per million output tokens at full load within the SLO, by accelerator."""
    lengths = v["input_tokens"], v["output_tokens"]
    return {name: cost(MODEL, name, layout, *lengths, SLO, v[f"usd_per_hour_{name.split('-')[0]}"])
            for name, layout in _LAYOUTS.items()}  # fmt: skip


def dearest_over_cheapest(v: Values) -> float:
    """Cost on the dearest of five accelerators over that on the cheapest."""
    found = usd_by_part(v)
    return max(found.values()) / min(found.values())


def _judge_hardware(c: Computed, v: Values) -> Verdict:
    if c.value < v["decides"]:
        return "too loose"
    return "holds" if c.low >= v["decides"] else "holds under conditions"


def _told_hardware(c: Computed, v: Values) -> str:
    found = usd_by_part(v)
    low, high = min(found, key=lambda name: found[name]), max(found, key=lambda name: found[name])
    paces = [1.0 / tpot_s(replica(MODEL, name, layout, v["input_tokens"], v["output_tokens"]), 16)
             for name, layout in _LAYOUTS.items()]  # fmt: skip
    return (
        f"The same model within the same latency costs ${found[low]:.2f} a million output tokens on {low} and "
        f"${found[high]:.2f} on {high}, {c.value:.1f} times as much; at 16 requests a user sees {min(paces):.0f} to "
        f"{max(paces):.0f} tokens/s on five accelerators."
    )


register(Check(
    id="A15", quantity="cost of a token on the dearest over the cheapest of five accelerators", unit="1",
    inputs=_hardware_inputs, compute=dearest_over_cheapest, judge=_judge_hardware, evidence=_told_hardware,
    command="drivetrain claims A15 --set input_tokens=1000",
    moved={"usd_per_hour_a100": 0.55, "usd_per_hour_mi300x": 1.2},
))  # fmt: skip


# A32: networking in inference ----------------------------------------------------------------------------------------


def _links_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue.wan import place, round_trip_s

    trip = round_trip_s(place("us"), place("eu"))
    far = round_trip_s(place("us"), place("singapore"))
    near = round_trip_s(place("us"), place("us-central"))
    return {
        "round_trip_s": Input(trip, "s", "azure-rtt: Virginia to the Netherlands", near, far),
        "batch": choice(16, "requests", "an interactive load", 1, 64), **chat(500, 4000),
        "equal": choice(1.0, "1", "links of the instance take longer than the way to another region"),
    }  # fmt: skip


def inside_over_between(v: Values) -> float:
    """Time of an answer on the links of its instance over one round trip between regions."""
    used = explained(replica(MODEL, H100, "tp4", v["input_tokens"], v["output_tokens"]), v["batch"])
    return used.breakdown_s["network"] * v["output_tokens"] / v["round_trip_s"]


def _judge_links(c: Computed, v: Values) -> Verdict:
    return "too loose" if c.value >= v["equal"] else "holds"


def _told_links(c: Computed, v: Values) -> str:
    return (
        f"An answer of {v['output_tokens']:.0f} tokens spends {c.value * v['round_trip_s']:.2f} s on the links between "
        f"the four H100 that compute it, {c.value:.1f} times the {1e3 * v['round_trip_s']:.0f} ms to another region "
        f"and back ({c.low:.1f} to {c.high:.1f})."
    )


register(Check(
    id="A32", quantity="time of an answer on its instance's links over a round trip between regions", unit="1",
    inputs=_links_inputs, compute=inside_over_between, judge=_judge_links, evidence=_told_links,
    command="drivetrain claims A32 --set output_tokens=300",
    moved={"output_tokens": 20, "input_tokens": 100, "batch": 1},
))  # fmt: skip


# A08: HBM4 -----------------------------------------------------------------------------------------------------------


def _hbm4_inputs() -> Mapping[str, Input]:
    return {
        "width_bits": of_economic("hbm4_width_bits", "bits"),
        "pin_bytes_per_s": of_economic("hbm4_pin_rate", "bytes/s"),
        "claimed_bytes_per_s": claimed(2e12, "bytes/s"),
        "roughly": choice(0.1, "1", "how far off 'roughly' may be"),
    }


def stack_bandwidth(v: Values) -> float:
    """Bytes/s of one stack: pins times their rate."""
    return v["width_bits"] * v["pin_bytes_per_s"]


def _judge_hbm4(c: Computed, v: Values) -> Verdict:
    least, most = ((1.0 + sign * v["roughly"]) * v["claimed_bytes_per_s"] for sign in (-1.0, 1.0))
    if least <= c.value <= most:
        return "holds"
    if c.low <= most and c.high >= least:
        return "holds under conditions"
    return "outdated" if c.value > most else "wrong"


def _told_hbm4(c: Computed, v: Values) -> str:
    return (
        f"{v['width_bits']:.0f} pins at {8 * v['pin_bytes_per_s'] / 1e9:.1f} Gbit/s are {c.value / 1e12:.2f} TB/s "
        f"({c.low / 1e12:.2f} to {c.high / 1e12:.2f}) for one stack: 2 TB/s is one stack at the standard's 8 "
        "Gbit/s, so the claim needs 'per stack'."
    )


register(Check(
    id="A08", quantity="bandwidth of one HBM4 stack", unit="bytes/s",
    inputs=_hbm4_inputs, compute=stack_bandwidth, judge=_judge_hbm4, evidence=_told_hbm4,
    command="drivetrain claims A08 --set width_bits=2048", moved={"pin_bytes_per_s": 2e9},
))  # fmt: skip
