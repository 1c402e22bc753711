"""A serving plan or prediction for people: verdict, five numbers, what limits it, where memory and time go."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.alternatives import alternatives
from drivetrain.report.bars import legend, stacked
from drivetrain.report.commands import next_line, start_line
from drivetrain.report.levers import lever_lines
from drivetrain.report.picture_data import memory_parts, step_parts
from drivetrain.report.pictures import plan_pictures
from drivetrain.report.pools import pool_lines
from drivetrain.report.purchase import mixed_lines, purchase_lines, region_table, whole_servers_line
from drivetrain.report.ranges import latency_mean, range_line, ranged, ranged_in, ranking_line
from drivetrain.report.words import RESOURCE as _RESOURCE
from drivetrain.units import number, show
from drivetrain.verbs.verdict import changed_words, pool_words

_WIDTH = 100
_TIER = {
    "measured": "measured",
    "calibrated": "calibrated on measurements",
    "roofline": "roofline, pooled coefficients",
    "assumed": "assumed",
}


def consoles() -> tuple[Console, Console]:
    """(stdout for results, stderr for what was assumed), no wider than a readable page."""
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    for console in (out, err):
        asked = console.is_terminal or "COLUMNS" in os.environ
        console.width = min(console.width, _WIDTH) if asked else _WIDTH
    return out, err


def print_assumptions(assumptions: Sequence[dict[str, Any]]) -> None:
    """What was taken as given, on stderr."""
    _, err = consoles()
    err.print("assumed", style="dim bold")
    for item in assumptions:
        value = item["value"]
        text = " / ".join(number(v, 4) for v in value) if isinstance(value, list) else _plain(value)
        err.print(Text(f"  {item['what']}: {text}  [{item['source']}]", style="dim"))


def print_plan(answer: dict[str, Any], *, pictures: bool = True, saved: bool = False) -> None:
    """A plan on stdout: verdict first, then numbers, limits, alternatives; scatter plots on a terminal only.

    A plan that is ``saved`` needs no word on how to get what starts it.
    """
    out, _ = consoles()
    best, miss = answer["best"], answer["closest_miss"]
    out.print()
    out.print(Text(answer["verdict"], style="bold green" if best else "bold red"))
    shown = best or miss
    if shown is None:
        return
    offered = answer["offered_output_tokens_per_s"]
    out.print(
        Text(
            f"Sized for {number(offered['rate_peak'])} req/s at the busiest hour with headroom; "
            f"cost and energy over a mean day of {number(offered['rate_mean'])} req/s.",
            style="dim",
        )
    )
    _unknown(out, shown)
    out.print()
    _numbers(out, shown)
    _pools(out, shown)
    for bought in purchase_lines(shown, answer["scenario"]):
        out.print(bought)
    if whole := whole_servers_line(answer["whole_servers"]):
        out.print(Text(whole, style="dim"))
    out.print()
    _bars(out, shown, pictures=pictures)
    if best:
        out.print()
        _limits(out, best, answer)
        out.print()
        out.print(alternatives(answer, out.width))
        if ranking := ranking_line(answer["ranking_confidence"]):
            out.print(ranking)
    for mixed in mixed_lines(answer["mixed_fleet"], asked=answer["scenario"]["mix"]):
        out.print(mixed)
    if regions := region_table(answer["by_region"]):
        out.print()
        out.print(regions)
    if pictures and out.is_terminal:
        for line in plan_pictures(answer, out.width):
            out.print(line)
    searched = f"{answer['n_evaluated']:,} deployments evaluated in {number(answer['elapsed_s'])} s"
    ranked = ", not ranked" if answer["scenario"]["objective"] == "cost" else ""
    names = ", ".join(_what(row) for row in answer["unpriced"])
    unpriced = f"; no price{ranked}: {names}" if names else ""
    out.print()
    out.print(Text(f"{searched}{unpriced}.", style="dim"))
    if best and not saved:
        out.print(Text(start_line(answer), style="cyan"))
    out.print(Text(next_line(answer), style="cyan"))


def print_prediction(fields: dict[str, Any], *, pictures: bool = True) -> None:
    """One configuration on stdout."""
    out, _ = consoles()
    out.print()
    n = fields["n_accelerators" if "disaggregated" in fields else "accelerators_per_replica"]
    title = (
        f"{n}x {fields['accelerator']} as {pool_words(fields) or fields['layout']} "
        f"({fields['engine']}, {fields['weight_dtype']}): "
        f"{number(fields['output_tokens_per_s'])} output tok/s "
        f"at {number(fields['concurrency_mean'])} requests in flight, "
        f"bound by {_RESOURCE[fields['bottleneck']]}."
    )
    out.print(Text(title + changed_words(fields), style="bold green"))
    _unknown(out, fields)
    out.print()
    _numbers(out, fields)
    _pools(out, fields)
    out.print()
    _bars(out, fields, pictures=pictures)
    out.print()
    out.print(f"limits: {fields['largest_concurrency']} sequences fit at once; " + _most(fields))
    for name, ok in fields.get("meets_slo", {}).items():
        out.print(Text(f"  {'✓' if ok else '✗'} {name}", style="green" if ok else "red"))
    if "operators" in fields:
        for step, rows in fields["operators"].items():
            out.print()
            _operators(out, step.replace("_", " "), rows)


def _most(f: dict[str, Any]) -> str:
    """The largest rate, and whether it is one within the targets."""
    if "meets_slo" not in f:
        return f"at most {number(f['max_rate_per_s'])} req/s"
    within = f["max_rate_within_slo_per_s"]
    return f"at most {number(within)} req/s within the SLO" if within else "no rate meets the SLO"


def _unknown(out: Console, f: dict[str, Any]) -> None:
    """What is not known to start, in one line; all reasons are in the JSON."""
    support = f["support"]
    if support["status"] == "supported":
        return
    more = f" (and {len(support['reasons']) - 1} more)" if len(support["reasons"]) > 1 else ""
    out.print(Text(f"{support['status']}: {support['reasons'][0]}{more}", style="yellow"))


def _numbers(out: Console, f: dict[str, Any]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("", "mean", "p50", "p90", "p95", "p99"):
        table.add_column(column, justify="left" if not column else "right")
    for name, label in (
        ("ttft_s", "first token"),
        ("tpot_s", "per output token"),
        ("e2e_s", "whole request"),
    ):
        table.add_row(label, latency_mean(f[name]), *(show(f[name][k], "s") for k in ("p50", "p90", "p95", "p99")))
    out.print(table)
    money = "no price known"
    if f["usd_per_million_output_tokens"] is not None:
        money = f"{ranged(f, 'usd_per_million_output_tokens', '$')} per Mtok out"
    if f["usd_per_million_tokens_full_load"] is not None:
        money += f", {ranged(f, 'usd_per_million_tokens_full_load', '$')} at full load"
    if f["usd_per_hour"] is not None:
        money += f", ${number(f['usd_per_hour'])}/h, {f['price_basis']}"
    out.print(f"cost      {money}")
    grams = f["carbon_g_per_million_output_tokens"]
    carbon = "" if grams is None else f", {number(grams)} g CO2e/Mtok"
    joules = ranged(f, "joules_per_output_token")
    out.print(f"energy    {joules} J/token out, {ranged_in(f, 'power_w', 'W')} mean at the wall with PUE{carbon}")
    most = "output_tokens_per_s_capacity" if "output_tokens_per_s_capacity" in f else "output_tokens_per_s"
    out.print(
        f"capacity  {ranged(f, most)} tok/s out, {number(f['tokens_per_s_per_user'])} tok/s per user, "
        f"batch limit {f['max_concurrency']:,}, step budget {f['max_batched_tokens']:,}"
    )
    out.print(
        f"use       MBU {_percent(f['mbu'])}, MFU {_percent(f['mfu'])}, "
        f"KV cache {_percent(f['kv_occupancy_frac'])} occupied; "
        f"evidence: {_TIER[f['tier']]}"
    )
    out.print(Text(range_line(f), style="dim"))


def _pools(out: Console, f: Mapping[str, Any]) -> None:
    """Prefill pool, transfer and decode pool of a disaggregated plan, further lines of one set off."""
    for line in pool_lines(f):
        for i, text in enumerate(textwrap.wrap(line, out.width - 10)):
            out.print(text if i == 0 else " " * 10 + text)


def _bars(out: Console, f: dict[str, Any], *, pictures: bool) -> None:
    """Memory of one accelerator up to its physical size, and the mean step by what it waits for."""
    memory = memory_parts(f)
    free = f"free to the engine {show(memory.free, 'bytes')}"
    kept = f"beyond its share {show(memory.untouched, 'bytes')}" if memory.untouched > 0 else ""
    bar = stacked(memory.used, memory.physical, kept=memory.untouched) if pictures else Text()
    _bar(out, "memory", bar, memory.used, memory.physical, "bytes", free=free, kept=kept)
    time = step_parts(f)
    bar = stacked(time, sum(time.values())) if pictures else Text()
    _bar(out, "step time", bar, time, sum(time.values()), "s")


def _bar(
    out: Console, title: str, bar: Text, parts: Mapping[str, float], total: float, dimension: str, **rest: str
) -> None:
    """A stacked bar with its total, its legend below."""
    out.print(Text.assemble(f"{title:<10}", bar, " " if bar else "", show(total, dimension)))
    width = min(out.width, _WIDTH) - 12
    for line in legend({name: show(value, dimension) for name, value in parts.items()}, width, **rest):
        out.print(Text.assemble(" " * 10, line))


def _limits(out: Console, best: dict[str, Any], answer: dict[str, Any]) -> None:
    gains = [m for m in answer["marginals"] if m["capacity_gain_frac"] > 0.002]
    more = ", ".join(f"{_RESOURCE[m['resource']]} +{_percent(m['capacity_gain_frac'])}" for m in gains[:3]) or "nothing"
    out.print(f"bottleneck  {_RESOURCE[best['bottleneck']]}; capacity from 10 % better: {more}")
    for line in lever_lines(answer, out.width):
        out.print(line)


def _operators(out: Console, title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("operator", "time", "FLOP", "bytes", "bound by"):
        table.add_column(column, justify="left" if column in ("operator", "bound by") else "right")
    for row in rows:
        table.add_row(
            row["name"],
            show(row["seconds"], "s"),
            show(row["flops"], "FLOP"),
            show(row["bytes_moved"], "bytes"),
            row["bound"],
        )
    out.print(table)


def _what(row: Mapping[str, Any]) -> str:
    return str(row.get("instance") or row.get("server") or row["accelerator"])


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{number(100 * value, 2)} %"


def _plain(value: object) -> str:
    return number(value, 4) if isinstance(value, float) else str(value)
