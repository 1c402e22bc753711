"""Essay 004, the simple stories: more of everything, and one line into the future (B38, B47)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.demand_elasticity import served
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.outlooks import median, outlook_inputs, ran, span

# B38: more of everything


def _everything_inputs() -> Mapping[str, Input]:
    found = outlook_inputs(
        ranged=("adoption_speed",),
        much=choice(2.7, "1", "training asks for this many times as much a year at the start: the catalogue's high"),
        little=choice(1.2, "1", "the catalogue's low"),
        as_much=choice(1.0, "1", "serving is what it was"),
    )
    return {name: item for name, item in found.items() if name != "training_growth"}


def serving_beside_training(v: Values) -> float:
    """Compute that serves to 2030 with much frontier training over that with little, the middle draw."""
    return median(served({**v, "training_growth": v["much"]}) / served({**v, "training_growth": v["little"]}))


def _everything_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["as_much"]:
        return "holds"
    return "holds under conditions" if c.value < v["as_much"] else "wrong"


def _everything_evidence(c: Computed, v: Values) -> str:
    much, little = ({**v, "training_growth": v[name]} for name in ("much", "little"))
    rent = median(ran(much).years[-1].rent_usd_per_hour / ran(little).years[-1].rent_usd_per_hour)
    power = median(ran(much).years[-1].power_w / ran(little).years[-1].power_w)
    return (
        f"With training that asks for {v['much']:.1f} instead of {v['little']:.1f} times as much a year, serving gets "
        f"{c.value:.2f} of the compute to 2030, an hour rents for {rent:.1f} times as much and the fleet draws "
        f"{power:.2f} times the power: under limits of supply one displaces the other."
    )


register(Check(
    id="B38", quantity="compute that serves to 2030 with much frontier training over that with little", unit="1",
    inputs=_everything_inputs, compute=serving_beside_training, judge=_everything_verdict,
    evidence=_everything_evidence, command="drivetrain claims B38 --set much=2.7", moved={"much": 1.0},
))  # fmt: skip


# B47: one line


def _line_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        wide=choice(2.0, "1", "a range in which the high end is twice the low one"),
        tail=choice(0.1, "share", "draws left out at either end"),
    )


def width(v: Values) -> float:
    """Compute of 2030, its high over its low end with a tenth of the draws left out at either."""
    low, high = np.quantile(ran(v).years[-1].total_flop, [v["tail"], 1.0 - v["tail"]])
    return float(high / low)


def _line_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["wide"]:
        return "holds"
    return "holds under conditions" if c.high >= v["wide"] else "wrong"


def _line_evidence(c: Computed, v: Values) -> str:
    last = ran(v).years[-1]
    (low, high), (less, more) = span(last.spend_usd), span(last.inference_frac)
    return (
        f"Compute of 2030 lies {c.value:.1f} times apart with {v['tail']:.0%} of draws left out at either end; between "
        f"the 10th and the 90th percentile spending lies {high / low:.1f} times apart and inference's share from "
        f"{less:.0%} to {more:.0%}, before anybody doubts the model's form."
    )


register(Check(
    id="B47", quantity="compute of 2030, 90th over 10th percentile of draws", unit="1",
    inputs=_line_inputs, compute=width, judge=_line_verdict, evidence=_line_evidence,
    command="drivetrain claims B47 --set tail=0.1", moved={"tail": 0.4},
))  # fmt: skip
