"""Who owns: kinds of operators with the terms that a person changes, and each accelerator's hour on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from drivetrain import units
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Server
from drivetrain.catalogue.market import Economic, Price, Region
from drivetrain.econ.operators import Owned, operator, operator_names, owned
from drivetrain.econ.tco import Terms
from drivetrain.errors import BadInputError, UnitError, UnknownNameError
from drivetrain.registry import suggest

TERMS = tuple(field.name for field in fields(Terms))
_CAPITAL, _PREMIUM = "capital_usd", "price_premium"
_DIMENSION = {"usd_per_kwh": "USD/kWh"}
# What lies outside is a slip of the unit, not a term that anybody has.
_BOUNDS = {"pue": (1.0, 10.0), "usd_per_kwh": (0.0, 100.0), "server_years": (0.1, 100.0),
           "facility_years": (0.1, 200.0), _PREMIUM: (0.0, 1000.0)}  # fmt: skip
_MOST_USD = 1e9
_USD = ("staff_usd_per_year", "facility_usd_per_kw", "colocation_usd_per_kw_month", _CAPITAL)


@dataclass(frozen=True, slots=True)
class Market:
    """Prices and economics as read once."""

    prices: tuple[Price, ...]
    economics: Mapping[str, Economic]


def market() -> Market:
    """The catalogue's."""
    return Market(tuple(loader.load_all("prices").values()), loader.economics())


def settings_of(texts: Sequence[str]) -> dict[str, float]:
    """``NAME=VALUE`` texts as terms, shares also in %, e.g. ``discount_rate_frac=12%``."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not equals or not value:
            raise BadInputError(f"cannot read --set '{text}'. Write NAME=VALUE, e.g. --set pue=1.3.")
        known = (*TERMS, _PREMIUM, _CAPITAL)
        if name not in known:
            raise UnknownNameError("term", name, suggest(name, known), f"Known: {', '.join(known)}.")
        if name in found:
            raise BadInputError(f"--set {name} is given twice. Keep one.")
        try:
            found[name] = units.parse(value, "USD" if name in _USD else _DIMENSION.get(name, "1"))
        except UnitError as error:
            raise BadInputError(f"--set {name} = '{value}': {error.args[0]}") from None
        if found[name] < 0:
            raise BadInputError(f"--set {name} must be a number of at least zero, not {value}.")
        least, most = _BOUNDS.get(name, (0.0, _MOST_USD))
        if not least <= found[name] <= most:
            raise BadInputError(f"--set {name} must lie from {least:g} to {most:,.0f}, not {value}; check the unit.")
    return found


def owned_by(
    accelerator: str, kind: str, known: Market, region: str = "", settings: Mapping[str, float] | None = None
) -> Owned:
    """``accelerator`` as ``kind`` owns it, with the electricity of ``region`` and changed terms."""
    found = operator(kind, known.economics)
    changed = {name: value for name, value in (settings or {}).items() if name in TERMS}
    if region:
        place: Region = loader.load("regions", region)
        if place.usd_per_kwh is None:
            raise BadInputError(f"no electricity price of {place.name} is known. Give --set usd_per_kwh=...")
        changed = {"usd_per_kwh": place.usd_per_kwh} | changed
    if _PREMIUM in (settings or {}):
        found = replace(found, price_premium=(settings or {})[_PREMIUM])
    capital = (settings or {}).get(_CAPITAL)
    mine = owned(accelerator, found, known.prices, known.economics, nameplate_w(accelerator), capital)
    return replace(mine, operator=replace(found, terms=replace(found.terms, **changed)))


def kinds_of(wanted: Sequence[str], known: Market) -> tuple[str, ...]:
    """Kinds of operators asked for, all where none is."""
    return tuple(operator(name, known.economics).name for name in wanted) or operator_names(known.economics)


def owned_fields(mine: Owned) -> dict[str, Any]:
    """An answer's fields of one owner's hour."""
    hour, hardware = mine.hourly, mine.hardware
    seen = mine.published_usd_per_hour
    return {
        "accelerator": mine.accelerator,
        "operator": mine.operator.name,
        "usd_per_accelerator_hour": hour.total,
        "usual_use_frac": mine.operator.utilisation_frac,
        "usd_per_used_hour": hour.total / mine.operator.utilisation_frac,
        "breakdown_usd": dict(hour.parts),
        "capital_usd": {
            "accelerator": hardware.accelerator_usd, "server": hardware.server_usd, "network": hardware.network_usd,
            "total": hardware.capital_usd,
        },
        "critical_kw": hardware.kw,
        "electricity_frac": hour.electricity / hour.total if hour.total else None,
        "electricity_and_facility_frac": (hour.electricity + hour.facility) / hour.total if hour.total else None,
        "price": {"basis": mine.basis, "source": mine.source, "unverified": mine.unverified,
                  "premium": mine.operator.price_premium},
        "published_usd_per_hour": seen,
        "error_frac": None if seen is None else hour.total / seen - 1.0,
        "is_definition": mine.is_definition,
    }  # fmt: skip


def solved_for(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Prices among ``rows`` that no source gives and that were solved for, each once."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        price = row["price"]
        if price["basis"].startswith("solved") and row["accelerator"] not in found:
            found[row["accelerator"]] = {
                "what": "purchase price of an accelerator with its share of server and network, at a hyperscaler",
                "accelerator": row["accelerator"],
                "usd": row["capital_usd"]["total"] / price["premium"] if price["premium"] else None,
                "from": f"published hourly cost of a hyperscaler ({price['source']})",
            }
    return list(found.values())


def nameplate_w(accelerator: str) -> float:
    """Power of an accelerator with its share of the largest server's host, nameplate, without PUE."""
    part = loader.load("accelerators", accelerator)
    servers: list[Server] = [s for s in loader.load_all("servers").values() if s.accelerator == part.name]
    largest = max(servers, key=lambda server: server.n_accelerators, default=None)
    return float(part.tdp_w + (largest.host_w / largest.n_accelerators if largest else 0.0))
