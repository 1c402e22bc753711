"""Errors of a validation for people: one line, a table overall and by group, what was skipped and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.units import number

_SHOWN_REASONS, _SHOWN_ROWS = 12, 3
_SHORT = {"concurrency": "C", "tokens_per_s_per_accel": "tok/s/accel."}
_TIMES = ("tpot", "ttft", "itl")
_FINE, _ENOUGH = ("concurrency",), 5  # groups shown only from so many rows; --format json has all
_NOT_METRICS = ("kind", "n", "predicted", "coverage", "clean", "skipped", "unscored", "groups", "scored", "saturated",
                "choice", "meta", "points", "by_source", "macro", "simulated")  # fmt: skip


def print_validation(summary: dict[str, Any], groups: bool = True) -> None:
    """Print one validation's summary on stdout."""
    out, _ = consoles()
    metrics = [name for name in summary if name not in _NOT_METRICS]
    share = f"{summary['predicted']} of {summary['n']} rows predicted"
    out.print(Text(f"{summary['kind']}: {share} ({summary['meta']['file']})", style="bold"))
    for metric, rule in summary.get("scored", {}).items():
        if summary.get(metric):
            out.print(Text(f"  {metric} scored on {rule}", style="dim"))
    if any(summary[m] for m in metrics):
        out.print(_table(summary, metrics, groups))
    else:
        out.print("Nothing measured in the file to score against; predictions only.", style="dim")
    if summary.get("points"):
        _points(out, summary["points"], metrics)
    saturated = summary.get("saturated")
    if saturated and saturated["measured"]:
        out.print(
            f"Saturated (TTFT over 5 s): measured {saturated['measured']}, predicted {saturated['predicted']}, "
            f"both {saturated['both']} of {saturated['n']} rows."
        )
    choice = summary.get("choice")
    if choice and choice["cases"]:
        regret = choice["mean_regret"]
        lost = "" if regret is None else f", the others lose {100 * regret:.1f} % tokens/s"
        out.print(
            f"Choosing by prediction under TPOT limits of 15, 25, 40 ms: {choice['cases']} cases, "
            f"{100 * choice['broken_frac']:.1f} % break the limit{lost}; {choice['missed']} more were missed."
        )
    reasons(out, "Not predicted", summary["skipped"])
    reasons(out, "Predicted but not scored", summary["unscored"])


def _points(out: Any, points: list[dict[str, Any]], metrics: list[str]) -> None:  # noqa: ANN401 - a rich console
    """Reference points one by one, with their sources."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [metric for metric in metrics if any(metric in point for point in points)][:2]
    keys = [k for k, v in points[0].items() if isinstance(v, str) and k not in ("row_id", "source", "harness", "task")]
    for title in keys:
        table.add_column(_SHORT.get(title, title), no_wrap=True)
    for metric in shown:
        unit = " ms" if metric in _TIMES else ""
        table.add_column(f"{metric.replace('_', ' ')}{unit}\nmeas. → pred.", justify="right")
        table.add_column("error", justify="right", vertical="bottom", no_wrap=True)
    for point in points:
        cells = [point.get(key, "") for key in keys]
        for metric in shown:
            cells += _pair(point.get(metric), 1e3 if metric in _TIMES else 1.0)
        table.add_row(*cells)
    out.print(table)
    for source in dict.fromkeys(point["source"] for point in points):
        out.print(Text(f"  source: {source}", style="dim"))


def _pair(pair: dict[str, float] | None, scale: float) -> tuple[str, str]:
    if pair is None:
        return "", ""
    return f"{number(pair['measured'] * scale)} → {number(pair['predicted'] * scale)}", f"{100 * pair['error']:+.0f} %"


def _table(summary: dict[str, Any], metrics: list[str], groups: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("metric", "n", "median", "mean", "P90", "bias", "in 80 %"):
        table.add_column(title, justify="left" if title == "metric" else "right", no_wrap=True)
    _lines(table, "all", summary, metrics)
    last = ""
    for group in summary["groups"] if groups else ():
        if group["by"] in _FINE and not any(group[m] and group[m]["n"] >= _ENOUGH for m in metrics):
            continue
        if group["by"] != last:
            last = group["by"]
            table.add_section()
            table.add_row(Text(f"by {last.replace('_', ' ')}", style="dim"))
        _lines(table, f"  {group['key']}", group, metrics)
    return table


def _lines(table: Table, name: str, entry: dict[str, Any], metrics: list[str]) -> None:
    for metric in metrics:
        if entry.get(metric):
            table.add_row(name, _SHORT.get(metric, metric.replace("_", " ")), *_cells(entry[metric]))
            name = ""


def _cells(score: dict[str, Any]) -> list[str]:
    inside = score["coverage80"]
    return [
        str(score["n"]),
        *(f"{100 * score[name]:.1f} %" for name in ("median_abs", "mean_abs", "p90_abs")),
        f"{100 * score['bias']:+.1f} %",
        "" if inside is None else f"{100 * inside:.0f} %",
    ]


def reasons(out: Any, title: str, rows: list[dict[str, str]]) -> None:  # noqa: ANN401 - a rich console
    """Reasons by frequency with the first rows of each; --format json lists every row."""
    if not rows:
        return
    out.print(f"{title}: {len(rows)}", style="bold")
    counts = Counter(row["reason"] for row in rows)
    for reason, n in counts.most_common(_SHOWN_REASONS):
        named = [row["row_id"] for row in rows if row["reason"] == reason][:_SHOWN_ROWS]
        more = f" and {n - len(named)} more" if n > len(named) else ""
        out.print(Text(f"  {n} x {reason}  [{', '.join(named)}{more}]", style="dim"))
    rest = sum(counts.values()) - sum(n for _, n in counts.most_common(_SHOWN_REASONS))
    if rest:
        out.print(Text(f"  {rest} for other reasons (--format json lists every row)", style="dim"))
