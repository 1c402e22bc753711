"""Pictures of a simulation: load and memory over time, waiting times over requests, where the time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.report.figures.sheets import nothing, sheet
from drivetrain.report.figures.style import BLUE, CYCLE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY, shortened, title
from drivetrain.report.picture_data import is_wide
from drivetrain.serving.sim.records import PARTS
from drivetrain.units import number, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PART = dict(zip(PARTS, (ORANGE, BLUE, GREEN, RED, PURPLE, SKY, "#7A7A7A", "#AAAAAA", INK), strict=True))
_CAPTIONS = {"ttft_s": "TTFT", "tpot_s": "TPOT", "e2e_s": "whole request"}
_MOST_POOLS = 4
_LEGEND_BELOW = 36.0  # points from the axis to its legend: ticks and unit lie between


def simulation(answer: Mapping[str, Any]) -> Figure:
    """One run as four panels, or the variants of a comparison as two."""
    return _compared(answer) if "variants" in answer else _single(answer)


def _single(answer: Mapping[str, Any]) -> Figure:
    figure = sheet(13.0, 7.6, answer["verdict"], answer)
    grid = figure.add_gridspec(2, 2, left=0.065, right=0.985, top=0.86, bottom=0.13, hspace=0.5, wspace=0.2)
    over_time = [figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])]
    if answer["series"]:
        requests_panel(over_time[0], answer)
        use_panel(over_time[1], answer)
    else:
        for axes in over_time:
            nothing(axes, "no samples over time")
    right = figure.add_subplot(grid[0, 1])
    if answer["distribution"]:
        latency_panel(right, answer)
        seconds = [answer["attribution_s"], answer["attribution_slowest_s"]]
        attribution_panel(figure.add_subplot(grid[1, 1]), seconds, ["mean", "slowest\n5 %"])
    else:
        nothing(right, "no request was answered")
    return figure


def _compared(answer: Mapping[str, Any]) -> Figure:
    variants = [v for v in answer["variants"] if v["distribution"]]
    names = [shortened(v["name"], 34) for v in variants]
    height = 3.6 + 0.35 * max(len(variants), 3)
    figure = sheet(13.0, height, answer["verdict"], answer)
    grid = figure.add_gridspec(1, 2, left=0.065, right=0.985, top=1 - 1.0 / height, bottom=1.15 / height, wspace=0.42)
    axes = figure.add_subplot(grid[0, 0])
    if not variants:
        nothing(axes, "no request was answered")
        return figure
    variants_panel(axes, variants, names)
    attribution_panel(figure.add_subplot(grid[0, 1]), [v["attribution_s"] for v in variants], names)
    return figure


def requests_panel(axes: Axes, answer: Mapping[str, Any]) -> None:
    """Requests running and waiting over time, of the busiest pools apart."""
    _over_time(axes, answer, (("running", "running", 1.0), ("queue", "waiting", 1.0)))
    axes.set_ylabel("requests")
    title(axes, "Requests over time", "sums over the replicas of a pool")


def use_panel(axes: Axes, answer: Mapping[str, Any]) -> None:
    """KV cache and time in steps over time, in percent."""
    _over_time(axes, answer, (("kv_frac", "KV cache occupied", 100.0), ("busy_frac", "time in steps", 100.0)))
    axes.set_ylim(0, 103)
    axes.set_ylabel("%")
    title(axes, "KV cache and steps over time", "means over replicas that serve")


def latency_panel(axes: Axes, answer: Mapping[str, Any]) -> None:
    """Shares of requests within a time, for each latency, with the targets on them."""
    found = answer["distribution"]
    metrics = [name for name in _CAPTIONS if name in found]
    for i, metric in enumerate(metrics):
        axes.plot(
            found[metric], [100 * f for f in found["frac"]], color=CYCLE[i], linewidth=1.5, label=_CAPTIONS[metric]
        )
    at = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    for target in answer["targets"]:
        metric, _, statistic = target["slo"].partition("_")
        if f"{metric}_s" in metrics and statistic in at:
            i = metrics.index(f"{metric}_s")
            axes.plot([target["limit_s"]], [at[statistic]], marker="D", markersize=7, linestyle="none", zorder=4,
                      markerfacecolor=CYCLE[i] if target["met"] else "white", markeredgecolor=CYCLE[i])  # fmt: skip
    _seconds_axis(axes, [s for metric in metrics for s in found[metric]])
    axes.legend(loc="lower right")
    note = "diamonds: targets, filled where met" if answer["targets"] else ""
    title(axes, "Requests within a time", note)


def variants_panel(axes: Axes, variants: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Time to the first token over requests, one line per variant."""
    for i, (variant, name) in enumerate(zip(variants, names, strict=True)):
        found = variant["distribution"]
        style = "-" if i < len(CYCLE) else (0, (4, 1.5))
        axes.plot(found["ttft_s"], [100 * f for f in found["frac"]], color=CYCLE[i % len(CYCLE)], linewidth=1.5,
                  linestyle=style, label=name)  # fmt: skip
    _seconds_axis(axes, [s for v in variants for s in v["distribution"]["ttft_s"]])
    axes.legend(loc="lower right")
    title(axes, "Requests whose first token came within a time")


