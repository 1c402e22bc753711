"""The picture of a fitted scaling law: losses by compute with the best that can be reached, and the best ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drivetrain.report.figures.sheets import sheet
from drivetrain.report.figures.style import BLUE, FAINT, ORANGE, RED, styled, title
from drivetrain.training.scaling.optimum import optimum
from drivetrain.units import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from drivetrain.verbs.fit_scaling import FittedRuns

_POINTS = 120
_DECADES_BEYOND = 4.0


def fit_figure(answer: Mapping[str, Any], found: FittedRuns) -> Figure:
    """Two panels: loss against compute, tokens per parameter against compute; bands hold 80 % of the draws."""
    with styled():
        head = f"{answer['n']} runs: E = {answer['E']:.3f}, alpha = {answer['alpha']:.3f}, beta = {answer['beta']:.3f}"
        figure = sheet(11.0, 4.6, head, answer)
        grid = figure.add_gridspec(1, 2, left=0.07, right=0.98, top=0.82, bottom=0.17, wspace=0.22)
        flops = np.geomspace(found.runs.flops.min(), found.runs.flops.max() * 10.0**_DECADES_BEYOND, _POINTS)
        _losses(figure.add_subplot(grid[0, 0]), found, flops)
        _ratios(figure.add_subplot(grid[0, 1]), found, flops)
        return figure


def _losses(axes: Axes, found: FittedRuns, flops: np.ndarray[Any, Any]) -> None:
    axes.scatter(found.runs.flops, found.runs.losses, 9, color=BLUE, alpha=0.5, linewidths=0, label="runs")
    if len(found.dropped):
        axes.scatter(found.dropped.flops, found.dropped.losses, 14, marker="x", color=FAINT, linewidths=0.9,
                     label="left out")  # fmt: skip
    _band(axes, found, flops, "loss")
    axes.axhline(found.fit.law.e, color=FAINT, linewidth=0.9, linestyle=(0, (4, 2)), label="irreducible")
    axes.set_ylabel("loss, nats per token")
    _finish(axes, found, "Loss", "upper right")


def _ratios(axes: Axes, found: FittedRuns, flops: np.ndarray[Any, Any]) -> None:
    from matplotlib.ticker import LogLocator

    _band(axes, found, flops, "tokens_per_param")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda v, _: number(v))
    axes.yaxis.set_minor_formatter(lambda _v, _: "")
    axes.set_ylabel("tokens per parameter")
    _finish(axes, found, "Compute-optimal tokens per parameter", "lower left")


def _band(axes: Axes, found: FittedRuns, flops: np.ndarray[Any, Any], value: str) -> None:
    line = [float(getattr(optimum(found.fit.law, c), value)) for c in flops]
    axes.plot(flops, line, color=RED, linewidth=1.6, label="compute-optimal")
    if found.draws is not None:
        laws = found.draws.laws
        bounds = np.array([np.quantile(getattr(optimum(laws, c), value), (0.1, 0.9)) for c in flops])
        axes.fill_between(flops, bounds[:, 0], bounds[:, 1], color=ORANGE, alpha=0.3, linewidth=0, label="80 %")


def _finish(axes: Axes, found: FittedRuns, text: str, corner: Literal["upper right", "lower left"]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"1e{round(np.log10(v))}")
    axes.xaxis.set_minor_formatter(lambda _v, _: "")
    axes.axvline(float(found.runs.flops.max()), color=FAINT, linewidth=0.7)
    axes.set_xlabel("training FLOP")
    axes.grid(visible=True)
    axes.legend(loc=corner)
    title(axes, text, "right of the line: beyond the runs")
