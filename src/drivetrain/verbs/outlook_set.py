"""Quantities of an outlook set by a person: found by name, read with their unit, held to what they can mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from drivetrain.catalogue.spreads import Spread, spreads
from drivetrain.catalogue.table import Table
from drivetrain.demand.tokens import ETA_MOST
from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.registry import suggest
from drivetrain.units import show

ENDS = ("low", "mid", "high")
_COUNTED = ("1", "tok", "USD")  # kinds of which a bare number cannot be misread
_MOST_GROWTH, _MOST_ELASTICITY = 100.0, 5.0


def known_quantities() -> dict[str, Spread]:
    """Every quantity that an outlook draws, by name."""
    return {**spreads("demand"), **spreads("supply")}


def set_quantity(name: str, value: object) -> Spread:
    """The quantity ``name`` with another value: a number or text with a unit, or ``{low, mid, high}`` of them."""
    known = known_quantities()
    if name not in known:
        close = suggest(name, known, 3)
        hint = f"Did you mean {' or '.join(repr(one) for one in close)}? " if close else ""
        raise BadInputError(f"there is no quantity '{name}'. {hint}`drivetrain outlook --quantities` lists them.")
    old = known[name]
    raw = dict(value) if isinstance(value, Mapping) else dict.fromkeys(ENDS, value)
    if set(raw) != set(ENDS):
        lacks = ", ".join(end for end in ENDS if end not in raw) or "nothing"
        raise BadInputError(f"{name} lacks {lacks}. Write a number, or {{ low = …, mid = …, high = … }}.")
    if old.dimension not in _COUNTED and any(isinstance(one, (int, float)) for one in raw.values()):
        raise BadInputError(f"{name} has no unit. Write it as text with one in {old.dimension}, e.g. {example(old)}.")
    table = Table(raw, name)
    low, mid, high = (_number(table, key, old.dimension, name) for key in ENDS)
    if not 0 < low <= mid <= high:
        raise BadInputError(f"{name} is {low:g}, {mid:g}, {high:g}. Write positive numbers in rising order.")
    least, most = _range(name)
    if low < least or high > most:
        within = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of {least:g} or more"
        raise BadInputError(f"{name} is {low:g} to {high:g}. Write numbers {within}.")
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
    if len(parts) not in (1, len(ENDS)):
        raise BadInputError(f"cannot read --set '{text}'. Write one value, or low, mid and high with colons between.")
    try:
        return set_quantity(name, parts[0] if len(parts) == 1 else dict(zip(ENDS, parts, strict=True)))
    except DrivetrainError as error:
        raise BadInputError(f"--set: {error.args[0]}") from None


def _number(table: Table, key: str, dimension: str, name: str) -> float:
    try:
        return table.quantity(key, dimension)
    except DrivetrainError as error:
        raise BadInputError(f"{name}: {str(error.args[0]).removeprefix(f'{name}: ')}") from None


def example(one: Spread) -> str:
    """The middle of a quantity as it may be written.

    >>> example(known_quantities()["power.added"])
    '"18 GW"'
    """
    plain = one.dimension in ("USD/h", "USD/kWh")
    return f'"{one.mid:g} {one.dimension}"' if plain else f'"{show(one.mid, one.dimension)}"'


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