def attribution_panel(axes: Axes, attributions: Sequence[Mapping[str, float | None]], names: Sequence[str]) -> None:
    """Latencies by what was waited for, each a bar."""
    from matplotlib.transforms import ScaledTranslation

    left = [0.0] * len(attributions)
    for part in (part for part in PARTS if any((a[part] or 0.0) > 0 for a in attributions)):
        widths = [a[part] or 0.0 for a in attributions]
        axes.barh(range(len(names)), widths, 0.6, left, color=_PART[part], label=part)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for y, total in enumerate(left):
        axes.annotate(show(total, "s"), (total, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max(left))
    axes.set_xlabel("seconds")
    axes.grid(axis="x")
    figure = axes.get_figure(root=True)
    assert figure is not None
    below = axes.transAxes + ScaledTranslation(0, -_LEGEND_BELOW / 72, figure.dpi_scale_trans)
    axes.legend(loc="upper left", ncols=len(PARTS), columnspacing=1.0, handlelength=1.0, handletextpad=0.4,
                bbox_to_anchor=(0.0, 0.0), bbox_transform=below, borderaxespad=0.0)  # fmt: skip
    title(axes, "Where a request's time goes")


def _over_time(axes: Axes, answer: Mapping[str, Any], lines: Sequence[tuple[str, str, float]]) -> None:
    """Columns of the series: by colour where there is one pool, else pools by colour and columns by dashes."""
    pools = _pools(answer)
    unit, seconds = _time_unit(max(row["time_s"] for row in answer["series"]))
    for i, (pool, rows) in enumerate(pools.items()):
        time = [row["time_s"] / seconds for row in rows]
        for k, (name, label, factor) in enumerate(lines):
            colour, dashes = (CYCLE[k], "-") if len(pools) == 1 else (CYCLE[i], ("-", (0, (3, 1.5)))[k])
            axes.plot(time, [factor * row[name] for row in rows], color=colour, linestyle=dashes, linewidth=1.2,
                      label=label if len(pools) == 1 else f"{pool}, {label}")  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"simulated time, {unit}")
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.grid(visible=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)


def _time_unit(span_s: float) -> tuple[str, float]:
    return ("h", 3600.0) if span_s > 7200 else ("min", 60.0) if span_s > 180 else ("s", 1.0)


def _pools(answer: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of the series by pool, the busiest pools only where there are many."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in answer["series"]:
        found.setdefault(row["pool"], []).append(row)
    busiest = sorted(found, key=lambda name: -sum(row["running"] + row["queue"] for row in found[name]))[:_MOST_POOLS]
    return {name: rows for name, rows in found.items() if name in busiest}


def _seconds_axis(axes: Axes, seconds: Sequence[float]) -> None:
    """A time axis, logarithmic where times spread, shares of requests upwards."""
    positive = [s for s in seconds if s > 0]
    if is_wide(positive):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(lambda _value, _: "")
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: show(value, "s", 2))
    axes.set_ylim(0, 102)
    axes.set_ylabel("% of requests")
    axes.grid(visible=True, color="#DDDDDD")
    axes.tick_params(colors=FAINT, labelcolor=INK)
