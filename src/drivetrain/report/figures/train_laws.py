"""The picture of scaling laws side by side: the best loss and the best ratio by compute, and the run that was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.report.figures.sheets import sheet
from drivetrain.report.figures.style import CYCLE, FAINT, INK, styled, title
from drivetrain.training.scaling.uncertainty import EstimatedOptimum, estimated_optimum
from drivetrain.units import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 60
_LEAST, _MOST = 1e18, 1e27


def laws_figure(answer: Mapping[str, Any]) -> Figure:
    """Two panels by training FLOPs, a colour for each law; bands hold 80 % with what the form gets wrong.

    Laws of mixtures are left out: their optimum depends on the experts.
    """
    rows = [row for row in answer["laws"] if row["form"] != MIXTURE]
    asked = [row for row in rows if "loss" in row]
    ends = [row["flops"] for row in asked]
    flops = np.geomspace(min([_LEAST, *ends]), max([_MOST, *ends]), _POINTS)
    curves = {row["law"]: [estimated_optimum(float(c), row["law"]) for c in flops] for row in rows}
    with styled():
        figure = sheet(11.0, 5.0, answer["verdict"], answer)
        grid = figure.add_gridspec(1, 2, left=0.07, right=0.98, top=0.77, bottom=0.15, wspace=0.22)
        _losses(figure.add_subplot(grid[0, 0]), curves, flops, asked)
        _ratios(figure.add_subplot(grid[0, 1]), curves, flops, asked)
        return figure


def _losses(axes: Axes, curves: Mapping[str, Sequence[EstimatedOptimum]], flops: Any, asked: Sequence[Any]) -> None:  # noqa: ANN401 - an array
    for i, (name, many) in enumerate(curves.items()):
        _curve(axes, i, name, flops, [one.loss for one in many])
    for i, row in enumerate(asked):
        axes.scatter(row["flops"], row["loss"]["value"], 44, marker="*", color=CYCLE[i % len(CYCLE)], edgecolors=INK,
                     linewidths=0.6, zorder=4)  # fmt: skip
    axes.set_ylabel("loss, nats per token")
    axes.legend(loc="upper right")
    _finish(axes, "Best loss of a budget", "★ what was asked; losses on different texts do not compare")


def _ratios(axes: Axes, curves: Mapping[str, Sequence[EstimatedOptimum]], flops: Any, asked: Sequence[Any]) -> None:  # noqa: ANN401 - an array
    for i, (name, many) in enumerate(curves.items()):
        _curve(axes, i, name, flops, [one.tokens_per_param for one in many])
    for i, row in enumerate(asked):
        axes.scatter(row["flops"], row["tokens_per_param"], 44, marker="*", color=CYCLE[i % len(CYCLE)],
                     edgecolors=INK, linewidths=0.6, zorder=4)  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda v, _: number(v))
    axes.yaxis.set_minor_formatter(lambda _v, _: "")
    axes.set_ylabel("tokens per parameter")
    _finish(axes, "Compute-optimal tokens per parameter", "right of the line: beyond the runs of the first law")
    fitted = scaling.law(next(iter(curves))).fitted if curves else None
    if fitted is not None and fitted.flops:
        axes.axvline(fitted.flops[1], color=FAINT, linewidth=0.7)


def _curve(axes: Axes, i: int, name: str, flops: Any, values: Sequence[Any]) -> None:  # noqa: ANN401 - an array
    colour = CYCLE[i % len(CYCLE)]
    axes.plot(flops, [one.value for one in values], color=colour, linewidth=1.5, label=name)
    if i == 0 and all(one.wide_p10 is not None for one in values):
        axes.fill_between(flops, [one.wide_p10 for one in values], [one.wide_p90 for one in values], color=colour,
                          alpha=0.18, linewidth=0)  # fmt: skip


def _finish(axes: Axes, text: str, below: str) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"1e{round(np.log10(v))}")
    axes.xaxis.set_minor_formatter(lambda _v, _: "")
    axes.set_xlabel("training FLOP")
    axes.grid(visible=True)
    title(axes, text, below)
