"""How far each assumption moves the cost of owning: one at a time from its low to its high."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivetrain.econ.operators import Owned
from drivetrain.econ.tco import hourly
from drivetrain.verbs.cost_owner import TERMS

_PER_MILLION = "usd_per_million_output_tokens"
_PREMIUM, _USE = "price_premium", "utilisation_frac"


def tornado(mine: Owned, settings: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each term with a range: USD per accelerator-hour at its low and high, all else as it is; widest first.

    Prices solved from published costs are held where they were solved. Terms that the person set have no range.
    """
    base = mine.operator
    rows: list[dict[str, Any]] = []
    for name, quantity in base.quantities.items():
        if name in settings or (quantity.low is None and quantity.high is None):
            continue
        mid = quantity.mid.value
        ends = [fact.value if fact else mid for fact in (quantity.low, quantity.high)]
        if name == _PREMIUM:
            usd = [_at_premium(mine, end) for end in ends]
        elif name in TERMS:
            mid = getattr(base.terms, name)
            usd = [hourly(mine.hardware, replace(base.terms, **{name: end})).total for end in ends]
        else:
            continue
        rows.append({"name": name, "title": quantity.title, "low": ends[0], "value": mid, "high": ends[1],
                     "usd_at_low": usd[0], "usd_at_high": usd[1]})  # fmt: skip
    return sorted(rows, key=lambda row: -abs(row["usd_at_high"] - row["usd_at_low"]))


def per_output(
    rows: list[dict[str, Any]], mine: Owned, usd_per_million: float, now_frac: float
) -> list[dict[str, Any]]:
    """The same rows with what they make of a million output tokens, and beside them the use of the fleet's capacity.

    ``usd_per_million`` is the present cost at a use of ``now_frac``; all of it goes with the hour's cost.
    """
    total = mine.hourly.total
    found = [
        row | {f"{_PER_MILLION}_at_{end}": usd_per_million * row[f"usd_at_{end}"] / total for end in ("low", "high")}
        for row in rows
    ]
    use = mine.operator.quantities.get(_USE)
    if use is not None and use.low is not None and use.high is not None:
        ends = {"low": use.low.value, "high": use.high.value}
        found.append(
            {"name": _USE, "title": use.title, **ends, "value": now_frac, "usd_at_low": total, "usd_at_high": total}
            | {f"{_PER_MILLION}_at_{end}": usd_per_million * now_frac / share for end, share in ends.items()}
        )
    key = f"{_PER_MILLION}_at"
    return sorted(found, key=lambda row: -abs(row[f"{key}_high"] - row[f"{key}_low"]))


def _at_premium(mine: Owned, premium: float) -> float:
    base = mine.operator.price_premium
    factor = premium / base if base else 1.0
    return hourly(mine.hardware.at(mine.hardware.capital_usd * factor), mine.operator.terms).total
