"""Panels of bars: memory, step time, cost, and the waterfall of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.report.figures.style import BLUE, FAINT, INK, ORANGE, PALE, PART, PURPLE, SKY, shortened, title
from drivetrain.report.picture_data import memory_parts, step_parts
from drivetrain.report.words import RESOURCE, change_of, name_of, value_of
from drivetrain.units import number, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drivetrain.report.compare import Step

_GB = 1e9
_THICK = 0.62
_CAPACITY = "physical capacity"
_TALLEST = 90.0  # points that one bar and its gap may take
_LEGEND_BELOW = 36.0  # points from the axis to its legend: ticks and unit lie between


def memory_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """What fills the memory of one accelerator of each row, against what the engine may take and what there is."""
    parts = [memory_parts(row) for row in rows]
    labels = list(dict.fromkeys(label for part in parts for label in part.used))
    _stack(axes, [[part.used.get(label, 0.0) / _GB for label in labels] for part in parts], labels)
    for y, part in enumerate(parts):
        taken = sum(part.used.values())
        axes.barh(y, part.free / _GB, _THICK, taken / _GB, color=PALE, label="free to the engine" if not y else None)
        axes.barh(y, part.untouched / _GB, _THICK, part.engine / _GB, color="white", edgecolor="#BBBBBB", hatch="////",
                  linewidth=0, label="beyond its share" if not y else None)  # fmt: skip
        axes.plot([part.physical / _GB] * 2, [y - _THICK / 2 - 0.06, y + _THICK / 2 + 0.06], color=INK, linewidth=1.6,
                  label=_CAPACITY if not y else None)  # fmt: skip
        axes.annotate(f"{number(taken / _GB)} of {number(part.physical / _GB)} GB", (part.physical / _GB, y), (5, 0),
                      textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    _finish(axes, names, max(part.physical for part in parts) / _GB * 1.3, "GB per accelerator")
    title(axes, "Memory of one accelerator", _pool(rows))


def step_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """The mean step of each row by what it waits for."""
    parts = [step_parts(row) for row in rows]
    labels = list(dict.fromkeys(label for part in parts for label in part))
    _stack(axes, [[1e3 * part.get(label, 0.0) for label in labels] for part in parts], labels)
    totals = [sum(part.values()) for part in parts]
    for y, (row, total) in enumerate(zip(rows, totals, strict=True)):
        axes.annotate(f"{show(total, 's')}  {_bound(row)}", (1e3 * total, y), (5, 0), textcoords="offset points",
                      va="center", fontsize=8)  # fmt: skip
    _finish(axes, names, 1e3 * max(totals) * 1.4, "ms of the mean step")
    title(axes, "Step time by what it waits for", _pool(rows))


def cost_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Cost per million output tokens of each row over a mean day, and were it always at full load."""
    costs = [row["usd_per_million_output_tokens"] for row in rows]
    full = [row["usd_per_million_tokens_full_load"] for row in rows]
    for y, (cost, least) in enumerate(zip(costs, full, strict=True)):
        if cost is None:
            axes.annotate("no price known", (0, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
            continue
        axes.barh(y, cost, _THICK, color=BLUE if not y else SKY)
        if least is not None:
            axes.plot([least, least], [y - _THICK / 2, y + _THICK / 2], color=INK, linewidth=1.6)
        axes.annotate(f"${number(cost)}", (cost, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    _finish(axes, names, max([c for c in costs if c is not None], default=1.0) * 1.15, "$ per million output tokens")
    title(axes, "Cost over a mean day", "line: the same fleet always at full load")


def waterfall_panel(axes: Axes, steps: Sequence[Step], metric: str, note: str) -> None:
    """From A over the effect of each difference to B."""
    span = max(max(s.start, s.end) for s in steps) - min(0.0, *(s.end for s in steps))
    for y, step in enumerate(steps):
        low, high = sorted((step.start, step.end))
        colour = BLUE if step.is_total else ORANGE if step.end > step.start else SKY
        axes.barh(y, high - low, _THICK, low, color=colour)
        text = value_of(metric, step.end) if step.is_total else change_of(metric, step.end - step.start)
        axes.annotate("with next" if step.joint else text, (high, y), (5, 0), textcoords="offset points", va="center",
                      fontsize=9, fontweight="bold" if step.is_total else "normal")  # fmt: skip
        if y + 1 < len(steps):
            axes.plot([step.end] * 2, [y + _THICK / 2, y + 1 - _THICK / 2], color=FAINT, linewidth=0.8, zorder=0)
    if min(s.end for s in steps) < 0:
        axes.axvline(0, color=INK, linewidth=0.8)
    _finish(axes, [shortened(step.label, 52) for step in steps], None, name_of(metric))
    low, high = min(0.0, *(s.end for s in steps)), max(max(s.start, s.end) for s in steps)
    if metric == "loss.value":  # zero is far below what differs
        low, span = min(s.end for s in steps), high - min(s.end for s in steps)
        low -= 0.2 * span
    axes.set_xlim(low - (0.04 * span if low < 0 else 0), high + 0.14 * span)
    title(axes, f"What each difference explains of {name_of(metric)}", note)


def _stack(axes: Axes, values: Sequence[Sequence[float]], labels: Sequence[str]) -> None:
    left = [0.0] * len(values)
    for i, label in enumerate(labels):
        widths = [row[i] for row in values]
        axes.barh(range(len(values)), widths, _THICK, left, color=PART.get(label, PURPLE), label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]


def _finish(axes: Axes, names: Sequence[str], high: float | None, unit: str) -> None:
    axes.set_yticks(range(len(names)), names)
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = axes.get_position().height * figure.get_figheight() * 72  # points
    axes.set_ylim(max(len(names), height / _TALLEST) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    if len(names) > 1 and not any(name == "A" for name in names):
        axes.get_yticklabels()[0].set_fontweight("bold")
    if high:
        axes.set_xlim(0, high)
    axes.set_xlabel(unit)
    axes.grid(axis="x")
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    last = [i for i, label in enumerate(labels) if label == _CAPACITY]  # a line, which comes before every bar
    order = [i for i in range(len(labels)) if i not in last] + last
    axes.legend([handles[i] for i in order], [labels[i] for i in order], loc="upper left", ncols=4, columnspacing=1.2,
                bbox_to_anchor=(0.0, -_LEGEND_BELOW / height), borderaxespad=0.0, handlelength=1.2)  # fmt: skip


def _pool(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which pool is meant where a row has two."""
    return "of prefill and decode pools: the decode pool" if any(row.get("disaggregated") for row in rows) else ""


def _bound(row: Mapping[str, Any]) -> str:
    return RESOURCE.get(row["bottleneck"], str(row["bottleneck"]))
