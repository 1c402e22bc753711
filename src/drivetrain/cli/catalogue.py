"""``drivetrain list``, ``show`` and ``catalogue check``: parse, call one verb, print."""

from __future__ import annotations

from typing import Annotated

import typer

catalogue_app = typer.Typer(help="Check the catalogue and add to it.", no_args_is_help=True)

Format = Annotated[str, typer.Option("--format", help="table, json or csv")]


def list_command(
    kind: Annotated[str, typer.Argument(help="accelerators, servers, fabrics, models, engines, workloads, "
                                             "prices, grids, regions, instances, support, quality or policies")],
    format: Format = "table",  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """List what the catalogue holds of a kind."""
    from drivetrain.cli import catalogue_print as printer
    from drivetrain.verbs.catalogue import list_entries

    printer.rows(list_entries(kind), format)


def show_command(
    name: Annotated[str, typer.Argument(help="any spelling of an entry, for example h100-sxm; or a kind before it")],
    entry: Annotated[str | None, typer.Argument(help="the entry, where a kind comes first: instance p5.48xlarge",
                                                show_default=False)] = None,
    sources: Annotated[bool, typer.Option("--sources", help="every value with its source and date")] = False,
    kind: Annotated[str | None, typer.Option("--kind", help="look in one kind only")] = None,
    format: Format = "table",  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """Show one entry of the catalogue."""
    from drivetrain.cli import catalogue_print as printer
    from drivetrain.verbs.catalogue import show_entry

    wanted, within = (entry, kind or name) if entry else (name, kind)
    printer.entry(show_entry(wanted, within, sources=sources), format)


@catalogue_app.command("check")
def check_command(format: Format = "table") -> None:  # noqa: A002 - the option's name
    """Check every entry: sources, units, dense rates, memory, links, names. Exit code 2 on a problem."""
    from drivetrain.cli import catalogue_print as printer
    from drivetrain.verbs.catalogue import check_catalogue

    problems = check_catalogue()
    printer.problems(problems, format)
    if problems:
        raise typer.Exit(2)
