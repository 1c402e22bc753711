"""Options for files: ``--scenario`` to read choices from, ``--plot`` to draw into."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario, scenario_of
from drivetrain.scenario_file import override, read_question

_SCENARIO = "Read choices from this .toml or .json file (or saved plan); options given beside it win."
_PLOT = "Draw the answer into this .svg, .png or .pdf file (needs the extra 'plot')."
_NO_PLOT = "Print no pictures. Bars are printed everywhere, scatter plots on a terminal only; NO_COLOR is respected."

ScenarioOption = Annotated[str, typer.Option("--scenario", metavar="FILE", help=_SCENARIO)]
PlotOption = Annotated[str, typer.Option("--plot", metavar="FILE", help=_PLOT, rich_help_panel="Output")]
NoPlotOption = Annotated[bool, typer.Option("--no-plot", help=_NO_PLOT, rich_help_panel="Output")]


def chosen(context: typer.Context, file: str, **flags: Any) -> ServeScenario:  # noqa: ANN401 - fields of ServeScenario
    """The scenario of the command's options, over that of ``file`` where one is given."""
    if not file:
        if not flags.get("model"):
            raise BadInputError("say which model: --model NAME or the path of a config.json, or --scenario FILE.")
        return ServeScenario(**flags)
    given = {name: value for name, value in flags.items() if _is_given(context, name, value)}
    return scenario_of(override(read_question(file).choices, given))


def _is_given(context: typer.Context, name: str, value: object) -> bool:
    """Whether the person gave an option for the field ``name``, even with the value that it has by default."""
    if value == _DEFAULTS[name] or value in ("", None):
        sources = (context.get_parameter_source(parameter) for parameter in _parameters(name))
        source = next((s for s in sources if s is not None), None)
        return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
    return True


def _parameters(name: str) -> tuple[str, ...]:
    """Names that the option of a field may have in a command: its own, the singular, without its unit, as text."""
    bare = name.removesuffix("_usd_per_hour").removesuffix("_w")
    return tuple(dict.fromkeys(
        base + end for base in (name, name.removesuffix("s"), bare) for end in ("", "_text", "_option")
    ))  # fmt: skip


def plot_target(plot: str) -> Path | None:
    """The file to draw into, checked before anything is computed; ``None`` where no picture is asked for."""
    if not plot:
        return None
    from drivetrain.report.figures.save import checked

    return checked(plot)


def draw(verb: str, answer: dict[str, Any], target: Path | None) -> None:
    """Draw an answer into ``target``, if there is one, and say so."""
    if target is None:
        return
    from drivetrain.report.figures.save import save
    from drivetrain.report.figures.sheets import figure_of

    save(figure_of(verb, answer), target)
    typer.echo(f"drawn in {target}", err=True)


_DEFAULTS = {field.name: field.default for field in fields(ServeScenario)}
