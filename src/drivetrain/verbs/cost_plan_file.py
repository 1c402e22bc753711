"""A saved plan as it lies in its file: read and checked before anything heavy is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.errors import FileError
from drivetrain.scenario_file import SAVED_PLAN, read_table


def read_plan(path: str | Path) -> dict[str, Any]:
    """The answer of ``plan serve`` in a file or in the folder that ``--save`` wrote."""
    place = Path(path)
    if place.is_dir():
        place /= SAVED_PLAN
    elif not place.exists():
        raise FileError(f"{place}: no such file or folder.")
    elif place.suffix not in (".json", ".toml"):
        raise FileError(f"{place}: is no saved plan: give the {SAVED_PLAN} or the folder that plan serve --save wrote.")
    table = read_table(place)
    best, scenario = table.get("best"), table.get("scenario")
    if table.get("feasible") is False:
        raise FileError(f"{place}: this plan found nothing feasible, so there is no fleet to price.")
    if not isinstance(best, Mapping) or not isinstance(scenario, Mapping):
        raise FileError(f"{place}: is no saved plan: 'best' or 'scenario' is missing. Save one with plan serve --save.")
    for name in ("accelerator", "n_accelerators", "replicas", "layout", "engine", "max_concurrency"):
        if name not in best:
            raise FileError(f"{place}: best.{name} is missing. Save the plan again with plan serve --save.")
    for name in ("n_accelerators", "replicas", "max_concurrency", "max_batched_tokens", "usd_per_hour"):
        _check_amount(place, f"best.{name}", best.get(name))
    return dict(table) | {"file": str(place)}


def is_divided(plan: Mapping[str, Any]) -> bool:
    """Whether prompts and output are served by pools of their own."""
    return isinstance(plan["best"]["layout"], Mapping)


def _check_amount(place: Path, name: str, value: object) -> None:
    """Refuse what cannot be an amount in a saved plan; null means unknown."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise FileError(f"{place}: {name} must be a number of at least zero, not {value!r}.")
    if value == 0 and name != "best.usd_per_hour":
        raise FileError(f"{place}: {name} is 0. Save the plan again with plan serve --save.")
