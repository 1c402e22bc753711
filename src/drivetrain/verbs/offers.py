"""What is on offer, priced: accelerators by the piece, whole servers, or cloud instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator, Server
from drivetrain.catalogue.instance import Instance
from drivetrain.catalogue.market import Economic, Price
from drivetrain.cost.hardware import hardware_of
from drivetrain.econ.instances import instance_price
from drivetrain.econ.pricing import HourlyPrice, hourly_price
from drivetrain.errors import BadInputError
from drivetrain.registry import slug, suggest
from drivetrain.scenario import ServeScenario
from drivetrain.serving.purchase import LOOSE, Unit
from drivetrain.serving.search import Offer


@dataclass(frozen=True, slots=True)
class Market:
    """Prices and what they depend on: electricity in the region, shares and lifetimes."""

    prices: tuple[Price, ...]
    economics: Mapping[str, Economic]
    usd_per_kwh: float
    region: str


def offers_of(
    scenario: ServeScenario, accelerators: Iterable[Accelerator], market: Market
) -> tuple[tuple[Offer, ...], dict[str, HourlyPrice]]:
    """Offers of ``accelerators`` as ``scenario`` buys them, and the price of each that has one, by the offer's name."""
    servers = servers_by_accelerator()
    maker = {"accelerators": _loose, "servers": _in_servers, "instances": _as_instances}[scenario.buy]
    found = [pair for a in accelerators for pair in maker(scenario, a, servers.get(a.name, ()), market)]
    if not found:
        raise BadInputError(f"the catalogue has no {scenario.buy[:-1]} with {_wanted(scenario)}. {_instead(scenario)}")
    return tuple(offer for offer, _ in found), {offer.name: price for offer, price in found if price is not None}


def servers_by_accelerator() -> dict[str, tuple[Server, ...]]:
    """Servers that hold each accelerator, the largest first: racks and larger systems before single cards."""
    found: dict[str, list[Server]] = {}
    for server in loader.load_all("servers").values():
        found.setdefault(server.accelerator, []).append(server)
    return {name: tuple(sorted(all_, key=lambda s: -s.n_accelerators)) for name, all_ in found.items()}


_Pairs = Iterator[tuple[Offer, HourlyPrice | None]]


def _loose(scenario: ServeScenario, accelerator: Accelerator, servers: tuple[Server, ...], market: Market) -> _Pairs:
    server = servers[0] if servers else None
    price = _price(scenario, accelerator, server, market)
    yield _offer(accelerator, server, LOOSE, price, market, accelerator.scaleup.domain), price


def _in_servers(
    scenario: ServeScenario, accelerator: Accelerator, servers: tuple[Server, ...], market: Market
) -> _Pairs:
    for server in servers:
        price = _price(scenario, accelerator, server, market)
        unit = Unit("server", server.name, server.n_accelerators)
        yield _offer(accelerator, server, unit, price, market, _domain(accelerator, server.n_accelerators)), price


def _as_instances(
    scenario: ServeScenario, accelerator: Accelerator, servers: tuple[Server, ...], market: Market
) -> _Pairs:
    providers = _providers(scenario.providers)
    for instance in loader.load_all("instances").values():
        if instance.accelerator != accelerator.name or (providers and instance.provider not in providers):
            continue
        price = instance_price(instance, scenario.pricing, market.region)
        unit = Unit("instance", instance.name, instance.n_accelerators)
        whole = _domain(accelerator, instance.n_accelerators)
        domain = min(accelerator.scaleup.domain, instance.n_accelerators) if instance.size == "slice" else whole
        server = servers[0] if servers else None
        yield _offer(accelerator, server, unit, price, market, domain, nic=instance.nic_bytes_per_s), price


def _domain(accelerator: Accelerator, held: int) -> int:
    """Accelerators that share fast links: those of a server, on a torus those of all servers of the pod."""
    links = accelerator.scaleup
    return links.domain if links.kind == "torus" else min(links.domain, held)


def _price(
    scenario: ServeScenario, accelerator: Accelerator, server: Server | None, market: Market
) -> HourlyPrice | None:
    watts = accelerator.tdp_w + _host_w(server)
    return hourly_price(accelerator.name, scenario.pricing, market.prices, market.economics, watts, market.usd_per_kwh)


def _host_w(server: Server | None) -> float:
    """Nameplate power of the host for each accelerator of ``server``."""
    return server.host_w / server.n_accelerators if server else 0.0


def _offer(
    accelerator: Accelerator, server: Server | None, unit: Unit, price: HourlyPrice | None, market: Market,
    domain: int, nic: float | None = None,
) -> Offer:  # fmt: skip
    rate, fabric = (server.nic_bytes_per_s, server.fabric) if server else (accelerator.scaleout_bytes_per_s, "")
    return Offer(
        hardware=hardware_of(accelerator, domain=domain, nic_bytes_per_s=rate if nic is None else nic, fabric=fabric),
        accelerator=accelerator,
        host_w=_host_w(server) * market.economics["server_load_frac"].mid.value,
        usd_per_hour=price.usd_per_hour if price else float("nan"),
        server_accelerators=server.n_accelerators if server else 1,
        unit=unit,
        server=server.name if server and unit.kind != "instance" else "",
        host_nameplate_w=_host_w(server),
    )


def _providers(wanted: tuple[str, ...]) -> set[str]:
    known: dict[str, Instance] = {slug(i.provider): i for i in loader.load_all("instances").values()}
    for name in wanted:
        if slug(name) not in known:
            close = suggest(name, known, 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(known))}."
            raise BadInputError(f"no cloud '{name}' in the catalogue. {hint}")
    return {known[slug(name)].provider for name in wanted}


def _wanted(scenario: ServeScenario) -> str:
    from_whom = f" from {', '.join(scenario.providers)}" if scenario.providers else ""
    return f"{', '.join(scenario.accelerators) or 'any accelerator'}{from_whom}"


def _instead(scenario: ServeScenario) -> str:
    return (
        "'drivetrain list instances' shows all; --buy servers or --buy accelerators plan without a cloud."
        if scenario.buy == "instances"
        else "Name other --accelerators, or --buy accelerators."
    )
