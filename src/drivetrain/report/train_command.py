"""Commands that a training plan suggests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drivetrain.training_scenario import TrainScenario

_OPTION = {"model": "-m", "accelerators": "-a", "n": "-n", "layout": "-l", "budget_usd": "--budget",
           "power_w": "--power", "usd_per_hour": "--price", "mtbf_hours": "--mtbf", "detection_s": "--detection",
           "restart_s": "--restart", "repair_s": "--repair", "checkpoint_every_s": "--checkpoint-every",
           "store_bytes_per_s": "--store"}  # fmt: skip
_UNIT = {"power_w": "W", "detection_s": "s", "restart_s": "s", "repair_s": "s", "checkpoint_every_s": "s",
         "store_bytes_per_s": "B/s"}  # fmt: skip
_DEFAULTS = {field.name: field.default for field in fields(TrainScenario)}


def command(verb: str, scenario: Mapping[str, Any]) -> str:
    """The command of a question: what was chosen, no option at its default.

    >>> command("plan", {"flops": 5.76e23, "accelerators": ("h100-sxm",), "n": 2048.0, "power_w": None})
    'drivetrain plan train -a h100-sxm -n 2048 --flops 5.76e+23'
    """
    words = [f"drivetrain {verb} train"]
    for name, default in _DEFAULTS.items():
        value = scenario.get(name, default)
        if value == default or (default == () and not value):
            continue
        option = _OPTION.get(name, f"--{name.replace('_', '-')}")
        words.append(f"{option} {shlex.quote(_text(name, value))}")
    return " ".join(words)


def next_line(answer: Mapping[str, Any]) -> str:
    """What to look at next: the plan's layout on its own, the networks, or the question with other limits."""
    scenario = dict(answer["scenario"])
    if not answer["feasible"]:
        return (
            "next: the same question with what the first line says changed; 'drivetrain list accelerators' shows parts"
        )
    if scenario["model"] and "fabrics" not in answer:
        return f"next: {predict_command(answer)}"
    pinned = scenario | {"accelerators": (answer["accelerator"],), "n": float(answer["n_accelerators"])}
    if "fabrics" not in answer:
        return f"next: {command('plan', pinned)} --compare-fabrics"
    pinned["fabric"] = ()
    return f"next: {command('plan', pinned | {'precision': 'fp8'})}"


def predict_command(answer: Mapping[str, Any]) -> str:
    """The command that times the layout of a plan."""
    scenario = dict(answer["scenario"])
    kept = {name: scenario[name] for name in _DEFAULTS if name not in _GOALS}
    return command("predict", kept | {
        "accelerators": (answer["accelerator"],), "n": float(answer["n_accelerators"]), "layout": _whole(answer),
        "recompute": answer["recompute"], "schedule": answer["schedule"] if "pp" in answer["layout"] else "",
        "global_batch": float(answer["global_batch"]), "tokens": float(f"{answer['tokens']:.4g}"),
    })  # fmt: skip


_GOALS = ("flops", "budget_usd", "days", "power_w", "target_loss", "served_tokens", "objective", "sizes")


def _whole(answer: Mapping[str, Any]) -> str:
    layout = str(answer["layout"])
    return layout if "dp" in layout else f"{layout}dp1"


def _text(name: str, value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, float):
        money = "$" if name in ("budget_usd", "usd_per_hour") else ""
        return f"{money}{value:.10g}{_UNIT.get(name, '')}"
    return str(value)
