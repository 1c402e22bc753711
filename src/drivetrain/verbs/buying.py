"""What a plan's answer says beside the best plan about buying: whole servers, instances, regions, mixed fleets."""

from __future__ import annotations

from typing import Any

from drivetrain.serving.search import Outcome, Traffic
from drivetrain.serving.slo import Target
from drivetrain.verbs.bought import whole_servers
from drivetrain.verbs.by_region import by_region
from drivetrain.verbs.mixed import mixed_fleet
from drivetrain.verbs.ranking import Chosen, best_by_offer
from drivetrain.verbs.resolve import Resolved


def buying(
    resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], outcome: Outcome, ranked: list[int],
    chosen: Chosen | None,
) -> dict[str, Any]:  # fmt: skip
    """``whole_servers``, ``by_instance``, ``by_region`` and ``mixed_fleet``; empty or null where not asked for."""
    scenario = resolved.scenario
    loose, rented = scenario.buy == "accelerators", scenario.buy == "instances"
    return {
        "whole_servers": whole_servers(chosen.fields, chosen.job.offer.server, chosen.spares)
        if chosen and loose
        else None,
        "by_instance": [
            Chosen(resolved, outcome, row, traffic, targets).fields for row in best_by_offer(outcome, ranked)
        ]
        if rented
        else [],
        "by_region": by_region(scenario, traffic, chosen) if chosen else [],
        "mixed_fleet": mixed_fleet(resolved, traffic, targets, outcome, chosen) if scenario.mix else None,
    }
