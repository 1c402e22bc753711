"""Essay 004, the load of inference: continuous, sustained, peaked, latency-bound (B10, B26, B33, B39).

Shapes of a day are those of the shipped workloads, measured on services of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.outlooks import Floats, median, outlook_inputs, ran, ranges
from drivetrain.insight.claims.replica import explained, memory_frac, replica
from drivetrain.insight.claims.sourced import part_input

H100 = "h100-sxm-80gb"
STEADY, RISING, STEEP = "servegen-m-large", "azure-2023-conv", "servegen-deepseek-r1"


def _shape(name: str) -> tuple[float, float]:
    """Busiest and quietest hour of a workload's day over its mean."""
    from drivetrain.catalogue import loader

    day = loader.load("workloads", name).day_shape
    return max(day), min(day)


def _hour(busiest: bool) -> Input:
    """The busiest or quietest hour over the mean: the middle one of three services, the others as range."""
    found = sorted(_shape(name)[0 if busiest else 1] for name in (STEADY, RISING, STEEP))
    return Input(found[1], "1", f"catalogue workloads {STEADY}, {RISING}, {STEEP}", found[0], found[2])


# B10: continuous, and what bounds it


def _continuous_inputs() -> Mapping[str, Input]:
    return {
        "quietest_over_mean": _hour(busiest=False),
        "in_flight": choice(64, "sequences", "a chat service with some load"),
        "continuous": choice(0.25, "1", "even the quietest hour has a quarter of the mean"),
        "bound": choice(0.5, "share", "most of a token's time"),
    }


def quietest(v: Values) -> float:
    """Load of the quietest hour over that of the mean hour."""
    return v["quietest_over_mean"]


def _memory(v: Values) -> float:
    return memory_frac(explained(replica("llama-3.1-70b", H100, "tp4", 1000.0, 500.0), v["in_flight"]))


def _continuous_verdict(c: Computed, v: Values) -> Verdict:
    if c.value < v["continuous"]:
        return "wrong"
    return "holds" if c.low >= v["continuous"] and _memory(v) >= v["bound"] else "holds under conditions"


def _continuous_evidence(c: Computed, v: Values) -> str:
    return (
        f"The quietest hour of three measured services has {c.low:.2f} to {c.high:.2f} of the mean load. Serving "
        f"Llama 3.1 70B on four H100 with {v['in_flight']:.0f} requests in flight spends {_memory(v):.0%} of a token's "
        "time on reading and writing memory."
    )


register(Check(
    id="B10", quantity="load of the quietest hour over the mean hour of measured services", unit="1",
    inputs=_continuous_inputs, compute=quietest, judge=_continuous_verdict, evidence=_continuous_evidence,
    command="drivetrain claims B10", moved={"quietest_over_mean": 0.1},
))  # fmt: skip


# B26: power all the time


def _power_inputs() -> Mapping[str, Input]:
    return {
        "busiest_over_mean": _hour(busiest=True),
        "quietest_over_mean": _hour(busiest=False),
        "idle_w": part_input(H100, "idle_w", "W"),
        "tdp_w": part_input(H100, "tdp_w", "W"),
        "host_w": choice(220.0, "W", "an accelerator's share of its server", 150.0, 300.0),
        "pue": of_economic("pue"),
        "most": choice(0.5, "1", "at night more than half of the evening"),
    }


def night_power(v: Values) -> float:
    """Power of a serving fleet of fixed size in the quietest hour over that in the busiest."""
    from drivetrain.econ.energy import draw

    def watts(busy: float) -> float:
        mean = v["idle_w"] + (v["tdp_w"] - v["idle_w"]) * busy
        return draw(n=1.0, busy_frac=busy, mean_w=mean, idle_w=v["idle_w"], host_w=v["host_w"], pue=v["pue"]).total

    return watts(v["quietest_over_mean"] / v["busiest_over_mean"]) / watts(1.0)


def _power_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["most"]:
        return "holds"
    return "holds under conditions" if c.value >= v["most"] else "too loose"


def _power_evidence(c: Computed, v: Values) -> str:
    return (
        f"In the quietest hour, at {v['quietest_over_mean'] / v['busiest_over_mean']:.0%} of the busiest hour's load, "
        f"an H100 with its host still draws {c.value:.0%} of the power ({c.low:.0%} to {c.high:.0%}): "
        f"{v['idle_w']:.0f} W idle of {v['tdp_w']:.0f} W. A fleet that is switched off or filled with batch work at "
        "night is another matter."
    )


