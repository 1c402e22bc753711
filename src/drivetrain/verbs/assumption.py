"""What an answer took as given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something taken as given: what, its value, and where it comes from."""

    what: str
    value: object
    source: str
