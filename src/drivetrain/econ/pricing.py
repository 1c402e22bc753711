"""Which of the catalogue's prices applies, and what owning comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivetrain.catalogue.market import Economic, Price
from drivetrain.econ.hourly import Ownership, owned_usd_per_hour

_TERMS = {
    "reserved": ("rental", "3-year reserved"),
    "on-demand": ("rental", "on demand"),
    "hyperscaler": ("tco", "hyperscaler"),
    "neocloud": ("tco", "neocloud"),
}
# Where the wanted basis has no price, the nearest that has one is used and named.
_FALLBACK = {"reserved": ("on-demand",), "on-demand": ("reserved",), "hyperscaler": ("neocloud",),
             "neocloud": ("hyperscaler",), "own": ()}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """USD per accelerator-hour, electricity and facility included, with what it is and where it was seen."""

    usd_per_hour: float
    basis: str
    source: str
    unverified: bool


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
    own = [p for p in prices if p.accelerator == accelerator]
    if basis == "own":
        return _owned(own, economics, watts / 1e3, usd_per_kwh)
    for wanted in (basis, *_FALLBACK[basis]):
        kind, terms = _TERMS[wanted]
        for price in own:
            if (price.kind, price.terms) == (kind, terms):
                return HourlyPrice(
                    price.usd.value, terms, f"{price.usd.source}, {price.usd.seen}", price.usd.unverified
                )
    return None


def _owned(prices: list[Price], economics: Mapping[str, Economic], kw: float, usd_per_kwh: float) -> HourlyPrice | None:
    chips = [p for p in prices if p.kind == "purchase" and p.terms == "chip"]
    if not chips:
        return None
    chip = chips[0].usd

    def mid(name: str) -> float:
        return economics[name].mid.value

    usd = owned_usd_per_hour(
        Ownership(
            chip_usd=chip.value,
            server_multiplier=mid("server_cost_multiplier"),
            network_frac=mid("network_cost_frac"),
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
    )
    return HourlyPrice(usd, "owned", f"{chip.source}, {chip.seen}", chip.unverified)
