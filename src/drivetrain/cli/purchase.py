"""Options of ``plan serve`` about what is bought, and how their texts become choices."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError

_BUY = "accelerators (any number), servers (whole ones) or instances (of clouds)."
_SPARES = "Bought beyond the need, powered and idle: 1 or n+1. Whole servers or instances; replicas where loose."
_MAX = "Quota, repeatable: h100-sxm=64, dgx-h100=8, p5.48xlarge=4, or a number of accelerators in all."
_POWER = "Provisioned IT power of all that is bought (TDP and host, without PUE): 200kW."
_BUDGET = "Price of all that is bought: $500/h, $40k/month, $2M/year."
_MIX = "Also split requests by prompt length over two fleets and compare."
_PANEL = "What to buy"

Buy = Annotated[str, typer.Option("--buy", help=_BUY, rich_help_panel=_PANEL)]
Provider = Annotated[
    str, typer.Option("--provider", help="Only these clouds, e.g. aws,google (with instances).", rich_help_panel=_PANEL)
]
Spares = Annotated[str, typer.Option("--spares", metavar="N", help=_SPARES, rich_help_panel=_PANEL)]
Quotas = Annotated[list[str] | None, typer.Option("--max", metavar="NAME=N", help=_MAX, rich_help_panel=_PANEL)]
MaxPower = Annotated[str, typer.Option("--max-power", metavar="POWER", help=_POWER, rich_help_panel=_PANEL)]
MaxRacks = Annotated[float | None, typer.Option("--max-racks", help="Racks for whole servers.", rich_help_panel=_PANEL)]
RackPower = Annotated[
    str, typer.Option("--rack-power", metavar="POWER", help="What one rack feeds: 40kW.", rich_help_panel=_PANEL)
]
Money = Annotated[str, typer.Option("--budget", metavar="MONEY", help=_BUDGET, rich_help_panel=_PANEL)]
Mix = Annotated[bool, typer.Option("--mix", help=_MIX, rich_help_panel=_PANEL)]


def watts(option: str, text: str) -> float | None:
    """Read ``200kW`` or ``0.2 MW``; nothing where the option is not given.

    >>> watts("--max-power", "200kW")
    200000.0
    """
    if not text:
        return None
    try:
        return units.parse(text, "W")
    except UnitError as error:
        raise BadInputError(f"{option} '{text}': {error.args[0]} For example {option} 200kW.") from None


def usd_per_hour(text: str) -> float | None:
    """Read ``$500/h``, ``$40k/month`` or ``$2M/year``; nothing where the option is not given."""
    return units.parse_usd_per_hour(text) if text else None


def spares_of(text: str) -> int:
    """Read ``2`` or ``n+2``.

    >>> spares_of("n+1"), spares_of("2")
    (1, 2)
    """
    match = re.fullmatch(r"\s*(?:[nN]\s*\+\s*)?(\d{1,6})\s*", text)
    if not match:
        raise BadInputError(f"cannot read --spares '{text}'. Write a whole number such as 1, or n+1.")
    return int(match[1])
