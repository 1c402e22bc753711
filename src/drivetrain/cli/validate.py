"""``drivetrain validate``: predict measured rows, score them, write the predictions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from drivetrain.cli.options import Format
from drivetrain.cli.progress import announce_compile, stages

validate_app = typer.Typer(
    help="Predict the rows of a measured file and score the predictions.", invoke_without_command=True
)

File = Annotated[Path, typer.Argument(help="CSV file; columns in docs/howto/validate.md.", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="Folder of recorded requests.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write predictions, one row per row, to this CSV file.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the summary (csv: predictions).")]


@validate_app.callback()
def validate_command(context: typer.Context, output: FormatOption = Format.table) -> None:
    """Predict the rows of a measured file and score them. Alone: the reference points that ship with the package."""
    if context.invoked_subcommand is not None:
        return
    announce_compile()
    from drivetrain.verbs.validate import validate_reference

    found = validate_reference()
    if output is Format.table:
        from drivetrain.report.validate import print_validation

        for one in found:
            print_validation(one.summary, groups=False)
        return
    from drivetrain.report.output import as_csv, as_json

    summaries = {one.summary["kind"]: one.summary for one in found}
    rows = [{"kind": one.summary["kind"], **row} for one in found for row in one.predictions]
    typer.echo(as_json(summaries) if output is Format.json else as_csv(rows), nl=output is Format.json)


@validate_app.command("serving")
def serving_command(file: File, out: Out = None, output: FormatOption = Format.table) -> None:
    """TTFT and TPOT of closed-loop load tests of one deployment each."""
    _run("serving", file, out, output)


@validate_app.command("mlperf")
def mlperf_command(file: File, out: Out = None, output: FormatOption = Format.table) -> None:
    """Tokens per second of MLPerf Inference results: Offline, Server and Interactive."""
    _run("mlperf", file, out, output)


@validate_app.command("collectives")
def collectives_command(file: File, out: Out = None, output: FormatOption = Format.table) -> None:
    """Seconds of collective operations."""
    _run("collectives", file, out, output)


@validate_app.command("power")
def power_command(file: File, out: Out = None, output: FormatOption = Format.table) -> None:
    """Watts, tokens per second and gaps between tokens of measured serving runs."""
    _run("power", file, out, output)


@validate_app.command("requests")
def requests_command(folder: Folder, out: Out = None, output: FormatOption = Format.table) -> None:
    """Single requests of a recorded run (not there yet: comes with the simulator)."""
    _run("requests", folder, out, output)


def _run(kind: str, path: Path, out: Path | None, output: Format) -> None:
    from drivetrain.errors import FileError

    if out is not None and out.is_dir():
        raise FileError(f"--out {out} is a folder; give a file name.")
    if out is not None and not out.absolute().parent.is_dir():
        raise FileError(f"--out {out}: there is no folder {out.parent}. Create it first.")
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise FileError(f"--out {out} is the file of measurements itself; give another name.")
    if kind != "requests":
        announce_compile()
    from drivetrain.report.output import as_csv, as_json, write_whole
    from drivetrain.verbs.validate import validate

    with stages() as tell:
        found = validate(kind, path, partial(tell, "predicting"))
    if out is not None:
        write_whole(out, as_csv(found.predictions))
        typer.echo(f"{len(found.predictions)} rows written to {out}", err=True)
    if output is Format.table:
        from drivetrain.report.validate import print_validation

        print_validation(found.summary)
    elif output is Format.json:
        typer.echo(as_json(found.summary))
    else:
        typer.echo(as_csv(found.predictions), nl=False)
