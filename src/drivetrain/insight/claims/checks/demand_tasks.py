"""Essay 004, tasks: what falling prices of tokens make worth doing, class by class (B17 to B21).

A task is worth doing where its value exceeds tokens times price plus what integrating and checking it costs; values
are spread as in :mod:`drivetrain.demand.value`. Tokens, values and models are those of the start of 2026 in every
year, so that the price alone moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.outlooks import point

FIRST_MONTH = "2023-07"
_OF_CLASS = ("value_usd", "value_sigma", "input_tokens", "output_tokens", "integration_usd")
HALF = choice(0.5, "share", "most of the tasks")


@lru_cache
def prices(name: str) -> tuple[float, float]:
    """USD per token of a class at the start of 2026 and at the end of 2030, the outlook at its mids."""
    from drivetrain.demand.outlook import run
    from drivetrain.demand.world import central, quantities, world

    found = world(central(quantities()), 2031.0)
    c = [one.name for one in found.tasks].index(name)
    return float(found.states.price_start[c, 0]), float(run(found)[-1].asked.prices[c, 0])


def class_inputs(name: str) -> dict[str, Input]:
    """What a task of a class is worth and takes."""
    from drivetrain.catalogue.spreads import spreads

    known = spreads("demand")
    found = {}
    for key in _OF_CLASS:
        one = known[f"{name}.{key}"]
        found[key] = Input(one.mid, one.dimension, f"{one.stated.source}, {one.stated.seen}", one.low, one.high)
    return found


def price_inputs(name: str) -> dict[str, Input]:
    """The list price of 2023 of the cheapest model that was good enough, and the outlook's of 2026 and 2030."""
    now, later = prices(name)
    return {
        "usd_per_token_2023": point("price-floor-06", FIRST_MONTH),
        "usd_per_token_2026": Input(now, "USD/tok", "catalogue: demand model at the start of 2026", now / 2, now * 4),
        "usd_per_token_2030": Input(later, "USD/tok", "catalogue: outlook at its mids"),
    }


def viable(v: Values, usd_per_token: float) -> float:
    """Share of the tasks of a class that are worth doing at a price."""
    from drivetrain.demand.value import viable_frac

    tokens = v["input_tokens"] + v["output_tokens"]
    found = viable_frac(usd_per_token, tokens, v["integration_usd"], math.log(v["value_usd"]), v["value_sigma"])
    return float(found)


def viable_now(v: Values) -> float:
    """The share at the price of 2026."""
    return viable(v, v["usd_per_token_2026"])


# B17, B19, B20: classes that were too dear


def _viable_inputs(name: str) -> Callable[[], Mapping[str, Input]]:
    return lambda: {**class_inputs(name), **price_inputs(name), "half": HALF}


def _viable_verdict(c: Computed, v: Values) -> Verdict:
    """Not viable before and viable now: holds; viable before: the price of tokens is not what held it back."""
    if c.value < v["half"]:
        return "wrong"
    if viable(v, v["usd_per_token_2023"]) >= v["half"]:
        return "too loose"
    return "holds" if c.low >= v["half"] else "holds under conditions"


def _viable_evidence(c: Computed, v: Values) -> str:
    tokens = v["input_tokens"] + v["output_tokens"]
    before, later = viable(v, v["usd_per_token_2023"]), viable(v, v["usd_per_token_2030"])
    return (
        f"A task of {tokens:,.0f} tokens worth ${v['value_usd']:.2f} in the middle, with ${v['integration_usd']:.2f} "
        f"of integration and checking, costs ${tokens * v['usd_per_token_2023']:.2f} of tokens at 2023's prices and "
        f"${tokens * v['usd_per_token_2026']:.4f} at 2026's. Worth doing: {before:.0%} of such tasks in 2023, "
        f"{c.value:.0%} in 2026, {later:.0%} in 2030."
    )


for _id, _name, _moved in (
    ("B17", "support", {"input_tokens": 3e6}),
    ("B19", "agents", {"value_usd": 0.3}),
    ("B20", "workflow", {"integration_usd": 0.5}),
):
    register(Check(
        id=_id, quantity=f"share of tasks worth doing at the prices of 2026, class {_name}", unit="share",
        inputs=_viable_inputs(_name), compute=viable_now, judge=_viable_verdict, evidence=_viable_evidence,
        command=f"drivetrain claims {_id}", moved=_moved,
    ))  # fmt: skip


