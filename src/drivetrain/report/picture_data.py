"""What the pictures show, taken from an answer once for terminal and file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.report.words import fleet_of
from drivetrain.serving.slo import parse_slo
from drivetrain.units import show

_SPREAD = 20.0  # an axis whose values spread more than this is logarithmic


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a scatter plot: where, whose, and whether it meets the targets."""

    x: float
    y: float
    group: str
    meets: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Front:
    """Tokens/s per accelerator against tokens/s per user: the front, the plan, and what the TPOT targets ask."""

    points: tuple[Point, ...]
    chosen: Point | None
    least_x: float | None
    slo: str

    @property
    def groups(self) -> tuple[str, ...]:
        """Accelerators on the front, fastest per user first."""
        return tuple(dict.fromkeys(p.group for p in sorted(self.points, key=lambda p: -p.x)))


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """Memory of one accelerator, bytes: what is resident, what the engine leaves free or untouched, the limits."""

    used: Mapping[str, float]
    free: float
    untouched: float
    engine: float
    physical: float


def front_of(answer: Mapping[str, Any]) -> Front:
    """The Pareto front of a plan, with the plan on it."""
    points = tuple(
        Point(p["tokens_per_s_per_user"], p["tokens_per_s_per_accelerator"], p["accelerator"], p["meets_slo"],
              p["layout"])
        for p in answer.get("pareto") or ()
    )  # fmt: skip
    slo = answer["scenario"]["slo"] if answer.get("scenario") else ""
    limits = {t.name: t.limit_s for t in parse_slo(slo) if t.metric == "tpot"}
    tightest = min(limits, key=lambda name: limits[name], default="")
    return Front(
        points=points,
        chosen=_chosen(answer),
        least_x=1.0 / limits[tightest] if tightest else None,
        slo=f"{tightest.replace('_', ' ').replace('tpot', 'TPOT')} ≤ {show(limits[tightest], 's')}" if tightest else "",
    )


def quality_frontier(answer: Mapping[str, Any]) -> list[Point]:
    """Cost against the share of quality kept, best quality first; empty where the plan has no such choice."""
    rows = answer.get("quality_frontier") or ()
    points = [
        Point(row["recovery_frac"], row["usd_per_million_output_tokens"], "", True, str(row.get("label", "")))
        for row in rows
        if row.get("recovery_frac") is not None and row.get("usd_per_million_output_tokens") is not None
    ]
    return sorted(points, key=lambda p: (-p.x, p.y)) if len(points) > 1 else []


def memory_parts(fields: Mapping[str, Any]) -> MemoryParts:
    """What fills one accelerator's memory, up to what is soldered on."""
    memory = fields["memory_bytes"]
    used = {k.replace("_", " ").replace("kv", "KV"): v for k, v in memory.items() if k not in ("free", "usable")}
    limits = fields.get("memory_limits_bytes") or {"engine": memory["usable"], "physical": memory["usable"]}
    taken = sum(used.values())
    engine = max(limits["engine"], taken)
    physical = max(limits["physical"], engine)
    return MemoryParts(used, engine - taken, physical - engine, engine, physical)


def step_parts(fields: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the mean step by what it waits for; what takes none is left out."""
    return {k.replace("kv", "KV"): v for k, v in fields["breakdown_s"].items() if v > 0}


def is_wide(values: Sequence[float]) -> bool:
    """Whether positive values spread so far that only a logarithmic axis shows them all."""
    return bool(values) and min(values) > 0 and max(values) > _SPREAD * min(values)


def _chosen(answer: Mapping[str, Any]) -> Point | None:
    best, offered = answer.get("best"), answer.get("offered_output_tokens_per_s")
    if not best or not offered or not best.get("tokens_per_s_per_user"):
        return None
    y = offered["peak"] / best["n_accelerators"]
    label = f"{best['n_accelerators']}x {best['accelerator']} ({fleet_of(best)})"
    return Point(best["tokens_per_s_per_user"], y, best["accelerator"], True, label)
