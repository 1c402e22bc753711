"""Own, rent or API: what each way of serving a fleet's tokens costs, and from which use on owning is cheaper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.catalogue.api_prices import ApiOffer, offers
from drivetrain.econ.breakeven import ApiPrice, TokenFlow, api_usd_per_hour, utilisation
from drivetrain.econ.pricing import HourlyPrice, hourly_price
from drivetrain.econ.split import TokenCost, per_million
from drivetrain.verbs.cost_fleet import Fleet
from drivetrain.verbs.cost_owner import Market

_RENTS = {"reserved": "3-year reserved", "on-demand": "on demand"}
_HOURS_PER_YEAR = 8760.0


def rents(accelerator: str, known: Market) -> list[dict[str, Any]]:
    """Rental prices of ``accelerator`` by terms; only those that are really on these terms."""
    found = []
    for basis, terms in _RENTS.items():
        price = hourly_price(accelerator, basis, known.prices, known.economics, 0.0, 0.0)
        if price is not None and price.basis == terms:
            found.append({"terms": basis, "usd_per_accelerator_hour": price.usd_per_hour, **_ends(price),
                          "source": price.source, "unverified": price.unverified})  # fmt: skip
    return found


def ways(
    fleet: Fleet, owners: Sequence[Mapping[str, Any]], rented: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Every way with its cost per hour, request and million tokens, at the fleet's mean traffic."""
    rows = [_way(fleet, f"own as {row['operator']}", "own", row["usd_per_accelerator_hour"], row["price"]["source"])
            for row in owners]  # fmt: skip
    rows += [_way(fleet, f"rent {row['terms']}", "rent", row["usd_per_accelerator_hour"], row["source"])
             for row in rented]  # fmt: skip
    usd = fleet.usd_per_hour
    if usd is not None and not any(math.isclose(usd, row["usd_per_hour"], rel_tol=1e-6) for row in rows):
        rows.append(_way(fleet, "as planned", "plan", usd / fleet.n_accelerators, fleet.price_basis))
    return rows + [_api(fleet, offer) for offer in offers(fleet.model)]


def break_even(fleet: Fleet, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Owning against renting and the API, renting for good against the API: shares of the fleet's capacity.

    Above ``utilisation_frac`` the fixed way costs less; above 1 it never does. ``now_frac`` is the fleet's own.
    """
    found = []
    now = 1.0 / fleet.capacity
    full = fleet.flow.scaled(fleet.capacity)
    for one in rows:
        for other in rows:
            if (one["way"], other["way"]) not in (("own", "rent"), ("own", "api"), ("rent", "api"), ("plan", "api")):
                continue
            if other["way"] == "rent" and other["name"] != "rent on-demand":
                continue  # what is reserved is paid whether used or not
            used = api_usd_per_hour(_list_price(other), full) if other["way"] == "api" else other["usd_per_hour"]
            share = utilisation(one["usd_per_hour"], used)
            found.append(
                {
                    "fixed": one["name"],
                    "against": other["name"],
                    "against_way": other["way"],
                    "utilisation_frac": share,
                    "now_frac": now,
                    "cheaper_now": one["name"] if share is not None and now > share else other["name"],
                }
            )
    return found


def hour_break_even(owners: Sequence[Mapping[str, Any]], rented: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Owning against renting by the hour, an accelerator alone; ``now_frac`` is what such an operator usually uses."""
    found = []
    for row in owners:
        for rent in rented:
            if rent["terms"] != "on-demand":
                continue
            share = utilisation(row["usd_per_accelerator_hour"], rent["usd_per_accelerator_hour"])
            name, other, now = f"own as {row['operator']}", f"rent {rent['terms']}", row["usual_use_frac"]
            found.append(
                {
                    "fixed": name,
                    "against": other,
                    "utilisation_frac": share,
                    "now_frac": now,
                    "cheaper_now": name if share is not None and now > share else other,
                }
            )
    return found


def _way(fleet: Fleet, name: str, way: str, usd_per_accelerator_hour: float, source: str) -> dict[str, Any]:
    usd = usd_per_accelerator_hour * fleet.n_accelerators
    split = per_million(usd, fleet.shares, fleet.flow)
    return _row(fleet, name, way, usd, split, source) | {"usd_per_accelerator_hour": usd_per_accelerator_hour}


def _api(fleet: Fleet, offer: ApiOffer) -> dict[str, Any]:
    cached = offer.cached or offer.input
    price = ApiPrice(offer.input.value, offer.output.value, cached.value)
    split = TokenCost(price.input_usd, price.cached_usd, price.output_usd)
    usd = api_usd_per_hour(price, fleet.flow)
    return _row(fleet, f"API of {offer.provider}", "api", usd, split, f"{offer.input.source}, {offer.input.seen}") | {
        "usd_per_accelerator_hour": None}  # fmt: skip


def _row(fleet: Fleet, name: str, way: str, usd: float, split: TokenCost, source: str) -> dict[str, Any]:
    return {
        "name": name, "way": way, "usd_per_hour": usd, "usd_per_year": usd * _HOURS_PER_YEAR,
        "usd_per_request": usd / 3600.0 / fleet.rate,
        "usd_per_million_input_tokens": split.input,
        "usd_per_million_cached_tokens": split.cached,
        "usd_per_million_output_tokens": split.output,
        "usd_per_million_all_tokens": usd / 3600.0 / _all(fleet.flow) * 1e6,
        "source": source,
    }  # fmt: skip


def _all(flow: TokenFlow) -> float:
    return flow.input + flow.cached + flow.output


def _list_price(row: Mapping[str, Any]) -> ApiPrice:
    return ApiPrice(row["usd_per_million_input_tokens"], row["usd_per_million_output_tokens"],
                    row["usd_per_million_cached_tokens"])  # fmt: skip


def _ends(price: HourlyPrice) -> dict[str, float | None]:
    return {"usd_low": price.usd_low, "usd_high": price.usd_high}
