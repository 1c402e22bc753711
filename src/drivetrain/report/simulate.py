"""A simulated fleet for people: verdict, what users felt, what it cost, what limits it, what it looked like."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.figures.style import shortened
from drivetrain.report.ranges import with_range
from drivetrain.report.serve import consoles
from drivetrain.report.simulate_command import next_simulation
from drivetrain.report.simulate_pictures import curves, levels_over_time, percent
from drivetrain.units import number, show

_WIDE = 80
_NOTHING_S = 1e-9  # what rounding leaves of a part that takes no time
_LATENCIES = (("ttft_s", "first token"), ("itl_s", "between tokens"), ("tpot_s", "per output token"),
              ("e2e_s", "whole request"))  # fmt: skip
_STATISTICS = ("mean", "p50", "p90", "p95", "p99")


def print_simulation(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """One simulation on stdout; curves on a terminal only."""
    out, _ = consoles()
    out.width = min(out.width, _WIDE)
    met = all(target["met"] for target in answer["targets"]) and answer["completed"] > 0
    out.print()
    if answer["meta"]["partial"]:
        out.print(Text("Interrupted: this is what had happened until then.", style="bold yellow"))
    out.print(Text(answer["verdict"], style="bold green" if met else "bold red"))
    out.print(Text(_traffic(answer), style="dim"))
    out.print()
    table = _latencies(answer)
    table.collapse_padding = Measurement.get(out, out.options.update(width=2 * _WIDE), table).maximum > out.width
    out.print(table)
    for label, text in _numbers(answer):
        _line(out, label, text)
    out.print()
    if answer["attribution"]:
        _where_time_goes(out, answer, pictures=pictures)
    _pools(out, answer)
    if pictures:
        levels = levels_over_time(answer, out.width)
        out.print()
        for line in levels:
            out.print(line)
        if out.is_terminal:
            out.print()
            for line in curves([answer], [""], out.width):
                out.print(line)
    out.print()
    out.print(Text(next_simulation(answer), style="cyan"), soft_wrap=True)


def _traffic(answer: Mapping[str, Any]) -> str:
    """What came, in one sentence."""
    t = answer["traffic"]
    lengths = f"{number(t['input_tokens_mean'], 4)} tokens in and {number(t['output_tokens_mean'])} out on average"
    if t["concurrency"]:
        how = f"{t['concurrency']:,} in flight"
    elif t["rate_per_s"]:
        burst = f", burstiness {number(t['iat_cv'])}" if t["iat_cv"] is not None else ""
        what = "req/s" if t["n_arriving"] == t["n"] else f"sessions/s of {number(t['n'] / t['n_arriving'])} calls"
        how = f"{number(t['rate_per_s'])} {what}{burst}"
    else:
        how = "all at once"
    shared = f"; {number(100 * t['prefix_frac'], 2)} % of input could be shared" if t["prefix_frac"] else ""
    runs = answer["meta"]["replications"]
    return f"{how}, {lengths}{shared}{f'; {runs} runs' if runs > 1 else ''}; seed {answer['meta']['seed']}."


def _latencies(answer: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("", *_STATISTICS):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for name, label in _LATENCIES:
        found = answer[name]
        cells = ["–" if found[s] is None else show(found[s], "s") for s in _STATISTICS]
        cells[0] = with_range(cells[0], found["mean"], found.get("mean_low"), found.get("mean_high"), "s")
        table.add_row(label, *cells)
    return table


def _ranged(a: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """A number with its 95 % interval where it has one."""
    text = f"{prefix}{_plain(a[name])}"
    return with_range(text, a[name], a.get(f"{name}_low"), a.get(f"{name}_high"))


def _numbers(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The other numbers, each with its range where there is one."""
    a = answer
    lines = []
    if a["targets"]:
        share, ends = a["slo_goodput_frac"], (a.get("slo_goodput_frac_low"), a.get("slo_goodput_frac_high"))
        low, high = (None if end is None else 100 * end for end in ends)
        range_ = "" if low is None or high is None or low == high else f" ({number(low, 3)}–{number(high, 3)})"
        lines.append(("goodput", f"{_percent(share, 4)}{range_} of requests within every limit"))
    served = f"{_ranged(a, 'output_tokens_per_s')} tok/s out"
    lines.append(("output", f"{served}, {_plain(a['requests_per_s'])} req/s answered{_ended(a)}"))
    money = "no price known"
    if a["usd_per_million_output_tokens"] is not None:
        money = f"{_ranged(a, 'usd_per_million_output_tokens', '$')} per Mtok out, ${number(a['usd'])} in all"
        money += f", ${number(a['egress_usd'])} of it egress" if a["egress_usd"] else ""
    lines.append(("cost", money))
    if a["joules_per_output_token"] is not None:
        lines.append(("energy", f"{_ranged(a, 'joules_per_output_token')} J/token out, "
                                f"{show(a['power_w'], 'W')} mean at the wall with PUE"))  # fmt: skip
    use = (
        f"{_percent(a['utilisation_frac'])} of the time in steps, KV cache {_percent(a['kv_occupancy_frac'])} occupied"
    )
    if a["cache_hit_frac"] or any(pool["prefix_cache"] for pool in a["fleet"]):
        use += f", {_percent(a['cache_hit_frac'])} of prompt tokens found in cache"
    use += f", {a['preemptions']:,} preemptions" if a["preemptions"] else ""
    second = a["more_than_one_stage_frac"]
    use += f", {_percent(second)} asked a second time of another model" if second else ""
    lines.append(("use", use))
    if method := a["confidence"]["method"]:
        alike = " (replications are all alike: nothing here is left to chance)" if a["confidence"].get("alike") else ""
        lines.append(("ranges", f"95 % intervals by {method}{alike}"))
    return lines


