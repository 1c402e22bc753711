"""What a refit did, for people: errors before and after, the coefficients that moved, what was left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.report.validate import reasons
from drivetrain.units import number

_SHOWN, _LEAST_SIGMAS = 20, 0.5


def print_calibration(answer: dict[str, Any], target: Path | None) -> None:
    """Print one refit on stdout."""
    out, _ = consoles()
    out.print(Text(f"{answer['fitted']} of {answer['n']} rows fitted ({answer['meta']['file']})", style="bold"))
    out.print(_errors(answer["errors"]))
    moved = [
        row for row in answer["moved"] if row["rows"] and (row["before"] is None or row["sigmas"] >= _LEAST_SIGMAS)
    ]
    if moved:
        out.print(_coefficients(moved[:_SHOWN]))
    still = len(answer["moved"]) - len(moved)
    out.print(
        Text(
            f"{max(len(moved) - _SHOWN, 0)} more moved; {still} stayed within {_LEAST_SIGMAS} standard errors.",
            style="dim",
        )
    )
    reasons(out, "Not fitted", answer["skipped"])
    if target is not None:
        out.print(
            Text(
                f"next: DRIVETRAIN_CALIBRATION={target.parent} drivetrain validate serving {answer['meta']['file']}",
                style="cyan",
            )
        )
    else:
        out.print(Text("next: add --out FOLDER to keep this calibration", style="cyan"))


def _errors(errors: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "n", "TPOT median", "mean", "P90", "bias", "n", "TTFT median", "mean", "P90", "bias"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for stage, by_metric in errors.items():
        cells = [stage.replace("_", " ")]
        for metric in ("tpot", "ttft"):
            s = by_metric[metric]
            cells += (
                [""] * 5
                if s is None
                else [str(s["n"]), *(_percent(s[k]) for k in ("median_abs", "mean_abs", "p90_abs", "bias"))]
            )
        table.add_row(*cells)
    return table


def _coefficients(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="moved, in standard errors", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("coefficient", "before", "after", "±", "moved", "rows"):
        table.add_column(name, justify="left" if name == "coefficient" else "right", no_wrap=True)
    for row in rows:
        before = "–" if row["before"] is None else number(row["before"], 3)
        table.add_row(row["coefficient"], before, number(row["after"], 3), _percent(row["standard_error"]),
                      f"{row['sigmas']:.1f}", str(row["rows"]))  # fmt: skip
    return table


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