# B18: context of coding assistants


def _context_inputs() -> Mapping[str, Input]:
    return {
        **class_inputs("coding"),
        **price_inputs("coding"),
        "spent_frac": choice(0.1, "share", "what of a request's value may go into its context", 0.03, 0.3),
        "half": HALF,
    }


def unrationed(v: Values) -> float:
    """Share of requests whose usual context costs at most that part of their value at 2026's price."""
    return _affords(v, v["usd_per_token_2026"])


def _affords(v: Values, usd_per_token: float) -> float:
    from drivetrain.demand.value import viable_frac

    tokens = v["input_tokens"] / v["spent_frac"]
    return float(viable_frac(usd_per_token, tokens, 0.0, math.log(v["value_usd"]), v["value_sigma"]))


def _context_verdict(c: Computed, v: Values) -> Verdict:
    if c.value < v["half"]:
        return "wrong"
    if _affords(v, v["usd_per_token_2023"]) >= v["half"]:
        return "too loose"
    return "holds" if c.low >= v["half"] else "holds under conditions"


def _context_evidence(c: Computed, v: Values) -> str:
    before, now = (v["spent_frac"] * v["value_usd"] / v[f"usd_per_token_{year}"] for year in (2023, 2026))
    return (
        f"{v['spent_frac']:.0%} of a request's value of ${v['value_usd']:.2f} bought {before:,.0f} tokens of context "
        f"at 2023's prices and buys {now:,.0f} at 2026's, where a request takes {v['input_tokens']:,.0f}. Of all "
        f"requests {_affords(v, v['usd_per_token_2023']):.0%} paid for that in 2023, {c.value:.0%} in 2026."
    )


register(Check(
    id="B18", quantity="share of coding requests whose context costs at most a tenth of their value in 2026",
    unit="share", inputs=_context_inputs, compute=unrationed, judge=_context_verdict, evidence=_context_evidence,
    command="drivetrain claims B18 --set spent_frac=0.1", moved={"value_usd": 0.001},
))  # fmt: skip


# B21: summaries, retrieval, reasoning

_THREE = ("summarising", "retrieval", "reasoning")


def _three_inputs() -> Mapping[str, Input]:
    found: dict[str, Input] = {}
    for name in _THREE:
        found |= {f"{name}_{key}": item for key, item in {**class_inputs(name), **price_inputs(name)}.items()
                  if key != "usd_per_token_2023"}  # fmt: skip
    return {**found, "usd_per_token_2023": point("price-floor-06", FIRST_MONTH),
            "more": choice(0.1, "share", "a tenth of all such tasks")}  # fmt: skip


def _each(v: Values) -> dict[str, tuple[float, float]]:
    """By class: the share worth doing at the prices of 2023 and of 2026."""
    found = {}
    for name in _THREE:
        own = {key: v[f"{name}_{key}"] for key in _OF_CLASS}
        found[name] = (viable(own, v["usd_per_token_2023"]), viable(own, v[f"{name}_usd_per_token_2026"]))
    return found


def least_gain(v: Values) -> float:
    """The smallest rise of the share worth doing among the three classes."""
    return min(now - before for before, now in _each(v).values())


def _three_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["more"]:
        return "holds"
    return "holds under conditions" if c.value >= v["more"] else "wrong"


def _three_evidence(c: Computed, v: Values) -> str:
    told = ", ".join(f"{name} {before:.0%} to {now:.0%}" for name, (before, now) in _each(v).items())
    return f"Share of tasks worth doing at the prices of 2023 and of 2026: {told}; the least rises by {c.value:.0%}."


register(Check(
    id="B21", quantity="least rise, 2023 to 2026, of the share worth doing of three classes", unit="1",
    inputs=_three_inputs, compute=least_gain, judge=_three_verdict, evidence=_three_evidence,
    command="drivetrain claims B21", moved={"retrieval_integration_usd": 0.5},
))  # fmt: skip
