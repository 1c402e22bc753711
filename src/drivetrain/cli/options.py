"""Options shared by commands, and how texts become values."""

from __future__ import annotations

from enum import StrEnum

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def names(text: str) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def rate(text: str) -> float:
    """Read ``5``, ``5 req/s`` or ``300 req/min``."""
    return _quantity("--rate", text, "1/s", "5 or '300 req/min'")


def tokens(option: str, text: str) -> float:
    """Read ``2048``, ``2k`` or ``2 ktok``."""
    folded = text.strip().lower()
    folded = f"{folded[:-1]}{folded[-1:].replace('m', 'M')}tok" if folded[-1:] in ("k", "m") else folded
    return _quantity(option, folded, "tok", "2048 or 2k")


def _quantity(option: str, text: str, dimension: str, example: str) -> float:
    """A number with or without a unit; a number alone is in the plain unit."""
    try:
        return units.parse(_number(text), dimension)
    except UnitError as error:
        raise BadInputError(f"{option} '{text}': {error.args[0]} For example {option} {example}.") from None


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
