"""A TOML table being read: typed fields, errors that name file and field, no field left unread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drivetrain import units
from drivetrain.catalogue.fact import Fact, read_fact
from drivetrain.errors import FileError, UnitError


class Table:
    """Reads the fields of one TOML table; call :meth:`done` at the end, so that misspelt fields are not lost.

    ``where`` is what error messages start with, normally the file's path.
    """

    def __init__(self, raw: Any, where: str) -> None:  # noqa: ANN401 - straight from TOML
        if not isinstance(raw, dict):
            raise FileError(f"{where}: a table is needed here, not {raw!r}.")
        self._raw: dict[str, Any] = raw
        self._used: set[str] = set()
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    def field(self, key: str) -> str:
        """Return where ``key`` is, for error messages."""
        return f"{self.where}: {key}"

    def take(self, key: str, default: Any = ...) -> Any:  # noqa: ANN401 - straight from TOML
        """Return whatever stands at ``key``; without a default the field is required."""
        self._used.add(key)
        if key in self._raw:
            return self._raw[key]
        if default is ...:
            raise FileError(f"{self.field(key)} is missing. Add it; any shipped file of this kind shows how.")
        return default

    def text(self, key: str, default: Any = ..., among: Iterable[str] = ()) -> str:  # noqa: ANN401
        """Return a string, optionally one of ``among``."""
        value = self.take(key, default)
        if not isinstance(value, str) or (default is ... and not value.strip()):
            raise FileError(f"{self.field(key)} needs text in quotes, not {value!r}.")
        allowed = tuple(among)
        if allowed and value not in allowed:
            raise FileError(f"{self.field(key)} is '{value}'. Write one of {', '.join(allowed)}.")
        return value

    def texts(self, key: str, default: Any = ...) -> tuple[str, ...]:  # noqa: ANN401
        """Return a list of strings."""
        value = self.take(key, default)
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise FileError(f'{self.field(key)} needs a list of texts such as ["a", "b"], not {value!r}.')
        return tuple(value)

    def flag(self, key: str, default: Any = ...) -> bool:  # noqa: ANN401
        """Return true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise FileError(f"{self.field(key)} needs true or false, not {value!r}.")
        return value

    def count(self, key: str, default: Any = ...) -> int:  # noqa: ANN401
        """Return a whole number above zero."""
        value = self.take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise FileError(f"{self.field(key)} needs a whole number above zero, not {value!r}.")
        return value

    def quantity(self, key: str, dimension: str) -> float:
        """Return a value with a unit and without a source of its own, in SI."""
        try:
            return units.parse(self.take(key), dimension)
        except UnitError as error:
            raise FileError(f"{self.field(key)}: {error.args[0]}") from None

    def fact(self, key: str, dimension: str) -> Fact:
        """Return a sourced value above zero."""
        return positive_fact(self.take(key), dimension, self.field(key))

    def optional_fact(self, key: str, dimension: str) -> Fact | None:
        """Return a sourced value above zero, or None where the field is absent."""
        return self.fact(key, dimension) if key in self else None

    def count_fact(self, key: str) -> Fact:
        """Return a sourced whole number above zero."""
        found = self.fact(key, "1")
        if found.value != int(found.value):
            raise FileError(f"{self.field(key)} needs a whole number, not {found.text}.")
        return found

    def table(self, key: str) -> Table:
        """Return a table within this one."""
        return Table(self.take(key), self.field(key))

    def tables(self, key: str) -> list[Table]:
        """Return an array of tables (``[[key]]``)."""
        value = self.take(key)
        if not isinstance(value, list):
            raise FileError(f"{self.field(key)} needs entries written as [[{key}]].")
        return [Table(raw, f"{self.where}: {key}[{index}]") for index, raw in enumerate(value)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def keys(self) -> tuple[str, ...]:
        """Return all field names, as written."""
        return tuple(self._raw)

    def done(self) -> None:
        """Refuse fields nobody asked for."""
        left = [key for key in self._raw if key not in self._used]
        if left:
            raise FileError(
                f"{self.where}: unknown field {', '.join(left)}. Known here: {', '.join(sorted(self._used))}."
            )


def positive_fact(raw: Any, dimension: str, where: str) -> Fact:  # noqa: ANN401 - straight from TOML
    """Read a :class:`Fact`; a wrong unit, zero or a negative value is an error of the file."""
    try:
        fact = read_fact(raw, dimension, where)
    except UnitError as error:
        raise FileError(f"{where}: {error.args[0]}") from None
    for one in (fact, *fact.also):
        if not one.value > 0:
            raise FileError(f"{where} is {one.text}. Write a value above zero, or leave the field out.")
    return fact


def values(facts: Mapping[str, Fact]) -> dict[str, float]:
    """Return the SI numbers of a table of facts."""
    return {key: fact.value for key, fact in facts.items()}
