"""The rules of the catalogue, each as a small check: ``drivetrain catalogue check`` refuses what breaks one.

Each check takes all records and yields :class:`Problem`; :func:`check` runs them over the shipped data and
the user's folder. A rule with honest exceptions (INT8 cut down on one part) is silenced by a ``note``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivetrain.catalogue import api_prices, ceilings, loader, scaling, series, spreads, wan
from drivetrain.catalogue.check_hardware import HARDWARE_CHECKS
from drivetrain.catalogue.check_instances import check_instances
from drivetrain.catalogue.check_quality import check_quality
from drivetrain.catalogue.check_support import check_support
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.registry import slug


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: where, and what to do about it."""

    file: str
    field: str
    message: str


def check() -> list[Problem]:
    """Return all problems of the catalogue, in order of file; an empty list means it is sound."""
    found: list[Problem] = []
    records: dict[str, list[tuple[str, Any]]] = {}
    for kind in loader.KINDS:
        records[kind] = list(_read(kind, found))
    for one in _CHECKS:
        found.extend(one(records))
    found.extend(_check_economics())
    found.extend(_check_own("wan.toml", wan.facts))
    found.extend(_check_own("scaling.toml", scaling.facts))
    found.extend(_check_own("ceilings.toml", ceilings.facts))
    for stem in ("demand", "supply", "backtests"):
        found.extend(_check_own(f"{stem}.toml", partial(spreads.facts, stem)))
    found.extend(_check_own("series.toml", series.facts))
    found.extend(_check_own("api_prices.toml", api_prices.facts))
    return sorted(found, key=lambda p: (p.file, p.field, p.message))


Records = Mapping[str, list[tuple[str, Any]]]


def _read(kind: str, found: list[Problem]) -> Iterator[tuple[str, Any]]:
    """Every record of a kind with its file; unreadable files become problems."""
    try:
        paths = loader.entry_files(kind)
    except BadInputError:
        return  # a kind without entries
    for stem, path in sorted(paths.items()):
        file = f"{kind}/{stem}.toml"
        try:
            for record in loader.read_entries(kind, path):
                yield file, record
        except UnsupportedError:
            return
        except BadInputError as error:
            message = str(error.args[0]).removeprefix(f"{path}: ")
            found.append(Problem(file, message.split(" ")[0].rstrip(":"), message))


def check_names(records: Records) -> Iterator[Problem]:
    """Entries are called what their file is called, in lower case with dashes."""
    for kind, entries in records.items():
        for file, record in entries:
            owner = record.accelerator if kind == "prices" else record.name
            if kind != "quality" and f"{kind}/{owner}.toml" != file:
                yield Problem(file, "name", f"'{owner}' is not the name of the file. Rename one of them.")
            if record.name != slug(record.name):
                yield Problem(file, "name", f"'{record.name}' should be written '{slug(record.name)}'.")


def check_aliases(records: Records) -> Iterator[Problem]:
    """No spelling leads to two entries of a kind."""
    for kind, entries in records.items():
        owners = {slug(record.name): record.name for _, record in entries}
        for file, record in entries:
            for alias in record.aliases:
                owner = owners.setdefault(slug(alias), record.name)
                if owner != record.name:
                    yield Problem(file, "aliases", f"'{alias}' already leads to '{owner}'. Keep it in one place.")
        yield from _check_spellings(kind, owners)


def _check_spellings(kind: str, owners: Mapping[str, str]) -> Iterator[Problem]:
    names = set(owners.values())
    for _, spellings in overlaid("spellings", user_folder()):
        for name, texts in spellings.get(kind, {}).items():
            if name not in names:
                yield Problem("spellings.toml", f"{kind}.{name}", f"there is no entry '{name}'.")
            for text in texts:
                if owners.get(slug(text), name) != name:
                    yield Problem("spellings.toml", f"{kind}.{name}", f"'{text}' leads to '{owners[slug(text)]}'.")


def check_sources(records: Records) -> Iterator[Problem]:
    """Every value names a source of ``sources.toml`` and the month in which it was seen."""
    for entries in records.values():
        for file, record in entries:
            for key, fact in facts_of(record).items():
                yield from _check_fact(file, key, fact)
            for key, stated in choices_of(record).items():
                yield from _check_origin(file, key, stated)
    for file, record in records["workloads"]:
        if record.source not in loader.sources():
            yield Problem(file, "source", f"source '{record.source}' is not in sources.toml. Add it there.")


def _check_fact(file: str, key: str, fact: Fact) -> Iterator[Problem]:
    for one in (fact, *fact.also):
        yield from _check_origin(file, key, one)
    if any(other.value == fact.value and other.source == fact.source for other in fact.also):
        yield Problem(file, key, "also repeats the value on top. Remove the copy.")


