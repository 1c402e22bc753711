"""What one buys for two pools: they share servers where both run on the same offer.

Servers of u accelerators are filled with the larger replicas first, the smaller ones go into what those leave over and
then into servers of their own. A spare server serves either pool; loose accelerators are spared by the replica, one of
each pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.serving.purchase import Limits, claims, packing
from drivetrain.serving.search import Job


@dataclass(frozen=True, slots=True)
class Line:
    """One offer on the bill: ``units`` of ``unit`` accelerators; ``job`` stands for its price and power.

    ``serving`` of the accelerators work in replicas, ``spare`` are in spare units, the rest are left over.
    """

    job: Job
    unit: int
    units: int
    serving: int
    spare: int

    @property
    def n_accelerators(self) -> int:
        """All accelerators of the line."""
        return self.unit * self.units

    @property
    def idle(self) -> int:
        """Accelerators left over in started units."""
        return self.n_accelerators - self.serving - self.spare

    @property
    def usd_per_hour(self) -> float:
        """Price of the line (NaN where unknown)."""
        return self.n_accelerators * self.job.offer.usd_per_hour


def bill(prefill: Job, prefill_replicas: int, decode: Job, decode_replicas: int, spares: int = 0) -> tuple[Line, ...]:
    """Everything bought for both pools: one line where they share an offer, else two."""
    p, d = prefill.deployment.cut.layout.n_accelerators, decode.deployment.cut.layout.n_accelerators
    if prefill.offer.name != decode.offer.name:
        return (_alone(prefill, p, prefill_replicas, spares), _alone(decode, d, decode_replicas, spares))
    serving = prefill_replicas * p + decode_replicas * d
    unit = prefill.offer.unit
    if unit.kind == "accelerator":
        return (Line(decode, 1, serving + spares * (p + d), serving, spares * (p + d)),)
    u = unit.n_accelerators
    units = _packed([p] * prefill_replicas + [d] * decode_replicas, u)
    return (Line(decode, u, units + spares, serving, spares * u),)


def allowed(lines: Sequence[Line], limits: Limits) -> bool:
    """Whether all lines together stay within ``limits``."""
    return not exceeded(lines, limits)


def exceeded(lines: Sequence[Line], limits: Limits) -> list[tuple[str, float, float]]:
    """Limits that all lines together exceed: name, value, what is needed (NaN where a price is unknown)."""
    taken: dict[str, float] = {}
    most: dict[str, float] = {}
    for line in lines:
        for claim in claims(line.job.part, line.unit, limits):
            taken[claim.limit] = taken.get(claim.limit, 0.0) + claim.needed(line.units)
            most[claim.limit] = claim.value
    return [(limit, most[limit], need) for limit, need in taken.items() if not need <= most[limit] * (1.0 + 1e-12)]


def _alone(job: Job, replica: int, replicas: int, spares: int) -> Line:
    p = packing(job.offer.unit, replica, spares)
    return Line(job, p.unit, p.units(replicas), replicas * replica, spares * p.unit)


def _packed(sizes: list[int], unit: int) -> int:
    """Units for replicas of ``sizes``, the largest first, each into the first unit with room (two sizes at most)."""
    units = 0
    room: dict[int, int] = {}  # free accelerators in a unit -> units that have as many
    for size in sorted(set(sizes), reverse=True):
        count = sizes.count(size)
        if size >= unit:
            units += count * -(-size // unit)
            left = -size % unit
            room[left] = room.get(left, 0) + count
            continue
        for free in sorted(room, reverse=True):
            if free < size or count == 0:
                continue
            used = min(room[free], -(-count // (free // size)))
            count -= min(count, used * (free // size))
            room[free] -= used
        opened = -(-count // (unit // size))
        units += opened
        if opened:
            room[unit % size] = room.get(unit % size, 0) + opened - 1
            last = unit - (count - (opened - 1) * (unit // size)) * size
            room[last] = room.get(last, 0) + 1
    return units
