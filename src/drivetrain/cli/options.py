"""Options shared by commands, and how texts become values."""

from __future__ import annotations

from enum import StrEnum

from drivetrain import units


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
    return units.parse(text if text.strip()[-1:].isalpha() else _number(text), "1/s")


def tokens(text: str) -> float:
    """Read ``2048``, ``2k`` or ``2 ktok``."""
    folded = text.strip().lower()
    return units.parse(f"{folded}tok" if folded[-1:] in ("k", "m") else folded, "tok")


def _number(text: str) -> float:
    return units.parse(f"{text}/s", "1/s")
