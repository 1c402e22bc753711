"""``drivetrain compare A B``."""

from __future__ import annotations

from typing import Annotated

import typer

from drivetrain.cli.files import NoPlotOption, PlotOption, draw, plot_target
from drivetrain.cli.options import Format
from drivetrain.cli.progress import announce_compile
from drivetrain.errors import BadInputError

_A = "A scenario file (.toml, .json), a saved answer, or the folder of plan serve --save."
_SET = "Change one choice of B (of A where there is no B), e.g. --set accelerators=b200-sxm. May be repeated."
_METRIC = "cost, energy, accelerators, ttft_p95, loss, days, or any number of a plan (default: the objective's)."


def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help=_A)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; or leave it out and use --set.")] = "",
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=_SET)] = None,
    metric: Annotated[str, typer.Option("--metric", help=_METRIC)] = "",
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: Annotated[
        Format, typer.Option("--format", "-f", help="How to print the result (csv: the differences).")
    ] = Format.table,
) -> None:
    """Two plans or scenarios side by side: what differs, and how much each difference explains.

    A scenario file holds the options of plan serve, predict serve, plan train or predict train by name:
    model = "llama-3.1-70b", rate = 5, accelerators = ["h100-sxm"]. Two training runs end in their loss. Saved answers
    are asked again; what has moved since is said. Starting from A the differences are applied one at a time; effects
    are averaged over all orders where there are at most four, else taken first to last. Effects sum to the whole
    change.

    Example: `drivetrain compare today.toml tomorrow.toml`

    Example: `drivetrain compare today.toml --set accelerators=b200-sxm --set weights=fp8 --metric energy`
    """
    target = plot_target(plot)
    from drivetrain.verbs.compare import compare

    pairs = _pairs(changes or [])
    announce_compile()
    answer = compare(a, b or None, changes=pairs, metric=metric, tell=lambda text: typer.echo(text, err=True))
    if output is Format.table:
        from drivetrain.report.compare import print_comparison

        print_comparison(answer, pictures=not no_plot)
    else:
        from drivetrain.report.output import as_csv, as_json

        typer.echo(
            as_json(answer) if output is Format.json else as_csv(answer["differences"]), nl=output is Format.json
        )
    draw("compare", answer, target)
    if not (answer["a"]["feasible"] and answer["b"]["feasible"]):
        raise typer.Exit(1)


def _pairs(texts: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as choices; values are read by the fields they belong to."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"cannot read --set '{text}'. Write NAME=VALUE, e.g. --set accelerators=b200-sxm.")
        if name.strip() in found:
            raise BadInputError(f"--set {name.strip()} is given twice. Keep one.")
        found[name.strip()] = value.strip()
    return found
