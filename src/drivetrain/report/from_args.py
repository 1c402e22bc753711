"""What a command line was read as, for people: what was ignored, what the plan would change."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.units import number


def print_from_args(found: Mapping[str, Any]) -> None:
    """Print ``from_args`` of an answer below the prediction; notes go to stderr."""
    out, err = consoles()
    for note in found["notes"]:
        err.print(Text(f"  note: {note}", style="dim"))
    out.print()
    by_reason = sorted(found["ignored"], key=lambda one: one["why"])
    for why, group in groupby(by_reason, key=lambda one: one["why"]):
        out.print(Text(f"ignored: {', '.join(_flag(one) for one in group)} ({why})"))
    if not found["ignored"]:
        out.print("ignored: nothing")
    _would_change(found)


def _would_change(found: Mapping[str, Any]) -> None:
    out, _ = consoles()
    compared = found["compared"]
    if compared is None:
        why = found.get("not_compared") or "give --rate to compare with the best plan"
        out.print(Text(f"would change: not looked for ({why.rstrip('.')})"))
        return
    given, best = compared["as_given"], compared["best"]
    if not best["feasible"]:
        out.print("would change: no flags of this engine on this accelerator meet the targets")
        return
    gain = compared["gain_frac"]
    if gain is not None and not found["would_change"]:
        out.print("would change: nothing, no flags of this engine on this accelerator are cheaper")
        return
    for change in found["would_change"]:
        out.print(Text(f"would change: {change['flag']} {_value(change['from'])} -> {_value(change['to'])}"))
    if gain is None:
        out.print("  as given the targets are missed; so changed they are met:")
    else:
        out.print(f"  {_cost(given)} -> {_cost(best)} ({number(100 * gain, 2)} % cheaper):")
    out.print(Text(f"  {best['launch']}"), soft_wrap=True)


def _flag(one: Mapping[str, Any]) -> str:
    flag, value = one["flag"], one["value"]
    if value is None or value is True:
        return str(flag)
    shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{flag} {shown}" if flag.startswith("-") else f"{flag}={shown}"


def _value(value: object) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _cost(side: Mapping[str, Any]) -> str:
    usd = side["usd_per_million_output_tokens"]
    return f"{number(side['joules_per_output_token'])} J/tok" if usd is None else f"${number(usd)}/Mtok"
