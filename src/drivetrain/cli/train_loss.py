"""``drivetrain predict loss``: scaling laws side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivetrain.cli import train_options as o
from drivetrain.cli.drawing import save_figure
from drivetrain.cli.files import PlotOption, plot_target
from drivetrain.cli.options import Format
from drivetrain.cli.serve import FormatOption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Params = Annotated[
    str | None, typer.Option("--params", "-p", help="Parameters that a token passes: 70B.", show_default=False)
]
Laws = Annotated[str | None, typer.Option("--law", help="Only these laws, by name (default: all).", show_default=False)]


def predict_loss_command(
    params: Params = None,
    tokens: o.Tokens = None,
    flops: o.Flops = None,
    target_loss: o.TargetLoss = None,
    unique_tokens: o.UniqueTokens = None,
    served_tokens: o.ServedTokens = None,
    experts: o.Experts = None,
    law: Laws = None,
    plot: PlotOption = "",
    output: FormatOption = Format.table,
) -> None:
    """What the scaling laws make of a budget, a model, a stock of data or a loss to reach, with ranges.

    Two of --params, --tokens and --flops fix the run; one of them, or --target-loss, is completed to its best. With
    none the laws are shown: equation, coefficients, where each was fitted.

    [dim]drivetrain predict loss --flops 5.88e23[/dim]

    [dim]drivetrain predict loss -p 70B --tokens 15T --law chinchilla,hoffmann-2022[/dim]

    [dim]drivetrain predict loss --target-loss 2.0 --unique-tokens 300B[/dim]
    """
    target = plot_target(plot)
    from drivetrain.verbs.train_laws import predict_loss

    choices = {"tokens": tokens, "flops": flops, "target_loss": target_loss, "unique_tokens": unique_tokens,
               "served_tokens": served_tokens}  # fmt: skip
    names = [name.strip() for name in (law or "").split(",") if name.strip()]
    answer = predict_loss(laws=names, params=params, experts=1.0 if experts is None else experts, **choices)
    if output is Format.table:
        from drivetrain.report.train_laws import print_laws

        print_laws(answer)
    else:
        _emit(answer, output)
    _draw(answer, target)


def _emit(answer: dict[str, Any], output: Format) -> None:
    from drivetrain.report.output import as_csv, as_json

    rows = [{name: value for name, value in row.items() if name not in ("notes", "coefficients", "fitted")}
            for row in answer["laws"]]  # fmt: skip
    typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)


def _draw(answer: dict[str, Any], target: Path | None) -> None:
    def figure() -> Figure:
        from drivetrain.report.figures.train_laws import laws_figure

        return laws_figure(answer)

    save_figure(target, figure)
