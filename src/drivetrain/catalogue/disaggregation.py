"""How engines hand a request over from a prefill server to a decode server: facts of ``data/disaggregation.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.stated import Stated, stated_value
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError

FirstToken = Literal["prefill", "decode"]
Sends = Literal["prompt", "chunk", "layer"]
Reserves = Literal["transfer", "prefill"]
_AXES = ("tp", "pp", "dp", "ep")


@dataclass(frozen=True, slots=True)
class Handover:
    """What an engine family does between prefill and decode.

    ``first_token``: which side computes the token a client sees first; the decode side shows it either way.
    ``sends``: the cache travels when the whole *prompt* is computed, after each *chunk* of it, or after each *layer*.
    ``reserves``: the decode server holds room from the *transfer* on, or from before the *prefill*.
    ``may_differ``: axes of the layout that the pools may set differently; ``same_tp_with_state``: tensor parallelism
    must agree where layers keep recurrent state; ``uniform_cache``: only models whose layers all cache alike.
    """

    family: str
    first_token: FirstToken
    sends: Sends
    reserves: Reserves
    may_differ: tuple[str, ...]
    same_tp_with_state: bool
    uniform_cache: bool
    stated: Mapping[str, Stated]

    @property
    def unverified(self) -> tuple[str, ...]:
        """Choices that nobody could confirm."""
        return tuple(name for name, fact in self.stated.items() if fact.unverified)


def handover(engine: Engine) -> Handover | None:
    """What ``engine`` does, or ``None`` where it is not known; the support matrix says from which version on."""
    return _handovers(user_folder()).get(engine.family)


def handovers() -> dict[str, Handover]:
    """All engine families that serve disaggregated."""
    return dict(_handovers(user_folder()))


@cache
def _handovers(user: str) -> dict[str, Handover]:
    found: dict[str, Handover] = {}
    for path, tables in overlaid("disaggregation", user):
        found |= {family: _read(family, Table(raw, f"{path}: {family}")) for family, raw in tables.items()}
    return found


def _read(family: str, table: Table) -> Handover:
    stated: dict[str, Stated] = {}

    def text(name: str, *among: str) -> str:
        value = stated_value(table, name, stated)
        return Table({name: value}, table.where).text(name, among=among)

    def flag(name: str) -> bool:
        return Table({name: stated_value(table, name, stated)}, table.where).flag(name)

    def texts(name: str) -> tuple[str, ...]:
        return Table({name: stated_value(table, name, stated)}, table.where).texts(name)

    record = Handover(
        family=family,
        first_token=cast(FirstToken, text("first_token", "prefill", "decode")),
        sends=cast(Sends, text("sends", "prompt", "chunk", "layer")),
        reserves=cast(Reserves, text("reserves", "transfer", "prefill")),
        may_differ=texts("may_differ"),
        same_tp_with_state=flag("same_tp_with_state"),
        uniform_cache=flag("uniform_cache"),
        stated=stated,
    )
    table.done()
    wrong = set(record.may_differ) - set(_AXES)
    if wrong:
        raise FileError(f"{table.field('may_differ')} names {', '.join(sorted(wrong))}. Axes are {', '.join(_AXES)}.")
    return record
