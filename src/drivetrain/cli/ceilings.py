"""``drivetrain ceilings``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from drivetrain.cli.drawing import save_figure
from drivetrain.cli.files import NoPlotOption, PlotOption, plot_target
from drivetrain.cli.options import Format
from drivetrain.errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCALE = "Multiply one quantity of the catalogue, e.g. --scale power.campus=2 (names: --quantities). May be repeated."
_MOST_FACTOR = 1e6
First = Annotated[int, typer.Option("--from", metavar="YEAR", help="First year.")]
Last = Annotated[int, typer.Option("--to", metavar="YEAR", help="Last year.")]
Growth = Annotated[float, typer.Option("--growth", help="Growth of training compute a year that is claimed.")]
By = Annotated[int, typer.Option("--by", metavar="YEAR", help="Year by which it is claimed to stop.")]
Scale = Annotated[list[str] | None, typer.Option("--scale", metavar="NAME=FACTOR", help=_SCALE)]
DrawsOption = Annotated[int, typer.Option("--draws", help="Draws of the joint distribution.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the draws.")]
Quantities = Annotated[bool, typer.Option("--quantities", help="Show the range and source of every quantity.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the answer (csv: years).")]


def ceilings_command(
    first: First = 2026, last: Last = 2030, growth: Growth = 4.0, by: By = 2030, scale: Scale = None,
    draws: DrawsOption = 20_000, seed: Seed = 1, quantities: Quantities = False, plot: PlotOption = "",
    no_plot: NoPlotOption = False, output: FormatOption = Format.table,
) -> None:  # fmt: skip
    """The largest training run by year under limits of spending, power, chips, data and latency.

    Each limit is a distribution with its source. Tells which one binds by year with what probability, what the run
    would take, and tests the claim that growth stops by a year.

    [dim]drivetrain ceilings --from 2026 --to 2035[/dim]

    [dim]drivetrain ceilings --scale power.campus=2 --scale data.text=3 --plot ceilings.svg[/dim]
    """
    target = plot_target(plot)
    from drivetrain.verbs.ceilings import ceilings, factors

    scaled = factors(_pairs(scale or []))
    for name, factor in scaled.items():
        if not 1.0 / _MOST_FACTOR <= factor <= _MOST_FACTOR:
            raise BadInputError(
                f"--scale {name}={factor:g}: give a factor from {1.0 / _MOST_FACTOR:g} to {_MOST_FACTOR:,.0f}."
            )
    answer = ceilings(first, last, growth=growth, by=by, scaled=scaled, draws=draws, seed=seed)
    if output is Format.table:
        from drivetrain.report.ceilings import print_ceilings

        print_ceilings(answer, pictures=not no_plot, quantities=quantities)
    else:
        from drivetrain.report.output import as_csv, as_json

        typer.echo(as_json(answer) if output is Format.json else as_csv(answer["years"]), nl=output is Format.json)

    def figure() -> Figure:
        from drivetrain.report.figures.ceilings import ceilings_figure

        return ceilings_figure(answer)

    save_figure(target, figure)


def _pairs(texts: list[str]) -> dict[str, str]:
    """``NAME=FACTOR`` texts by name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"cannot read --scale '{text}'. Write NAME=FACTOR, e.g. --scale power.campus=2.")
        if name.strip() in found:
            raise BadInputError(f"--scale {name.strip()} is given twice. Keep one.")
        found[name.strip()] = value
    return found
