"""From tokens to money: tokens, units, accelerators, and who is paid, so that the parts sum to what is spent.

Two ledgers, both exact. *Capital*: what is bought in a quarter, by who is paid for it::

    sum_v bought_v (memory + packaging + logic + vendor + server + network + facility)_v = capital

*Rent*: what users pay for the units they rent, by what it goes to. Capital is charged in level payments over a
vintage's life, for all accelerators there are; what the rent leaves is the operators' margin, which is below nothing
where the fleet stands idle or was dear::

    price units dt = sum of charges + electricity + upkeep + margin
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from drivetrain.demand.vintage import Floats, Parts, Vintage, annuity
from drivetrain.errors import BadInputError

CAPITAL = tuple(one.name for one in fields(Parts))
RENT = (*CAPITAL, "electricity", "upkeep", "margin")
TAKEN = ("accelerators", "wafers", "hbm_bytes", "watts", "units")
SECONDS_PER_YEAR = 8760.0 * 3600.0


def units(tokens_per_year: Floats, need_s: Floats | float, utilisation_frac: Floats | float = 1.0) -> Floats:
    """Units that serve tokens, each of which takes a unit ``need_s`` seconds at full load.

    >>> units(np.array([31_536e9]), 1e-3, 0.5).tolist()
    [2000.0]
    """
    if np.any(np.asarray(utilisation_frac) <= 0) or np.any(np.asarray(utilisation_frac) > 1):
        raise BadInputError("utilisation must lie above 0 and not above 1.")
    found: Floats = tokens_per_year * need_s / SECONDS_PER_YEAR / utilisation_frac
    return found


def price_per_token(
    usd_per_unit_year: Floats, need_s: Floats | float, utilisation_frac: Floats | float = 1.0
) -> Floats:
    """USD per token at a rental price; the other way round of :func:`units`.

    >>> (1e6 * price_per_token(np.array([31_536.0]), 1e-3, 0.5)).round(9).tolist()
    [2.0]
    """
    return usd_per_unit_year * units(np.ones(1), need_s, utilisation_frac)


def capital(vintages: Sequence[Vintage], bought: Floats) -> dict[str, Floats]:
    """USD of what is bought, (vintages, draws) accelerators, by who is paid."""
    _check(vintages, bought)
    return {part: _summed(vintages, bought, part) for part in CAPITAL}


def taken(vintages: Sequence[Vintage], bought: Floats) -> dict[str, Floats]:
    """What is bought in things: accelerators, wafers, bytes of HBM, watts, effective units."""
    _check(vintages, bought)
    found = {"accelerators": np.asarray(bought.sum(axis=0))}
    for name in TAKEN[1:]:
        found[name] = np.sum([getattr(one, name) * n for one, n in zip(vintages, bought, strict=True)], axis=0)
    return found


def rent(
    vintages: Sequence[Vintage],
    there: Floats,
    active: Floats,
    rented_units: Floats,
    usd_per_unit_year: Floats,
    *,
    rate: Floats,
    dt_years: float,
) -> dict[str, Floats]:
    """What the rent of a quarter goes to, USD; sums to ``price units dt``.

    ``there`` and ``active`` are accelerators (vintages, draws): capital is charged for all, running for the active.
    """
    _check(vintages, there)
    charge = np.stack([n * annuity(rate, one.life_years) * dt_years for one, n in zip(vintages, there, strict=True)])
    found = {part: _summed(vintages, charge, part) for part in CAPITAL}
    found["electricity"] = np.sum(
        [one.energy_usd_per_year * n * dt_years for one, n in zip(vintages, active, strict=True)], axis=0
    )
    running = np.sum([one.running_usd_per_year * n * dt_years for one, n in zip(vintages, active, strict=True)], axis=0)
    found["upkeep"] = running - found["electricity"]
    found["margin"] = usd_per_unit_year * rented_units * dt_years - np.sum(list(found.values()), axis=0)
    return found


def by_year(years: Floats, quarters: Sequence[Mapping[str, Floats]]) -> dict[int, dict[str, Floats]]:
    """Sums of quarters by calendar year, part by part.

    >>> by_year(np.array([2026.0, 2026.25, 2027.0]), [{"a": np.ones(1)}] * 3)[2026]["a"].tolist()
    [2.0]
    """
    if len(years) != len(quarters):
        raise BadInputError(f"{len(quarters)} quarters are given for {len(years)} moments. Give one for each.")
    found: dict[int, dict[str, Floats]] = {}
    for year, parts in zip(years, quarters, strict=True):
        row = found.setdefault(int(year + 1e-9), {})
        for name, values in parts.items():
            row[name] = row[name] + values if name in row else np.array(values, dtype=float)
    return found


def total(parts: Mapping[str, Floats]) -> Floats:
    """The sum of all parts."""
    return np.asarray(np.sum(list(parts.values()), axis=0), dtype=float)


def _summed(vintages: Sequence[Vintage], counts: Floats, part: str) -> Floats:
    return np.asarray(np.sum([getattr(v.parts, part) * n for v, n in zip(vintages, counts, strict=True)], axis=0))


def _check(vintages: Sequence[Vintage], counts: Floats) -> None:
    if counts.ndim != 2 or len(counts) != len(vintages):
        raise BadInputError(f"counts are {counts.shape}, not ({len(vintages)}, draws): one row for each vintage.")
