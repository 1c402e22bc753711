"""Pictures that are not of serving: made where one was asked for, saved, and said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(target: Path | None, make: Callable[[], Figure]) -> None:
    """Draw what ``make`` returns into ``target``, if there is one, and say so."""
    if target is None:
        return
    from drivetrain.report.figures.save import save

    save(make(), target)
    typer.echo(f"drawn in {target}", err=True)
