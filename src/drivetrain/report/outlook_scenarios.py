"""The switches of an outlook beside its base, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.outlook import MEASURE, dollars, scientific
from drivetrain.report.serve import consoles
from drivetrain.units import number
from drivetrain.verbs.outlook_scenarios import BASE

_COMPARED = ("tokens", "compute_flop", "power_w", "capex_usd", "price_usd_per_million_tokens", "rent_usd_per_h100_hour")


def print_scenarios(answer: Mapping[str, Any], *, file: str = "") -> None:
    """The switches beside the base: the last year, and P(grows)."""
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    out.print()
    out.print(Text(f"{answer['year']} by switch: medians, times the base draw by draw", style="bold"))
    out.print(_scenario_table(answer["scenarios"]))
    out.print(Text("odds that software efficiency grows (shrinks) each, under the limits of supply", "bold"))
    out.print(_odds_table(answer["scenarios"]))
    for row in answer["scenarios"][1:]:
        out.print(Text(f"{row['switch']}: {row['title']}", style="dim"))
    out.print(Text(answer["note"], style="yellow"))
    out.print(Text(f"{answer['draws']:,} draws evaluated in {number(answer['elapsed_s'])} s.", style="dim"))
    first = answer["scenarios"][-1]["switch"]
    out.print(Text(f"next: drivetrain outlook {file} --switch {first}".replace("  ", " "), style="cyan"))


def _scenario_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The base in its units, every switch as a multiple of it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("", "tok/month", "FLOP", "GW", "capex", "$/Mtok", "$/h", "inf."):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    base = {key: span["p50"] for key, span in rows[0]["last_year"].items()}
    table.add_row(
        BASE, scientific(base["tokens"] / 12), scientific(base["compute_flop"]), f"{base['power_w'] / 1e9:.0f}",
        dollars(base["capex_usd"]), number(base["price_usd_per_million_tokens"], 2),
        number(base["rent_usd_per_h100_hour"], 3), f"{base['inference_frac']:.0%}",
    )  # fmt: skip
    for row in rows[1:]:
        spans = (row["against_base"][key] for key in _COMPARED)
        ratios = ("–" if span is None else f"x{number(span['p50'], 2)}" for span in spans)
        table.add_row(row["switch"], *ratios, f"{row['last_year']['inference_frac']['p50']:.0%}")
    return table


def _odds_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "compute", "rent paid", "HBM", "power", "no limits"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for row in rows:
        asked = row["question"]
        table.add_row(row["switch"], *(_odds(asked[name]["limited"]) for name in MEASURE),
                      _odds(asked["compute"]["unlimited"]))  # fmt: skip
    return table


def _odds(one: Mapping[str, float]) -> str:
    return f"{one['grows']:.0%} ({one['shrinks']:.0%})"
