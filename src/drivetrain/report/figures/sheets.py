"""Whole pictures: a plan, a prediction, a comparison, a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.report.compare import headline, method_of, waterfall
from drivetrain.report.figures.bars import cost_panel, memory_panel, step_panel, waterfall_panel
from drivetrain.report.figures.scatter import pareto_panel, quality_panel, roofline_panel
from drivetrain.report.figures.style import FAINT, shortened, styled, wrapped
from drivetrain.report.picture_data import front_of, quality_frontier
from drivetrain.report.words import deployment_of, fleet_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS = 6  # accelerators of a plan that are drawn


def figure_of(verb: str, answer: Mapping[str, Any]) -> Figure:
    """The picture of an answer of ``plan``, ``predict``, ``compare`` or ``simulate``."""
    from drivetrain.report.figures.simulate import simulation  # which builds on the sheet below

    with styled():
        drawn = {"plan": _plan, "predict": _prediction, "compare": _comparison, "simulate": simulation}
        return drawn[verb](answer)


def _plan(answer: Mapping[str, Any]) -> Figure:
    figure = sheet(13.0, 9.4, answer["verdict"], answer)
    grid = figure.add_gridspec(2, 2, left=0.1, right=0.985, top=0.875, bottom=0.125, hspace=0.5, wspace=0.32)
    front, frontier = front_of(answer), quality_frontier(answer)
    rows = answer["by_accelerator"] or [answer["best"] or answer["closest_miss"]]
    shown = [row for row in rows if row and row.get("memory_bytes") and row.get("breakdown_s")][:_ROWS]
    names = [f"{row['accelerator']}\n{shortened(fleet_of(row), 18)}" for row in shown]
    first = figure.add_subplot(grid[0, 0])
    if front.points:
        pareto_panel(first, front)
    else:
        nothing(first, "nothing keeps up with this traffic")
    places = [figure.add_subplot(grid[place]) for place in ((0, 1), (1, 0), (1, 1))]
    if not shown:
        for axes in places:
            nothing(axes, "no plan")
        return figure
    memory_panel(places[0], shown, names)
    step_panel(places[1], shown, names)
    if frontier:
        quality_panel(places[2], frontier)
    else:
        cost_panel(places[2], shown, names)
    return figure


def _prediction(fields: Mapping[str, Any]) -> Figure:
    figure = sheet(13.0, 5.6, deployment_of(fields), fields)
    grid = figure.add_gridspec(2, 2, left=0.06, right=0.985, top=0.82, bottom=0.2, hspace=1.7, wspace=0.32)
    layout = fields["layout"]
    names = [f"decode\n{layout['decode']['layout']}" if isinstance(layout, Mapping) else layout]
    memory_panel(figure.add_subplot(grid[0, 0]), [fields], names)
    step_panel(figure.add_subplot(grid[1, 0]), [fields], names)
    right = figure.add_subplot(grid[:, 1])
    if fields.get("operators"):
        roofline_panel(right, fields)
    else:
        nothing(right, "no operators listed for this layout")
    return figure


def _comparison(answer: Mapping[str, Any]) -> Figure:
    steps = waterfall(answer)
    height = 2.9 + 0.5 * max(len(steps), 2)
    figure = sheet(11.0, height, headline(answer), answer)
    sides = "\n".join(shortened(f"{letter}  {answer[letter.lower()]['name']}", 150) for letter in ("A", "B"))
    figure.text(0.2 / 11.0, 1 - 0.75 / height, sides, va="top", fontsize=8.5, color=FAINT)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, left=0.34, right=0.97, top=1 - 1.65 / height,
                                                  bottom=0.75 / height)[0, 0])  # fmt: skip
    if steps:
        waterfall_panel(axes, steps, answer["metric"], method_of(answer))
    else:
        nothing(axes, "no effects to draw")
    return figure


def sheet(width: float, height: float, text: str, answer: Mapping[str, Any]) -> Figure:
    """An empty picture with its sentence above and its provenance below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.text(0.2 / width, 1 - 0.2 / height, wrapped(text, int(9.7 * width)), va="top", fontsize=12,
                fontweight="bold")  # fmt: skip
    meta = answer["meta"]
    made = ", ".join(f"{name} {meta[name]}" for name in ("catalogue", "run") if name in meta)
    figure.text(0.2 / width, 0.12 / height, f"drivetrain {meta['version']}{', ' if made else ''}{made}", fontsize=7,
                color=FAINT)  # fmt: skip
    return figure


def nothing(axes: Axes, text: str) -> None:
    """A panel that has nothing to show says so."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, transform=axes.transAxes)
