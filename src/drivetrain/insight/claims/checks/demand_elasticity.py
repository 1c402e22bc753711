"""Essay 004, the question itself: does use outgrow efficiency (B22, B23, B44, B45). Not investment advice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.outlooks import (
    ADOPTION,
    DRAWS,
    Floats,
    Outlook,
    answered,
    median,
    outlook_inputs,
    ran,
    ranges,
    ratio,
)

_FAST, _SLOW = 2.0, 0.5


def elasticity(outlook: Outlook) -> Floats:
    """Long-run price elasticity of tokens in the last quarter, classes weighted by compute, by draw."""
    from drivetrain.demand.question import mean_elasticity

    return mean_elasticity(outlook.world, outlook.quarters[-1])


# B22: a question of elasticity


def _question_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("arrival_zeta", "shrink_per_year"),
        one=choice(1.0, "1", "the elasticity at which efficiency leaves compute as it is"),
    )


def mean_elasticity(v: Values) -> float:
    """The middle draw of the elasticity of all tokens in 2030."""
    return median(elasticity(ran(v)))


def _agrees(v: Values) -> bool:
    """Whether compute, with supply for whatever is paid, grows with efficiency just where elasticity is above 1."""
    return (mean_elasticity(v) > v["one"]) == (answered(v)["compute", False].p50 > 1.0)


def _question_verdict(c: Computed, v: Values) -> Verdict:
    if not _agrees(v):
        return "too loose"
    same = {answered(v)[name, False].p50 > 1.0 for name in ("compute", "dollars", "hbm", "power")}
    return "holds" if len(same) == 1 and not c.low < v["one"] < c.high else "holds under conditions"


def _question_evidence(c: Computed, v: Values) -> str:
    free, held = answered(v)["compute", False], answered(v)["compute", True]
    return (
        f"Elasticity, an output of eight classes, is {c.value:.2f} in 2030 ({ranges(c, elasticity(ran(v)), '.2f')}); "
        f"C ~ e^(1 - eps). Gains of software change compute to 2030 {free.p50:.2f} times where supply follows "
        f"({free.p10:.2f} to {free.p90:.2f} over draws) and {held.p50:.2f} times under the limits of supply."
    )


register(Check(
    id="B22", quantity="price elasticity of tokens in 2030, all classes, long run", unit="1",
    inputs=_question_inputs, compute=mean_elasticity, judge=_question_verdict, evidence=_question_evidence,
    command="drivetrain claims B22", moved={"arrival_zeta": 0.5},
))  # fmt: skip


# B23: the speed of adoption


def _speed_inputs() -> Mapping[str, Input]:
    found = outlook_inputs(
        ranged=("arrival_zeta",),
        fast=choice(_FAST, "1", "imitation twice as fast"),
        slow=choice(_SLOW, "1", "half as fast"),
        matters=choice(0.2, "1", "a fifth of all draws"),
    )
    return {name: item for name, item in found.items() if name != ADOPTION}


def speed_swing(v: Values) -> float:
    """Probability that gains of software raise compute to 2030, fast adoption less slow."""
    return _probability(v, "fast") - _probability(v, "slow")


def _probability(v: Values, speed: str) -> float:
    return answered({**v, ADOPTION: v[speed]})["compute", True].probability


def served(v: Values) -> Floats:
    """Compute that serves to 2030, by draw."""
    return np.asarray(np.sum([one.compute_flop["inference"] for one in ran(v).years], axis=0))


def _spent(v: Values) -> Floats:
    return np.asarray(np.sum([one.spend_usd for one in ran(v).years], axis=0))


def _speed_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["matters"]:
        return "holds"
    return "holds under conditions" if c.high >= v["matters"] else "too loose"


def _speed_evidence(c: Computed, v: Values) -> str:
    fast, slow = {**v, ADOPTION: v["fast"]}, {**v, ADOPTION: v["slow"]}
    money, work = median(_spent(fast) / _spent(slow)), median(served(fast) / served(slow))
    return (
        f"Gains of software raise the compute used to 2030 in {_probability(v, 'slow'):.0%} of draws with adoption at "
        f"{v['slow']:.1f} times the speed and in {_probability(v, 'fast'):.0%} at {v['fast']:.1f} times: "
        f"{c.value:+.0%}. How much is served changes {work:.2f} times and what is spent on compute {money:.2f} times."
    )


register(Check(
    id="B23", quantity="probability that gains of software raise compute, adoption twice less half as fast", unit="1",
    inputs=_speed_inputs, compute=speed_swing, judge=_speed_verdict, evidence=_speed_evidence,
    command="drivetrain claims B23 --set fast=2", moved={"fast": 5.0, "slow": 0.001, "arrival_zeta": 0.5},
))  # fmt: skip


# B44: cheaper units, more units


def _sign_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("arrival_zeta", "shrink_per_year"),
        same=choice(1.0, "1", "as many tokens"),
        sure=choice(0.9, "share", "nearly all draws"),
    )


def _more_tokens(v: Values) -> Floats:
    gains, none = (np.sum([one.tokens.sum(axis=0) for one in ran(v, frozen=frozen).years], axis=0)
                   for frozen in (False, True))  # fmt: skip
    return np.asarray(gains / none)


def tokens_gained(v: Values) -> float:
    """Tokens to 2030 with gains of software over those without, the middle draw."""
    return median(_more_tokens(v))


def _sign_verdict(c: Computed, v: Values) -> Verdict:
    more = float((_more_tokens(v) > v["same"]).mean())
    if more >= v["sure"] and c.low > v["same"]:
        return "holds"
    return "holds under conditions" if c.value > v["same"] else "wrong"


def _sign_evidence(c: Computed, v: Values) -> str:
    outlook = ran(v)
    cheaper = median(outlook.years[-1].price_usd_per_token / ran(v, frozen=True).years[-1].price_usd_per_token)
    return (
        f"With gains of software a token of 2030 costs {cheaper:.2f} times what it costs without, and {c.value:.1f} "
        f"times as many tokens are served from 2026 to 2030; more in "
        f"{float((_more_tokens(v) > v['same']).mean()):.0%} of draws."
    )


register(Check(
    id="B44", quantity="tokens served to 2030 with gains of software over those without", unit="1",
    inputs=_sign_inputs, compute=tokens_gained, judge=_sign_verdict, evidence=_sign_evidence,
    command="drivetrain claims B44", moved={"shrink_per_year": 0.3},
))  # fmt: skip


# B45: open


def _open_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("arrival_zeta", "shrink_per_year"),
        sure=choice(0.95, "probability", "a question is settled above this, or below one less this"),
    )


def probability_grows(v: Values) -> float:
    """Share of draws in which gains of software raise the compute used to 2030, under the limits of supply."""
    return answered(v)["compute", True].probability


def _open(value: float, v: Values) -> bool:
    return 1.0 - v["sure"] < value < v["sure"]


def _open_verdict(c: Computed, v: Values) -> Verdict:
    """Open under the limits of supply and without them: holds; open under one of them: under conditions."""
    cases = [_open(c.value, v), _open(answered(v)["compute", False].probability, v)]
    return "holds" if all(cases) else "holds under conditions" if any(cases) else "wrong"


_USED = {"compute": "compute", "dollars": "rent paid", "hbm": "HBM bought", "power": "power"}


def _open_evidence(c: Computed, v: Values) -> str:
    rows = answered(v)
    told = ", ".join(f"{said} {rows[name, True].probability:.0%} ({rows[name, False].probability:.0%})"
                     for name, said in _USED.items())  # fmt: skip
    more = float((ratio(ran(v), "total_flop") > 1.0).mean())
    return (
        f"Share of {DRAWS} draws in which gains of software raise what is used to 2030, under limits of supply "
        f"(without them): {told}; for compute {c.low:.0%} to {c.high:.0%} as inputs move one at a time. "
        f"Another question is whether compute grows at all: it does from 2026 to 2030 in {more:.0%} of draws. These "
        "are odds under stated assumptions."
    )


register(Check(
    id="B45", quantity="probability that gains of software raise the compute used to 2030", unit="probability",
    inputs=_open_inputs, compute=probability_grows, judge=_open_verdict, evidence=_open_evidence,
    command="drivetrain claims B45",
    moved={"adoption_speed": 0.001, "arrival_zeta": 0.0, "training_growth": 0.2, "inference_start": 0.2},
))  # fmt: skip
