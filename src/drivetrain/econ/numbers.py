"""Numbers that money and energy are computed from: checked once, with the name that the user knows."""

from __future__ import annotations

import math

from drivetrain.errors import BadInputError


def at_least_zero(name: str, value: object) -> None:
    """Refuse what is no finite number of at least zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise BadInputError(f"{name} must be a number of at least zero, not {value!r}.")


def above_zero(name: str, value: object) -> None:
    """Refuse what is no finite number above zero."""
    at_least_zero(name, value)
    if value == 0:
        raise BadInputError(f"{name} must be above zero.")


def pue_of(value: object) -> None:
    """Refuse what is no facility power over IT power."""
    at_least_zero("pue", value)
    if isinstance(value, (int, float)) and value < 1:
        raise BadInputError(f"pue must be at least 1 (facility over IT power), not {value:g}.")
