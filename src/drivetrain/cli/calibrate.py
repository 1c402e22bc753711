"""``drivetrain calibrate``: fit the model to one's own measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drivetrain.cli.options import Format
from drivetrain.cli.progress import announce_compile, stages

File = Annotated[
    Path,
    typer.Argument(help="CSV file in the columns of 'validate serving', with tpot_s or ttft_s.", show_default=False),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the new calibration to this TOML file (or folder).")
]
Scratch = Annotated[
    bool, typer.Option("--from-scratch", help="Fit from the priors, not from the calibration in force.")
]
CrossValidate = Annotated[
    bool, typer.Option("--cross-validate", help="Also leave out curves, deployments, models, accelerators (minutes).")
]  # fmt: skip
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print what moved.")]


def calibrate_command(
    file: File, out: Out = None, scratch: Scratch = False, cross_validate: CrossValidate = False,
    output: FormatOption = Format.table,
) -> None:  # fmt: skip
    """Refit the serving coefficients on measured load tests, and show what moved and what it did to the errors.

    The calibration in force is the prior: a few rows of your own move what they speak of and leave the rest. To use the
    result, set DRIVETRAIN_CALIBRATION to the folder that holds it.

    For example `drivetrain calibrate runs.csv --out mine/`.
    """
    from drivetrain.errors import FileError
    from drivetrain.report.output import as_csv, as_json, write_whole
    from drivetrain.verbs.calibrate import FILE_NAME, calibrate, render

    target = None
    if out is not None:
        target = out / FILE_NAME if out.is_dir() or not out.suffix else out
        new_folder = target.parent == out and target.absolute().parent.parent.is_dir()
        if not target.absolute().parent.is_dir() and not new_folder:
            raise FileError(f"--out {out}: there is no folder {target.parent}. Create it first.")
        if target.exists() and file.exists() and target.samefile(file):
            raise FileError(f"--out {out} is the file of measurements itself; give another name.")
    announce_compile()

    with stages() as tell:
        answer, found = calibrate(file, scratch=scratch, cross_validate=cross_validate, tell=tell)
    if target is not None:
        target.parent.mkdir(exist_ok=True)
        write_whole(target, render(found.calibration))
        typer.echo(f"calibration written to {target}", err=True)
    if output is Format.table:
        from drivetrain.report.calibrate import print_calibration

        print_calibration(answer, target)
    elif output is Format.json:
        typer.echo(as_json(answer))
    else:
        typer.echo(as_csv(answer["moved"]), nl=False)
