"""Pictures of what serving costs: an hour's parts, ways to pay, the tornado; and of a model's life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.report.cost import PARTS, term
from drivetrain.report.figures.sheets import nothing, sheet
from drivetrain.report.figures.style import BLUE, CYCLE, GREEN, INK, ORANGE, RED, SKY, styled, title
from drivetrain.units import number, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_THICK = 0.62
_WAY = {"own": BLUE, "rent": ORANGE, "plan": SKY, "api": GREEN}


def cost_figure(answer: Mapping[str, Any]) -> Figure:
    """An hour by part and the tornado; with a fleet also its tokens by way of paying and its energy."""
    with styled():
        fleet = "ways" in answer
        figure = sheet(13.0, 9.4 if fleet else 5.4, answer["verdict"], answer)
        grid = figure.add_gridspec(2 if fleet else 1, 2, left=0.13, right=0.97, top=0.88 if fleet else 0.8,
                                   bottom=0.09 if fleet else 0.16, hspace=0.42, wspace=0.42)  # fmt: skip
        _hour(figure.add_subplot(grid[0, 0]), answer)
        _tornado(figure.add_subplot(grid[0, 1]), answer["sensitivity"], answer)
        if fleet:
            _ways(figure.add_subplot(grid[1, 0]), answer["ways"])
            _energy(figure.add_subplot(grid[1, 1]), answer["energy"])
        return figure


def lifetime_figure(answer: Mapping[str, Any]) -> Figure:
    """Serving's share of the whole by tokens served."""
    with styled():
        figure = sheet(9.0, 5.4, answer["verdict"], answer)
        axes = figure.add_subplot(figure.add_gridspec(1, 1, left=0.09, right=0.97, top=0.78, bottom=0.14)[0, 0])
        names = {"flop": "FLOPs", "accelerator_s": "accelerator time", "joules": "energy", "usd": "money"}
        curve = answer["curve"]
        widths = {"accelerator_s": 4.5, "joules": 3.0, "usd": 1.4}  # equal sites put these curves on one another
        for (measure, name), colour in zip(names.items(), CYCLE, strict=False):
            axes.plot([p["tokens"] for p in curve], [100 * p[measure] for p in curve], color=colour, label=name,
                      linewidth=widths.get(measure, 1.6))  # fmt: skip
        axes.axhspan(80, 90, color="#DDDDDD", alpha=0.5, linewidth=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: show(value, "params"))
        axes.set_ylim(0, 100)
        axes.set_xlabel("tokens served")
        axes.set_ylabel("serving, % of training and serving")
        axes.grid(visible=True)
        axes.legend(loc="upper left")
        title(axes, "Serving's share of a model's life", "shaded: 80 to 90 %")
        return figure


def _hour(axes: Axes, answer: Mapping[str, Any]) -> None:
    rows = answer["operators"]
    if not rows:
        nothing(axes, "nothing is known of what it costs to own")
        return
    left = [0.0] * len(rows)
    for i, part in enumerate(PARTS):
        widths = [row["breakdown_usd"][part] for row in rows]
        axes.barh(range(len(rows)), widths, _THICK, left, color=CYCLE[i % len(CYCLE)], label=part)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for y, (row, end) in enumerate(zip(rows, left, strict=True)):
        seen = row["published_usd_per_hour"]
        if seen is not None:
            axes.plot([seen, seen], [y - _THICK / 2 - 0.05, y + _THICK / 2 + 0.05], color=INK, linewidth=1.8,
                      label="published" if not y else None)  # fmt: skip
        _beside(axes, max(end, seen or 0.0), y, f"${end:.2f}")
    for row in answer["rent"]:
        usd = row["usd_per_accelerator_hour"]
        axes.axvline(usd, color=RED, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.annotate(f"rent {row['terms']}", (usd, -0.6), (2, 0), textcoords="offset points", fontsize=7, color=RED)
    _finish(axes, [row["operator"] for row in rows], "USD per accelerator-hour")
    axes.legend(loc="lower right", fontsize=7)
    title(axes, f"An hour of one {answer['accelerator']}")


def _tornado(axes: Axes, rows: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
    fleet = "ways" in answer
    key, unit = (("usd_per_million_output_tokens", "USD per million output tokens") if fleet else
                 ("usd", "USD per accelerator-hour"))  # fmt: skip
    if not rows:
        nothing(axes, "no term has a range")
        return
    now = answer["ways"][0][key] if fleet else answer["operators"][0]["usd_per_accelerator_hour"]
    for y, row in enumerate(rows):
        for end, name in (("low", "its low"), ("high", "its high")):
            axes.barh(y, row[f"{key}_at_{end}"] - now, _THICK, now, color=SKY if end == "low" else ORANGE,
                      label=name if not y else None)  # fmt: skip
    axes.axvline(now, color=INK, linewidth=0.9)
    spans = [f"{term(row['name'])}\n{number(row['low'], 3)} – {number(row['high'], 3)}" for row in rows]
    _finish(axes, spans, unit)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(loc="lower right")
    title(axes, f"What moves it, as {answer['operator']}", "one term at a time, all else at its middle")


def _ways(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    values = [row["usd_per_million_all_tokens"] for row in rows]
    if not values:
        nothing(axes, "no price is known")
        return
    for y, (row, value) in enumerate(zip(rows, values, strict=True)):
        axes.barh(y, value, _THICK, color=_WAY[row["way"]])
        _beside(axes, value, y, f"${number(value, 3)}")
    _finish(axes, [row["name"] for row in rows], "USD per million tokens, input and output alike")
    axes.set_xlim(0, 1.18 * max(values))
    title(axes, "Own, rent or API", "at the plan's mean traffic, idle hours included")


def _energy(axes: Axes, energy: Mapping[str, Any]) -> None:
    shares = energy["share"]
    names = list(shares)
    for y, name in enumerate(names):
        axes.barh(y, 100 * shares[name], _THICK, color=CYCLE[y])
        _beside(axes, 100 * shares[name], y, f"{number(round(energy['joules_per_request'][name], 3), 3)} J")
    _finish(axes, names, "% of a request's energy")
    axes.set_xlim(0, 118 * max(shares.values()))
    title(axes, f"{number(energy['watt_hours_per_request'], 3)} Wh a request",
          f"{number(energy['joules_per_output_token'], 3)} J an output token at the meter")  # fmt: skip


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=8)


def _finish(axes: Axes, names: Sequence[str], unit: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    axes.grid(axis="x")
