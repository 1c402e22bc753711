"""TOML tables of accelerators, servers and fabrics -> records."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.hardware import PRECISIONS, Accelerator, Fabric, LinkKind, ScaleUp, Server
from drivetrain.catalogue.table import Table, values
from drivetrain.errors import FileError

AcceleratorKind = Literal["gpu", "tpu", "npu", "cpu"]
STATUSES = ("shipping", "announced", "retired")


def read_accelerator(raw: dict[str, Any], where: str) -> Accelerator:
    """Build an :class:`Accelerator` from its TOML table."""
    table = Table(raw, where)
    flops = _flops(table.table("flops"))
    scaleup, link_facts = _scaleup(table.table("scaleup"))
    memory, usable = table.fact("memory", "bytes"), table.fact("usable_memory", "bytes")
    bandwidth = table.fact("hbm_bandwidth", "bytes/s")
    tdp, idle = table.fact("tdp", "W"), table.fact("idle", "W")
    scaleout = table.fact("scaleout", "bytes/s")
    facts = {f"flops.{key}": fact for key, fact in flops.items()} | {
        "memory_bytes": memory,
        "usable_bytes": usable,
        "hbm_bytes_per_s": bandwidth,
        "tdp_w": tdp,
        "idle_w": idle,
        **link_facts,
        "scaleout_bytes_per_s": scaleout,
    }
    record = Accelerator(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        vendor=table.text("vendor"),
        generation=table.text("generation"),
        kind=cast(AcceleratorKind, table.text("kind", among=get_args(AcceleratorKind))),
        launched=table.text("launched"),
        memory_type=table.text("memory_type"),
        flops=values(flops),
        memory_bytes=memory.value,
        usable_bytes=usable.value,
        hbm_bytes_per_s=bandwidth.value,
        tdp_w=tdp.value,
        idle_w=idle.value,
        scaleup=scaleup,
        scaleout_bytes_per_s=scaleout.value,
        facts=facts,
        status=table.text("status", "shipping", among=STATUSES),
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def _flops(table: Table) -> dict[str, Fact]:
    unknown = [key for key in table if key not in PRECISIONS]
    if unknown:
        raise FileError(f"{table.field(unknown[0])} is no precision. Write one of {', '.join(PRECISIONS)}.")
    if not table.keys():
        raise FileError(f"{table.where} is empty. Give at least one dense rate, for example bf16.")
    return {key: table.fact(key, "FLOP/s") for key in table}


def _scaleup(table: Table) -> tuple[ScaleUp, dict[str, Fact]]:
    link, n_links = table.fact("link", "bytes/s"), table.count_fact("n_links")
    domain, stated = table.count_fact("domain"), table.optional_fact("stated", "bytes/s")
    record = ScaleUp(
        kind=cast(LinkKind, table.text("kind", among=get_args(LinkKind))),
        fabric=table.text("fabric"),
        n_links=int(n_links.value),
        link_bytes_per_s=link.value,
        domain=int(domain.value),
    )
    table.done()
    facts = {"scaleup.link_bytes_per_s": link, "scaleup.n_links": n_links, "scaleup.domain": domain}
    return record, facts | ({"scaleup.bytes_per_s": stated} if stated else {})


def read_server(raw: dict[str, Any], where: str) -> Server:
    """Build a :class:`Server` from its TOML table."""
    table = Table(raw, where)
    nic, host = table.fact("nic", "bytes/s"), table.fact("host_power", "W")
    system = table.optional_fact("system_power", "W")
    facts = {"nic_bytes_per_s": nic, "host_w": host} | ({"system_w": system} if system else {})
    record = Server(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        accelerator=table.text("accelerator"),
        n_accelerators=table.count("n_accelerators"),
        fabric=table.text("fabric"),
        nic_bytes_per_s=nic.value,
        host_w=host.value,
        facts=facts,
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def read_fabric(raw: dict[str, Any], where: str) -> Fabric:
    """Build a :class:`Fabric` from its TOML table."""
    table = Table(raw, where)
    link, latency = table.fact("link", "bytes/s"), table.fact("latency", "s")
    record = Fabric(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        scope=cast(Literal["scale-up", "scale-out"], table.text("scope", among=("scale-up", "scale-out"))),
        kind=cast(LinkKind, table.text("kind", among=get_args(LinkKind))),
        link_bytes_per_s=link.value,
        latency_s=latency.value,
        facts={"link_bytes_per_s": link, "latency_s": latency},
        notes=table.text("notes", ""),
    )
    table.done()
    return record
