"""An outlook question kept in a file: years, draws, switches and the quantities it sets, each with its line.

    start_year = 2026
    end_year = 2031            # the first year that is not asked any more
    switches = ["efficiency-flattens"]

    [set]
    "training.growth" = { low = 1.5, mid = 2.0, high = 3.0 }
    "power.added" = "20 GW"    # a number without a range

Quantities are those of the catalogue's ``demand.toml`` and ``supply.toml`` under their ``group.name``, in any unit of
the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drivetrain.catalogue.spreads import Spread, spreads
from drivetrain.catalogue.table import Table
from drivetrain.errors import BadInputError, DrivetrainError, FileError
from drivetrain.registry import suggest
from drivetrain.scenario_file import read_table

FIRST_YEAR, LAST_YEAR = 2026, 2046
_KEYS = ("verb", "start_year", "end_year", "draws", "seed", "switches", "set", "title")
_ENDS = ("low", "mid", "high")
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


def known_quantities() -> dict[str, Spread]:
    """Every quantity that an outlook draws, by name."""
    return {**spreads("demand"), **spreads("supply")}


def read_outlook(path: str | Path) -> OutlookQuestion:
    """Read an outlook file; errors name file, line and key."""
    place = Path(path)
    table = dict(read_table(place))
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
    for key in ("start_year", "end_year", "draws", "seed", "title", "switches"):
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


def set_quantity(name: str, value: object) -> Spread:
    """The quantity ``name`` with another value: a number or text with a unit, or ``{low, mid, high}`` of them."""
    known = known_quantities()
    if name not in known:
        close = suggest(name, known, 3)
        hint = f"Did you mean {' or '.join(repr(one) for one in close)}?" if close else ""
        raise BadInputError(f"there is no quantity '{name}'. {hint} `drivetrain outlook --quantities` lists them.")
    old = known[name]
    raw = dict(value) if isinstance(value, Mapping) else dict.fromkeys(_ENDS, value)
    if set(raw) != set(_ENDS):
        raise BadInputError(f"{name} needs a number, or {{ low = …, mid = …, high = … }}.")
    table = Table(raw, name)
    low, mid, high = (_number(table, key, old.dimension, name) for key in _ENDS)
    if not 0 < low <= mid <= high:
        raise BadInputError(f"{name} is {low:g}, {mid:g}, {high:g}. Write positive numbers in rising order.")
    return replace(old, low=low, mid=mid, high=high)


def _number(table: Table, key: str, dimension: str, name: str) -> float:
    try:
        return table.quantity(key, dimension)
    except DrivetrainError as error:
        raise BadInputError(f"{name}: {str(error.args[0]).removeprefix(f'{name}: ')}") from None


def _value(key: str, value: object) -> object:
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
        if isinstance(value, Mapping) and not set(value) <= set(_ENDS):
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def _line_of(text: str, key: str) -> int | None:
    """The line on which ``key`` is set, counted from 1; its last part where the whole is not written."""
    for wanted in (key, key.rpartition(".")[2]):
        pattern = re.compile(rf"""^\s*(?:\[[^\]]*)?["']?{re.escape(wanted)}["']?\s*(?:=|\])""")
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.match(line):
                return number
    return None
