"""A simulation as the command line that asks it again, with something changed."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drivetrain.scenario import ServeScenario
from drivetrain.verbs.simulate_choices import SimulateChoices

_DEFAULTS: dict[str, Any] = {f.name: f.default for record in (ServeScenario, SimulateChoices) for f in fields(record)}
_OPTION = {"model": "-m", "accelerators": "-a", "layouts": "-l", "engines": "-e", "techniques": "--with",
           "workload": "-w", "rate": "-r", "concurrency": "-c", "requests": "-n", "trace": "-t",
           "pools": "--pool"}  # fmt: skip
_REPEATED = ("pools", "slow", "partition")
_LOW_USE, _GOOD_USE = 0.45, 0.7
_SHARED = 0.05  # of prompt tokens, from which it matters where a request goes


def simulate_command(scenario: Mapping[str, Any], **changes: Any) -> str:  # noqa: ANN401 - choices of many kinds
    """The command that asks for ``scenario`` with ``changes``; what has its default value is left out.

    >>> simulate_command({"verb": "simulate", "model": "m", "rate": 5.0, "duration_s": 60.0, "replicas": 1}, replicas=4)
    'drivetrain simulate -m m -r 5 --duration 60s --replicas 4'
    """
    words = ["drivetrain", "simulate"]
    for name, value in {**scenario, **changes}.items():
        if name == "verb" or value is None or (name in _DEFAULTS and value in (_DEFAULTS[name], list(_none(name)))):
            continue
        option = _OPTION.get(name) or "--" + name.removesuffix("_s").replace("_", "-")
        if isinstance(value, bool):
            words += [option] if value else []
        elif name in _REPEATED:
            for one in value:
                words += [option, shlex.quote(one)]
        else:
            words += [option, shlex.quote(_text(name, value))]
    return " ".join(words)


def next_simulation(answer: Mapping[str, Any]) -> str:
    """What to ask next, given what this run showed."""
    scenario = answer["scenario"]
    replicas, most = scenario["replicas"], len(answer["replicas"])
    if answer["meta"]["partial"]:
        return f"next: {simulate_command(scenario, horizon_s=_short(answer['duration_s']))}"
    late = any(not target["met"] for target in answer["targets"])
    waits = bool(answer["limits"]) and answer["limits"]["part"] == "queue"
    if (late or waits) and scenario["scale"] == "fixed" and not scenario["pools"]:
        return f"next: {simulate_command(scenario, replicas=max(math.ceil(1.25 * replicas), replicas + 1))}"
    shared = (answer["traffic"]["prefix_frac"] or 0.0) > _SHARED
    if most > 1 and shared:
        others = [name for name in ("least-loaded", "prefix-aware", "prefix-events") if name != scenario["route"]]
        return f"next: {simulate_command(scenario, compare='route=' + ','.join([scenario['route'], *others]))}"
    if most > 1 and (answer["utilisation_frac"] or 1.0) < _LOW_USE and not scenario["pools"]:
        fewer = max(math.ceil(replicas * answer["utilisation_frac"] / _GOOD_USE), 1)
        if fewer < replicas:
            return f"next: {simulate_command(scenario, replicas=fewer)}"
    return f"next: {simulate_command(scenario, timeline='run.json')}   (open it in ui.perfetto.dev)"


def _none(name: str) -> tuple[Any, ...]:
    """A default that is empty, as the list it is in an answer."""
    default = _DEFAULTS[name]
    return default if isinstance(default, tuple) else ("no list",)


def _short(seconds: float) -> float:
    return float(f"{seconds:.3g}")


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - a number, a text or a list of texts
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, (int, float)):
        return f"{value:.12g}" + ("s" if name.endswith("_s") else "")
    return str(value)
