"""Replayed runs for people: a table of measured and predicted means by run, what was fitted, what was derived."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.report.validate import reasons
from drivetrain.units import number

_ROWS = (
    ("TTFT mean", "ttft_mean_s", "ttft_mean", 1.0, "s"),
    ("TTFT median", "ttft_p50_s", "ttft_p50", 1.0, "s"),
    ("TPOT mean", "tpot_mean_s", "tpot_mean", 1e3, "ms"),
    ("e2e mean", "e2e_mean_s", "e2e_mean", 1.0, "s"),
    ("output", "output_tokens_per_s", "output_tokens_per_s", 1.0, "tok/s"),
)


def print_requests(summary: dict[str, Any]) -> None:
    """Print the summary of ``validate requests`` on stdout."""
    out, _ = consoles()
    fitted = f", fitted on {summary['calibrated_on']}" if summary["calibrated_on"] else ""
    shown = f"requests: {len(summary['runs'])} runs replayed, {summary['n']} requests{fitted}"
    out.print(Text(f"{shown} ({summary['meta']['file']})", style="bold"))
    for run in summary["runs"]:
        out.print()
        what = f"{run['model']} on {run['accelerator']} {run['layout']}, {run['engine']}"
        out.print(Text(f"{run['run']}: {what}; {run['n']} requests scored"))
        out.print(_table(run))
        if "fitted" in run:
            factors = ", ".join(
                f"{name.replace('_', ' ')} x {value:.3g}" for name, value in run["fitted"]["factors"].items()
            )
            sample = " (in sample)" if run["fitted"]["in_sample"] else ""
            out.print(Text(f"  fitted on {', '.join(run['fitted']['on'])}{sample}: {factors}", style="dim"))
        for note in run["notes"]:
            out.print(Text(f"  {note}", style="dim"))
    reasons(out, "Not replayed", summary["skipped"])


def _table(run: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    ranged = run.get("range", {})
    for title in ("", "measured", "predicted", *(("p10 to p90",) if ranged else ()), "", "error"):
        table.add_column(title, justify="left" if not title else "right", no_wrap=True)
    for name, key, error, scale, unit in _ROWS:
        if key not in run["predicted"]:
            continue
        off = run[f"{error}_error_frac"]
        measured = number(run["measured"][key] * scale) if key in run["measured"] else ""
        percent = "" if off is None else f"{100 * off:+.1f} %"
        span = [" to ".join(number(value * scale) for value in ranged[key])] if ranged else []
        table.add_row(name, measured, number(run["predicted"][key] * scale), *span, unit, percent)
    return table
