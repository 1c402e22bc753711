"""What stderr tells while work goes on: why a first answer takes longer, and bars after more than a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

_PATIENCE_S = 1.0


def announce_compile() -> None:
    """Say once on a machine why the first answer takes longer."""
    from drivetrain.cost.jit import announce_with

    announce_with(lambda text: typer.echo(text, err=True))


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Yields ``tell(stage, done, total)``; each stage has its bar."""
    from rich.console import Console

    console = Console(stderr=True)
    started, bar, task, current = time.monotonic(), None, None, ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal bar, task, current
        if not console.is_terminal or time.monotonic() - started < _PATIENCE_S:
            return
        if bar is None:
            bar = _bar(console)
            bar.start()
        if stage != current or task is None:
            task, current = bar.add_task(stage, total=total), stage
        bar.update(task, completed=done)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.stop()


def _bar(console: Any) -> Any:  # noqa: ANN401 - rich is imported when used
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
