"""Essay 004, shares of inference and the hours it runs, as the outlook has them (B13, B27, B29, B36)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed
from drivetrain.insight.claims.outlooks import Floats, median, outlook_inputs, ran, ranges, ratio, tokens_ratio

ESSAY = "004"


# B13: the share of inference in what is added


def _added_inputs() -> Mapping[str, Input]:
    return outlook_inputs(draws_needed=choice(0.9, "share", "in nearly all draws"))


def _added(v: Values) -> Floats:
    years = ran(v).years
    inference = years[-1].compute_flop["inference"] - years[0].compute_flop["inference"]
    return np.asarray(inference / (years[-1].total_flop - years[0].total_flop))


def added_share(v: Values) -> float:
    """Share of inference in the compute added from 2026 to 2030, the middle draw."""
    return median(_added(v))


def _rising(v: Values) -> float:
    """Share of draws in which inference has more of what is added than of what there is."""
    return float((_added(v) > ran(v).years[0].inference_frac).mean())


def _added_verdict(_c: Computed, v: Values) -> Verdict:
    rising = _rising(v)
    if rising < 0.5:
        return "wrong"
    return "holds" if rising >= v["draws_needed"] else "holds under conditions"


def _added_evidence(c: Computed, v: Values) -> str:
    return (
        f"Inference is {median(ran(v).years[0].inference_frac):.0%} of compute in 2026 and {c.value:.0%} of what is "
        f"added until 2030 ({ranges(c, _added(v), '.0%')}), more than its share in {_rising(v):.0%} of draws, "
        f"where training asks for {v['training_growth']:.1f} times as much a year at the start."
    )


register(Check(
    id="B13", quantity="share of inference in the compute added from 2026 to 2030", unit="share",
    inputs=_added_inputs, compute=added_share, judge=_added_verdict, evidence=_added_evidence,
    command="drivetrain claims B13", moved={"training_growth": 4.0},
))  # fmt: skip


# B27: more deployment, more hours


def _hours_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        same=choice(1.0, "1", "as many hours as in 2026"), draws_needed=choice(0.9, "share", "in nearly all draws")
    )


def _hours(v: Values) -> Floats:
    years = ran(v).years
    return np.asarray(years[-1].units["inference"] / years[0].units["inference"])


def hours_ratio(v: Values) -> float:
    """Unit-hours (one H100 with the software of 2026) that serve in 2030 over 2026, gains of software subtracted."""
    return median(_hours(v))


def _hours_verdict(c: Computed, v: Values) -> Verdict:
    more = float((_hours(v) > v["same"]).mean())
    if more >= v["draws_needed"] and c.low > v["same"]:
        return "holds"
    return "holds under conditions" if c.value > v["same"] else "wrong"


def _hours_evidence(c: Computed, v: Values) -> str:
    tokens = median(tokens_ratio(ran(v)))
    return (
        f"Tokens grow {tokens:.0f} times from 2026 to 2030 and the unit-hours that serve {c.value:.1f} times, for each "
        f"serves {tokens / c.value:.1f} times the tokens by then; more hours in "
        f"{float((_hours(v) > v['same']).mean()):.0%} of draws. Hours rise as long as tokens outgrow efficiency."
    )


register(Check(
    id="B27", quantity="hours of serving in 2030 over 2026, in units of an H100 of 2026", unit="1",
    inputs=_hours_inputs, compute=hours_ratio, judge=_hours_verdict, evidence=_hours_evidence,
    command="drivetrain claims B27", moved={"adoption_speed": 0.01, "training_growth": 6.0, "shrink_per_year": 20.0},
))  # fmt: skip


# B29: HBM in serving fleets


def _hbm_inputs() -> Mapping[str, Input]:
    return outlook_inputs(most=choice(0.5, "share", "more than half"), same=choice(1.0, "1", "as much as in 2026"))


def hbm_serving(v: Values) -> float:
    """Share of the HBM at work that serves at the end of 2030: that of compute, both sharing the fleet."""
    return median(ran(v).years[-1].inference_frac)


def _hbm_verdict(c: Computed, v: Values) -> Verdict:
    grown = median(ratio(ran(v), "hbm_bytes"))
    if grown <= v["same"] or c.value < v["most"]:
        return "wrong"
    return "holds" if c.low >= v["most"] else "holds under conditions"


def _hbm_evidence(c: Computed, v: Values) -> str:
    outlook = ran(v)
    return (
        f"Installed HBM grows {median(ratio(outlook, 'hbm_bytes')):.1f} times from 2026 to 2030; "
        f"{median(outlook.years[0].inference_frac):.0%} of what is at work serves in 2026 and {c.value:.0%} in 2030. "
        "Training and serving share one fleet in the model, so memory goes with compute."
    )


register(Check(
    id="B29", quantity="share of HBM at work that serves in 2030", unit="share",
    inputs=_hbm_inputs, compute=hbm_serving, judge=_hbm_verdict, evidence=_hbm_evidence,
    command="drivetrain claims B29", moved={"training_growth": 5.0},
))  # fmt: skip


# B36: dominant by volume


def _dominant_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        claimed_share=claimed(0.5, "share", ESSAY), draws_needed=choice(0.9, "share", "in nearly all draws")
    )


def inference_share(v: Values) -> float:
    """Share of inference in compute in 2030, the middle draw."""
    return median(ran(v).years[-1].inference_frac)


def _dominant(v: Values) -> float:
    return float((ran(v).years[-1].inference_frac > v["claimed_share"]).mean())


def _dominant_verdict(c: Computed, v: Values) -> Verdict:
    if _dominant(v) >= v["draws_needed"] and c.low > v["claimed_share"]:
        return "holds"
    return "holds under conditions" if c.value > v["claimed_share"] else "wrong"


def _dominant_evidence(c: Computed, v: Values) -> str:
    return (
        f"{c.value:.0%} of compute serves in 2030 ({ranges(c, ran(v).years[-1].inference_frac, '.0%')}), more than "
        f"half in {_dominant(v):.0%} of draws; {v['inference_start']:.0%} at the start of 2026 is an "
        "assumption after Deloitte."
    )


register(Check(
    id="B36", quantity="share of inference in compute in 2030", unit="share",
    inputs=_dominant_inputs, compute=inference_share, judge=_dominant_verdict, evidence=_dominant_evidence,
    command="drivetrain claims B36", moved={"training_growth": 5.0},
))  # fmt: skip
