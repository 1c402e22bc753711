"""Inputs of claims that belong to one accelerator of the catalogue: its facts, what an hour of it costs."""

from __future__ import annotations

from operator import attrgetter

from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.insight.claims.check import Input
from drivetrain.insight.claims.inputs import of_fact


def part_input(name: str, field: str, unit: str, low: float | None = None, high: float | None = None) -> Input:
    """A fact of an accelerator, such as ``hbm_bytes_per_s``; the range is that of disagreeing sources or as given."""
    fact = loader.load("accelerators", name).facts[field]
    if fact.also and low is None and high is None:
        every = [fact.value, *(other.value for other in fact.also)]
        low, high = min(every), max(every)
    return of_fact(fact, unit, low, high)


def over_input(name: str, other: str, field: str) -> Input:
    """A fact of one accelerator over that of another, such as how many times the bandwidth it has."""
    one, against = (_value(loader.load("accelerators", part), field) for part in (name, other))
    return Input(one / against, "1", f"catalogue: {name} over {other}")


def price_input(accelerator: str) -> Input:
    """USD per accelerator-hour: three years reserved, bounded by what it costs owners (hyperscaler, neocloud)."""
    prices = {price.terms: price.usd for price in loader.load_all("prices").values()
              if price.accelerator == accelerator and price.kind != "purchase"}  # fmt: skip
    mid = prices["3-year reserved"]
    all_three = [prices[terms].value for terms in ("3-year reserved", "hyperscaler", "neocloud") if terms in prices]
    return Input(mid.value, "USD/h", f"{mid.source}, {mid.seen}", min(all_three), max(all_three))


def _value(accelerator: Accelerator, field: str) -> float:
    """A field of the record by its path; ``flops.bf16`` is a rate by precision."""
    head, _, rest = field.partition(".")
    return float(accelerator.flops[rest] if head == "flops" else attrgetter(field)(accelerator))
