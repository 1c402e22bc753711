"""What differs between two scenarios, in the order of their fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.scenario import ServeScenario
from drivetrain.serving.slo import parse_slo

_KIND = {"model": "models", "workload": "workloads", "accelerators": "accelerators", "engines": "engines",
         "region": "regions"}  # fmt: skip
# Choices that exclude each other change together or not at all.
_TOGETHER = {"workload": ("workload", "isl", "osl"), "load": ("rate", "concurrency")}
_TECHNIQUES = "techniques"
_SAID_BESIDE = ("levers",)  # choices about what is said beside the plan, which they do not change


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: its name, both values, and the fields that change with it.

    A single technique's key is ``techniques.NAME``, its value ``""`` where it goes.
    """

    field: str
    a: object
    b: object
    changes: dict[str, Any]


def differences(a: ServeScenario, b: ServeScenario) -> list[Difference]:
    """Differences between ``a`` and ``b``; two spellings of one catalogue entry or of one SLO are none.

    >>> one = ServeScenario(model="llama-3.1-8b", workload="chat", rate=5.0, accelerators=("h100",))
    >>> two = ServeScenario(model="llama-3.1-8b", isl=1000, osl=100, rate=5.0, accelerators=("h100-sxm",))
    >>> [(d.field, d.a, d.b) for d in differences(one, two)]
    [('workload', 'chat', {'isl': 1000, 'osl': 100})]
    """
    names = [f.name for f in fields(ServeScenario) if f.name not in _SAID_BESIDE]
    differing = {name for name in names if _meaning(name, a) != _meaning(name, b)}
    groups = {title: members for title, members in _TOGETHER.items() if _exclusive(members, a, b)}
    found: list[Difference] = []
    seen: set[str] = set()
    for name in names:
        if name not in differing or name in seen:
            continue
        if name == _TECHNIQUES:
            found += _techniques(a, b)
            continue
        title, members = next(((t, m) for t, m in groups.items() if name in m), (name, (name,)))
        seen |= set(members)
        found.append(Difference(title, _shown(members, a), _shown(members, b), {m: getattr(b, m) for m in members}))
    return found


def applied(start: ServeScenario, found: Iterable[Difference]) -> ServeScenario:
    """``start`` with the differences ``found`` made; raises where the mix is no question."""
    changes: dict[str, Any] = {}
    techniques = _said(start)
    for name, value in ((n, v) for difference in found for n, v in difference.changes.items()):
        if name.startswith(f"{_TECHNIQUES}."):
            techniques[name.removeprefix(f"{_TECHNIQUES}.")] = value
            changes[_TECHNIQUES] = ",".join(f"{key}={v}" for key, v in techniques.items() if v)
        else:
            changes[name] = value
    return replace(start, **changes)


def _techniques(a: ServeScenario, b: ServeScenario) -> list[Difference]:
    one, two = _said(a), _said(b)
    return [
        Difference(f"{_TECHNIQUES}.{name}", one.get(name, ""), two.get(name, ""),
                   {f"{_TECHNIQUES}.{name}": two.get(name, "")})
        for name in dict.fromkeys((*one, *two)) if one.get(name) != two.get(name)
    ]  # fmt: skip


def _said(scenario: ServeScenario) -> dict[str, str]:
    """Techniques of a scenario as it spells them: ``name=value`` separated by commas."""
    pairs = (part.partition("=") for part in scenario.techniques.split(",") if part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _exclusive(names: tuple[str, ...], a: ServeScenario, b: ServeScenario) -> bool:
    """Whether the two say the same thing in different ways."""
    return {n for n in names if getattr(a, n)} != {n for n in names if getattr(b, n)}


def _meaning(name: str, scenario: ServeScenario) -> object:
    """A value with its spelling taken away."""
    value = getattr(scenario, name)
    if name == "slo":
        return frozenset(parse_slo(value))
    if name == "allow":
        return frozenset(value)
    if not value or name not in _KIND:
        return value
    several = value.split(",") if isinstance(value, str) and name == "region" else value
    if isinstance(several, str):
        return loader.resolve(_KIND[name], several)
    names = tuple(loader.resolve(_KIND[name], v.strip()) for v in several if v.strip())
    # of engines the first that can is taken, and a plan is for the first region: there the order means something
    return tuple(sorted(names)) if name == "accelerators" else names


def _shown(members: tuple[str, ...], scenario: ServeScenario) -> object:
    said = {m: getattr(scenario, m) for m in members if getattr(scenario, m) not in (None, "")}
    if len(members) > 1 and (len(said) != 1 or "workload" not in said):
        return said
    value = next(iter(said.values()), getattr(scenario, members[0]))
    return list(value) if isinstance(value, tuple) else value
