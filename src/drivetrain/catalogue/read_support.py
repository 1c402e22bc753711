"""TOML tables of the support matrix -> records: one file per engine family, its rules in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from drivetrain.catalogue.formats import FORMATS
from drivetrain.catalogue.hardware import PRECISIONS
from drivetrain.catalogue.support_rules import (
    FEATURES,
    QUESTIONS,
    STATUSES,
    EngineSupport,
    Rule,
    Status,
    Version,
    version_of,
)
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError
from drivetrain.registry import suggest


def read_support(raw: dict[str, Any], where: str) -> EngineSupport:
    """Build an :class:`EngineSupport`; ``[groups]`` name lists of generations that rules may write instead."""
    table = Table(raw, where)
    releases = table.texts("releases")
    wrong = [text for text in releases if not version_of(text)]
    if wrong or not releases:
        raise FileError(f'{table.field("releases")}: list the lines of releases as numbers, such as ["0.9", "0.10"].')
    groups = _groups(table.table("groups")) if "groups" in table else {}
    record = EngineSupport(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        family=table.text("family"),
        title=table.text("title"),
        releases=releases,
        rules=tuple(_rules(table, groups, [version_of(text) for text in releases])),
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def _groups(table: Table) -> dict[str, tuple[str, ...]]:
    return {name: table.texts(name) for name in table}


def _rules(table: Table, groups: Mapping[str, tuple[str, ...]], releases: list[Version]) -> Iterator[Rule]:
    for question in QUESTIONS:
        for entry in table.tables(question) if question in table else ():
            rule = _rule(entry, question, groups, releases)
            entry.done()
            yield rule


def _rule(table: Table, question: str, groups: Mapping[str, tuple[str, ...]], releases: list[Version]) -> Rule:
    since, until = (_version(table, key, releases) for key in ("since", "until"))
    if since and until and version_of(since) >= version_of(until):
        raise FileError(f"{table.where}: since must be before until, the first version that no longer runs it.")
    about = QUESTIONS[question]
    named = table.texts("on") if question == "accelerators" else table.texts("on", ())
    return Rule(
        question=question,
        status=cast(Status, table.text("status", among=STATUSES)),
        source=table.text("source"),
        seen=table.text("seen"),
        on=tuple(dict.fromkeys(part for name in named for part in groups.get(name, (name,)))),
        values=_values(table, about),
        families=() if about == "families" else table.texts("families", ()),
        since=since,
        until=until,
        note=table.text("note", ""),
    )


def _values(table: Table, field: str) -> tuple[str, ...]:
    """What the rule is about, empty for accelerators; precisions, formats and features must be known ones."""
    if not field:
        return ()
    values = table.texts(field)
    if not values:
        raise FileError(f"{table.field(field)} is empty. Name what the rule is about.")
    known: Iterable[str] = {"precisions": PRECISIONS, "formats": FORMATS, "features": tuple(FEATURES)}.get(
        field, values
    )
    unknown = [value for value in values if value not in known]
    if unknown:
        close = suggest(unknown[0], known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        raise FileError(f"{table.field(field)}: '{unknown[0]}' is unknown. {hint}")
    return values


def _version(table: Table, key: str, releases: list[Version]) -> str:
    text, version = table.text(key, ""), version_of(table.text(key, ""))
    if text and not any(version[: len(line)] == line for line in releases):
        raise FileError(f"{table.field(key)}: '{text}' is no version of the releases listed. Write one such as 0.10.2.")
    return text