def _check_origin(file: str, key: str, one: Fact | Stated) -> Iterator[Problem]:
    if one.source not in loader.sources():
        yield Problem(file, key, f"source '{one.source}' is not in sources.toml. Add it there.")
    if (one.source == "assumption") != (one.kind == "assumed"):
        yield Problem(file, key, "kind 'assumed' and source 'assumption' go together. Mend one of them.")
    if one.source == "untraced" and not one.unverified:
        yield Problem(file, key, "a value of source 'untraced' needs unverified = true.")
    if not _is_month(one.seen):
        yield Problem(file, key, f"seen '{one.seen}' is no date. Write year and month, such as 2026-11.")


def check_references(records: Records) -> Iterator[Problem]:
    """Prices, servers, engines and links refer to entries that exist."""
    accelerators = {record.name for _, record in records["accelerators"]}
    fabrics = {record.name for _, record in records["fabrics"]}
    for kind in ("prices", "servers"):
        for file, record in records[kind]:
            if accelerators and record.accelerator not in accelerators:
                message = f"there is no accelerator '{record.accelerator}'. Use the name of its file."
                yield Problem(file, "accelerator", message)
    for file, record in records["engines"]:
        for name in (name for rule in record.limits for name in rule.accelerators if name not in accelerators):
            yield Problem(file, "limits", f"there is no accelerator '{name}'. Use the name of its file.")
    if not fabrics:
        return
    for file, record in records["servers"]:
        if record.fabric not in fabrics:
            yield Problem(file, "fabric", f"there is no fabric '{record.fabric}'. Use the name of its file.")
    for file, record in records["accelerators"]:
        if record.scaleup.fabric not in fabrics:
            yield Problem(file, "scaleup.fabric", f"there is no fabric '{record.scaleup.fabric}'.")


def facts_of(record: Any) -> dict[str, Fact]:  # noqa: ANN401 - any record
    """Return all sourced values of a record by field, prices included."""
    if hasattr(record, "facts"):
        return dict(record.facts)
    named = {key: getattr(record, key, None) for key in ("usd", "usd_low", "usd_high", "low", "mid", "high")}
    return {key: fact for key, fact in named.items() if isinstance(fact, Fact)}


def choices_of(record: Any) -> dict[str, Stated]:  # noqa: ANN401 - any record
    """Return where the choices of a record are written, by field: those of an engine's scheduler."""
    scheduler = getattr(record, "scheduler", None)
    return {f"scheduler.{name}": stated for name, stated in scheduler.stated.items()} if scheduler else {}


def _check_own(file: str, facts: Callable[[], Iterable[tuple[str, Any]]]) -> Iterator[Problem]:
    """A file of a kind of its own: that it reads, and where each of its facts comes from."""
    try:
        found = list(facts())
    except BadInputError as error:
        yield Problem(file, "", str(error.args[0]))
        return
    for key, fact in found:
        yield from _check_origin(file, key, fact)


def _check_economics() -> Iterator[Problem]:
    for file, load in (("economics.toml", loader.economics), ("techniques.toml", loader.techniques)):
        try:
            quantities = load()
        except BadInputError as error:
            yield Problem(file, "", str(error.args[0]))
            continue
        for name, quantity in quantities.items():
            for key, fact in facts_of(quantity).items():
                yield from _check_fact(file, f"{name}.{key}", fact)
            low, high = quantity.low or quantity.mid, quantity.high or quantity.mid
            if not low.value <= quantity.mid.value <= high.value:
                yield Problem(file, name, "low <= mid <= high does not hold.")


def _is_month(text: str) -> bool:
    year, _, month = text.partition("-")
    return len(year) == 4 and year.isdigit() and month.isdigit() and 1 <= int(month) <= 12


def _each(rule: Callable[[Any], Iterator[tuple[str, str]]], records: Records) -> Iterator[Problem]:
    for file, record in records["accelerators"]:
        for key, message in rule(record):
            yield Problem(file, key, message)


def _check_instances(records: Records) -> Iterator[Problem]:
    of = {kind: [record for _, record in records[kind]] for kind in ("instances", "servers", "prices", "regions")}
    accelerators = {record.name: record for _, record in records["accelerators"]}
    regions = [region.name for region in of["regions"]]
    for name, key, message in check_instances(of["instances"], accelerators, of["servers"], of["prices"], regions):
        yield Problem(f"instances/{name}.toml", key, message)


def _check_support(records: Records) -> Iterator[Problem]:
    support, engines, parts, models = (
        [record for _, record in records[kind]] for kind in ("support", "engines", "accelerators", "models")
    )
    for name, key, message in check_support(support, engines, parts, models, loader.sources()):
        yield Problem(f"support/{name}.toml", key, message)


def _check_quality(records: Records) -> Iterator[Problem]:
    for file, row, message in check_quality(records["quality"], [record for _, record in records["models"]]):
        yield Problem(file, row, message)


_CHECKS: tuple[Callable[[Records], Iterator[Problem]], ...] = (
    check_names,
    check_aliases,
    check_sources,
    check_references,
    _check_instances,
    _check_support,
    _check_quality,
    *(partial(_each, rule) for rule in HARDWARE_CHECKS),
)
