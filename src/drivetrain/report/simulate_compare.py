"""Variants of a simulation side by side, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.report.simulate_command import simulate_command
from drivetrain.report.simulate_pictures import curves
from drivetrain.units import number, show
from drivetrain.verbs.simulate_compare import best_of

_WIDE = 80
_NAME = 22


def print_compared(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """A comparison on stdout: verdict, a row per variant, what differs beyond chance; curves on a terminal only."""
    out, _ = consoles()
    out.width = min(out.width, _WIDE)
    variants = answer["variants"]
    best = best_of(variants)
    out.print()
    if answer["meta"]["partial"]:
        out.print(Text("Interrupted: this is what was done until then.", style="bold yellow"))
    out.print(Text(answer["verdict"], style="bold green"))
    t = variants[0]["traffic"]
    same = "the same requests each" if answer["same_traffic"] else "traffic drawn with the same seed"
    lengths = f"{number(t['input_tokens_mean'], 4)} tokens in and {number(t['output_tokens_mean'])} out on average"
    out.print(Text(f"{variants[0]['n_requests']:,} requests, {lengths}; {same}, seed {answer['meta']['seed']}.", "dim"))
    out.print()
    out.print(_table(answer, best))
    for line in _differences(answer):
        out.print(line)
    if pictures and out.is_terminal:
        out.print()
        for line in curves(variants, [v["name"] for v in variants], out.width):
            out.print(line)
    out.print()
    out.print(Text(f"next: {simulate_command(variants[best]['scenario'])}", "cyan"), soft_wrap=True)


def _table(answer: Mapping[str, Any], best: int) -> Table:
    """One row per variant; columns that are the same nothing everywhere are left out."""
    variants = answer["variants"]
    wide: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "TTFT": lambda v: _seconds(v["ttft_s"]["mean"]),
        "p95": lambda v: _seconds(v["ttft_s"]["p95"]),
        "per token": lambda v: _seconds(v["tpot_s"]["mean"]),
        "request": lambda v: _seconds(v["e2e_s"]["mean"]),
    }
    if any(v["targets"] for v in variants):
        wide["in SLO"] = lambda v: f"{number(100 * v['slo_goodput_frac'], 3)} %"
    if any(v["cache_hit_frac"] for v in variants):
        wide["cached"] = lambda v: f"{number(100 * (v['cache_hit_frac'] or 0.0), 2)} %"
    if any(v["completed"] < v["n_requests"] for v in variants):
        wide["answered"] = lambda v: f"{v['completed']:,}"
    if any(v["usd_per_million_output_tokens"] is not None for v in variants):
        wide["$/Mtok"] = lambda v: _number(v["usd_per_million_output_tokens"])
    else:
        wide["J/token"] = lambda v: _number(v["joules_per_output_token"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", max_width=_NAME)
    for column in wide:
        table.add_column(column, justify="right", no_wrap=True)
    for i, variant in enumerate(variants):
        table.add_row(variant["name"], *(value(variant) for value in wide.values()), style="bold" if i == best else "")
    return table


def _differences(answer: Mapping[str, Any]) -> list[Text]:
    """Mean TTFT against the first variant, request by request."""
    known = [d for d in answer["differences"] if d["ttft_s"] and d["ttft_s"]["mean_low"] is not None]
    if not known:
        return []
    lines = [
        Text(
            f"mean TTFT against {known[0]['against']}, request by request (95 % by {known[0]['ttft_s']['method']}):",
            "dim",
        )
    ]
    wide = max(len(d["variant"]) for d in known)
    for d in known:
        t = d["ttft_s"]
        low, high = (_signed(t[end]) for end in ("mean_low", "mean_high"))
        verdict = "" if t["differs"] else "  chance?"
        lines.append(Text(f"  {d['variant']:<{wide}}  {_signed(t['mean'])} ({low} to {high}){verdict}"))
    return lines


def _signed(seconds: float) -> str:
    return f"{'−' if seconds < 0 else '+'}{show(abs(seconds), 's')}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else show(value, "s")


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
