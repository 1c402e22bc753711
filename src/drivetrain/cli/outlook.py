"""``drivetrain outlook``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivetrain.cli.drawing import save_figure
from drivetrain.cli.files import NoPlotOption, PlotOption, plot_target
from drivetrain.cli.options import Format
from drivetrain.errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drivetrain.verbs.outlook_file import OutlookQuestion

_SET = "Change a quantity, e.g. --set training.growth=2 or low:mid:high, --set power.added=10GW:18GW:25GW. May repeat."
_SWITCH = "Turn a condition on: efficiency-flattens, adoption-fails, training-outgrows, commodity-serves. May repeat."
_ALL = "Each switch on its own beside the question as asked, over the same draws."
File = Annotated[str, typer.Argument(metavar="[FILE]", help="An outlook file (.toml, .json); options beside it win.")]
To = Annotated[int | None, typer.Option("--to", metavar="YEAR", help="Last year told (default: the file's, or 2035).")]
DrawsOption = Annotated[int | None, typer.Option("--draws", help="Draws of the joint distribution (default 1000).")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the draws (default 1).")]
SwitchOption = Annotated[list[str] | None, typer.Option("--switch", metavar="NAME", help=_SWITCH)]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=_SET)]
SwitchesAll = Annotated[bool, typer.Option("--switches-all", help=_ALL)]
Quantities = Annotated[bool, typer.Option("--quantities", help="List every quantity with its range and source.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print (csv: a row a year).")]


def outlook_command(
    file: File = "", to: To = None, draws: DrawsOption = None, seed: Seed = None, switch: SwitchOption = None,
    settings: Set = None, switches_all: SwitchesAll = False, quantities: Quantities = False, plot: PlotOption = "",
    no_plot: NoPlotOption = False, output: FormatOption = Format.table,
) -> None:  # fmt: skip
    """Years of tokens, compute, fleets, power and money, and what efficiency does to them.

    Demand by class of task meets supply under limits of packaging, memory, capital and power; ranges are over joint
    draws, shadow prices from a linear program. A model with stated assumptions: not investment advice.

    [dim]drivetrain outlook --to 2030 --draws 300[/dim]

    [dim]drivetrain outlook examples/outlook-2030.toml --switch efficiency-flattens[/dim]

    [dim]drivetrain outlook examples/outlook-2030.toml --switches-all[/dim]
    """
    target = plot_target(plot)
    if quantities:
        _list(output)
        return
    asked = _question(file, to, draws, seed, switch or [], settings or [])
    if switches_all and target is not None:
        raise BadInputError("--plot draws one outlook. Leave out --switches-all, or --plot.")
    from drivetrain.cli.progress import announce_compile, stages

    announce_compile()
    with stages() as tell:
        answer = _asked(asked, switches_all, lambda done, total: tell("quarters", done, total))
    rows = answer["scenarios"] if switches_all else answer["years"]
    if output is not Format.table:
        from drivetrain.report.output import as_csv, as_json

        typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)
    elif switches_all:
        from drivetrain.report.outlook_scenarios import print_scenarios

        print_scenarios(answer, file=file)
    else:
        from drivetrain.report.outlook import print_outlook

        print_outlook(answer, pictures=not no_plot, file=file)

    def figure() -> Figure:
        from drivetrain.report.figures.outlook import outlook_figure

        return outlook_figure(answer)

    save_figure(target, figure)


def _question(
    file: str, to: int | None, draws: int | None, seed: int | None, on: list[str], settings: list[str]
) -> OutlookQuestion:
    """The file's question, or the default one, with the options on top."""
    from drivetrain.verbs.outlook_file import FIRST_YEAR, LAST_YEAR, OutlookQuestion, read_outlook
    from drivetrain.verbs.outlook_set import parse_set

    if to is not None and not FIRST_YEAR <= to < LAST_YEAR:
        raise BadInputError(f"--to is {to}. Write the last year to tell, from {FIRST_YEAR} to {LAST_YEAR - 1}.")
    asked = read_outlook(file) if file else OutlookQuestion()
    own = [parse_set(text) for text in settings]
    twice = {one.name for one in own if [other.name for other in own].count(one.name) > 1}
    if twice:
        raise BadInputError(f"--set {min(twice)} is given twice. Keep one.")
    changes: dict[str, Any] = {"quantities": {**asked.quantities, **{one.name: one for one in own}}}
    changes["switches"] = tuple(dict.fromkeys([*asked.switches, *(name.strip() for name in on)]))
    if to is not None:
        changes["end_year"] = to + 1
    if draws is not None:
        changes["draws"] = draws
    if seed is not None:
        changes["seed"] = seed
    return replace(asked, **changes)


def _asked(asked: OutlookQuestion, switches_all: bool, seen: Any) -> dict[str, Any]:  # noqa: ANN401 - a callable
    if switches_all:
        from drivetrain.verbs.outlook_scenarios import outlook_scenarios

        return outlook_scenarios(asked, seen=seen)
    from drivetrain.verbs.outlook import outlook

    return outlook(asked, seen=seen)


def _list(output: Format) -> None:
    from drivetrain.verbs.outlook import quantity_rows

    rows = quantity_rows()
    if output is Format.table:
        from drivetrain.report.outlook import print_quantities

        print_quantities(rows)
    else:
        from drivetrain.report.output import as_csv, as_json

        typer.echo(as_json(rows) if output is Format.json else as_csv(rows), nl=output is Format.json)
