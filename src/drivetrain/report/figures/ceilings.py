"""The picture of ceilings: the largest run by year under its limits, and which limit binds with what probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.report.figures.sheets import sheet
from drivetrain.report.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY, styled, title
from drivetrain.verbs.ceilings import limit_word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = {"spend": BLUE, "power": ORANGE, "chips": GREEN, "data": PURPLE, "latency": SKY}


def ceilings_figure(answer: Mapping[str, Any]) -> Figure:
    """Two panels over years: FLOPs with 80 % band and medians of the limits; odds of each limit to bind."""
    with styled():
        figure = sheet(12.0, 6.2, answer["verdict"], answer)
        grid = figure.add_gridspec(1, 2, left=0.07, right=0.98, top=0.78, bottom=0.17, wspace=0.2)
        _runs(figure.add_subplot(grid[0, 0]), answer)
        _odds(figure.add_subplot(grid[0, 1]), answer)
        return figure


def _runs(axes: Axes, answer: Mapping[str, Any]) -> None:
    rows = answer["years"]
    years = [row["year"] for row in rows]
    bounds = {q: [row["largest_flop"][q] for row in rows] for q in ("p10", "p50", "p90")}
    style: dict[str, Any] = {"marker": "o", "markersize": 3.5}
    axes.fill_between(years, bounds["p10"], bounds["p90"], color=INK, alpha=0.12, linewidth=0, label="80 %")
    for name, colour in _COLOUR.items():
        middle = [row["limits_flop"][name]["p50"] for row in rows]
        axes.plot(years, middle, color=colour, linewidth=1.1, label=limit_word(name), **style)
    axes.plot(years, bounds["p50"], color=INK, linewidth=2.2, label="largest run", **style)
    trend = [row["trend_flop"]["p50"] for row in rows]
    axes.plot(years, trend, color=RED, linewidth=1.2, linestyle=(0, (4, 2)), marker="x", markersize=4.5,
              label=f"growth by {answer['claim']['growth']:g} a year")  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda v, _: f"1e{round(math.log10(v))}")
    axes.yaxis.set_minor_formatter(lambda _v, _: "")
    axes.set_ylabel("training FLOP")
    _years(axes, years)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    title(axes, "Largest run", "band: 80 % of the draws; lines of limits: medians")


def _odds(axes: Axes, answer: Mapping[str, Any]) -> None:
    rows = answer["years"]
    years = [row["year"] for row in rows]
    under = [0.0] * len(rows)
    for name, colour in _COLOUR.items():
        odds = [100.0 * row["binding"][name] for row in rows]
        axes.bar(years, odds, 0.72, under, color=colour, label=limit_word(name))
        for year, low, share in zip(years, under, odds, strict=True):
            if share >= 6.0:
                axes.annotate(f"{share:.0f} %", (year, low + share / 2), ha="center", va="center", fontsize=8,
                              color="white")  # fmt: skip
        under = [a + b for a, b in zip(under, odds, strict=True)]
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of the draws")
    _years(axes, years)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=5)
    title(axes, "Which limit binds")


def _years(axes: Axes, years: list[int]) -> None:
    step = -(-len(years) // 10)
    axes.set_xticks(years[::step], [str(year) for year in years[::step]])
    axes.grid(axis="y", color=FAINT, alpha=0.25)
