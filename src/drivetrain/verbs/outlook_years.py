"""One year of an outlook as it is printed: quantiles over draws, and what one more unit of each limit is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.demand.limits import LIMITS, UNIT
from drivetrain.demand.program import Solution
from drivetrain.demand.world import World
from drivetrain.demand.yearly import Year

Floats = NDArray[np.float64]
_QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


def spread_of(values: Floats) -> dict[str, float]:
    """The 10th, 50th and 90th percentile over draws.

    >>> spread_of(np.array([1.0, 2.0, 3.0]))["p50"]
    2.0
    """
    return {name: float(np.quantile(values, share)) for name, share in _QUANTILES.items()}


def year_row(world: World, one: Year) -> dict[str, Any]:
    """The fields of a year; medians over draws where one number stands, ranges under ``ranges``."""
    ranged = {
        "compute_flop_total": one.total_flop, "compute_flop_training": one.compute_flop["training"],
        "compute_flop_inference": one.compute_flop["inference"], "inference_frac": one.inference_frac,
        "power_w": one.power_w, "capex_usd": one.capex_usd, "spend_usd": one.spend_usd, "cost_usd": one.cost_usd,
        "token_spend_usd": one.spent_on_tokens_usd,
        "price_usd_per_million_tokens": 1e6 * one.price_usd_per_token, "rent_usd_per_h100_hour": one.rent_usd_per_hour,
        "hbm_bytes": one.hbm_bytes, "hbm_bought_bytes": one.hbm_bought_bytes,
        "accelerators_total": one.accelerators.sum(axis=0), "accelerators_bought": one.bought.sum(axis=0),
        "idle_frac": one.idle_frac,
    }  # fmt: skip
    ranges = {name: spread_of(values) for name, values in ranged.items()}
    middle = {name: row["p50"] for name, row in ranges.items()}
    there = np.median(one.accelerators, axis=1)
    return {
        "year": one.year,
        "tokens": spread_of(one.tokens.sum(axis=0)),
        "tokens_by_class": {task.name: spread_of(values) for task, values in zip(world.tasks, one.tokens, strict=True)},
        "compute_flop": {"training": middle["compute_flop_training"], "inference": middle["compute_flop_inference"]},
        "accelerators": {v.name: float(n) for v, n in zip(world.vintages, there, strict=True) if n > 0.5},
        **{name: middle[name] for name in ranged if not name.startswith("compute_flop")},
        "ranges": ranges,
    }  # fmt: skip


def binding_of(one: Year, middle: World, solution: Solution) -> list[dict[str, Any]]:
    """The limits that bind in a year, the likeliest first.

    ``shadow_price_usd`` is the dual of the linear program at the mids, a mean over the year: what one more unit adds to
    the value served. ``probability``: share of draws and quarters in which it held supply back most.
    """
    here = np.flatnonzero((middle.years + 1e-9).astype(int) == one.year)
    found = []
    for name in LIMITS:
        duals = np.asarray(solution.shadow[name])
        dual = float(duals[..., here].mean())
        probability = one.binding_frac[name]
        if dual > 0.0 or probability > 0.0:
            found.append({"constraint": name, "shadow_price_usd": dual, "unit": UNIT[name], "probability": probability,
                          "market_rent_usd": spread_of(one.shadow_usd[name])})  # fmt: skip
    return sorted(found, key=lambda row: (-row["probability"], -row["shadow_price_usd"]))
