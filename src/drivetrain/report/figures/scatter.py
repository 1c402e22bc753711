"""Panels of points: the Pareto front, cost against quality, operators under their roofline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.catalogue import loader
from drivetrain.report.figures.style import BLUE, CYCLE, FAINT, GREEN, INK, MARKERS, ORANGE, RED, title
from drivetrain.report.picture_data import Front, Point, is_wide
from drivetrain.units import number, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BESIDE = 9.0  # points from a spot to its name
_NAMED = 0.04  # share of a step from which an operator gets its name


def pareto_panel(axes: Axes, front: Front) -> None:
    """Tokens/s per accelerator against tokens/s per user; hollow points miss the targets."""
    from matplotlib.ticker import LogLocator

    ordered = sorted(front.points, key=lambda p: p.x)
    axes.plot([p.x for p in ordered], [p.y for p in ordered], color="#BBBBBB", linewidth=1, zorder=1)
    for i, group in enumerate(front.groups):
        colour, marker = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
        for meets in (True, False):
            mine = [p for p in ordered if p.group == group and p.meets == meets]
            axes.scatter([p.x for p in mine], [p.y for p in mine], 36, marker=marker, zorder=2, linewidths=1.3,
                         facecolors=colour if meets else "white", edgecolors=colour)  # fmt: skip
        axes.scatter([], [], 36, marker=marker, color=colour, label=group)
    if not all(p.meets for p in front.points):
        axes.scatter([], [], 36, marker="o", facecolors="white", edgecolors=INK, label="hollow: misses the SLO")
    if is_wide([p.y for p in front.points]):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_major_formatter(lambda value, _: number(value))
        axes.yaxis.set_minor_formatter(lambda _value, _: "")
    if front.chosen:
        axes.scatter([front.chosen.x], [front.chosen.y], 210, marker="*", color=RED, edgecolors="white", zorder=4,
                     label=f"the plan: {front.chosen.label}")  # fmt: skip
    axes.set_xlim(left=0)
    if front.least_x is not None:
        right = max(axes.get_xlim()[1], 1.1 * front.least_x)
        axes.axvspan(front.least_x, right, color=GREEN, alpha=0.08, linewidth=0, zorder=0)
        axes.axvline(front.least_x, color=GREEN, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xlim(0, right)
    axes.set_xlabel("output tok/s per user")
    axes.set_ylabel("output tok/s per accelerator")
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.grid(visible=True)
    axes.legend(loc="upper right", frameon=True, framealpha=0.85, edgecolor="none")
    note = f"shaded: {front.slo}, {number(front.least_x)} tok/s per user and more" if front.least_x is not None else ""
    title(axes, "Pareto front at the peak hour", note)


def quality_panel(axes: Axes, points: Sequence[Point]) -> None:
    """Cost against the share of quality kept."""
    axes.plot([100 * p.x for p in points], [p.y for p in points], color="#BBBBBB", linewidth=1, zorder=1)
    axes.scatter([100 * p.x for p in points], [p.y for p in points], 44, color=BLUE, zorder=2)
    xs = [100 * p.x for p in points]
    axes.set_xlim(min(xs) - 0.5, max(xs) + 0.5 + 0.02 * (max(xs) - min(xs)))
    axes.set_ylim(0, 1.15 * max(p.y for p in points))
    _name(axes, [(100 * p.x, p.y, p.label) for p in points])
    axes.set_xlabel("quality kept, %")
    axes.set_ylabel("$ per million output tokens")
    axes.grid(visible=True)
    title(axes, "Cost against quality")


def roofline_panel(axes: Axes, fields: Mapping[str, Any]) -> None:
    """Operators of both steps: FLOP/s reached against FLOPs per byte, under what the datasheet could."""
    accelerator = loader.load("accelerators", fields["accelerator"])
    peak, bandwidth = accelerator.flops[fields["compute_dtype"]], accelerator.hbm_bytes_per_s
    drawn, names, left_out = [], [], []
    for (step, rows), (colour, marker) in zip(_steps(fields).items(), ((BLUE, "o"), (ORANGE, "s")), strict=False):
        seconds = sum(row["seconds"] for row in rows)
        shown = [row for row in rows if row["flops"] > 0 and row["bytes_moved"] > 0]
        left_out.append(1.0 - sum(row["seconds"] for row in shown) / seconds)
        spots = [(row["flops"] / row["bytes_moved"], row["flops"] / row["seconds"]) for row in shown]
        sizes = [25 + 450 * row["seconds"] / seconds for row in shown]
        label = f"{step.replace('_', ' ')}, {show(seconds, 's')}"
        axes.scatter([x for x, _ in spots], [y for _, y in spots], sizes, color=colour, alpha=0.6, linewidths=0,
                     marker=marker, zorder=3)  # fmt: skip
        axes.scatter([], [], 50, color=colour, marker=marker, alpha=0.6, linewidths=0, label=label)
        drawn += spots
        names += [(*spot, row["name"]) for spot, row in zip(spots, shown, strict=True)
                  if row["seconds"] > _NAMED * seconds]  # fmt: skip
    ridge = peak / bandwidth
    low, high = min([x for x, _ in drawn] + [ridge / 10]) / 2, max([x for x, _ in drawn] + [ridge]) * 4
    axes.plot([low, ridge, high], [low * bandwidth, peak, peak], color=INK, linewidth=1.4, zorder=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min([y for _, y in drawn], default=peak / 100) / 3, peak * 2.5)
    axes.annotate(f"{fields['compute_dtype']} {show(peak, 'FLOP/s')}", (high, peak), (-4, 5), ha="right", fontsize=8,
                  textcoords="offset points")  # fmt: skip
    (x0, y0), (x1, y1) = axes.transData.transform([(low, low * bandwidth), (ridge, peak)])
    seen_from = max(low, axes.get_ylim()[0] / bandwidth)  # where the slope enters the picture
    middle = math.sqrt(seen_from * ridge)
    axes.annotate(f"HBM {show(bandwidth, 'bytes/s')}", (middle, middle * bandwidth), (-4, 4), ha="center", va="bottom",
                  textcoords="offset points", rotation=math.degrees(math.atan2(y1 - y0, x1 - x0)), fontsize=8,
                  rotation_mode="anchor")  # fmt: skip
    _name(axes, names)
    axes.yaxis.set_major_formatter(lambda value, _: show(value, "FLOP/s"))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.set_xlabel("FLOPs per byte moved")
    axes.set_ylabel("FLOP/s reached on one accelerator")
    axes.grid(visible=True, which="major")
    axes.legend(loc="lower right")
    shares = " and ".join(f"{number(100 * share, 2)} %" for share in left_out)
    title(axes, "Operators under the roofline",
          f"area: share of the step; messages and other work without FLOPs ({shares}) not shown")  # fmt: skip


def _steps(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Steps by name; a prefill pool on another accelerator has another roof and is left out."""
    pools = fields.get("disaggregated")
    elsewhere = pools and pools["prefill"]["accelerator"] != fields["accelerator"]
    return {name: rows for name, rows in fields["operators"].items() if not (elsewhere and name == "prefill_step")}


def _name(axes: Axes, spots: Sequence[tuple[float, float, str]]) -> None:
    """Names beside points, moved up or down where they would lie over one another."""
    leader = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5}
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    taken: list[tuple[float, float, float, float]] = []
    scale = 72 / axes.figure.dpi
    right = axes.transAxes.transform((1.0, 0.0))[0] * scale
    for x, y, name in sorted(spots, key=lambda spot: -spot[1]):
        px, py = (v * scale for v in axes.transData.transform((x, y)))
        wide, high = 5.0 * len(name), 9.0
        left_of = px + _BESIDE + wide > right
        start = px - _BESIDE - wide if left_of else px + _BESIDE
        for dy in (-3.0, 7.0, -13.0, 17.0, -23.0, 27.0, -33.0):
            box = (start, py + dy, start + wide, py + dy + high)
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                break
        taken.append(box)
        axes.annotate(name, (x, y), (-_BESIDE if left_of else _BESIDE, dy), textcoords="offset points", fontsize=8,
                      color=INK, zorder=5, ha="right" if left_of else "left",
                      bbox=ground, arrowprops=leader if abs(dy) > 8 else None)  # fmt: skip
