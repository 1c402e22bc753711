"""A fact: one value with its unit, source and date, and the sources that disagree with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from drivetrain import units
from drivetrain.errors import FileError

Kind = Literal["vendor", "measured", "derived", "assumed"]
KINDS: tuple[Kind, ...] = ("vendor", "measured", "derived", "assumed")


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from: a row of ``data/sources.toml``."""

    id: str
    title: str
    publisher: str
    date: str
    url: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One sourced value.

    ``value`` is SI (``text`` is how the source wrote it); ``kind`` says whether a vendor stated it, somebody
    measured it, it was derived from other facts, or it is assumed; ``unverified`` marks what nobody could
    confirm. ``also`` keeps the values of sources that disagree; the one on top is the one used, ``note`` says why.
    """

    value: float
    text: str
    dimension: str
    source: str
    seen: str
    kind: Kind
    unverified: bool = False
    note: str = ""
    also: tuple[Fact, ...] = field(default=())


def read_fact(raw: Any, dimension: str, where: str) -> Fact:  # noqa: ANN401 - straight from TOML
    """Build a :class:`Fact` from its TOML table ``{value, source, seen, kind[, unverified, note, also]}``."""
    if not isinstance(raw, dict):
        raise FileError(f"{where}: write a table with value, source, seen and kind, not {raw!r}.")
    missing = [key for key in ("value", "source", "seen", "kind") if key not in raw]
    if missing:
        raise FileError(f"{where}: {', '.join(missing)} missing. Every value carries its source and date.")
    if raw["kind"] not in KINDS:
        raise FileError(f"{where}: kind '{raw['kind']}' is not one of {', '.join(KINDS)}.")
    unknown = set(raw) - {"value", "source", "seen", "kind", "unverified", "note", "also"}
    if unknown:
        raise FileError(f"{where}: unknown field {', '.join(sorted(unknown))}.")
    return Fact(
        value=units.parse(raw["value"], dimension),
        text=str(raw["value"]),
        dimension=dimension,
        source=raw["source"],
        seen=str(raw["seen"]),
        kind=raw["kind"],
        unverified=bool(raw.get("unverified", False)),
        note=raw.get("note", ""),
        also=tuple(read_fact(other, dimension, f"{where}.also") for other in raw.get("also", ())),
    )
