"""What is bought for a number of replicas, in accelerators, servers or instances, dollars and watts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Server
from drivetrain.cost.hardware import Hardware
from drivetrain.econ.tokens import wall_power_w
from drivetrain.serving.purchase import Unit, packing
from drivetrain.serving.search import Offer


@dataclass(frozen=True, slots=True)
class Bought:
    """All that is bought: ``n_accelerators = serving + idle + spare``; a unit is what can be bought singly.

    ``idle`` are left over in started units; ``provisioned_w`` is TDP and host nameplate of everything, without PUE.
    """

    unit: Unit
    n_units: int
    n_accelerators: int
    serving: int
    idle: int
    spare: int
    usd_per_hour: float
    provisioned_w: float


def buy(offer: Offer, hardware: Hardware, replica: int, replicas: int, spares: int = 0) -> Bought:
    """Buy units of ``offer`` for ``replicas`` of ``replica`` accelerators with power limits as ``hardware`` says."""
    p = packing(offer.unit, replica, spares)
    n, serving = p.accelerators(replicas), replicas * replica
    spare = spares * p.unit
    return Bought(
        unit=offer.unit,
        n_units=p.units(replicas),
        n_accelerators=n,
        serving=serving,
        idle=n - serving - spare,
        spare=spare,
        usd_per_hour=n * offer.usd_per_hour,
        provisioned_w=n * (hardware.tdp_w + offer.host_nameplate_w),
    )


def wall_w(bought: Bought, hardware: Hardware, offer: Offer, serving_w: float, pue: float) -> float:
    """Power at the meter with serving accelerators at ``serving_w`` and all others idle in a running host."""
    others = bought.idle + bought.spare
    at_work = wall_power_w(bought.serving, serving_w, offer.host_w, pue)
    return at_work + wall_power_w(others, hardware.idle_w, offer.host_w, pue)


def bought_fields(bought: Bought) -> dict[str, Any]:
    """Fields of an answer beside ``n_accelerators``."""
    unit = bought.unit

    def of(kind: str, value: Any) -> Any:  # noqa: ANN401 - a name or a number
        return value if unit.kind == kind else None

    return {
        "server": of("server", unit.name),
        "n_servers": of("server", bought.n_units),
        "instance": of("instance", unit.name),
        "n_instances": of("instance", bought.n_units),
        "idle_accelerators": bought.idle,
        "spare_accelerators": bought.spare,
        "provisioned_power_w": bought.provisioned_w,
    }


def whole_servers(best: Mapping[str, Any], server: str, spares: int) -> dict[str, Any] | None:
    """``best``, planned in loose accelerators, in whole servers: the same replicas, rounded up to what is sold."""
    if not server:
        return None
    record: Server = loader.load("servers", server)
    unit = Unit("server", record.name, record.n_accelerators)
    p = packing(unit, best["accelerators_per_replica"], spares)
    n, usd = p.accelerators(best["replicas"]), best["usd_per_accelerator_hour"]
    return {
        "server": record.name,
        "n_servers": p.units(best["replicas"]),
        "n_accelerators": n,
        "idle_accelerators": n - best["replicas"] * best["accelerators_per_replica"] - spares * p.unit,
        "usd_per_hour": None if usd is None else n * usd,
    }
