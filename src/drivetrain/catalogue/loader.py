"""Catalogue entries by name: one TOML file each, read when asked for, kept for the life of the process.

Names are file names; other spellings are the entries' ``aliases`` and ``data/spellings.toml``. The folder
named by the environment variable DRIVETRAIN_CATALOGUE (same sub-folders) is laid over the shipped data.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from drivetrain.catalogue.fact import Source
from drivetrain.catalogue.files import files_of, overlaid, read_toml, user_folder
from drivetrain.catalogue.market import Economic
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError, UnsupportedError
from drivetrain.registry import slug, suggest

# kind -> (singular, reader); readers are imported when first used.
KINDS = {
    "accelerators": ("accelerator", "read_hardware:read_accelerator"),
    "servers": ("server", "read_hardware:read_server"),
    "fabrics": ("fabric", "read_hardware:read_fabric"),
    "models": ("model", "read_model:read_model"),
    "engines": ("engine", "read_market:read_engine"),
    "workloads": ("workload", "read_workload:read_workload"),
    "prices": ("price", "read_market:read_prices"),
    "regions": ("region", "read_market:read_region"),
    "instances": ("instance", "read_instances:read_instance"),
    "policies": ("policy", ""),
    "quality": ("quality", "read_quality:read_quality"),
    "support": ("support", "read_support:read_support"),
}
SEVERAL = ("prices", "quality")  # kinds whose files hold several entries each
_SYNONYMS = {"grid": "regions", "grids": "regions"} | {one: many for many, (one, _) in KINDS.items()}
# A model may also be the path of its config.json, or of the folder that holds it.
_CONFIG_READER = "read_config:read_config"


def kind_of(text: str) -> str:
    """Return the plural name of a kind, from any spelling of it.

    >>> kind_of("accelerator"), kind_of("grids")
    ('accelerators', 'regions')
    """
    wanted = slug(text)
    kind = _SYNONYMS.get(wanted, wanted)
    if kind not in KINDS:
        known = [*KINDS, "grids", "policies"]
        raise UnknownNameError("catalogue kind", text, suggest(text, known), f"Kinds: {', '.join(known)}.")
    return kind


def names(kind: str) -> tuple[str, ...]:
    """Return the names of all entries of a kind, sorted."""
    kind = kind_of(kind)
    return tuple(sorted(load_all(kind) if kind in SEVERAL else files_of(kind, user_folder())))


def load(kind: str, name: str) -> Any:  # noqa: ANN401 - the record of that kind
    """Return one entry by name, alias or path of a TOML file (a model also by that of its config.json)."""
    kind, text = kind_of(kind), str(name)
    if text.endswith(".toml"):
        return _load_path(kind, Path(text))
    if kind == "models" and (text.endswith(".json") or Path(text, "config.json").is_file()):
        return _function(_CONFIG_READER)(Path(text))
    wanted, user = slug(text), user_folder()
    if kind not in SEVERAL and wanted in files_of(kind, user):
        return _entry(kind, wanted, user)
    index = _index(kind, user)
    if wanted not in index:
        close = dict.fromkeys(index[slug(other)] for other in suggest(text, index, 6))
        raise UnknownNameError(KINDS[kind][0], text, list(close)[:3], f"'drivetrain list {kind}' shows all.")
    return _all(kind, user)[index[wanted]]


def load_all(kind: str) -> dict[str, Any]:
    """Return every entry of a kind by name, in order of name."""
    return dict(_all(kind_of(kind), user_folder()))


def resolve(kind: str, name: str) -> str:
    """Return the name of the entry that ``name`` is a spelling of.

    >>> resolve("accelerator", "H100")
    'h100-sxm-80gb'
    """
    return str(load(kind, name).name)


def sources() -> dict[str, Source]:
    """Return every source that facts may name, by id."""
    return dict(_sources(user_folder()))


def economics() -> dict[str, Economic]:
    """Return what belongs to no single part: PUE, all-in power, lifetimes, capital costs, exchange rate."""
    return dict(_economics(user_folder()))


def techniques() -> dict[str, Economic]:
    """Return what serving techniques rest on: acceptance of drafts, gains of sparsity, links to the host."""
    return dict(_techniques(user_folder()))


def entry_files(kind: str) -> dict[str, Traversable]:
    """Map the file stems of a kind to files, the user's folder laid over the shipped one."""
    return dict(files_of(kind_of(kind), user_folder()))


def read_entries(kind: str, path: Traversable) -> list[Any]:
    """Read the records in one file: one, or for prices several."""
    record = _function(KINDS[kind][1])(read_toml(path), str(path))
    return record if isinstance(record, list) else [record]


def clear_cache() -> None:
    """Forget what was read, after files have changed."""
    for cached in (files_of, _entry, _all, _index, _sources, _economics, _techniques):
        cached.cache_clear()


@cache
def _entry(kind: str, name: str, user: str) -> Any:  # noqa: ANN401 - the record of that kind
    path = files_of(kind, user)[name]
    record = read_entries(kind, path)[0]
    if record.name != name:
        raise FileError(f"{path}: name is '{record.name}'. Rename the file to it, or the entry to '{name}'.")
    return record


@cache
def _all(kind: str, user: str) -> dict[str, Any]:
    paths = sorted(files_of(kind, user).items())
    if kind in SEVERAL:
        return {record.name: record for _, path in paths for record in read_entries(kind, path)}
    return {name: _entry(kind, name, user) for name, _ in paths}


@cache
def _index(kind: str, user: str) -> dict[str, str]:
    """Map every spelling, folded, to the name of its entry. Names win over aliases."""
    records = _all(kind, user)
    index = {slug(alias): name for name, record in records.items() for alias in record.aliases}
    for _, spellings in overlaid("spellings", user):
        index |= {slug(text): name for name, texts in spellings.get(kind, {}).items() for text in texts}
    return index | {slug(name): name for name in records}


def _load_path(kind: str, path: Path) -> Any:  # noqa: ANN401 - the record of that kind
    records = read_entries(kind, path)
    if len(records) != 1:
        raise FileError(f"{path}: holds {len(records)} {kind}. Name one that is in the catalogue.")
    return records[0]


@cache
def _sources(user: str) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for path, tables in overlaid("sources", user):
        found |= {key: _source(key, Table(raw, f"{path}: {key}")) for key, raw in tables.items()}
    return found


def _source(key: str, table: Table) -> Source:
    fields = {field: table.text(field) for field in ("title", "publisher", "date")}
    source = Source(id=key, **fields, url=table.text("url", ""), licence=table.text("licence", ""))
    table.done()
    return source


@cache
def _economics(user: str) -> dict[str, Economic]:
    return _quantities("economics", user)


@cache
def _techniques(user: str) -> dict[str, Economic]:
    return _quantities("techniques", user)


def _quantities(stem: str, user: str) -> dict[str, Economic]:
    read = _function("read_market:read_economics")
    found: dict[str, Economic] = {}
    for path, tables in overlaid(stem, user):
        found |= read(tables, str(path))
    return found


def _function(place: str) -> Callable[..., Any]:
    module, _, function = place.partition(":")
    try:
        return getattr(importlib.import_module(f"drivetrain.catalogue.{module}"), function)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        if error.name != f"drivetrain.catalogue.{module}":
            raise
        raise UnsupportedError(f"this build has no reader drivetrain.catalogue.{module}.") from None
