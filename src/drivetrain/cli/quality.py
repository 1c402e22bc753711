"""Options about what may be changed, and what must be left of the quality."""

from __future__ import annotations

from typing import Annotated

import typer

_SPACE, _SHOW = "What to search", "Output"
_ALLOW = "What the search may do otherwise: weights, kv=fp8, speculative, sibling, ... or all (docs: levers)."
_QUALITY = "Least share of the shipped model's benchmark score to keep, e.g. 99%."
_UNKNOWN = "Also what keeps a share that nobody measured."
_LEVERS = "Rank other choices on the plan's accelerator (quick), over all offers (all), or not (off)."

Allow = Annotated[str, typer.Option("--allow", help=_ALLOW, rich_help_panel=_SPACE)]
MinQuality = Annotated[str, typer.Option("--min-quality", help=_QUALITY, rich_help_panel=_SPACE)]
AllowUnknownQuality = Annotated[bool, typer.Option("--allow-unknown-quality", help=_UNKNOWN, rich_help_panel=_SPACE)]
Levers = Annotated[str, typer.Option("--levers", help=_LEVERS, rich_help_panel=_SHOW)]
