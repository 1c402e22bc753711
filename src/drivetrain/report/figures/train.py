"""The picture of a training run: where the peak goes, what memory holds, layouts, accelerators or networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.report.figures.sheets import nothing, sheet
from drivetrain.report.figures.style import (
    BLUE,
    CYCLE,
    FAINT,
    GREEN,
    INK,
    MARKERS,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    shortened,
    styled,
    title,
)
from drivetrain.units import number, show
from drivetrain.verbs.train_solve import show_usd
from drivetrain.verbs.train_words import SHARE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GB = 1e9
_LOSSES = ("overhead", "communication", "bubble", "recompute", "kernels")
_COLOUR = {"overhead": PURPLE, "communication": RED, "bubble": ORANGE, "recompute": SKY, "kernels": BLUE}
_ROWS = 8


def training_figure(answer: Mapping[str, Any]) -> Figure:
    """Four panels of a plan or a prediction; what cannot be drawn says so."""
    with styled():
        figure = sheet(13.0, 9.4, answer["verdict"], answer)
        grid = figure.add_gridspec(2, 2, left=0.12, right=0.975, top=0.86, bottom=0.08, hspace=0.42, wspace=0.3)
        places = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(4)]
        if not answer.get("breakdown"):
            for axes in places:
                nothing(axes, "no plan")
            return figure
        _waterfall(places[0], answer)
        _memory(places[1], answer)
        _front(places[2], answer)
        rows = [*answer.get("by_accelerator", ()), *answer.get("unpriced", ())]
        if "fabrics" in answer:
            _fabrics(places[3], answer["fabrics"])
        elif len(rows) > 1:
            _accelerators(places[3], rows)
        else:
            _exposed(places[3], answer)
        return figure


def _waterfall(axes: Axes, f: Mapping[str, Any]) -> None:
    """From peak down to MFU."""
    shares, at = f["breakdown"], 100.0
    axes.barh(0, 100.0, 0.62, color=PALE)
    names = ["peak"]
    for y, name in enumerate(_LOSSES, 1):
        width = 100.0 * shares[name]
        axes.barh(y, width, 0.62, at - width, color=_COLOUR[name])
        axes.annotate(f"−{number(width)} %", (at, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
        at -= width
        names.append(SHARE[name])
    axes.barh(len(names), at, 0.62, color=GREEN)
    axes.annotate(f"{number(at)} %", (at, len(names)), (5, 0), textcoords="offset points", va="center", fontsize=8,
                  fontweight="bold")  # fmt: skip
    axes.set_yticks(range(len(names) + 1), [*names, "MFU"])
    axes.set_ylim(len(names) + 0.6, -0.6)
    axes.set_xlim(0, 112)
    axes.set_xlabel("% of the dense peak")
    axes.grid(axis="x")
    title(axes, "Where the peak goes", f"a step of {show(f['step_time_s'], 's')} as {f['layout']}")


def _memory(axes: Axes, f: Mapping[str, Any]) -> None:
    parts = {name: v for name, v in f["memory_bytes"].items() if name not in ("total", "capacity")}
    for y, value in enumerate(parts.values()):
        axes.barh(y, value / _GB, 0.62, color=CYCLE[y % len(CYCLE)])
        axes.annotate(f"{show(value, 'bytes')}", (value / _GB, y), (5, 0), textcoords="offset points", va="center",
                      fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(parts)), list(parts))
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(parts.values()) / _GB)
    axes.set_xlabel("GB of one accelerator")
    axes.grid(axis="x")
    total, capacity = f["memory_bytes"]["total"], f["memory_bytes"]["capacity"]
    title(axes, "Memory", f"{show(total, 'bytes')} of {show(capacity, 'bytes')}, recompute {f['recompute']}")


def _front(axes: Axes, f: Mapping[str, Any]) -> None:
    rows = f["layout_front"]
    if len(rows) < 2:
        nothing(axes, "one layout was given: nothing searched" if not rows else "one layout beats all others")
        return
    xs, ys = [row["memory_bytes"] / _GB for row in rows], [row["tokens_per_s_per_accel"] for row in rows]
    axes.plot(xs, ys, color=BLUE, marker="o", markersize=4, linewidth=1.1, drawstyle="steps-post")
    last = len(rows) - 1
    for i in sorted({0, last // 2, last}):
        left = xs[i] > (xs[0] + xs[-1]) / 2
        axes.annotate(f"{rows[i]['layout']}, {rows[i]['recompute']}", (xs[i], ys[i]), (-6, 8) if left else (8, -11),
                      textcoords="offset points", ha="right" if left else "left", fontsize=7.5, color=INK)  # fmt: skip
    axes.margins(y=0.15)
    axes.set_xlabel("GB of one accelerator")
    axes.set_ylabel("tokens/s each")
    axes.grid(visible=True)
    title(axes, "Layout front", "no searched layout is both faster and leaner; labels: layout, recompute")


def _fabrics(axes: Axes, found: Mapping[str, Any]) -> None:
    """Share of the time that accelerators wait, by size; hollow where the domain is larger than is sold."""
    for i, name in enumerate(dict.fromkeys(row["fabric"] for row in found["rows"])):
        rows = [row for row in found["rows"] if row["fabric"] == name and row["feasible"]]
        if not rows:
            continue
        colour, marker = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
        xs, ys = [row["n_accelerators"] for row in rows], [100.0 * row["waiting_frac"] for row in rows]
        axes.plot(xs, ys, color=colour, linewidth=1.3, label=name)
        face = ["white" if row["hypothetical"] else colour for row in rows]
        axes.scatter(xs, ys, 22, marker=marker, c=face, edgecolors=colour, zorder=3)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda v, _: f"{round(v):,}")
    axes.set_xlabel("accelerators")
    axes.set_ylabel("% of the time waiting for links")
    axes.set_ylim(0, None)
    axes.grid(visible=True)
    axes.legend(loc="upper left")
    title(axes, "The same job on other networks", "hollow: one scale-up domain for all, a bound and not for sale")


def _accelerators(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Days or cost of each accelerator, whichever can be told of all."""
    shown = rows[:_ROWS]
    priced = all(row["usd"] is not None for row in shown)
    values = [row["usd"] / 1e6 if priced else row["days"] for row in shown]
    for y, (row, value) in enumerate(zip(shown, values, strict=True)):
        axes.barh(y, value, 0.62, color=BLUE if not y else SKY)
        text = f"{show_usd(row['usd'])}, {number(row['days'])} days" if priced else f"{number(row['days'])} days"
        loss = row["loss"]["value"]
        text += "" if loss is None else f", loss {loss:.4g}"
        axes.annotate(text, (value, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [f"{row['n_accelerators']:,}x {shortened(row['accelerator'], 16)}"
                                        for row in shown])  # fmt: skip
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.5 * max(values))
    axes.set_xlabel("million $" if priced else "days")
    axes.grid(axis="x")
    title(axes, "By accelerator", "ranked as the plan was asked to")


def _exposed(axes: Axes, f: Mapping[str, Any]) -> None:
    """What the step waits for, by kind of parallelism, and how much twice as fast would gain."""
    gains = f["gain_if_doubled"]
    names = [name.replace("_", " ") for name in gains]
    axes.barh(range(len(names)), [100.0 * v for v in gains.values()], 0.62, color=BLUE)
    for y, value in enumerate(gains.values()):
        axes.annotate(f"+{number(100 * value, 2)} %", (100.0 * value, y), (5, 0), textcoords="offset points",
                      va="center", fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max(1.0, 125.0 * max(gains.values())))
    axes.set_xlabel("% faster with twice as much of it")
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.grid(axis="x")
    title(axes, "What limits it", f"{number(100 * f['waiting_frac'], 2)} % of the time waits for links")
