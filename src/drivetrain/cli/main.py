"""``drivetrain``: entry point, commands and the one place where errors become messages and exit codes."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import typer

from drivetrain import __version__
from drivetrain.cli.calibrate import calibrate_command
from drivetrain.cli.catalogue import catalogue_app, list_command, show_command
from drivetrain.cli.ceilings import ceilings_command
from drivetrain.cli.claims import claims_command
from drivetrain.cli.compare import compare_command
from drivetrain.cli.cost import cost_app
from drivetrain.cli.fit import fit_app
from drivetrain.cli.import_model import import_command
from drivetrain.cli.outlook import outlook_command
from drivetrain.cli.serve import plan_serve_command, predict_serve_command
from drivetrain.cli.simulate import simulate_command
from drivetrain.cli.train import plan_train_command, predict_train_command
from drivetrain.cli.train_loss import predict_loss_command
from drivetrain.cli.validate import validate_app

app = typer.Typer(
    name="drivetrain",
    help="AI infrastructure as one system: plan, predict and simulate the serving of language models, "
    "plan their training, with sources for every number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
plan_app = typer.Typer(help="Search for the best answer to a planning question.", no_args_is_help=True)
predict_app = typer.Typer(help="Evaluate one configuration.", no_args_is_help=True)
plan_app.command("serve")(plan_serve_command)
plan_app.command("train")(plan_train_command)
predict_app.command("serve")(predict_serve_command)
predict_app.command("train")(predict_train_command)
predict_app.command("loss")(predict_loss_command)
catalogue_app.command("import")(import_command)
app.add_typer(plan_app, name="plan")
app.add_typer(predict_app, name="predict")
app.command("simulate")(simulate_command)
app.command("compare")(compare_command)
app.add_typer(cost_app, name="cost")
app.command("claims")(claims_command)
app.command("ceilings")(ceilings_command)
app.command("outlook")(outlook_command)
app.add_typer(validate_app, name="validate")
app.command("calibrate")(calibrate_command)
app.add_typer(fit_app, name="fit")
app.add_typer(catalogue_app, name="catalogue")
app.command("list")(list_command)
app.command("show")(show_command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drivetrain {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """AI infrastructure as one system."""


def main() -> None:
    """Run the command line; deliberate errors become one line on stderr and their exit code."""
    from drivetrain.errors import DrivetrainError

    if hasattr(signal, "SIGPIPE"):  # a reader that has seen enough (| head) ends us quietly, as is usual
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        code = app(standalone_mode=False)
    except DrivetrainError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # the output cannot be written (full disk, closed file)
        print(f"error: DT000 {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(3) from None
    except typer.Abort:
        raise SystemExit(130) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if not hasattr(error, "format_message"):  # not the option parser's
            raise
        _usage_error(error)
    raise SystemExit(code if isinstance(code, int) else 0)


def _usage_error(error: Any) -> NoReturn:  # noqa: ANN401 - the parser's exceptions are not public
    """One line for a wrong command line, as for every other bad input; help itself where that is what is meant."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        path = getattr(getattr(error, "ctx", None), "command_path", "drivetrain")
        message = " ".join(str(error.format_message()).split()).rstrip(".")
        print(f"error: DT001 {message}. See '{path} --help'.", file=sys.stderr)  # noqa: T201
    raise SystemExit(2)
