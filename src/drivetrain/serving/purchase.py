"""What one buys for a number of replicas: loose accelerators, whole servers or cloud instances.

Replicas of s accelerators in units of u: a unit holds ``r = floor(u / s)`` of them, or one of them takes
``k = ceil(s / u)`` units. Then n replicas and S spare units are

    units = ceil(n / r) k + S,    accelerators = units u,    idle = accelerators - n s

Loose accelerators are bought by the replica, u = s, so nothing but spares is idle. Every limit is linear in units, so
the most replicas under all of them is one division a limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["accelerator", "server", "instance"]
_ROUNDING = 1 + 1e-12  # 20.4 kW hold two servers of 10.2 kW


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest thing one can buy: a server or instance by name, or one accelerator (``name`` empty)."""

    kind: UnitKind = "accelerator"
    name: str = ""
    n_accelerators: int = 1


LOOSE = Unit()


@dataclass(frozen=True, slots=True)
class Packing:
    """How replicas fill units. ``unit`` is accelerators a unit, those of one replica where they are loose."""

    unit: int
    replicas_per_unit: int
    units_per_replica: int
    spare_units: int

    def units(self, replicas: int) -> int:
        """Units bought for ``replicas``, spares included.

        >>> packing(Unit("server", "node", 8), 3, spares=1).units(5)
        4
        """
        return -(-replicas // self.replicas_per_unit) * self.units_per_replica + self.spare_units

    def accelerators(self, replicas: int) -> int:
        """Accelerators bought for ``replicas``, spares and those left over included."""
        return self.units(replicas) * self.unit

    def replicas(self, units: float) -> int:
        """The most replicas that ``units`` hold besides the spares; 0 where not even one."""
        return max(0, math.floor(units - self.spare_units) // self.units_per_replica) * self.replicas_per_unit


def packing(unit: Unit, replica: int, spares: int = 0) -> Packing:
    """Pack replicas of ``replica`` accelerators into ``unit``; spares are whole units, or replicas where loose."""
    if unit.kind == "accelerator":
        return Packing(replica, 1, 1, spares)
    held = unit.n_accelerators // replica
    return Packing(unit.n_accelerators, max(1, held), 1 if held else -(-replica // unit.n_accelerators), spares)


@dataclass(frozen=True, slots=True)
class Quota:
    """At most so many of an accelerator, server or instance."""

    kind: UnitKind
    name: str
    most: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What all that is bought must stay within.

    ``power_w`` bounds provisioned IT power (TDP and host nameplate, no PUE). A rack takes as many servers as
    ``rack_power_w`` feeds. ``spares`` are units bought beyond the need.
    """

    accelerators: float = math.inf
    power_w: float = math.inf
    usd_per_hour: float = math.inf
    racks: float = math.inf
    rack_power_w: float = math.inf
    quotas: tuple[Quota, ...] = ()
    spares: int = 0


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Part:
    """What one accelerator of an offer takes: names it counts under, its server, price and provisioned power."""

    accelerator: str
    unit: Unit
    server: str
    server_accelerators: int
    usd_per_hour: float
    provisioned_w: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What one unit takes of one limit. ``whole``: the total is counted up to a whole number."""

    limit: str
    value: float
    per_unit: float
    whole: bool = False

    @property
    def most_units(self) -> float:
        """Units within the limit: none where the claim is unknown, as a price may be."""
        if math.isnan(self.per_unit):
            return 0.0
        return math.inf if math.isinf(self.value) else math.floor(self.value / self.per_unit * _ROUNDING)

    def needed(self, units: float) -> float:
        """What ``units`` take of the limit."""
        total = self.per_unit * units
        return math.ceil(total / _ROUNDING) if self.whole and math.isfinite(total) else total


def claims(part: Part, unit_accelerators: int, limits: Limits) -> list[Claim]:
    """Every finite limit that units of ``unit_accelerators`` accelerators of ``part`` count against."""
    n = float(unit_accelerators)
    watts = n * part.provisioned_w
    found = [
        Claim("max_accelerators", limits.accelerators, n),
        Claim("max_power_w", limits.power_w, watts),
        Claim("budget_usd_per_hour", limits.usd_per_hour, n * part.usd_per_hour),
    ]
    if math.isfinite(limits.racks):
        servers_per_rack = math.floor(limits.rack_power_w / watts * _ROUNDING)
        found.append(Claim("max_racks", limits.racks, 1.0 / servers_per_rack if servers_per_rack else math.inf, True))
    for quota in limits.quotas:
        if quota.kind == "accelerator" and quota.name == part.accelerator:
            found.append(Claim(f"max {quota.name}", quota.most, n))
        elif quota.kind != "accelerator" and (quota.kind, quota.name) == (part.unit.kind, part.unit.name):
            found.append(Claim(f"max {quota.name}", quota.most, 1.0))
        elif (quota.kind, quota.name) == ("server", part.server):  # loose accelerators sit in servers all the same
            found.append(Claim(f"max {quota.name}", quota.most, n / part.server_accelerators, True))
    return [claim for claim in found if math.isfinite(claim.value)]


def most_units(found: list[Claim]) -> float:
    """Units that all claims together allow; infinite without any."""
    return min((claim.most_units for claim in found), default=math.inf)
