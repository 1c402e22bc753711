"""The best plan in several regions: what it costs there and what it emits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drivetrain.scenario import ServeScenario
from drivetrain.serving.search import Traffic
from drivetrain.verbs.describe import describe
from drivetrain.verbs.ranges import price_ends, with_ranges
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import resolve

_FIGURES = ("usd_per_hour", "usd_per_million_output_tokens", "joules_per_output_token",
            "carbon_g_per_million_output_tokens")  # fmt: skip
_FIELDS = ("price_basis", *(f"{name}{end}" for name in _FIGURES for end in ("", "_p10", "_p90")))


def by_region(scenario: ServeScenario, traffic: Traffic, chosen: Chosen) -> list[dict[str, Any]]:
    """One row a region of the scenario, in its order, for the plan of the first; nothing where there is one region."""
    if len(scenario.regions) < 2:
        return []
    rows = []
    for region in scenario.regions:
        hardware = chosen.job.offer.hardware.name
        there = resolve(replace(scenario, region=region, accelerators=(hardware,)))
        offer = next(o for o in there.offers if o.name == chosen.job.offer.name)
        fields = describe(
            there, offer, chosen.prepared, chosen.state, chosen.replicas, traffic.mean_rate, chosen.capacity
        )
        moves = replace(chosen.moves, price=price_ends(there.prices.get(offer.name)))
        fields = with_ranges(fields, chosen.uncertainty, moves)
        rows.append({"region": region} | {name: fields[name] for name in _FIELDS})
    return rows
