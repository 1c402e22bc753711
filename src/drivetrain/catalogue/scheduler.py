"""How a serving engine forms its steps: the ``[scheduler]`` table of ``data/engines/*.toml``.

These are an engine's defaults at a version, as data over the one simulator (docs/method/engines.md). Numbers are facts
like any other; choices carry value, source, date and kind just the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from drivetrain.catalogue.fact import Fact, read_fact
from drivetrain.catalogue.stated import Stated, stated_value
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnitError

Mixes = Literal["always", "chunks", "never"]
Admits = Literal["prompt", "chunk"]
Victim = Literal["last", "fewest-tokens", "none"]


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What an engine's scheduler does unless told otherwise.

    ``mixes``: prompts share steps with decodes *always*, only when they are cut into *chunks*, or *never* (steps of
    their own while decodes wait). ``admits``: a request is let in when its whole *prompt* fits the free cache, or its
    first *chunk* does. ``watermark_frac`` of the cache stays free at admission; ``reserve_output_frac`` is the share of
    the tokens that running requests may still write that admission leaves room for. ``victim``: who is preempted when
    cache runs out, and computed again later: the *last* admitted, whoever has written the *fewest tokens*, or *none* as
    it cannot run out. ``priority_victim``: where requests are scheduled by priority, the least important is the victim.
    ``prefix_cache``: prompts reuse cached prefixes by default. ``drafts_in_budget``: drafted tokens count against a
    step's token budget.
    """

    mixes: Mixes = "always"
    admits: Admits = "prompt"
    watermark_frac: float = 0.0
    reserve_output_frac: float = 0.0
    victim: Victim = "last"
    priority_victim: bool = False
    prefix_cache: bool = True
    drafts_in_budget: bool = True
    facts: Mapping[str, Fact] = field(default_factory=dict)
    stated: Mapping[str, Stated] = field(default_factory=dict)

    def mixed(self, chunked: bool) -> bool:
        """Whether prompts run in steps with decodes, where they are cut into chunks or not.

        >>> Scheduler(mixes="chunks").mixed(True), Scheduler(mixes="chunks").mixed(False)
        (True, False)
        """
        return self.mixes == "always" or (self.mixes == "chunks" and chunked)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Fields that nobody could confirm."""
        known: dict[str, Fact | Stated] = {**self.facts, **self.stated}
        return tuple(name for name, fact in known.items() if fact.unverified)


def read_scheduler(table: Table) -> Scheduler:
    """Build a :class:`Scheduler` from its TOML table."""
    stated: dict[str, Stated] = {}
    facts = {name: _share(table, name) for name in ("watermark_frac", "reserve_output_frac")}

    def text(name: str, *among: str) -> str:
        return Table({name: stated_value(table, name, stated)}, table.where).text(name, among=among)

    def flag(name: str) -> bool:
        return Table({name: stated_value(table, name, stated)}, table.where).flag(name)

    record = Scheduler(
        mixes=cast(Mixes, text("mixes", "always", "chunks", "never")),
        admits=cast(Admits, text("admits", "prompt", "chunk")),
        watermark_frac=facts["watermark_frac"].value,
        reserve_output_frac=facts["reserve_output_frac"].value,
        victim=cast(Victim, text("victim", "last", "fewest-tokens", "none")),
        priority_victim=flag("priority_victim"),
        prefix_cache=flag("prefix_cache"),
        drafts_in_budget=flag("drafts_in_budget"),
        facts=facts,
        stated=stated,
    )
    table.done()
    if record.victim == "none" and record.reserve_output_frac < 1.0:
        raise FileError(
            f"{table.field('victim')} is 'none', but only a share {record.reserve_output_frac} of outputs is reserved, "
            "so that cache can run out. Write reserve_output_frac = 1, or who is preempted."
        )
    return record


def _share(table: Table, name: str) -> Fact:
    """A sourced share from 0 to 1; nothing is a value here."""
    where = table.field(name)
    try:
        fact = read_fact(table.take(name), "1", where)
    except UnitError as error:
        raise FileError(f"{where}: {error.args[0]}") from None
    for one in (fact, *fact.also):
        if not 0.0 <= one.value <= 1.0:
            raise FileError(f"{where} is {one.text}. Write a share from 0 to 1.")
    return fact
