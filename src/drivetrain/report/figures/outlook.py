"""The picture of an outlook: fans of tokens, compute, power and price; what holds supply back; what efficiency does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.report.figures.sheets import sheet
from drivetrain.report.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY, styled, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LIMIT = {"power": ORANGE, "budget": BLUE, "hbm": PURPLE, "packaging": GREEN}
_NAME = {"compute": "compute", "dollars": "rent paid", "hbm": "HBM bought", "power": "power"}


def outlook_figure(answer: Mapping[str, Any]) -> Figure:
    """Six panels over years; bands hold 80 % of the draws, lines are medians."""
    with styled():
        figure = sheet(14.5, 8.8, answer["verdict"], answer)
        figure.text(0.985, 0.015, answer["note"], ha="right", fontsize=7, color=FAINT)
        grid = figure.add_gridspec(2, 3, left=0.06, right=0.985, top=0.85, bottom=0.12, hspace=0.48, wspace=0.26)
        rows = answer["years"]
        tokens = [{name: value / 12 for name, value in row["tokens"].items()} for row in rows]
        _panel(figure.add_subplot(grid[0, 0]), rows, {"tokens": (tokens, BLUE)}, "tokens a month", "Tokens")
        purposes = {name: (_spans(rows, f"compute_flop_{key}"), colour) for name, key, colour in
                    (("inference", "inference", BLUE), ("training", "training", RED))}  # fmt: skip
        _panel(figure.add_subplot(grid[0, 1]), rows, purposes, "FLOP a year, dense bf16 peak", "Compute by purpose")
        power = [{name: value / 1e9 for name, value in one.items()} for one in _spans(rows, "power_w")]
        _panel(
            figure.add_subplot(grid[0, 2]), rows, {"power": (power, ORANGE)}, "GW, site included", "Power", log=False
        )
        price = {"price": (_spans(rows, "price_usd_per_million_tokens"), GREEN)}
        _panel(figure.add_subplot(grid[1, 0]), rows, price, "USD per million tokens", "Price of tokens")
        _binding(figure.add_subplot(grid[1, 1]), rows)
        _ratios(figure.add_subplot(grid[1, 2]), answer["question"])
        return figure


def _spans(rows: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, float]]:
    return [row["ranges"][name] for row in rows]


def _panel(
    axes: Axes, rows: Sequence[Mapping[str, Any]], fans: Mapping[str, tuple[Sequence[Mapping[str, float]], str]],
    unit: str, name: str, *, log: bool = True,
) -> None:  # fmt: skip
    years = [row["year"] for row in rows]
    for label, (spans, colour) in fans.items():
        low, middle, high = ([one[q] for one in spans] for q in ("p10", "p50", "p90"))
        axes.fill_between(years, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(years, middle, color=colour, linewidth=1.8, marker="o", markersize=3.5, label=label)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda v, _: f"1e{round(math.log10(v))}" if not 1e-3 < v < 1e4 else f"{v:g}")
        axes.yaxis.set_minor_formatter(lambda _v, _: "")
    else:
        axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    _years(axes, years)
    if len(fans) > 1:
        axes.legend(loc="upper left")
    title(axes, name, "band: 80 % of the draws")


def _binding(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    years, under = [row["year"] for row in rows], [0.0] * len(rows)
    for name, colour in _LIMIT.items():
        odds = [100.0 * sum(one["probability"] for one in row["binding"] if one["constraint"] == name) for row in rows]
        axes.bar(years, odds, 0.72, under, color=colour, label=name)
        under = [a + b for a, b in zip(under, odds, strict=True)]
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of draws and quarters")
    _years(axes, years)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4)
    title(axes, "What holds supply back", "the rest: demand")


def _ratios(axes: Axes, question: Sequence[Mapping[str, Any]]) -> None:
    """Each measure with software's gains over without: median and 80 %, with limits and without."""
    names = list(dict.fromkeys(one["measure"] for one in question))
    for limited, colour, shift in ((True, INK, -0.14), (False, SKY, 0.14)):
        mine = {one["measure"]: one for one in question if one["supply_limited"] is limited}
        for y, name in enumerate(names):
            span = mine[name]["ratio"]
            axes.plot([span["p10"], span["p90"]], [y + shift] * 2, color=colour, linewidth=2.4, solid_capstyle="butt")
            axes.plot(span["p50"], y + shift, "o", color=colour, markersize=5.5,
                      label=("under the limits" if limited else "no limits") if y == 0 else None)  # fmt: skip
            axes.annotate(f"grows {mine[name]['probability_grows']:.0%}", (span["p90"], y + shift), (5, 0),
                          textcoords="offset points", va="center", fontsize=7.5, color=colour)  # fmt: skip
    axes.axvline(1.0, color=RED, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.set_xscale("log")
    highest = max(one["ratio"]["p90"] for one in question)
    lowest = min(one["ratio"]["p10"] for one in question)
    axes.set_xlim(lowest / 1.1, highest * 1.7)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda v, _: f"{v:g}" if f"{v:e}"[0] in "25" else "")
    axes.set_yticks(range(len(names)), [_NAME[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlabel("with software's gains over without")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    title(axes, "Does efficiency grow or shrink it?", "bar: 80 % of the draws; same draws on both sides")


def _years(axes: Axes, years: list[int]) -> None:
    step = -(-len(years) // 6)
    axes.set_xticks(years[::step], [str(year) for year in years[::step]])
    axes.grid(axis="y", color=FAINT, alpha=0.25)
