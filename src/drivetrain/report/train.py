"""A training plan or prediction for people: verdict, ranges, where peak goes, memory, layouts, networks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.canvas import Mark, Scatter, scatter
from drivetrain.report.ranges import with_range
from drivetrain.report.serve import consoles
from drivetrain.report.train_command import command, next_line
from drivetrain.report.train_fabrics import fabric_lines
from drivetrain.units import JOULES_PER_KWH, number, show
from drivetrain.verbs.train_solve import show_usd
from drivetrain.verbs.train_words import LINK, RESOURCE, SHARE

_BAR = 50
_MOST_ROWS = 8
_MOST_REASONS = 3
_FEWEST = 3  # points that make a plot worth its lines
_STYLE = {"useful": "green", "kernels": "blue", "recompute": "cyan", "communication": "red", "bubble": "yellow",
          "overhead": "magenta"}  # fmt: skip
_TIER = {"calibrated": "calibrated on measured runs", "roofline": "by analogy with measured parts"}


def print_plan(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """A plan on stdout."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green" if answer["feasible"] else "bold red"))
    if answer["feasible"]:
        _body(out, answer, pictures=pictures)
        rows = [*answer["by_accelerator"], *answer["unpriced"]]
        if len(rows) > 1:
            out.print()
            out.print(_accelerators(rows))
    for name, reason in [*answer["not_possible"].items()][:_MOST_REASONS]:
        if name and answer["feasible"]:
            out.print(Text(f"not {name}: {reason}", style="dim"))
    if "fabrics" in answer:
        _fabrics(out, answer["fabrics"], pictures=pictures)
    out.print()
    out.print(_timed(answer))
    out.print(Text(next_line(answer), style="cyan"))


