"""A fitted scaling law for people: coefficients with ranges, the best model by budget, what the law misses beyond."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.units import number, show

_NAMES = {
    "E": "irreducible loss E", "A": "A", "B": "B", "alpha": "alpha (size)", "beta": "beta (data)",
    "a_opt": "N* grows as C^",
}  # fmt: skip
_TOLD = 0.05
_LEAST_ERROR = 0.0005  # of the loss per decade: it rounds to nothing


def print_fit(answer: dict[str, Any], target: Path | None = None) -> None:
    """Print one fit on stdout, what was assumed on stderr."""
    out, err = consoles()
    _assumed(err, answer)
    out.print(Text(_verdict(answer), style="bold"))
    out.print(_coefficients(answer))
    out.print(_optima(answer["optimum"]))
    if any(_is_beyond(row) for row in answer["optimum"]):
        out.print(_beyond_the_runs(answer["optimum"]))
    out.print(Text(_tenfold(answer["tenfold"])))
    beyond = _beyond(answer["holdout"])
    if beyond:
        out.print(Text(beyond))
    if target is not None and target.name.startswith("scaling"):
        line = f"next: DRIVETRAIN_CATALOGUE={target.absolute().parent} makes every command know this law"
    elif target is not None:
        line = f"next: rename {target.name} to scaling….toml in the folder of DRIVETRAIN_CATALOGUE"
    else:
        line = "next: add --out scaling-mine.toml to keep this law"
    out.print(Text(line, style="cyan"))


def _verdict(answer: dict[str, Any]) -> str:
    low, high = answer["fitted"]["flops"]
    runs = f"{answer['n']} runs from {show(low, 'FLOP')} to {show(high, 'FLOP')}" if high < 1e22 else (
        f"{answer['n']} runs from {low:.2g} to {high:.2g} FLOP"
    )  # fmt: skip
    law = f"L = {answer['E']:.4f} + {number(answer['A'], 4)}/N^{answer['alpha']:.4f}"
    return f"{law} + {number(answer['B'], 4)}/D^{answer['beta']:.4f} on {runs}"


def _assumed(err: Console, answer: dict[str, Any]) -> None:
    err.print("assumed", style="dim bold")
    n = answer["n_dropped"]
    left_out = f"the {f'{n} runs' if n > 1 else 'run'} of highest loss left out" if n else "all runs kept"
    drawn = answer["bootstrap"]
    ranges = f"ranges from {drawn['n']:,} draws, seed {drawn['seed']}" if drawn else "no ranges (--bootstrap 0)"
    lines = (
        f"{left_out} (--drop)",
        f"Huber loss of ln L, delta {answer['huber_delta']:g}, summed: {answer['objective']:.7g}",
        f"{answer['starts_agreeing']} of {answer['starts']} starts end there",
        ranges,
    )
    for line in lines:
        err.print(Text(f"  {line}", style="dim"))


def _coefficients(answer: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("coefficient", "value", "±", "80 % from", "to", "95 % from", "to")
    for head in heads if answer["bootstrap"] else heads[:2]:
        table.add_column(head, justify="left" if head == "coefficient" else "right", no_wrap=True)
    for key, name in _NAMES.items():
        cells = [name, number(answer[key], 5)]
        if answer["bootstrap"]:
            spread = answer["bootstrap"][key]
            cells += [number(spread["se"], 2), *(number(spread[q], 4) for q in ("p10", "p90", "p2_5", "p97_5"))]
        table.add_row(*cells)
    return table


def _optima(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="compute-optimal models, 80 % ranges of the coefficients", title_justify="left",
                  box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for head in ("FLOP", "parameters", "tokens", "tokens per parameter", "loss"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row['flops']:.3g}",
            show(row["params"]["value"], "params"),
            show(row["tokens"]["value"], "params"),
            _ranged(row["tokens_per_param"], 3),
            _ranged(row["loss"], 4),
        )
    return table


def _ranged(value: dict[str, float], digits: int, which: str = "") -> str:
    text = number(value["value"], digits)
    ends = [value.get(f"{which}{end}") for end in ("p10", "p90")]
    told = [number(end, digits) for end in ends if end is not None]
    return f"{text}  ({'–'.join(told)})" if told else text


def _is_beyond(row: dict[str, Any]) -> bool:
    return row["decades_beyond"] > _TOLD and "wide_p10" in row["tokens_per_param"] and "wide_p10" in row["loss"]


def _beyond_the_runs(rows: list[dict[str, Any]]) -> Table:
    """Ratio and loss beyond the runs, with what the form of the law gets wrong there."""
    table = Table(title="beyond the runs, 80 % with single runs and what the form gets wrong", title_justify="left",
                  box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for head in ("FLOP", "decades beyond", "tokens per parameter", "loss"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in filter(_is_beyond, rows):
        table.add_row(
            f"{row['flops']:.3g}", f"{row['decades_beyond']:.1f}", _ranged(row["tokens_per_param"], 3, "wide_"),
            _ranged(row["loss"], 4, "wide_"),
        )  # fmt: skip
    return table


def _tenfold(tenfold: dict[str, float]) -> str:
    kept, halve = 100.0 * tenfold["excess_kept"], tenfold["factor_to_halve"]
    return f"Ten times any budget leaves {kept:.0f} % of the loss above E; halving it takes {number(halve, 2)} times."


def _beyond(held: dict[str, Any]) -> str:
    if held["loss_error"] is None:
        return ""
    missed = f"miss them by {100 * held['loss_error']:.1f} % of the loss per decade"
    if held["loss_error"] < _LEAST_ERROR:
        missed = "miss them by no more than single runs scatter"
    return (
        f"Fits without the runs of most compute {missed}, and the best ratio by a factor of "
        f"{number(math.exp(held['ratio_error']), 2)} per decade: in the table beyond the runs alone."
    )
