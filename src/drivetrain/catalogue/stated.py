"""A sourced choice: what a word or a switch in the catalogue rests on, as for every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivetrain.catalogue.fact import KINDS
from drivetrain.catalogue.table import Table


@dataclass(frozen=True, slots=True)
class Stated:
    """Where a choice is written: source, the month it was seen, and its kind as of a fact."""

    source: str
    seen: str
    kind: str
    unverified: bool
    note: str


def stated_value(table: Table, name: str, stated: dict[str, Stated]) -> Any:  # noqa: ANN401 - straight from TOML
    """The value of the choice ``name`` of ``table``; where it is written is kept in ``stated``."""
    choice = table.table(name)
    value = choice.take("value")
    stated[name] = Stated(
        source=choice.text("source"),
        seen=choice.text("seen"),
        kind=choice.text("kind", among=KINDS),
        unverified=choice.flag("unverified", False),
        note=choice.text("note", ""),
    )
    choice.done()
    return value
