"""TOML tables of cloud instances -> records."""

from __future__ import annotations

from typing import Any, cast

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.instance import SIZES, TERMS, Instance, InstancePrice, Size, Terms
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError


def read_instance(raw: dict[str, Any], where: str) -> Instance:
    """Build an :class:`Instance` from its TOML table; ``[[prices]]`` may be absent."""
    table = Table(raw, where)
    nic, memory = table.fact("nic", "bytes/s"), table.optional_fact("host_memory", "bytes")
    vcpus = table.count_fact("vcpus") if "vcpus" in table else None
    prices = tuple(_price(entry) for entry in table.tables("prices")) if "prices" in table else ()
    hosts = {"nic_bytes_per_s": nic, "host_memory_bytes": memory, "vcpus": vcpus}
    facts = {key: fact for key, fact in hosts.items() if fact} | _price_facts(prices, where)
    record = Instance(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        provider=table.text("provider"),
        accelerator=table.text("accelerator"),
        n_accelerators=table.count("n_accelerators"),
        size=cast(Size, table.text("size", among=SIZES)),
        nic_bytes_per_s=nic.value,
        host_memory_bytes=memory.value if memory else None,
        vcpus=int(vcpus.value) if vcpus else None,
        prices=prices,
        facts=facts,
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def _price(table: Table) -> InstancePrice:
    price = InstancePrice(
        terms=cast(Terms, table.text("terms", among=TERMS)),
        region=table.text("region"),
        usd=table.fact("usd", "USD/h"),
    )
    table.done()
    return price


def _price_facts(prices: tuple[InstancePrice, ...], where: str) -> dict[str, Fact]:
    """Name each price by its terms and region, of which there may be one."""
    found: dict[str, Fact] = {}
    for price in prices:
        key = f"usd_per_h.{price.terms}.{price.region}"
        if key in found:
            raise FileError(
                f"{where}: two prices are '{price.terms}' in {price.region}. Keep one, the other under its 'also'."
            )
        found[key] = price.usd
    return found
