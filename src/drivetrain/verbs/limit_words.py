"""Limits on what is bought, in words: as the command line spells them, and what would do instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from drivetrain.serving.slo import METRICS
from drivetrain.units import number, show

_CONTINUOUS = ("max_power_w", "budget_usd_per_hour")


def advice(found: Sequence[dict[str, Any]]) -> str:
    """What would do: changes of one step together, each step alone."""
    text = "; or ".join(" and ".join(_step(**_renamed(change)) for change in step["changes"]) for step in found)
    return f"{text[0].upper()}{text[1:]}."


def _renamed(change: dict[str, Any]) -> dict[str, Any]:
    return {"limit": change["limit"], "before": change["from"], "after": change["to"]}


def _step(limit: str, before: float, after: float) -> str:
    if limit == "rate":
        return f"lower --rate to {number(-rounded_up(-after))} req/s"
    if limit == "spares":
        return f"lower --spares to {after:g}"
    if limit.split("_")[0] in METRICS:
        return f"relax {limit} to {show(rounded_up(after), 's')}"
    return (
        f"raise {option(limit, before)} to {amount(limit, rounded_up(after)) if limit in _CONTINUOUS else f'{after:g}'}"
    )


def rounded_up(value: float) -> float:
    """``value`` rounded up to the three digits that are shown, so that what is advised is enough.

    >>> rounded_up(51.01), rounded_up(-51.09), rounded_up(0.0)
    (51.1, -51.0, 0.0)
    """
    if value == 0:
        return 0.0
    digits = 2 - math.floor(math.log10(abs(value)))
    return round(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits, max(digits, 0) + 1)


def option(limit: str, value: float) -> str:
    """A limit as the command line spells it.

    >>> option("max_power_w", 2e5), option("max h100-sxm-80gb", 64.0)
    ('--max-power 200 kW', '--max h100-sxm-80gb=64')
    """
    if limit.startswith("max "):
        return f"--{limit}={value:g}"
    if limit in ("max_accelerators", "max_racks"):
        return f"--{limit.replace('_', '-')} {value:g}"
    return f"--{'max-power' if limit == 'max_power_w' else 'budget'} {amount(limit, value)}"


def amount(limit: str, value: float) -> str:
    """A value of a limit with its unit.

    >>> amount("budget_usd_per_hour", 12.5), amount("max h100-sxm-80gb", 3.0)
    ('$12.5/h', '3 of h100-sxm-80gb')
    """
    if limit == "max_power_w":
        return show(value, "W")
    if limit == "budget_usd_per_hour":
        return f"${number(value)}/h"
    what = limit.removeprefix("max_") if limit.startswith("max_") else f"of {limit.removeprefix('max ')}"
    return f"{number(int(value), 9)} {what}"
