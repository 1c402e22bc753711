"""How a known harness launched its servers: settings that rows do not record, read from ``recipes.toml``.

A load test measures the engine as it was launched. Where the launch scripts of a harness are public, their token
budgets, polling and batching rules are part of the harness, like its request lengths.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.hardware import Accelerator

_ROUND = 64


@dataclass(frozen=True, slots=True)
class Recipe:
    """Launch settings: ``budget`` in tokens (None: the engine's default), ``kv`` precision ("": by rule of thumb).

    Arrivals are looked at every ``poll`` steps; prompts that do not fill a batch are held for up to ``hold`` steps;
    ``extra`` requests are in flight beyond the slots.
    """

    budget: float | None = None
    poll: int = 1
    hold: int = 0
    kv: str = ""
    extra: int = 0


DEFAULT = Recipe()


def recipe(
    harness: str, engine: str, model: str, accelerator: Accelerator, layout: Layout, isl: float, osl: float,
    concurrency: float,
) -> Recipe:  # fmt: skip
    """The settings under which ``harness`` ran; :data:`DEFAULT` where nothing is known of it."""
    facts = {"harness": harness, "engine": engine, "vendor": accelerator.vendor.lower(),
             "generation": accelerator.generation}  # fmt: skip
    for rule in _rules():
        if any(name in rule and rule[name] != value for name, value in facts.items()):
            continue
        if "model" in rule and model not in rule["model"]:
            continue
        if (rule.get("lengths") == "equal" and isl != osl) or layout.tp >= rule.get("tp_below", 1 << 30):
            continue
        return _read(rule, isl, concurrency)
    return DEFAULT


def _read(rule: dict[str, Any], isl: float, concurrency: float) -> Recipe:
    tokens = rule.get("tokens")
    if tokens == "prompt":
        tokens = (concurrency + isl + 2 * _ROUND - 1) // _ROUND * _ROUND
    by_load = sorted((int(least), steps) for least, steps in rule.get("poll", {}).items())
    polls = [steps for least, steps in by_load if concurrency >= least]
    return Recipe(
        budget=None if tokens is None else float(tokens),
        poll=polls[-1] if polls else 1,
        hold=rule.get("hold", 0),
        kv=rule.get("kv", ""),
        extra=rule.get("extra", 0),
    )


@cache
def _rules() -> tuple[dict[str, Any], ...]:
    text = resources.files("drivetrain.measure").joinpath("recipes.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["rule"])
