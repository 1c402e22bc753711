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

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drivetrain.catalogue.spreads import Spread, spreads
from drivetrain.catalogue.table import Table
from drivetrain.demand.switches import switches
from drivetrain.demand.tokens import ETA_MOST
from drivetrain.errors import BadInputError, DrivetrainError, FileError, UnknownNameError
from drivetrain.registry import suggest
from drivetrain.scenario_file import read_table

FIRST_YEAR, LAST_YEAR = 2026, 2046
_PLAIN = ("start_year", "end_year", "draws", "seed", "title", "switches", "contracted_frac")
_KEYS = ("verb", *_PLAIN, "set")
_ENDS = ("low", "mid", "high")
_MOST_DRAWS = 1_000_000
_MOST_GROWTH, _MOST_ELASTICITY = 100.0, 5.0


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
    least, most = _range(name)
    if low < least or high > most:
        raise BadInputError(f"{name} is {low:g} to {high:g}. Write numbers from {least:g} to {most:g}.")
    return replace(old, low=low, mid=mid, high=high)


def parse_set(text: str) -> Spread:
    """A quantity as the command line sets it: ``NAME=VALUE`` or ``NAME=LOW:MID:HIGH``.

    >>> one = parse_set("training.growth=1.5:2:3")
    >>> one.name, one.low, one.mid, one.high
    ('training.growth', 1.5, 2.0, 3.0)
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise BadInputError(f"cannot read --set '{text}'. Write NAME=VALUE or NAME=LOW:MID:HIGH.")
    parts = [_plain(part) for part in value.split(":")]
    if len(parts) not in (1, len(_ENDS)):
        raise BadInputError(f"cannot read --set '{text}'. Write one value, or low, mid and high with colons between.")
    try:
        return set_quantity(name, parts[0] if len(parts) == 1 else dict(zip(_ENDS, parts, strict=True)))
    except DrivetrainError as error:
        raise BadInputError(f"--set: {error.args[0]}") from None


def _number(table: Table, key: str, dimension: str, name: str) -> float:
    try:
        return table.quantity(key, dimension)
    except DrivetrainError as error:
        raise BadInputError(f"{name}: {str(error.args[0]).removeprefix(f'{name}: ')}") from None


def _range(name: str) -> tuple[float, float]:
    """Within what a quantity of this name means something."""
    group, _, own = name.rpartition(".")
    if own == "tokens_eta":
        return 0.0, ETA_MOST
    if own.endswith("elasticity") or own in ("arrival_zeta", "capital_response"):
        return 0.0, _MOST_ELASTICITY
    if own in ("pue", "peak_to_mean", "markup", "calls_per_task", "arrival_most", "scheduling_most"):
        return 1.0, math.inf
    if own.endswith(("_frac", "_share", "_most")) or own == "uncounted_like_tokens" or group.startswith("region-"):
        return 0.0, 1.0
    return (0.0, _MOST_GROWTH) if "growth" in own else (0.0, math.inf)


def _plain(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text.strip()


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
        if isinstance(value, Mapping) and not set(value) <= set(_ENDS):
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
