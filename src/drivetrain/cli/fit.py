"""``drivetrain fit``: laws of one's own from measured runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.cli.files import PlotOption, plot_target
from drivetrain.cli.options import Format
from drivetrain.cli.progress import announce_compile, stages

fit_app = typer.Typer(help="Fit laws to measured runs.", no_args_is_help=True)

_FILE = "CSV file with the columns 'Model Size', 'loss' and 'Training FLOP' or 'Training Tokens'."
_DROP = "Leave out so many runs of highest loss; 2 % of them where not given."
_OUT = "Write the law to this TOML file; named scaling….toml in the catalogue folder, every command knows it."
File = Annotated[Path, typer.Argument(help=_FILE, show_default=False)]
Draws = Annotated[int, typer.Option("--bootstrap", min=0, help="Refits on runs drawn again, for the ranges; 0: none.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the draws.")]
Drop = Annotated[int | None, typer.Option("--drop", min=0, help=_DROP, show_default=False)]
Starts = Annotated[
    int, typer.Option("--starts", min=1, help="Places of the grid of 4,500 to descend from, evenly taken.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help=_OUT, show_default=False)]
Name = Annotated[str, typer.Option("--name", help="What to call the law in --out; by default as the file.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the fit (csv: coefficients).")]


@fit_app.callback()
def _fit() -> None:
    """Fit laws to measured runs."""


@fit_app.command("scaling")
def scaling_command(
    file: File, n_bootstrap: Draws = 4000, seed: Seed = 42, drop: Drop = None, starts: Starts = 4500, out: Out = None,
    name: Name = "", output: FormatOption = Format.table, plot: PlotOption = "",
) -> None:  # fmt: skip
    """Fit the scaling law L = E + A/N^alpha + B/D^beta to training runs, with bootstrap ranges.

    Minimises Huber's loss of the logarithm (delta 0.001, summed) from many starts, as the replication of Chinchilla
    does. Shows the compute-optimal model by budget, and what the law gets wrong beyond the runs.

    For example `drivetrain fit scaling runs.csv --out scaling-mine.toml`.
    """
    from drivetrain.report.output import as_csv, as_json, write_whole
    from drivetrain.verbs.fit_scaling import as_catalogue, fit_scaling

    _check_out(out, file)
    target = plot_target(plot)
    announce_compile()
    with stages() as tell:
        answer, found = fit_scaling(file, drop=drop, n_bootstrap=n_bootstrap, seed=seed, starts=starts, tell=tell)
    if out is not None:
        from datetime import UTC, datetime

        import tomli_w

        from drivetrain.registry import slug

        month = datetime.now(UTC).strftime("%Y-%m")
        write_whole(out, tomli_w.dumps(as_catalogue(answer, found, slug(name or out.stem), month)))
        typer.echo(f"law written to {out}", err=True)
    if target is not None:
        from drivetrain.report.figures.fit import fit_figure
        from drivetrain.report.figures.save import save

        save(fit_figure(answer, found), target)
        typer.echo(f"drawn in {target}", err=True)
    if output is Format.table:
        from drivetrain.report.fit import print_fit

        print_fit(answer, out)
    elif output is Format.json:
        typer.echo(as_json(answer))
    else:
        typer.echo(as_csv(_rows(answer)), nl=False)


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a coefficient, with its bootstrap where there is one."""
    drawn = answer["bootstrap"] or {}
    names = ("E", "A", "B", "alpha", "beta", "a_opt")
    return [{"coefficient": name, "value": answer[name], **drawn.get(name, {})} for name in names]


def _check_out(out: Path | None, file: Path) -> None:
    from drivetrain.errors import FileError

    if out is None:
        return
    if out.is_dir():
        raise FileError(f"--out {out} is a folder; give a file name such as scaling-mine.toml.")
    if not out.absolute().parent.is_dir():
        raise FileError(f"--out {out}: there is no folder {out.parent}. Create it first.")
    if out.exists() and file.exists() and out.samefile(file):
        raise FileError(f"--out {out} is the file of runs itself; give another name.")
    if out.suffix.lower() != ".toml":
        raise FileError(f"--out {out}: laws are written as TOML. Give a file name that ends in .toml.")