register(Check(
    id="B26", quantity="power of a serving fleet in the quietest hour over the busiest", unit="1",
    inputs=_power_inputs, compute=night_power, judge=_power_verdict, evidence=_power_evidence,
    command="drivetrain claims B26 --set host_w=220",
    moved={"idle_w": 10.0, "quietest_over_mean": 0.2, "host_w": 20.0},
))  # fmt: skip


# B33: a lower peak


def _peak_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue.spreads import spreads

    busy = spreads("supply")["training.utilisation_frac"]
    bursts = _bursts()
    return {
        "busiest_over_mean": _hour(busiest=True),
        "training_busy": Input(busy.mid, "share", f"{busy.stated.source}, {busy.stated.seen}", busy.low, busy.high),
        "arrival_cv": Input(bursts[len(bursts) // 2], "1", "catalogue workloads, those measured"),
        "same": choice(1.0, "1", "as peaked as training"),
    }


def _bursts() -> list[float]:
    """Variation of arrivals of the measured workloads, in order; 1 is Poisson."""
    from drivetrain.catalogue import loader

    return sorted(one.arrival_cv for one in loader.load_all("workloads").values() if one.evidence == "measured")


def peak_ratio(v: Values) -> float:
    """Busiest hour over mean of serving, over peak over mean of a training cluster (one over its busy share)."""
    return v["busiest_over_mean"] * v["training_busy"]


def _peak_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["same"]:
        return "holds"
    if c.value < v["same"]:
        return "holds under conditions"
    return "wrong" if c.low > v["same"] else "too loose"


def _peak_evidence(c: Computed, v: Values) -> str:
    bursts = _bursts()
    return (
        f"The busiest hour of measured services is {v['busiest_over_mean']:.2f} times their mean, a training cluster's "
        f"peak {1.0 / v['training_busy']:.2f} times: serving is {c.value:.2f} times as peaked. Within the hour "
        f"arrivals vary by {bursts[0]:.1f} to {bursts[-1]:.1f}, middle {v['arrival_cv']:.1f}, where 1 is Poisson. One "
        "replica is far smaller than a training cluster; that is a lower peak in machines, not a flatter load."
    )


register(Check(
    id="B33", quantity="peak over mean of serving over that of a training cluster", unit="1",
    inputs=_peak_inputs, compute=peak_ratio, judge=_peak_verdict, evidence=_peak_evidence,
    command="drivetrain claims B33", moved={"busiest_over_mean": 1.05},
))  # fmt: skip


# B39: more sensitive to latency


def _live_inputs() -> Mapping[str, Input]:
    return outlook_inputs(draws_needed=choice(0.9, "share", "in nearly all draws"))


def _live(v: Values, last: bool) -> Floats:
    outlook = ran(v)
    asked = outlook.quarters[-1 if last else 0].asked.units
    return np.asarray((asked * outlook.world.interactive).sum(axis=0) / asked.sum(axis=0))


def live_share(v: Values) -> float:
    """Share of token serving that needs an answer at once, end of 2030, the middle draw."""
    return median(_live(v, last=True))


def _live_verdict(_c: Computed, v: Values) -> Verdict:
    more = float((_live(v, last=True) > _live(v, last=False)).mean())
    if more >= v["draws_needed"]:
        return "holds"
    return "holds under conditions" if more >= 0.5 else "wrong"


def _live_evidence(c: Computed, v: Values) -> str:
    more = float((_live(v, last=True) > _live(v, last=False)).mean())
    return (
        f"Of the compute that serves tokens {median(_live(v, last=False)):.0%} answers somebody who waits at the start "
        f"of 2026 and {c.value:.0%} at the end of 2030 ({ranges(c, _live(v, last=True), '.0%')}; more in {more:.0%} "
        "of draws), by the growth of agents against reasoning and workflows that run in batches."
    )


register(Check(
    id="B39", quantity="share of interactive work in the compute that serves tokens, end of 2030", unit="share",
    inputs=_live_inputs, compute=live_share, judge=_live_verdict, evidence=_live_evidence,
    command="drivetrain claims B39", moved={"shrink_per_year": 40.0, "adoption_speed": 0.1},
))  # fmt: skip
