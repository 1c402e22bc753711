"""Rules for the support matrix: yields (entry, field, message) for each that is broken.

Precisions, features and versions are checked where a file is read; here, what refers to other entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.huggingface import families as _registered  # noqa: F401 - importing registers them
from drivetrain.catalogue.huggingface.registry import FAMILIES
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.support_rules import EngineSupport, version_of
from drivetrain.registry import slug, suggest

Broken = tuple[str, str, str]


def check_support(
    files: Iterable[EngineSupport],
    engines: Iterable[Engine],
    accelerators: Iterable[Accelerator],
    models: Iterable[Model],
    sources: Iterable[str],
) -> Iterator[Broken]:
    """Every rule names accelerators, generations, architectures and sources that exist, every engine a release."""
    accelerators, engines = list(accelerators), list(engines)
    places = {a.name for a in accelerators} | {a.generation for a in accelerators}
    families = {m.family for m in models} | set(FAMILIES)
    for file in files:
        own = [engine for engine in engines if engine.family == file.family]
        if engines and not own:
            yield file.name, "family", f"no engine is of the family '{file.family}'."
        for engine in own:
            version = version_of(engine.version)
            if not any(version[: len(line)] == line for line in map(version_of, file.releases)):
                yield file.name, "releases", f"{engine.name} is of none of these lines. Add {engine.version}."
        for index, rule in enumerate(file.rules):
            field = f"{rule.question}, rule {index + 1} of the file"
            yield from _unknown(file.name, field, "accelerator or generation", rule.on, places)
            yield from _unknown(file.name, field, "model family", rule.families, families)
            if rule.question == "families":
                yield from _unknown(file.name, field, "model family", rule.values, families)
            if rule.source not in sources:
                yield file.name, field, f"source '{rule.source}' is not in sources.toml. Add it there."
            if not _is_month(rule.seen):
                yield file.name, field, f"seen '{rule.seen}' is no date. Write year and month, such as 2026-11."


def _unknown(file: str, field: str, what: str, names: Iterable[str], known: set[str]) -> Iterator[Broken]:
    folded = {slug(name) for name in known}
    for name in sorted(set(names)):
        if slug(name) in folded:
            continue
        close = suggest(name, known, 1)
        yield file, field, f"there is no {what} '{name}'.{f' Did you mean {close[0]!r}?' if close else ''}"


def _is_month(text: str) -> bool:
    year, _, month = text.partition("-")
    return len(year) == 4 and year.isdigit() and month.isdigit() and 1 <= int(month) <= 12
