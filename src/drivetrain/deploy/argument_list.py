"""The engines' own command-line arguments, as data: ``catalogue/data/arguments/<family>.toml``, one list per release.

A flag's entry describes the newest release; ``since`` and ``until`` bound the releases that have it, ``earlier`` holds
what was different up to a release (``without`` names fields that had no value then).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from drivetrain.catalogue.files import files_of, read_toml, user_folder
from drivetrain.errors import UnsupportedError

FAMILIES = ("vllm", "sglang", "trtllm")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: ``kind`` of its value, and how it may be written.

    ``kind``: bool (a switch), bool-value (true or false as a word), int, human-int (``8k``, ``1M``),
    human-int-or-auto, float, text, json, json-or-text. ``nargs``: "" one value, "?" at most one, "*" any number,
    "+" at least one. ``negatable`` switches have a ``--no-`` form. ``choices`` is empty where any value goes.
    """

    name: str
    kind: str
    choices: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    default: Any = None
    nargs: str = ""
    negatable: bool = False
    append: bool = False
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class ArgumentList:
    """All arguments of one engine release.

    ``underscores``: names may be written with underscores; ``prefixes``: an unambiguous beginning of a name will do;
    ``nested``: ``--name.key value`` sets one key of a JSON value. ``model_flag`` names the model where a flag does;
    ``positional_model`` where it may stand by itself. ``options`` are keys of the YAML file an engine may be given.
    """

    family: str
    version: str
    release: str
    date: str
    source: str
    unverified: bool
    underscores: bool
    prefixes: bool
    nested: bool
    positional_model: bool
    model_flag: str
    arguments: Mapping[str, Argument] = field(repr=False)
    spellings: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Argument] = field(repr=False)

    @property
    def engine(self) -> str:
        """The engine with its version, for messages."""
        return f"{self.family} {self.version}"


def arguments_of(family: str, version: str) -> ArgumentList:
    """Return the arguments of an engine family at a catalogue version such as ``0.19``.

    Raises UnsupportedError for engines and versions without a list.
    """
    return _arguments_of(family, version, user_folder())


def versions_of(family: str) -> tuple[str, ...]:
    """Return the versions of a family that have a list, oldest first."""
    return tuple(release["version"] for release in _data(family, user_folder())["releases"])


@cache
def _arguments_of(family: str, version: str, user: str) -> ArgumentList:
    data = _data(family, user)
    order = [release["version"] for release in data["releases"]]
    if version not in order:
        raise UnsupportedError(
            f"the arguments of {family} {version} are not in the catalogue; known are {', '.join(order)}. "
            f"Choose one of these with --engine, e.g. --engine {family}-{order[-1]}."
        )
    release = data["releases"][order.index(version)]
    arguments = _at(data["flags"], version, order)
    return ArgumentList(
        family=family,
        version=version,
        release=release["release"],
        date=release["date"],
        source=f"{release['source']}: {', '.join(release['paths'])} ({release['release']}, {release['date']})",
        unverified=bool(release.get("unverified", False)),
        underscores=data["underscores"],
        prefixes=data["prefixes"],
        nested=data["nested"],
        positional_model=data["model"] == "positional",
        model_flag=data.get("model_flag", ""),
        arguments=arguments,
        spellings={alias: a.name for a in arguments.values() for alias in (f"--{a.name}", *a.aliases)},
        options=_at(data.get("options", {}), version, order),
    )


@cache
def _data(family: str, user: str) -> dict[str, Any]:
    if family not in FAMILIES:
        raise UnsupportedError(
            f"launch lines are written and read for {', '.join(FAMILIES)}, not for {family}. "
            "Choose one of these with --engine."
        )
    return read_toml(files_of("arguments", user)[family])


def _at(table: dict[str, Any], version: str, order: list[str]) -> dict[str, Argument]:
    """The entries of ``table`` as they are in ``version``."""
    here = order.index(version)
    found = {}
    for name, entry in table.items():
        if order.index(entry.get("since", order[0])) <= here <= order.index(entry.get("until", order[-1])):
            found[name] = _argument(name, _as_of(entry, here, order))
    return found


def _as_of(entry: dict[str, Any], here: int, order: list[str]) -> dict[str, Any]:
    for was in entry.get("earlier", []):  # oldest first: the first that still holds is the one
        if here <= order.index(was["until"]):
            gone = set(was.get("without", ()))
            return {k: v for k, v in entry.items() if k not in gone} | {
                k: v for k, v in was.items() if k not in ("until", "without")
            }
    return entry


def _argument(name: str, entry: dict[str, Any]) -> Argument:
    return Argument(
        name=name,
        kind=entry["type"],
        choices=tuple(entry.get("choices", ())),
        aliases=tuple(entry.get("aliases", ())),
        default=entry.get("default"),
        nargs=entry.get("nargs", ""),
        negatable=bool(entry.get("negatable", False)),
        append=bool(entry.get("append", False)),
        deprecated=bool(entry.get("deprecated", False)),
    )
