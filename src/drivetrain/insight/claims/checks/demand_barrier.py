"""Essay 004, all classes of task together: the barrier to deployment, and what falls below it (B15, B16)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.demand_tasks import FIRST_MONTH, class_inputs, prices, viable
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.outlooks import point


def _all_inputs() -> dict[str, Input]:
    return {
        "price_fall": choice(1.0, "1", "prices of 2026 over those of the demand model", 0.5, 4.0),
        "usd_per_token_2023": point("price-floor-06", FIRST_MONTH),
        "integration": choice(1.0, "1", "integration and checking over the catalogue's", 0.5, 2.0),
    }


def _classes(v: Values) -> dict[str, dict[str, float]]:
    """By class: its quantities, integration changed, and its price of 2026."""
    from drivetrain.demand.classes import known

    found = {}
    for one in known():
        own = {key: item.value for key, item in class_inputs(one.name).items()}
        own["integration_usd"] *= v["integration"]
        found[one.name] = own | {"usd_per_token_2026": prices(one.name)[0] * v["price_fall"]}
    return found


def _barrier_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue import loader

    usd = loader.economics()["deepseek_v3_usd_per_gpu_hour"].mid.value
    hours = loader.economics()["deepseek_v3_pretraining_hours"].mid.value
    return {
        **_all_inputs(),
        "development_over_final_run": of_economic("training_total_over_final"),
        "run_usd": Input(usd * hours, "USD", "deepseek-v3-report: pre-training at its rent"),
        "training_cheaper": choice(10.0, "1", "training compute before over now, see B14", 3.0, 12.0),
        "served_tokens": choice(1e14, "tokens", "over a model's life", 1e13, 1e15),
        "much": choice(2.0, "1", "half the barrier"),
    }


def barrier_fall(v: Values) -> float:
    """Least value that a task must have, 2023 over 2026: the geometric mean over classes.

    A token pays its price and its share of the model's development.
    """
    trained = v["run_usd"] * v["development_over_final_run"] / v["served_tokens"]
    logs = []
    for own in _classes(v).values():
        tokens, fixed = own["input_tokens"] + own["output_tokens"], own["integration_usd"]
        before = (v["usd_per_token_2023"] + trained * v["training_cheaper"]) * tokens + fixed
        logs.append(math.log(before / ((own["usd_per_token_2026"] + trained) * tokens + fixed)))
    return math.exp(sum(logs) / len(logs))


def _barrier_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["much"]:
        return "holds"
    return "holds under conditions" if c.value >= v["much"] else "too loose"


def _barrier_evidence(c: Computed, v: Values) -> str:
    trained = v["run_usd"] * v["development_over_final_run"] / v["served_tokens"]
    return (
        f"What a task must be worth to be done fell {c.value:.1f} times from 2023 to 2026, the mean over classes: "
        f"tokens from ${1e6 * v['usd_per_token_2023']:.2f} a million to the demand model's prices, development from "
        f"${1e6 * trained * v['training_cheaper']:.2f} to ${1e6 * trained:.2f} a million tokens served. Integration "
        "and checking did not get cheaper here; they are what is left."
    )


register(Check(
    id="B15", quantity="least value of a task worth doing, 2023 over 2026, mean over classes", unit="1",
    inputs=_barrier_inputs, compute=barrier_fall, judge=_barrier_verdict, evidence=_barrier_evidence,
    command="drivetrain claims B15", moved={"integration": 50.0},
))  # fmt: skip


def _more_inputs() -> Mapping[str, Input]:
    return {**_all_inputs(), "more": choice(1.1, "1", "a tenth more tasks")}


def tasks_ratio(v: Values) -> float:
    """Tasks worth doing at the prices of 2026 over those at the price of 2023, all classes together."""
    from drivetrain.demand.classes import mids

    at = mids()
    before = now = 0.0
    for name, own in _classes(v).items():
        n = float(at[f"{name}.tasks_per_year"][0])
        before += n * viable(own, v["usd_per_token_2023"])
        now += n * viable(own, own["usd_per_token_2026"])
    return now / before


def _more_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["more"]:
        return "holds"
    return "holds under conditions" if c.value >= v["more"] else "wrong"


def _more_evidence(c: Computed, v: Values) -> str:
    shares = {name: (viable(own, v["usd_per_token_2023"]), viable(own, own["usd_per_token_2026"]))
              for name, own in _classes(v).items()}  # fmt: skip
    most = max(shares, key=lambda name: shares[name][1] - shares[name][0])
    least = min(shares, key=lambda name: shares[name][1] - shares[name][0])
    return (
        f"At 2026's prices {c.value:.2f} times the tasks are worth doing that were at 2023's, by number of tasks; most "
        f"changes in {most} ({shares[most][0]:.0%} to {shares[most][1]:.0%}), least in {least} ({shares[least][0]:.0%} "
        f"to {shares[least][1]:.0%})."
    )


register(Check(
    id="B16", quantity="tasks worth doing at the prices of 2026 over those at the price of 2023", unit="1",
    inputs=_more_inputs, compute=tasks_ratio, judge=_more_verdict, evidence=_more_evidence,
    command="drivetrain claims B16 --set integration=1", moved={"usd_per_token_2023": 1e-7},
))  # fmt: skip
