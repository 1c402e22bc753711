"""Kinds of operators and what they own: terms, purchase prices and power from the catalogue.

The price of hardware is, in this order: what a hyperscaler is known to pay for a share of a cluster; else what the
published hourly cost of a hyperscaler leaves for it on our own terms (``solved_for``: no test of those terms); else a
public price of a server or chip, completed by what it lacks. Other kinds of operators pay ``price_premium`` on top of
the first two. Published all-in power holds the facility's share: it is divided out, and the operator's own PUE applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from drivetrain.catalogue.market import Economic, Price
from drivetrain.econ.pricing import PURCHASE_SCOPE
from drivetrain.econ.tco import Hardware, Hourly, Terms, capital_for, hourly
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import slug, suggest

REFERENCE = "hyperscaler"  # whose prices and published costs the others' are derived from
_CLUSTER, _SERVER = "cluster share, hyperscaler", "server share, hyperscaler"
_TERMS = tuple(field.name for field in fields(Terms))


@dataclass(frozen=True, slots=True)
class Operator:
    """A kind of operator: its terms at middle values, and every quantity with its range by name."""

    name: str
    terms: Terms
    price_premium: float
    utilisation_frac: float
    quantities: Mapping[str, Economic]


@dataclass(frozen=True, slots=True)
class Owned:
    """An accelerator as an operator owns it, and where its price comes from.

    ``basis`` is ``purchase price``, ``solved from published cost`` or ``retail price``; ``source`` where it was seen.
    ``published_usd_per_hour`` is the public cost of this kind of operator, where there is one.
    """

    accelerator: str
    operator: Operator
    hardware: Hardware
    basis: str
    source: str
    unverified: bool
    published_usd_per_hour: float | None

    @property
    def hourly(self) -> Hourly:
        """USD per accelerator-hour by part."""
        return hourly(self.hardware, self.operator.terms)

    @property
    def is_definition(self) -> bool:
        """Whether the published cost of this very operator was used, so that agreeing with it proves nothing."""
        return self.basis == _SOLVED and self.operator.name == REFERENCE


_SOLVED = "solved from published cost"


def operator_names(economics: Mapping[str, Economic]) -> tuple[str, ...]:
    """Kinds of operators that the catalogue knows."""
    return tuple(key.partition(":")[0] for key in economics if key.endswith(":discount_rate_frac"))


def operator(name: str, economics: Mapping[str, Economic]) -> Operator:
    """One kind of operator at middle values."""
    known = operator_names(economics)
    wanted = slug(name)
    if wanted not in known:
        raise UnknownNameError("operator", name, suggest(wanted, known), f"Known: {', '.join(known)}.")
    prefix = f"{wanted}:"
    found = {key.removeprefix(prefix): value for key, value in economics.items() if key.startswith(prefix)}
    missing = [n for n in ("server_years", "load_frac", "pue", "usd_per_kwh") if n not in found]
    if missing:
        raise BadInputError(f"operator '{wanted}' lacks {prefix}{missing[0]} in economics*.toml. Add it.")
    values = {n: found[n].mid.value for n in _TERMS if n in found}
    premium, use = found.get("price_premium"), found.get("utilisation_frac")
    return Operator(
        wanted, Terms(**values), premium.mid.value if premium else 1.0, use.mid.value if use else 1.0, found
    )


def owned(
    accelerator: str,
    kind: Operator,
    prices: Iterable[Price],
    economics: Mapping[str, Economic],
    nameplate_w: float | None = None,
    capital_usd: float | None = None,
) -> Owned:
    """``accelerator`` as ``kind`` owns it.

    ``nameplate_w`` is power with the host's share, without PUE, for parts without published all-in power;
    ``capital_usd`` a price of one's own for it all, in place of what is known. An error where neither is.
    """
    own = [price for price in prices if price.accelerator == accelerator]
    kw = critical_kw(accelerator, economics, nameplate_w)
    reference = operator(REFERENCE, economics) if kind.name != REFERENCE else kind
    published = {p.terms: p for p in own if p.kind == "tco"}
    bought = {p.terms: p for p in own if p.kind == "purchase"}
    mine = published.get(kind.name)
    seen = mine.usd.value if mine else None
    if capital_usd is not None:
        return Owned(accelerator, kind, _split(capital_usd, None, kw, economics), "your choice", "capital_usd", False,
                     seen)  # fmt: skip
    if _CLUSTER in bought:
        price = bought[_CLUSTER]
        server = bought[_SERVER].usd.value if _SERVER in bought else None
        found = _split(price.usd.value, server, kw, economics)
        return Owned(accelerator, kind, found.at(found.capital_usd * kind.price_premium), "purchase price",
                     _origin(price), price.usd.unverified, seen)  # fmt: skip
    if REFERENCE in published:
        price = published[REFERENCE]
        capital = capital_for(price.usd.value, kw, reference.terms)
        found = _split(capital, None, kw, economics)
        return Owned(accelerator, kind, found.at(capital * kind.price_premium), _SOLVED, _origin(price),
                     price.usd.unverified, seen)  # fmt: skip
    terms = next((t for t in PURCHASE_SCOPE if t in bought), None)
    if terms is None:
        raise BadInputError(
            f"no purchase price of {accelerator} is known, and no published cost to solve it from. "
            "Give one with --set capital_usd=40000, server and network in it, or add it in a folder named by "
            "DRIVETRAIN_CATALOGUE; 'drivetrain list prices' shows what is known."
        )
    price = bought[terms]
    return Owned(accelerator, kind, _completed(price.usd.value, terms, kw, economics), f"retail price, {terms}",
                 _origin(price), price.usd.unverified, seen)  # fmt: skip


def is_priced(accelerator: str, prices: Iterable[Price]) -> bool:
    """Whether :func:`owned` finds a price of ``accelerator``."""
    known = {(price.kind, price.terms) for price in prices if price.accelerator == accelerator}
    return ("tco", REFERENCE) in known or any(("purchase", t) in known for t in (_CLUSTER, *PURCHASE_SCOPE))


def critical_kw(accelerator: str, economics: Mapping[str, Economic], nameplate_w: float | None = None) -> float:
    """Critical IT power provisioned for one accelerator, kW, without PUE."""
    published = economics.get(f"all_in_w:{accelerator}")
    if published is not None:
        return published.mid.value / economics["all_in_pue"].mid.value / 1e3
    if nameplate_w is None:
        raise BadInputError(f"no provisioned power of {accelerator} is known. Give its nameplate power.")
    return nameplate_w / 1e3


def _split(capital: float, server: float | None, kw: float, economics: Mapping[str, Economic]) -> Hardware:
    """A cluster's share by part: network beside servers, accelerators within them."""
    network = economics["network_cost_frac"].mid.value * capital if server is None else capital - server
    within = economics["accelerator_of_server_frac"].mid.value
    servers = capital - network
    return Hardware(within * servers, (1.0 - within) * servers, network, kw)


def _completed(usd: float, terms: str, kw: float, economics: Mapping[str, Economic]) -> Hardware:
    """A retail price with the server and network that it lacks."""
    has_server, has_network = PURCHASE_SCOPE[terms]
    multiplier = economics["server_cost_multiplier"].mid.value
    network = economics["network_cost_frac"].mid.value
    if has_network:
        return _split(usd, None, kw, economics)
    servers = usd if has_server else usd * multiplier
    within = economics["accelerator_of_server_frac"].mid.value if has_server else 1.0 / multiplier
    return Hardware(within * servers, (1.0 - within) * servers, servers * network / (1.0 - network), kw)


def _origin(price: Price) -> str:
    return f"{price.usd.source}, {price.usd.seen}"
