"""Essay 004, what suppliers earn and what is scarce (B32, B34, B35)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.outlooks import Floats, median, outlook_inputs, point, ran, ranges, ratio, tokens_ratio
from drivetrain.insight.claims.sourced import price_input

H100 = "h100-sxm-80gb"


# B32: from tokens to revenue


def _revenue_inputs() -> Mapping[str, Input]:
    return outlook_inputs(one_for_one=choice(1.0, "1", "revenue grows as tokens do"))


def _conversion(v: Values) -> Floats:
    outlook = ran(v)
    return np.asarray(ratio(outlook, "capex_usd") / tokens_ratio(outlook))


def conversion(v: Values) -> float:
    """Growth of what infrastructure is bought for from 2026 to 2030 over growth of tokens: 1 is one for one."""
    return median(_conversion(v))


def _revenue_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["one_for_one"]:
        return "holds"
    return "holds under conditions" if c.value < v["one_for_one"] else "wrong"


def _revenue_evidence(c: Computed, v: Values) -> str:
    outlook = ran(v)
    return (
        f"Tokens grow {median(tokens_ratio(outlook)):.0f} times from 2026 to 2030, infrastructure bought in a year "
        f"{median(ratio(outlook, 'capex_usd')):.1f} times, {c.value:.2f} as much "
        f"({ranges(c, _conversion(v), '.2f')}). Capacity added times its price is what suppliers earn; gains of "
        "software, stock in place and limits stand between."
    )


register(Check(
    id="B32", quantity="growth of infrastructure revenue to 2030 over growth of tokens", unit="1",
    inputs=_revenue_inputs, compute=conversion, judge=_revenue_verdict, evidence=_revenue_evidence,
    command="drivetrain claims B32", moved={"adoption_speed": 0.001, "shrink_per_year": 1.0, "training_growth": 14.0},
))  # fmt: skip


# B34: scarcity in the time of training


def _scarce_inputs() -> Mapping[str, Input]:
    owner = price_input(H100)
    return {
        "rent_2023": point("h100-rental", "2023-06", 4.0, 8.0),
        "rent_2025": point("h100-rental", "2025-10"),
        "owner_usd_per_hour": replace(owner, value=owner.low or owner.value, low=None, high=None),
        "scarce": choice(2.0, "1", "rent twice what an hour costs its owner"),
    }


def scarcity(v: Values) -> float:
    """Rent of an H100 in mid 2023 over what an hour costs an owner with cheap capital."""
    return v["rent_2023"] / v["owner_usd_per_hour"]


def _scarce_verdict(c: Computed, v: Values) -> Verdict:
    """At most under conditions: the rent of one machine stands for that of a cluster."""
    if c.value < v["scarce"]:
        return "wrong"
    return "holds under conditions" if v["rent_2025"] / v["owner_usd_per_hour"] < v["scarce"] else "too loose"


def _scarce_evidence(c: Computed, v: Values) -> str:
    return (
        f"An H100 rented for {c.value:.1f} times an owner's cost in mid 2023 (${v['rent_2023']:.2f} an hour) and for "
        f"{v['rent_2025'] / v['owner_usd_per_hour']:.1f} times in October 2025. Rents are of single machines; what a "
        "whole cluster was worth beyond its parts is not public."
    )


register(Check(
    id="B34", quantity="rent of an H100 in mid 2023 over what an hour costs its owner", unit="1",
    inputs=_scarce_inputs, compute=scarcity, judge=_scarce_verdict, evidence=_scarce_evidence,
    command="drivetrain claims B34", moved={"rent_2023": 2.0},
))  # fmt: skip


# B35: what is scarce when inference dominates


_LIMIT = {"hbm": "HBM", "budget": "budgets", "demand": "nothing but demand"}


def _limits_inputs() -> Mapping[str, Input]:
    return outlook_inputs(most=choice(0.5, "share", "in most draws and quarters"))


def _binding(v: Values) -> Mapping[str, float]:
    found = ran(v).years[-1].binding_frac
    return {**found, "demand": max(0.0, 1.0 - sum(found.values()))}


def scarce_named(v: Values) -> float:
    """Share of draws and quarters of 2030 in which power or HBM hold supply back most, of what the essay names."""
    found = _binding(v)
    return found["power"] + found["hbm"]


def _limits_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["most"]:
        return "holds"
    named = {"power", "hbm"}
    first = max(_binding(v), key=lambda name: _binding(v)[name])
    return "holds under conditions" if c.high >= v["most"] or first in named else "wrong"


def _limits_evidence(c: Computed, v: Values) -> str:
    shares = sorted(_binding(v).items(), key=lambda row: -row[1])
    told = ", ".join(f"{_LIMIT.get(name, name)} {share:.0%}" for name, share in shares)
    return (
        f"What holds supply back most in 2030, by draws and quarters: {told}; power and HBM together {c.value:.0%} "
        f"({c.low:.0%} to {c.high:.0%} as inputs move one at a time). "
        "Where power binds, throughput per watt is what pays. Latency and software have no shadow price in the model: "
        "they are drivers of what a unit serves."
    )


register(Check(
    id="B35", quantity="share of draws and quarters of 2030 in which power or HBM binds", unit="share",
    inputs=_limits_inputs, compute=scarce_named, judge=_limits_verdict, evidence=_limits_evidence,
    command="drivetrain claims B35", moved={"training_growth": 0.2, "adoption_speed": 0.001, "inference_start": 0.9},
))  # fmt: skip
