"""Ceilings of training runs for people: the verdict, runs by year, which limit binds, the claim of a stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.serve import consoles
from drivetrain.report.spans import Row, log_ranges
from drivetrain.units import SECONDS_PER_DAY, number, show
from drivetrain.verbs.ceilings import limit_word
from drivetrain.verbs.train_solve import show_usd

_BAR = 40
_LAST_WORD = 3  # what the last label of an axis reaches beyond its tick
_ODDS = 54  # columns beside a bar of odds
_SHOWN = 0.005  # a limit that binds less often is not named
_EXPONENT_FROM = 3e15


def print_ceilings(answer: Mapping[str, Any], *, pictures: bool = True, quantities: bool = False) -> None:
    """The answer on stdout, with what it rests on where ``quantities``; what was assumed on stderr."""
    out, err = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    out.print()
    out.print(_years(answer))
    if pictures:
        _pictures(out, answer)
    out.print()
    for line in claim_lines(answer["claim"]):
        out.print(line)
    out.print()
    last = answer["years"][-1]["year"]
    gains = sorted(answer["worth_of_doubling"], key=lambda row: -row["largest_times"])
    told = ", ".join(f"{row['quantity']} x{number(row['largest_times'])}" for row in gains)
    out.print(Text(f"twice as much of one quantity, the largest run of {last}: {told}", style="dim"))
    if quantities:
        out.print(_quantities(answer["quantities"]))
    unsure = [row["name"] for row in answer["quantities"] if row["unverified"] or row["kind"] == "assumed"]
    err.print(Text(f"assumed or unverified, of {len(answer['quantities'])} quantities: {', '.join(unsure)}; "
                   "ranges and sources: --quantities", style="dim"))  # fmt: skip
    if answer["changed"]:
        changed = ", ".join(f"{name} x{factor:g}" for name, factor in answer["changed"].items())
        err.print(Text(f"changed: {changed}", style="yellow"))
    out.print(Text(f"{answer['n_draws']:,} draws evaluated in {number(answer['elapsed_s'])} s.", style="dim"))
    top = gains[0]["quantity"]
    out.print(
        Text(f"next: drivetrain ceilings --to {last} --scale {top}={2 * answer['changed'].get(top, 1.0):g}", "cyan")
    )


def claim_lines(claim: Mapping[str, Any]) -> list[Text]:
    """The claim of a stop, in sentences."""

    def several(odds: Mapping[str, float]) -> str:
        ordered = sorted(odds.items(), key=lambda item: -item[1])
        return ", ".join(f"{limit_word(name)} {share:.0%}" for name, share in ordered if share >= _SHOWN) or "none"

    growth, year, reached = f"{claim['growth']:g}", claim["year"], claim["growth_reached"]
    met = claim["year_met"]
    when = f"median by {met}" if met is not None else f"in most draws not by {year + 5}"
    return [
        Text(f"does growth by {growth} a year stop by {year}?", style="bold"),
        Text(f"  a physical limit below the trend     {claim['slows']:>4.0%}  ({when}; {claim['slows_with_spend']:.0%} "
             "with spending)"),
        Text(f"  growth ends (below 1.5 a year)       {claim['stops']:>4.0%}  limits allow "
             f"{reached['p50']:.1f} a year ({reached['p10']:.1f}–{reached['p90']:.1f})"),
        Text(f"  all four ceilings below the trend    {claim['all_below']:>4.0%}"),
        Text(f"  2e29 FLOP possible                   {claim['feasible_2e29']:>4.0%}"),
        Text(f"  met first: {several(claim['first'])}"),
        Text(f"  below the trend of {year}: {several(claim['below_trend'])}"),
    ]  # fmt: skip


def _years(answer: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("year", "largest run, FLOP", "trend", "cost", "power", "H100 eq.", "tokens", "days"):
        table.add_column(column, justify="left" if column == "year" else "right", no_wrap=True)
    for row in answer["years"]:
        run, takes = row["largest_flop"], row["takes"]
        table.add_row(
            str(row["year"]), f"{run['p50']:.0e} ({run['p10']:.0e}–{run['p90']:.0e})",
            f"{row['trend_flop']['p50']:.0e}",
            show_usd(takes["usd"]["p50"]), show(takes["power_w"]["p50"], "W", 2),
            show(takes["h100_equivalents"]["p50"], "params", 2), show(takes["tokens"]["p50"], "params", 2),
            number(takes["days"]["p50"], 2),
        )  # fmt: skip
    return table


def _quantities(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Every quantity with its range, the share of the probability in it, and where it is from."""
    table = Table(title="what it rests on", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("quantity", "low – half – high", "share", "evidence", "source"):
        table.add_column(column, justify="right" if column == "share" else "left")
    for row in rows:
        ends = " – ".join(dict.fromkeys(_value(row[name], row["unit"]) for name in ("low", "mid", "high")))
        evidence = row["kind"] + (", unverified" if row["unverified"] else "")
        table.add_row(row["name"], ends, f"{row['share_frac']:.0%}", evidence, row["source"])
    return table


def _value(value: float, unit: str) -> str:
    if unit == "USD":
        return show_usd(value)
    if unit == "s":
        return f"{number(value / SECONDS_PER_DAY)}d"
    if value >= _EXPONENT_FROM:
        return f"{value:.0e}"
    return show(value, "params" if unit in ("tok", "1") else unit).replace(" ", "\u00a0")


def _pictures(out: Console, answer: Mapping[str, Any]) -> None:
    width, years, growth = min(out.width, 90), answer["years"], answer["claim"]["growth"]
    axis = width - _LAST_WORD
    bar = max(min(_BAR, out.width - _ODDS), 10)
    last = years[-1]
    out.print(Text(f"largest run by year, 10 % – half – 90 %; × growth by {growth:g} a year", style="bold"))
    rows = [Row(str(row["year"]), row["largest_flop"], row["trend_flop"]["p50"]) for row in years]
    for line in log_ranges(rows, axis):
        out.print(line)
    out.print()
    out.print(Text(f"what each limit allows in {last['year']}, FLOP; × the trend", style="bold"))
    trend = last["trend_flop"]["p50"]
    allowed = sorted(last["limits_flop"].items(), key=lambda item: item[1]["p50"])
    for line in log_ranges([Row(limit_word(name), span, trend) for name, span in allowed], axis):
        out.print(line)
    out.print()
    out.print(Text("which limit binds", style="bold"))
    for row in years:
        out.print(Text.assemble(f"{row['year']}  ", stacked(row["binding"], 1.0, bar), f"  {_odds(row['binding'])}"))
    for line in legend({limit_word(name): "" for name in last["binding"]}, width):
        out.print(Text.assemble(" " * 6, line))


def _odds(binding: Mapping[str, float]) -> str:
    ordered = sorted(binding.items(), key=lambda item: -item[1])
    return ", ".join(f"{limit_word(name)} {share:.0%}" for name, share in ordered if share >= 0.05)
