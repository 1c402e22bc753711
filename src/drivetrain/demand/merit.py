"""Compiled inner loop of the merit order: what is offered at a price when power is limited.

Offers that earn something at the price run, those that earn most per watt first, until the power is used up. The greedy
order is exact: it is the continuous knapsack. All arrays are (draws,) or (steps, draws); draws are independent.
"""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import jit
from drivetrain.demand.vintage import Floats


@jit
def _offered(
    price: float,
    i: int,
    units: Floats,
    usd: Floats,
    watts: Floats,
    power: Floats,
    taken: Floats,
    active: Floats,
    keep: bool,
) -> tuple[float, float]:
    """Units that draw ``i`` offers at a price, and what the last watt earns a year (0 where power is left)."""
    steps = units.shape[0]
    asked, given = 0.0, 0.0
    for s in range(steps):
        runs = price > usd[s, i] and units[s, i] > 0.0
        taken[s] = not runs
        if runs:
            asked += units[s, i] * watts[s, i]
            given += units[s, i]
        if keep:
            active[s, i] = units[s, i] if runs else 0.0
    if asked <= power[i]:
        return given, 0.0
    given, left = 0.0, power[i]
    if keep:
        for s in range(steps):
            active[s, i] = 0.0
    while True:
        best, most = -1, -1.0
        for s in range(steps):
            if not taken[s]:
                gain = (price - usd[s, i]) / watts[s, i] if watts[s, i] > 0.0 else np.inf
                if gain > most:
                    best, most = s, gain
        if best < 0:
            return given, 0.0
        taken[best] = True
        need = units[best, i] * watts[best, i]
        amount = units[best, i] if need <= left else left / watts[best, i]
        given += amount
        if keep:
            active[best, i] = amount
        if need > left:
            return given, most
        left -= need


@jit
def offered(
    price: Floats,
    units: Floats,
    usd: Floats,
    watts: Floats,
    power: Floats,
    total: Floats,
    worth: Floats,
    active: Floats,
) -> None:
    """Units offered at ``price`` into ``total``, those of each step into ``active`` (where it has rows).

    ``worth`` takes what the last watt earns a year, 0 where power is left.
    """
    steps, n = units.shape
    taken = np.zeros(steps, dtype=np.bool_)
    for i in range(n):
        total[i], worth[i] = _offered(price[i], i, units, usd, watts, power, taken, active, active.shape[0] > 0)
