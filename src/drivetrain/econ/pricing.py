"""Which of the catalogue's prices applies, and what owning comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.market import Economic, Price
from drivetrain.econ.hourly import Ownership, owned_usd_per_hour
from drivetrain.errors import BadInputError

_TERMS = {
    "reserved": ("rental", "3-year reserved"),
    "on-demand": ("rental", "on demand"),
    "hyperscaler": ("tco", "hyperscaler"),
    "neocloud": ("tco", "neocloud"),
}
# Where the wanted basis has no price, the nearest that has one is used and named.
_FALLBACK = {"reserved": ("on-demand",), "on-demand": ("reserved",), "hyperscaler": ("neocloud",),
             "neocloud": ("hyperscaler",), "own": ()}  # fmt: skip


# Purchase prices from the one that says most: does it include the server, the network? What is missing is added.
PURCHASE_SCOPE = {
    "cluster share": (True, True),
    "rack share, with physical plant": (True, True),
    "rack share, compute": (True, False),
    "node share with NICs": (True, False),
    "server share": (True, False),
    "kit share": (False, False),
    "chip": (False, False),
}


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """USD per accelerator-hour, electricity and facility included, with what it is and where it was seen.

    ``usd_low`` and ``usd_high`` bound it per hour where its source gives a range.
    """

    usd_per_hour: float
    basis: str
    source: str
    unverified: bool
    usd_low: float | None = None
    usd_high: float | None = None


def hourly_price(
    accelerator: str,
    basis: str,
    prices: Iterable[Price],
    economics: Mapping[str, Economic],
    watts: float,
    usd_per_kwh: float,
) -> HourlyPrice | None:
    """Price one accelerator-hour on ``basis`` or the nearest basis that has a price; ``None`` where nothing does.

    ``watts`` is provisioned power (accelerator and host share) and ``usd_per_kwh`` electricity, which only owning
    needs.
    """
    if basis not in _FALLBACK:
        raise BadInputError(f"pricing '{basis}' is not known. Choose {', '.join(_FALLBACK)}.")
    own = [p for p in prices if p.accelerator == accelerator]
    if basis == "own":
        return _owned(own, economics, watts / 1e3, usd_per_kwh)
    for wanted in (basis, *_FALLBACK[basis]):
        kind, terms = _TERMS[wanted]
        for price in own:
            if (price.kind, price.terms) == (kind, terms):
                return HourlyPrice(
                    price.usd.value, terms, f"{price.usd.source}, {price.usd.seen}", price.usd.unverified,
                    _value(price.usd_low), _value(price.usd_high),
                )  # fmt: skip
    return None


def _owned(prices: list[Price], economics: Mapping[str, Economic], kw: float, usd_per_kwh: float) -> HourlyPrice | None:
    bought = {p.terms: p for p in prices if p.kind == "purchase"}
    terms = next((t for t in PURCHASE_SCOPE if t in bought), None)
    if terms is None:
        return None
    price, (has_server, has_network) = bought[terms], PURCHASE_SCOPE[terms]

    def mid(name: str) -> float:
        return economics[name].mid.value

    owned = Ownership(
        chip_usd=price.usd.value,
        server_multiplier=1.0 if has_server else mid("server_cost_multiplier"),
        network_frac=0.0 if has_network else mid("network_cost_frac"),
        maintenance_frac=mid("maintenance_frac"),
        discount_rate=mid("discount_rate_frac"),
        server_years=mid("server_life_years"),
        facility_usd_per_kw=mid("facility_usd_per_mw") / 1e3,
        facility_years=mid("facility_life_years"),
        kw=kw,
        load_frac=mid("server_load_frac"),
        pue=mid("pue"),
        usd_per_kwh=usd_per_kwh,
    )

    def at(bound: Fact | None) -> float | None:
        return None if bound is None else owned_usd_per_hour(replace(owned, chip_usd=bound.value))

    return HourlyPrice(
        owned_usd_per_hour(owned), f"owned, from {terms} price", f"{price.usd.source}, {price.usd.seen}",
        price.usd.unverified, at(price.usd_low), at(price.usd_high),
    )  # fmt: skip


def _value(fact: Fact | None) -> float | None:
    return None if fact is None else fact.value
