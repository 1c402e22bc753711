"""Essay 004, under which conditions the view fails, and how far they are met (B40 to B43).

Each has a series that tells whether the condition is there, and a switch of the outlook that tells what it would do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.outlooks import KEPT, Outlook, median, outlook_inputs, point, ran, ratio, tokens_ratio


def _with(v: Values, switch: str) -> tuple[Outlook, Outlook]:
    """The outlook, and the outlook with a condition switched on."""
    return ran(v), ran(v, (switch,))


# B40: one-time gains


def _flat_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("training_growth", "adoption_speed"),
        price_before=point("matched-model-price", "2025-09"),
        price_after=point("matched-model-price", "2026-09"),
        floor_before=point("price-floor-30", "2026-01"),
        floor_after=point("price-floor-30", "2026-09"),
        weakens=choice(0.8, "1", "a fifth fewer tokens than otherwise"),
    )


def flat_tokens(v: Values) -> float:
    """Growth of tokens to 2030 where efficiency flattens over that where it does not, the middle draw."""
    base, flat = _with(v, "efficiency-flattens")
    return median(tokens_ratio(flat) / tokens_ratio(base))


def _flat_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["weakens"]:
        return "wrong"
    return "holds" if c.high < v["weakens"] else "holds under conditions"


def _flat_evidence(c: Computed, v: Values) -> str:
    index = v["price_after"] / v["price_before"] - 1.0
    floor = v["floor_before"] / v["floor_after"]
    base, flat = _with(v, "efficiency-flattens")
    return (
        f"With gains that flatten tokens grow {median(tokens_ratio(flat)):.0f} instead of "
        f"{median(tokens_ratio(base)):.0f} times to 2030, {c.value:.2f} of it. The series to watch: prices of the same "
        f"models moved {index:+.0%} from September 2025 to September 2026, the cheapest model of index 30 or more got "
        f"{floor:.0f} times cheaper in eight months of 2026."
    )


register(Check(
    id="B40", quantity="growth of tokens to 2030 where efficiency flattens over that where it does not", unit="1",
    inputs=_flat_inputs, compute=flat_tokens, judge=_flat_verdict, evidence=_flat_evidence,
    command="drivetrain claims B40", moved={"shrink_per_year": 0.2},
))  # fmt: skip


# B41: adoption that stalls


def _pilots_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("training_growth", "adoption_speed"),
        firms_first=point("btos-ai-use", "2023-09"),
        firms_last=point("btos-ai-use", "2024-10"),
        weakens=choice(0.8, "1", "a fifth less than otherwise"),
    )


def stalled_spend(v: Values) -> float:
    """What is spent on compute in 2030 where adoption stalls over what is where it does not, the middle draw."""
    base, stalled = _with(v, "adoption-fails")
    return median(stalled.years[-1].spend_usd / base.years[-1].spend_usd)


def _pilots_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["weakens"]:
        return "holds"
    return "holds under conditions" if c.value < v["weakens"] else "wrong"


def _pilots_evidence(c: Computed, v: Values) -> str:
    base, stalled = _with(v, "adoption-fails")
    years = (12 + 1) / 12.0
    rate = math.log(v["firms_last"] / v["firms_first"]) / years
    return (
        f"With pilots that do not convert {c.value:.2f} of the money is spent on compute in 2030, tokens grow "
        f"{median(tokens_ratio(stalled)):.0f} instead of {median(tokens_ratio(base)):.0f} times and compute still "
        f"{median(ratio(stalled, 'total_flop')):.1f} times. The series to watch: firms that use AI rose from "
        f"{v['firms_first']:.1%} to {v['firms_last']:.1%} by October 2024, {math.exp(rate) - 1.0:.0%} a year, before "
        "the question changed."
    )


register(Check(
    id="B41", quantity="spending on compute in 2030 where adoption stalls over that where it does not", unit="1",
    inputs=_pilots_inputs, compute=stalled_spend, judge=_pilots_verdict, evidence=_pilots_evidence,
    command="drivetrain claims B41", moved={"adoption_speed": 0.001},
))  # fmt: skip


# B42: training that outgrows inference


def _outgrows_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("inference_start", "adoption_speed"),
        share_2023=point("inference-share", "2023-12"),
        share_2025=point("inference-share", "2025-12"),
        half=choice(0.5, "share", "inference is no longer most of it"),
    )


def outgrown_share(v: Values) -> float:
    """Share of inference in compute in 2030 where training keeps outgrowing it, the middle draw."""
    _, outgrown = _with(v, "training-outgrows")
    return median(outgrown.years[-1].inference_frac)


def _outgrows_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["half"]:
        return "holds"
    return "holds under conditions" if c.low < v["half"] else "wrong"


def _outgrows_evidence(c: Computed, v: Values) -> str:
    base, _ = _with(v, "training-outgrows")
    return (
        f"With training at the growth of all compute of late, inference has {c.value:.0%} of compute in 2030 instead "
        f"of {median(base.years[-1].inference_frac):.0%}. The series to watch, itself a projection: inference "
        f"from {v['share_2023']:.0%} in 2023 to {v['share_2025']:.0%} in 2025."
    )


register(Check(
    id="B42", quantity="share of inference in 2030 where training outgrows it", unit="share",
    inputs=_outgrows_inputs, compute=outgrown_share, judge=_outgrows_verdict, evidence=_outgrows_evidence,
    command="drivetrain claims B42", moved={"inference_start": 0.97, "adoption_speed": 5.0},
))  # fmt: skip


# B43: commodity hardware


def _commodity_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("training_growth",),
        kept=choice(0.75, "1", "of all tasks a quarter leaves data centres each year", 0.6, 0.9),
        weakens=choice(0.8, "1", "a fifth less compute in data centres than otherwise"),
    )


def commodity_compute(v: Values) -> float:
    """Compute that serves in data centres in 2030 where tasks leave for commodity hardware, over that without."""
    return median(_left(v).years[-1].compute_flop["inference"] / ran(v).years[-1].compute_flop["inference"])


def _left(v: Values) -> Outlook:
    return ran({**v, KEPT: v["kept"]})


def _commodity_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["weakens"]:
        return "holds"
    return "holds under conditions" if c.low < v["weakens"] else "too loose"


def _commodity_evidence(c: Computed, v: Values) -> str:
    base, left, some = ran(v), _left(v), ran(v, ("commodity-serves",))
    money = median(left.years[-1].spend_usd / base.years[-1].spend_usd)
    narrow = median(some.years[-1].compute_flop["inference"] / base.years[-1].compute_flop["inference"])
    return (
        f"With {1.0 - v['kept']:.0%} of all tasks leaving data centres each year {c.value:.2f} of the compute serves "
        f"there in 2030 and {money:.2f} of the money is spent; cheaper compute finds other use. If only conversation, "
        f"retrieval, support and summaries leave at a quarter a year it is {narrow:.2f}. No series says how much is "
        "served on phones and CPUs."
    )


register(Check(
    id="B43", quantity="compute that serves in data centres in 2030 where tasks leave, over that without", unit="1",
    inputs=_commodity_inputs, compute=commodity_compute, judge=_commodity_verdict, evidence=_commodity_evidence,
    command="drivetrain claims B43 --set kept=0.75", moved={"kept": 0.99},
))  # fmt: skip
