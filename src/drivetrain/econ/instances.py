"""Which of a cloud instance's prices applies: terms and region as asked, or the nearest that has a price."""

from __future__ import annotations

from drivetrain.catalogue.instance import Instance, InstancePrice
from drivetrain.econ.pricing import HourlyPrice

# Terms in order of nearness; the one that applies is named. Spot never stands in for capacity that stays.
_TERMS = {
    "on-demand": ("on demand", "capacity block", "1-year reserved", "3-year reserved"),
    "reserved": ("3-year reserved", "1-year reserved", "capacity block", "on demand"),
    "spot": ("spot", "flex start", "on demand"),
}
_HOME = "us"  # where most price lists are complete


def instance_price(instance: Instance, pricing: str, region: str) -> HourlyPrice | None:
    """USD per accelerator-hour of ``instance``; ``None`` where it has no public price that could stand in.

    The terms come before the place: the same terms in another region are nearer than other terms in this one.
    """
    for terms in _TERMS[pricing]:
        same = [price for price in instance.prices if price.terms == terms]
        if same:
            price = min(same, key=lambda p: (p.region != region, p.region != _HOME, p.usd.value, p.region))
            return HourlyPrice(
                usd_per_hour=price.usd.value / instance.n_accelerators,
                basis=_basis(price, _TERMS[pricing][0], region),
                source=f"{price.usd.source}, {price.usd.seen}",
                unverified=price.usd.unverified,
            )
    return None


def _basis(price: InstancePrice, terms: str, region: str) -> str:
    """Terms and region of ``price``, and what was asked where that has no price.

    >>> from drivetrain.catalogue.fact import Fact
    >>> usd = Fact(8.0, "8 USD/h", "USD/h", "list", "2026-11", "vendor")
    >>> _basis(InstancePrice("on demand", "us", usd), "on demand", "sweden")
    'on demand in us (no price in sweden)'
    """
    missing = [f"no {terms} price"] if price.terms != terms else []
    missing += [f"no price in {region}"] if price.region != region else []
    return f"{price.terms} in {price.region}" + (f" ({', '.join(missing)})" if missing else "")
