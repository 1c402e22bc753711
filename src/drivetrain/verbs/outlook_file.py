"""An outlook question kept in a file: years, draws, switches and the quantities it sets, each with its line.

    start_year = 2026
    end_year = 2031            # the first year that is not asked any more
    switches = ["efficiency-flattens"]

    contracted_frac = 0.2      # of every load, served in the linear program whatever it is worth

    [set]
    "training.growth" = { low = 1.5, mid = 2.0, high = 3.0 }
    "power.added" = "20 GW"    # a number without a range

Quantities are those of the catalogue's ``demand*.toml`` and ``supply*.toml`` under their ``group.name``, in any unit of
the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivetrain.catalogue.spreads import Spread
from drivetrain.demand.switches import switches
from drivetrain.errors import BadInputError, DrivetrainError, FileError, UnknownNameError
from drivetrain.registry import suggest
from drivetrain.scenario_file import read_table
from drivetrain.verbs.outlook_set import ENDS, set_quantity

FIRST_YEAR, LAST_YEAR = 2026, 2046
_PLAIN = ("start_year", "end_year", "draws", "seed", "title", "switches", "contracted_frac")
_KEYS = ("verb", *_PLAIN, "set")
_MOST_DRAWS = 1_000_000


@dataclass(frozen=True, slots=True)
class OutlookQuestion:
    """What an outlook is asked: whole years from ``start_year`` until before ``end_year``; quantities set by name."""

    start_year: int = FIRST_YEAR
    end_year: int = 2036
    draws: int = 1000
    seed: int = 1
    switches: tuple[str, ...] = ()
    quantities: Mapping[str, Spread] = field(default_factory=dict)
    title: str = ""
    contracted_frac: float = 0.0

    def __post_init__(self) -> None:
        if self.start_year != FIRST_YEAR:
            raise BadInputError(
                f"start_year is {self.start_year}; stocks are known for the start of {FIRST_YEAR}. Write it."
            )
        if not self.start_year < self.end_year <= LAST_YEAR:
            raise BadInputError(
                f"years are out of order: start_year {self.start_year}, end_year {self.end_year}. "
                f"Write an end_year after the start and up to {LAST_YEAR}."
            )
        if not 1 <= self.draws <= _MOST_DRAWS:
            raise BadInputError(f"draws is {self.draws}. Write a whole number from 1 to {_MOST_DRAWS:,}.")
        if self.seed < 0:
            raise BadInputError(f"seed is {self.seed}. Write a whole number of 0 or more.")
        if not 0.0 <= self.contracted_frac <= 1.0:
            raise BadInputError(f"contracted_frac is {self.contracted_frac:g}. Write a share from 0 to 1.")
        for name in self.switches:
            if name not in switches():
                raise UnknownNameError("switch", name, suggest(name, switches(), 3), f"Known: {', '.join(switches())}.")


def read_outlook(path: str | Path) -> OutlookQuestion:
    """Read an outlook file; errors name file, line and key."""
    place = Path(path)
    table = dict(read_table(place, "an outlook is a .toml or .json file"))
    text = place.read_text(encoding="utf-8")

    def told(error: DrivetrainError, key: str) -> FileError:
        line = _line_of(text, key)
        where = f"{place}, line {line}" if line else str(place)
        message = str(error.args[0])
        return FileError(f"{where}: {message}" if key in message else f"{where}: {key}: {message}")

    for key in table:
        if key not in _KEYS:
            close = suggest(key, _KEYS, 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(_KEYS)}."
            raise told(BadInputError(f"there is no key '{key}'. {hint}"), key)
    if table.get("verb", "outlook") != "outlook":
        raise told(
            BadInputError(f"verb is '{table['verb']}', but this is read as an outlook. Write verb = \"outlook\"."),
            "verb",
        )
    chosen: dict[str, Any] = {}
    for key in _PLAIN:
        if key in table:
            try:
                chosen[key] = _value(key, table[key])
                OutlookQuestion(**chosen)
            except DrivetrainError as error:
                raise told(error, key) from None
    wanted = table.get("set", {})
    if not isinstance(wanted, Mapping):
        raise told(BadInputError('set needs a table such as [set] with "training.growth" = 2.0.'), "set")
    quantities: dict[str, Spread] = {}
    for name, value in _flat(wanted).items():
        try:
            quantities[name] = set_quantity(name, value)
        except DrivetrainError as error:
            raise told(error, name) from None
    return OutlookQuestion(**chosen, quantities=quantities)


def _value(key: str, value: object) -> object:
    if key == "contracted_frac":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadInputError(f"{key} is {value!r}. Write a share from 0 to 1.")
        return float(value)
    if key == "title":
        return str(value)
    if key == "switches":
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadInputError('switches needs a list of names such as ["efficiency-flattens"].')
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInputError(f"{key} is {value!r}. Write a whole number.")
    return value


def _flat(wanted: Mapping[str, object], group: str = "") -> dict[str, object]:
    """``[set.training] growth = 2`` and ``"training.growth" = 2`` alike."""
    found: dict[str, object] = {}
    for key, value in wanted.items():
        name = f"{group}{key}"
        if isinstance(value, Mapping) and not set(value) <= set(ENDS):
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def _line_of(text: str, key: str) -> int | None:
    """The line on which ``key`` is set, counted from 1, whichever way its table is written."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = f"{_bare(header[1])}."
            if section in (f"{key}.", f"set.{key}."):
                return number
        elif setting := _SETTING.match(line):
            written = f"{section}{_bare(setting[1])}"
            if written in (key, f"set.{key}"):
                return number
    return None


_HEADER = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]")
_SETTING = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w.-])+)\s*=""")


def _bare(key: str) -> str:
    return key.replace('"', "").replace("'", "").replace(" ", "")