def _ended(a: Mapping[str, Any]) -> str:
    """Requests that were not answered, and attempts beyond one."""
    names = {"rejected": "refused", "lost": "lost", "retries": "sent again"}
    return "".join(f", {a[name]:,} {word}" for name, word in names.items() if a[name])


def _where_time_goes(out: Console, answer: Mapping[str, Any], *, pictures: bool) -> None:
    """The mean latency by what is waited for, and the largest part with what makes it smaller."""
    parts = largest(answer["attribution_s"])
    total = sum(parts.values())
    bar = stacked(parts, total, width=min(56, out.width - 24)) if pictures else Text()
    out.print(Text.assemble(f"{'time':<10}", bar, " " if bar else "", show(total, "s")))
    for line in legend({name: show(s, "s") for name, s in parts.items()}, out.width - 12):
        out.print(Text.assemble(" " * 10, line))
    limits = answer["limits"]
    _line(out, "limits", f"{limits['what']} takes {_percent(limits['share_frac'])} of {limits['of_what']}. "
          f"Shorter with {limits['advice']}.")  # fmt: skip


def largest(seconds: Mapping[str, float | None], most: int = 6) -> dict[str, float]:
    """The parts of a latency in their order, small ones beyond the ``most`` largest as one.

    >>> largest({"queue": 1.0, "prefill": 0.0, "decode": 3.0, "stall": 0.5, "network": 0.1}, most=3)
    {'queue': 1.0, 'decode': 3.0, 'other': 0.6}
    """
    known = {name: s for name, s in seconds.items() if s is not None and s > _NOTHING_S}
    if len(known) <= most:
        return known
    kept = sorted(known, key=lambda name: -known[name])[: most - 1]
    found = {name: s for name, s in known.items() if name in kept}
    return found | {"other": math.fsum(s for name, s in known.items() if name not in kept)}


def _pools(out: Console, answer: Mapping[str, Any]) -> None:
    """Pools where there are several, else how evenly the replicas were used."""
    if len(answer["pools"]) > 1:
        out.print()
        out.print(_pool_table(answer["pools"]))
        return
    served = [row["completed"] for row in answer["replicas"]]
    if len(served) < 2 or not sum(served):
        return
    waits = [row["ttft_mean_s"] for row in answer["replicas"] if row["ttft_mean_s"] is not None]
    mean = answer["pools"][0]["mean_replicas"]
    there = f"{number(mean)} on average, " if answer["scenario"]["scale"] != "fixed" else ""
    _line(out, "replicas", f"{there}{number(min(served), 4)} to {number(max(served), 4)} requests each, first token "
                           f"after {show(min(waits), 's')} to {show(max(waits), 's')} on average")  # fmt: skip


def _pool_table(pools: Sequence[Mapping[str, Any]]) -> Table:
    """A row per pool; where all are in one region, without it. A prefill pool answers nothing itself."""
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "pool": lambda row: shortened(row["pool"], 14),
        "region": lambda row: shortened(row["region"], 10),
        "replicas": lambda row: _plain(row["mean_replicas"]),
        "answered": lambda row: "–" if row["role"] == "prefill" else f"{row['completed']:,.0f}",
        "TTFT": lambda row: _seconds(row["ttft_mean_s"]),
        "per token": lambda row: _seconds(row["tpot_mean_s"]),
        "busy": lambda row: _percent(row["utilisation_frac"]),
        "KV": lambda row: _percent(row["kv_occupancy_frac"]),
        "cost": lambda row: "–" if row["usd"] is None else f"${number(row['usd'])}",
    }
    if len({row["region"] for row in pools}) == 1:
        del columns["region"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for name in columns:
        table.add_column(name, justify="left" if name in ("pool", "region") else "right", no_wrap=True)
    for row in pools:
        table.add_row(*(said(row) for said in columns.values()))
    return table


def _line(out: Console, label: str, text: str) -> None:
    """A labelled line, further lines of it set off."""
    wrapped = Text(text).wrap(out, out.width - 10)
    for i, line in enumerate(wrapped):
        out.print(Text.assemble(f"{label if i == 0 else '':<10}", line))


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else percent(value, digits)


def _seconds(value: float | None) -> str:
    return "–" if value is None else show(value, "s")


def _plain(value: float | None) -> str:
    return "–" if value is None else number(value)
