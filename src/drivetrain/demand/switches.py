"""The essay's conditions as switches: what each does to the quantities of an outlook (``demand_market.toml``).

A switch sets quantities to a number (``set``) or multiplies their whole range (``times``); ``*`` stands for every class
of task. Switches apply one after the other, on top of what a question sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drivetrain.catalogue.spreads import Spread, choices
from drivetrain.demand import classes
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import suggest

_GROUP = "switches."


@dataclass(frozen=True, slots=True)
class Switch:
    """One condition: what it says and what it changes."""

    name: str
    title: str
    sets: Mapping[str, float]
    times: Mapping[str, float]


def switches() -> dict[str, Switch]:
    """Every switch by name.

    >>> list(switches())
    ['efficiency-flattens', 'adoption-fails', 'training-outgrows', 'commodity-serves']
    """
    found = {}
    for key, row in choices(classes.STEM).items():
        if key.startswith(_GROUP):
            name = key.removeprefix(_GROUP)
            sets, times = row.value.get("set", {}), row.value.get("times", {})
            found[name] = Switch(name, row.title, dict(sets), dict(times))
    return found


def switched(known: Mapping[str, Spread], names: Iterable[str]) -> dict[str, Spread]:
    """The quantities with the named switches on."""
    found, every = dict(known), switches()
    for name in names:
        if name not in every:
            raise UnknownNameError("switch", name, suggest(name, every, 3), f"Known: {', '.join(every)}.")
        one = every[name]
        for key, value in one.sets.items():
            found[key] = _changed(found, key, name, set_to=float(value))
        for pattern, factor in one.times.items():
            for key in _meant(pattern):
                found[key] = _changed(found, key, name, times=float(factor))
    return found


def _meant(pattern: str) -> list[str]:
    group, _, quantity = pattern.partition(".")
    return [f"{one.name}.{quantity}" for one in classes.known()] if group == "*" else [pattern]


def _changed(
    known: Mapping[str, Spread], key: str, switch: str, *, set_to: float | None = None, times: float = 1.0
) -> Spread:
    if key not in known:
        raise FileError(f"demand_market.toml: switches.{switch} changes '{key}', which is no quantity of the outlook.")
    old = known[key]
    if set_to is not None:
        return replace(old, low=set_to, mid=set_to, high=set_to)
    return replace(old, low=old.low * times, mid=old.mid * times, high=old.high * times)
