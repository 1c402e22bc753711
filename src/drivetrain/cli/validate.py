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
_FIT_ON = "Fit a few factors first: on this run, or with first-half on the first half of each run (the rest is scored)."
CalibrateOn = Annotated[str, typer.Option("--calibrate-on", help=_FIT_ON, show_default=False)]
Simulate = Annotated[bool, typer.Option("--simulate", help="Play the load tests through the fleet simulator (slower).")]
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
def serving_command(
    file: File, simulate: Simulate = False, out: Out = None, output: FormatOption = Format.table
) -> None:
    """TTFT and TPOT of closed-loop load tests of one deployment each."""
    _run("serving", file, out, output, simulate=simulate)


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


@validate_app.command("training")
def training_command(file: File, out: Out = None, output: FormatOption = Format.table) -> None:
    """Tokens per second and accelerator of training runs, accelerator-hours of whole ones."""
    _run("training", file, out, output)


@validate_app.command("requests")
def requests_command(
    folder: Folder, calibrate_on: CalibrateOn = "", out: Out = None, output: FormatOption = Format.table
) -> None:
    """Recorded runs of a server, replayed request by request: arrivals and lengths in, latencies compared.

    The folder holds runs.csv (what was served where) and requests.csv (arrivals, lengths, latencies).
    """
    _run("requests", folder, out, output, calibrate_on)


@validate_app.command("outlook")
def outlook_command(output: FormatOption = Format.table) -> None:
    """Public series behind the outlook, cut and forecast: revenue, electricity, machines, tokens, prices."""
    from drivetrain.verbs.validate_outlook import validate_outlook

    found = validate_outlook()
    if output is Format.table:
        from drivetrain.report.validate_outlook import print_back_tests

        print_back_tests(found)
        return
    from drivetrain.report.output import as_csv, as_json

    rows = [
        {"series": one["series"], "at": point["at"], "measured": point["value"], "model": model["model"],
         "kind": model["kind"], "predicted": predicted}
        for one in found["series"] for model in one["models"]
        for point, predicted in zip(one["test"], model["predicted"], strict=True)
    ]  # fmt: skip
    typer.echo(as_json(found) if output is Format.json else as_csv(rows), nl=output is Format.json)


def _run(
    kind: str, path: Path, out: Path | None, output: Format, calibrate_on: str = "", simulate: bool = False
) -> None:
    from drivetrain.errors import FileError

    if out is not None and out.is_dir():
        raise FileError(f"--out {out} is a folder; give a file name.")
    if out is not None and not out.absolute().parent.is_dir():
        raise FileError(f"--out {out}: there is no folder {out.parent}. Create it first.")
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise FileError(f"--out {out} is the file of measurements itself; give another name.")
    if kind != "training":  # the only one without machine code
        announce_compile()
    from drivetrain.report.output import as_csv, as_json, write_whole
    from drivetrain.verbs.validate import validate

    with stages() as tell:
        found = validate(kind, path, partial(tell, "predicting"), calibrate_on=calibrate_on, simulate=simulate)
    if out is not None:
        write_whole(out, as_csv(found.predictions))
        typer.echo(f"{len(found.predictions)} rows written to {out}", err=True)
    if output is Format.table and kind == "requests":
        from drivetrain.report.validate_requests import print_requests

        print_requests(found.summary)
    elif output is Format.table:
        from drivetrain.report.validate import print_validation

        print_validation(found.summary)
    elif output is Format.json:
        typer.echo(as_json(found.summary))
    else:
        typer.echo(as_csv(found.predictions), nl=False)
