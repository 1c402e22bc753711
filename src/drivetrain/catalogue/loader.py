"""Catalogue entries by name: one TOML file each, read when asked for, kept for the life of the process.

Names are file names; other spellings are the entries' ``aliases`` and ``data/spellings.toml``. The folder named by
the environment variable DRIVETRAIN_CATALOGUE (same sub-folders) is laid over the shipped data.
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from drivetrain.catalogue.fact import Source
from drivetrain.catalogue.market import Economic
from drivetrain.catalogue.read_market import read_economics
from drivetrain.catalogue.table import Table
from drivetrain.errors import BadInputError, FileError, UnknownNameError, UnsupportedError
from drivetrain.registry import slug, suggest

ENVIRONMENT = "DRIVETRAIN_CATALOGUE"

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
    "instances": ("instance", ""),
    "policies": ("policy", ""),
}
_SYNONYMS = {"grid": "regions", "grids": "regions"} | {one: many for many, (one, _) in KINDS.items()}
# A model may also be the path of its config.json (or of the folder that holds it).
_CONFIG_READER = "read_config:read_config"


def kind_of(text: str) -> str:
    """The plural name of a kind, from any spelling of it.

    >>> kind_of("accelerator"), kind_of("grids")
    ('accelerators', 'regions')
    """
    wanted = slug(text)
    kind = _SYNONYMS.get(wanted, wanted)
    if kind not in KINDS:
        known = [*KINDS, "grids"]
        raise UnknownNameError("catalogue kind", text, suggest(text, known), f"Kinds: {', '.join(known)}.")
    return kind


def names(kind: str) -> tuple[str, ...]:
    """Names of all entries of a kind, sorted."""
    kind = kind_of(kind)
    return tuple(sorted(load_all(kind))) if kind == "prices" else tuple(sorted(_files(kind, _user_folder())))


def load(kind: str, name: str) -> Any:  # noqa: ANN401 - the record of that kind
    """One entry by name, alias or path of a TOML file (a model also by the path of its config.json)."""
    kind, text = kind_of(kind), str(name)
    if text.endswith(".toml"):
        return _load_path(kind, Path(text))
    if kind == "models" and (text.endswith(".json") or Path(text, "config.json").is_file()):
        return _function(_CONFIG_READER)(Path(text))
    wanted, user = slug(text), _user_folder()
    if kind != "prices" and wanted in _files(kind, user):
        return _entry(kind, wanted, user)
    found = _index(kind, user).get(wanted)
    if found is None:
        known = list(dict.fromkeys([*names(kind), *_index(kind, user)]))
        hint = f"'drivetrain list {kind}' shows all."
        raise UnknownNameError(KINDS[kind][0], text, _canonical(kind, suggest(text, known, 6)), hint)
    return load_all(kind)[found]


def load_all(kind: str) -> dict[str, Any]:
    """Every entry of a kind by name, in order of name."""
    return dict(_all(kind_of(kind), _user_folder()))


def resolve(kind: str, name: str) -> str:
    """The name of the entry that ``name`` is a spelling of."""
    return str(load(kind, name).name)


def sources() -> dict[str, Source]:
    """Every source that facts may name, by id."""
    return dict(_sources(_user_folder()))


def economics() -> dict[str, Economic]:
    """Quantities that belong to no single part: PUE, all-in power, lifetimes, capital costs, exchange rate."""
    return dict(_economics(_user_folder()))


def clear_cache() -> None:
    """Forget what was read, after files have changed."""
    for cached in (_files, _entry, _all, _index, _sources, _economics):
        cached.cache_clear()


def read_toml(path: Traversable) -> dict[str, Any]:
    """Parse a TOML file; whatever is wrong with it becomes a :class:`FileError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{path}: not valid TOML: {error}. Mend that line.") from None
    except FileNotFoundError:
        raise FileError(f"{path}: no such file. Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read: {error}.") from None


def read_entries(kind: str, path: Traversable) -> list[Any]:
    """The records in one file: one, or for prices a list."""
    record = _function(KINDS[kind][1])(read_toml(path), str(path))
    return record if isinstance(record, list) else [record]


def entry_files(kind: str) -> dict[str, Traversable]:
    """File stem -> file of every entry of a kind, the user's folder laid over the shipped one."""
    return dict(_files(kind_of(kind), _user_folder()))


def folders() -> list[Traversable]:
    """The shipped data folder and, where set, the user's."""
    return _folders(_user_folder())


def _user_folder() -> str:
    return os.environ.get(ENVIRONMENT, "")


def _folders(user: str) -> list[Traversable]:
    shipped = [files("drivetrain.catalogue") / "data"]
    if not user:
        return shipped
    if not Path(user).is_dir():
        raise FileError(
            f"{user}: the folder named by {ENVIRONMENT} does not exist. Create it or unset the variable."
        )
    return [*shipped, Path(user)]


@cache
def _files(kind: str, user: str) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for folder in _folders(user):
        place = folder / kind
        if place.is_dir():
            found |= {path.name[:-5]: path for path in place.iterdir() if path.name.endswith(".toml")}
    if not found:
        raise BadInputError(f"there are no {kind} in the catalogue yet.")
    return found


@cache
def _entry(kind: str, name: str, user: str) -> Any:  # noqa: ANN401 - the record of that kind
    path = _files(kind, user)[name]
    record = read_entries(kind, path)[0]
    if record.name != name:
        raise FileError(f"{path}: name is '{record.name}'. Give the file that name or the entry '{name}'.")
    return record


@cache
def _all(kind: str, user: str) -> dict[str, Any]:
    paths = sorted(_files(kind, user).items())
    if kind == "prices":
        return {price.name: price for _, path in paths for price in read_entries(kind, path)}
    return {name: _entry(kind, name, user) for name, _ in paths}


@cache
def _index(kind: str, user: str) -> dict[str, str]:
    """Every spelling, folded, of every entry of a kind -> its name. Names win over aliases."""
    index = {slug(alias): name for name, record in _all(kind, user).items() for alias in record.aliases}
    for folder in _folders(user):
        if (folder / "spellings.toml").is_file():
            odd = read_toml(folder / "spellings.toml").get(kind, {})
            index |= {slug(text): name for name, texts in odd.items() for text in texts}
    return index | {slug(name): name for name in _all(kind, user)}


def _canonical(kind: str, spellings: list[str]) -> list[str]:
    index = _index(kind, _user_folder())
    return list(dict.fromkeys(index.get(slug(text), text) for text in spellings))[:3]


def _load_path(kind: str, path: Path) -> Any:  # noqa: ANN401 - the record of that kind
    records = read_entries(kind, path)
    if len(records) != 1:
        raise FileError(f"{path}: holds {len(records)} {kind}. Name one that is in the catalogue.")
    return records[0]


@cache
def _sources(user: str) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for folder in _folders(user):
        path = folder / "sources.toml"
        if path.is_file():
            found |= {key: _source(key, Table(raw, f"{path}: {key}")) for key, raw in read_toml(path).items()}
    return found


def _source(key: str, table: Table) -> Source:
    source = Source(
        id=key,
        title=table.text("title"),
        publisher=table.text("publisher"),
        date=table.text("date"),
        url=table.text("url", ""),
        licence=table.text("licence", ""),
    )
    table.done()
    return source


@cache
def _economics(user: str) -> dict[str, Economic]:
    found: dict[str, Economic] = {}
    for folder in _folders(user):
        path = folder / "economics.toml"
        if path.is_file():
            found |= read_economics(read_toml(path), str(path))
    return found


def _function(place: str) -> Callable[..., Any]:
    module, _, function = place.partition(":")
    try:
        return getattr(importlib.import_module(f"drivetrain.catalogue.{module}"), function)  # type: ignore[no-any-return]
    except ModuleNotFoundError:
        raise UnsupportedError(
            f"this build cannot read such entries: drivetrain.catalogue.{module} is missing."
        ) from None