def print_prediction(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """One configuration on stdout."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    _body(out, answer, pictures=pictures)
    if "fabrics" in answer:
        _fabrics(out, answer["fabrics"], pictures=pictures)
    out.print()
    out.print(_timed(answer))
    dropped = ("layout", "recompute", "schedule", "n", "fabric", "sizes")
    kept = {k: v for k, v in answer["scenario"].items() if k not in dropped}
    out.print(Text(f"next: {command('plan', kept | {'n': float(answer['n_accelerators'])})}", style="cyan"))


def _told(out: Console, line: str) -> None:
    """A line whose further lines are set off like its text."""
    label, text = line[:10], line[10:]
    for i, part in enumerate(textwrap.wrap(text, out.width - 10)):
        out.print(f"{label if i == 0 else ' ' * 10}{part}")


def _timed(answer: Mapping[str, Any]) -> Text:
    n = answer["n_layouts"]
    told = "1 layout" if n == 1 else f"{n:,} layouts"
    return Text(f"{told} evaluated in {number(answer['elapsed_s'])} s.", style="dim")


def _fabrics(out: Console, found: Mapping[str, Any], *, pictures: bool) -> None:
    for line in fabric_lines(found, pictures=pictures):
        out.print(line)


def _body(out: Console, f: Mapping[str, Any], *, pictures: bool) -> None:
    for note in f["notes"]:
        out.print(Text(note, style="yellow"))
    out.print()
    for line in _numbers(f):
        _told(out, line)
    out.print()
    for drawn in (*waterfall_lines(f, pictures=pictures), *_memory(out, f, pictures=pictures)):
        out.print(drawn)
    waits = {LINK[name]: s for name, s in f["exposed_communication_s"].items() if s > 1e-4 * f["step_time_s"]}
    told = ", ".join(f"{name} {show(s, 's')}" for name, s in sorted(waits.items(), key=lambda item: -item[1]))
    _told(out, f"links     waited for {_percent(f['waiting_frac'])} of the time: {told or 'nothing shows'}")
    gains = ", ".join(f"{RESOURCE[name]} +{_percent(gain)}" for name, gain in f["gain_if_doubled"].items())
    _told(out, f"limits    twice as fast would gain: {gains}")
    if len(f["layouts"]) > 1:
        out.print()
        out.print(_layouts(f["layouts"]))
    if pictures and out.is_terminal and len(f["layout_front"]) >= _FEWEST:
        for drawn in front_lines(f, min(out.width, 80)):
            out.print(drawn)


def _numbers(f: Mapping[str, Any]) -> list[str]:
    r = f["ranges"]

    def span(text: str, name: str, factor: float = 1.0) -> str:
        ends = r[name]
        low, high = (None if ends[end] is None else ends[end] * factor for end in ("p10", "p90"))
        return with_range(text, None if f[name] is None else f[name] * factor, low, high)

    known = f["loss"]
    loss = "no loss" if known["value"] is None else f"loss {known['value']:.4g}"
    loss += "" if known["p10"] is None else f" ({known['p10']:.4g}–{known['p90']:.4g})"
    active = "" if f["active_params"] == f["params"] else f" ({show(f['active_params'], 'params')} active)"
    good = f["goodput"]
    often = "" if good["checkpoint_every_s"] is None else f", checkpoint every {show(good['checkpoint_every_s'], 's')}"
    fails = "" if good["mtbf_s"] is None else f", a failure every {show(good['mtbf_s'], 's')}"
    money = "no price known"
    if f["usd"] is not None:
        rate = f["usd_per_trillion_tokens"]
        money = (f"{_dollars(f, 'usd')}, ${number(f['usd_per_hour'], 4)}/h, {show_usd(rate)} per trillion tokens; "
                 f"{f['price']['basis']}")  # fmt: skip
    carbon = "" if f["carbon_kg"] is None else f", {_tonnes(f['carbon_kg'])} CO2e"
    megawatt_hours = 1e3 * JOULES_PER_KWH
    steps = r["step_time_s"]
    step = with_range(show(f["step_time_s"], "s"), f["step_time_s"], steps["p10"], steps["p90"], "s")
    return [
        f"model     {f['model']}: {show(f['params'], 'params')} parameters{active}, "
        f"{show(f['tokens'], 'params')} tokens ({number(f['tokens_per_param'])} a parameter), {loss}",
        f"run       {span(number(f['days']), 'days')} days, {f['n_steps']:,} steps of {f['global_batch']:,} x "
        f"{f['seq']:,} tokens, {step} each",
        f"speed     {span(number(f['tokens_per_s_per_accel']), 'tokens_per_s_per_accel')} tokens/s each, "
        f"{number(f['tokens_per_s'])} in all; MFU {_percent(f['mfu'])}, HFU {_percent(f['hfu'])}",
        f"uptime    {_percent(f['effective_time_frac'], 3)} of the time trains{often}{fails}",
        f"cost      {money}",
        f"energy    {span(number(f['energy_j'] / megawatt_hours), 'energy_j', 1 / megawatt_hours)} MWh, "
        f"{show(f['power_w'], 'W')} mean at the meter{carbon}",
        f"ranges    80 %: speed as left-out sources were missed; loss by the law's draws, single runs and its form "
        f"beyond the fit; evidence: {_TIER[f['tier']]}",
    ]  # fmt: skip


def waterfall_lines(f: Mapping[str, Any], *, pictures: bool) -> list[Text]:
    """From peak down to MFU: what each loss takes of the step, as bars that end where the next begins."""
    shares = f["breakdown"]
    lines = [Text("where the peak goes", style="bold")]
    at = 1.0
    rows = [("peak", 0.0, 1.0, 1.0, "white")]
    for name in ("overhead", "communication", "bubble", "recompute", "kernels"):
        rows.append((SHARE[name], max(at - shares[name], 0.0), at, shares[name], _STYLE[name]))
        at -= shares[name]
    rows.append(("MFU", 0.0, shares["useful"], shares["useful"], _STYLE["useful"]))
    for i, (label, start, end, share, style) in enumerate(rows):
        sign = "−" if 0 < i < len(rows) - 1 else " "
        left, right = round(start * _BAR), round(end * _BAR)
        cells = max(right - left, 1 if share > 0 else 0)
        bar = Text.assemble(" " * min(left, _BAR - cells), ("█" * cells, style)) if pictures else Text()
        lines.append(Text.assemble(f"{label:<20}{sign}{_percent(share, 3):>7}  ", bar))
    return lines


def _memory(out: Console, f: Mapping[str, Any], *, pictures: bool) -> list[Text]:
    parts = {name: v for name, v in f["memory_bytes"].items() if name not in ("total", "capacity")}
    capacity = f["memory_bytes"]["capacity"]
    bar = stacked(parts, capacity) if pictures else Text()
    free = f"free {show(capacity - f['memory_bytes']['total'], 'bytes')}"
    lines = [
        Text(),
        Text.assemble("memory    ", bar, " " if bar else "", f"{show(capacity, 'bytes')} of one accelerator"),
    ]
    told = legend({name: show(value, "bytes") for name, value in parts.items()}, out.width - 12, free=free)
    return [*lines, *(Text.assemble(" " * 10, line) for line in told)]


def front_lines(f: Mapping[str, Any], width: int, height: int = 8) -> list[Text]:
    """Layouts that none beats in both speed and memory, the one chosen as a star."""
    rows = f["layout_front"]
    points = [(row["memory_bytes"] / 1e9, row["tokens_per_s_per_accel"]) for row in rows]
    chosen = (f["memory_bytes"]["total"] / 1e9, f["tokens_per_s_per_accel"])
    plot = Scatter([Mark(x, y, "o") for x, y in points] + [Mark(*chosen, "★")], lines=[points], zero_y=False,
                   styles={"★": "bold yellow"})  # fmt: skip
    title = Text("layout front: tokens/s each against GB of memory that it takes, ★ the best", style="bold")
    lean = rows[0]
    told = f"leanest: {lean['layout']}, recompute {lean['recompute']}, {_percent(lean['slower_frac'])} slower"
    return [Text(), title, *scatter(plot, width, height), Text(told)]


def _layouts(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="best layouts", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("layout", "recompute", "step", "tokens/s each", "MFU", "memory", "slower"):
        table.add_column(column, justify="left" if column in ("layout", "recompute") else "right")
    for row in rows[:_MOST_ROWS]:
        table.add_row(
            row["layout"], row["recompute"], show(row["step_time_s"], "s"), number(row["tokens_per_s_per_accel"]),
            _percent(row["mfu"]), show(row["memory_bytes"], "bytes"), _percent(row["slower_frac"]),
        )  # fmt: skip
    return table


def _accelerators(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="by accelerator", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("accelerator", "n", "days", "cost", "loss", "MFU", "energy", "layout", "evidence"):
        table.add_column(column, justify="left" if column in ("accelerator", "layout", "evidence") else "right")
    for row in rows[: 2 * _MOST_ROWS]:
        loss = row["loss"]["value"]
        table.add_row(
            row["accelerator"], f"{row['n_accelerators']:,}", number(row["days"]),
            "–" if row["usd"] is None else show_usd(row["usd"]), "–" if loss is None else f"{loss:.4g}",
            _percent(row["mfu"]), f"{number(row['energy_j'] / JOULES_PER_KWH / 1e3)} MWh", row["layout"], row["tier"],
        )  # fmt: skip
    return table


def _dollars(f: Mapping[str, Any], name: str) -> str:
    """``$498k ($447k–$555k)``."""
    ends = f["ranges"][name]
    return f"{show_usd(f[name])} ({show_usd(ends['p10'])}–{show_usd(ends['p90'])})"


def _tonnes(kg: float) -> str:
    return f"{number(kg / 1e3)} t" if kg >= 1e3 else f"{number(kg)} kg"


def _percent(value: float, digits: int = 2) -> str:
    return f"{number(100 * value, digits)} %"
