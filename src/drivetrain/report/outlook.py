"""An outlook for people: verdict, a row a year, fans, what binds, the question, elasticity, drivers, money."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.serve import consoles
from drivetrain.report.spans import Row, log_ranges
from drivetrain.units import number
from drivetrain.verbs.train_solve import show_usd

_WIDTH, _BAR, _LEAST_BAR = 80, 30, 10
_LAST_WORD = 3  # of an axis, which reaches past its last tick
_SHOWN = 0.005
_VINTAGES = 6
_LEGEND = (
    "medians; train, serve: FLOP at the dense bf16 peak; cost: the year's payments",
    "for capital, power, upkeep; $/h: rent of what serves as an H100; inf.: serves",
)
_VALUED = (
    "rent paid (dollars) is all compute at the market rent, scarcity included; $/Mtok is not a full cost, because "
    "compute serves {beyond} times what counted tokens need"
)
UNIT_SCALE = {"hbm": (1e9, "GB"), "power": (1.0, "W-year"), "packaging": (1.0, "wafer"), "budget": (1.0, "USD")}
MEASURE = {"compute": "compute", "dollars": "rent paid", "hbm": "HBM bought", "power": "power"}


def print_outlook(answer: Mapping[str, Any], *, pictures: bool = True, file: str = "") -> None:
    """The answer on stdout; what was changed and assumed on stderr."""
    out, err = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    out.print()
    out.print(year_table(answer["years"]))
    beyond = number(answer["start"]["compute_beyond_counted_tokens"]["p50"], 2)
    for line in (*_LEGEND, *textwrap.wrap(_VALUED.format(beyond=beyond), _WIDTH)):
        out.print(Text(line, style="dim"))
    if pictures:
        _fans(out, answer["years"])
    _binding(out, answer["years"], pictures=pictures)
    _question(out, answer)
    _elasticity(out, answer["elasticity"])
    _drivers(out, answer["drivers"])
    _fleet(out, answer["years"][-1])
    _value(out, answer["value"])
    _start(out, answer)
    _said(err, answer)
    out.print(Text(answer["note"], style="yellow"))
    out.print(Text(f"{answer['draws']:,} draws evaluated in {number(answer['elapsed_s'])} s.", style="dim"))
    out.print(Text(f"next: drivetrain outlook {file} --switches-all".replace("  ", " "), style="cyan"))


def print_quantities(rows: Sequence[Mapping[str, Any]]) -> None:
    """Every quantity with its range, the share of the probability in it, and where it is from."""
    out, _ = consoles()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("quantity", "low – half – high", "unit", "evidence", "source"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ends = " – ".join(dict.fromkeys(number(row[name]) for name in ("low", "value", "high")))
        table.add_row(row["what"], ends, "" if row["unit"] == "1" else row["unit"], row["kind"], row["source"])
    out.print(table)
    out.print(Text("change one: drivetrain outlook --set NAME=VALUE or NAME=LOW:MID:HIGH, units as in 20GW", "cyan"))


def year_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row a year."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("year", "tok/month", "train", "serve", "accel.", "GW", "capex", "cost", "$/Mtok", "$/h", "inf."):
        table.add_column(column, justify="left" if column == "year" else "right", no_wrap=True)
    for row in rows:
        flop = row["compute_flop"]
        table.add_row(
            str(row["year"]), scientific(row["tokens"]["p50"] / 12), scientific(flop["training"]),
            scientific(flop["inference"]),
            f"{row['accelerators_total'] / 1e6:.1f}M", f"{row['power_w'] / 1e9:.0f}", dollars(row["capex_usd"]),
            dollars(row["cost_usd"]), number(row["price_usd_per_million_tokens"], 2),
            f"{row['rent_usd_per_h100_hour']:.2f}", f"{row['inference_frac']:.0%}",
        )  # fmt: skip
    return table


def shadow_of(row: Mapping[str, Any]) -> str:
    """What one more unit of a limit is worth in the linear program.

    >>> shadow_of({"constraint": "hbm", "shadow_price_usd": 1.5e-8})
    '$15/GB'
    """
    factor, unit = UNIT_SCALE[row["constraint"]]
    return f"${number(row['shadow_price_usd'] * factor, 2)}/{unit}"


def _fans(out: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    spans = {"tokens a year": [row["tokens"] for row in rows],
             "compute, FLOP a year": [row["ranges"]["compute_flop_total"] for row in rows]}  # fmt: skip
    for title, values in spans.items():
        out.print()
        out.print(Text(f"{title}, 10 % – half – 90 % of draws", style="bold"))
        lines = [Row(str(row["year"]), span) for row, span in zip(rows, values, strict=True)]
        for line in log_ranges(lines, min(out.width - _LAST_WORD, _WIDTH)):
            out.print(line)


def _binding(out: Console, rows: Sequence[Mapping[str, Any]], *, pictures: bool) -> None:
    out.print()
    out.print(Text("what holds supply back, share of draws; shadow prices of the linear program", "bold"))
    names = list(dict.fromkeys(one["constraint"] for row in rows for one in row["binding"]))
    every = [{one["constraint"]: one["probability"] for one in row["binding"]} for row in rows]
    said = [", ".join(f"{name} {share:.0%}" for name, share in odds.items() if share >= _SHOWN) or "demand"
            for odds in every]  # fmt: skip
    cells = max(min(_BAR, out.width - len("2026    ") - max(map(len, said), default=0)), _LEAST_BAR)
    for row, odds, told in zip(rows, every, said, strict=True):
        bar = stacked({name: odds.get(name, 0.0) for name in names}, 1.0, cells) if pictures else Text()
        out.print(Text.assemble(f"{row['year']}  ", bar, f"  {told}"))
        worth = [f"{one['constraint']} {shadow_of(one)}" for one in row["binding"] if one["shadow_price_usd"] > 0]
        if worth:
            out.print(Text(f"      shadow prices: {', '.join(worth)}", style="dim"))
    if pictures and names:
        for line in legend(dict.fromkeys(names, ""), _WIDTH - 6, free="none: demand"):
            out.print(Text.assemble(" " * 6, line))


def _question(out: Console, answer: Mapping[str, Any]) -> None:
    out.print()
    out.print(Text("does efficiency grow it? the same draws against the software of the start", "bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("", "grows", "shrinks", "ratio (10–90 %)", "no limits:\ngrows", "no limits:\nratio (10–90 %)"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True, vertical="bottom")
    rows: dict[str, dict[bool, Mapping[str, Any]]] = {}
    for one in answer["question"]:
        rows.setdefault(one["measure"], {})[one["supply_limited"]] = one
    for name, both in rows.items():
        held, free = both[True], both[False]
        table.add_row(MEASURE[name], f"{held['probability_grows']:.0%}", f"{held['probability_shrinks']:.0%}",
                      _times(held["ratio"]), f"{free['probability_grows']:.0%}", _times(free["ratio"]))  # fmt: skip
    out.print(table)
    grown = ", ".join(f"{name} {number(row['ratio']['p50'], 2)}x" for name, row in answer["growth"].items())
    out.print(Text(f"all causes, last year over first: {grown}", style="dim"))


def _elasticity(out: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    out.print()
    out.print(Text("long-run elasticity of tokens to price, weighted by compute (above 1: grows)", "bold"))
    first, last = rows[0], rows[-1]
    for row in dict.fromkeys((0, len(rows) // 2, len(rows) - 1)):
        one = rows[row]
        span = " – ".join(f"{one['all'][name]:.2f}" for name in ("p10", "p50", "p90"))
        out.print(f"{one['year']}  {span}; above 1 in {one['probability_above_1']:.0%} of draws")
    told = [f"{name} {first['by_class'][name]['p50']:.2f} to {last['by_class'][name]['p50']:.2f}"
            for name in first["by_class"]]  # fmt: skip
    out.print(Text(f"by class, {first['year']} to {last['year']}: {', '.join(told)}", style="dim"))


def _drivers(out: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    last = rows[-1]
    chain = " · ".join(f"{name} {factor:.2f}" for name, factor in last["factors"].items())
    out.print()
    out.print(Text(f"software by the end of {last['year']}: tokens per accelerator-second, times the start", "bold"))
    out.print(f"{chain} = {number(last['total'])}x")


def _fleet(out: Console, row: Mapping[str, Any]) -> None:
    """The vintages that are most of the last year's fleet, by number."""
    most = sorted(row["accelerators"].items(), key=lambda item: -item[1])[:_VINTAGES]
    out.print()
    out.print(Text(f"the fleet at the end of {row['year']}, millions of accelerators (medians)", style="bold"))
    told = ", ".join(f"{name} {n / 1e6:.1f}" for name, n in most)
    out.print(f"{told}; HBM in it {number(row['hbm_bytes'] / 1e18, 2)} EB, idle {row['idle_frac']:.0%}")


def _value(out: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    out.print()
    out.print(Text("where the value moves: median shares of capital, and of rent", style="bold"))
    for key, what in (("capital_frac", "capital"), ("rent_frac", "rent")):
        for row in dict.fromkeys((0, len(rows) - 1)):
            parts = {name: share for name, share in rows[row][key].items() if share is not None}
            told = ", ".join(f"{name} {share:.0%}" for name, share in parts.items())
            out.print(f"{what} {rows[row]['year']}: {told or 'nothing is bought'}")


def _start(out: Console, answer: Mapping[str, Any]) -> None:
    start, error = answer["start"], answer["program"]["separable_error"]
    beyond = start["compute_beyond_counted_tokens"]
    out.print()
    out.print(Text("solved for, not known", style="bold"))
    out.print(f"compute that serves over what counted tokens need: {number(beyond['p50'], 2)}x "
              f"({number(beyond['p10'], 2)} to {number(beyond['p90'], 2)})")  # fmt: skip
    adopted = ", ".join(f"{name} {row['p50']:.0%}" for name, row in start["adopted_frac"].items())
    out.print(f"share of tasks done by machine at the start: {adopted}")
    out.print(Text(f"error of class need times vintage power against the serving model: mean {error['mean_frac']:.0%}, "
                   f"at most {error['max_frac']:.0%}", style="dim"))  # fmt: skip


def _said(err: Console, answer: Mapping[str, Any]) -> None:
    for row in answer["switches"]:
        err.print(Text(f"switched on: {row['name']}: {row['title']}", style="yellow"))
    own = [f"{row['what']} {number(row['value'])}" for row in answer["assumptions"] if row["source"] == "the question"]
    if own:
        err.print(Text(f"set by you: {', '.join(own)}", style="yellow"))
    rows = answer["assumptions"]
    guessed = sum(row["kind"] == "assumed" for row in rows)
    err.print(Text(f"{guessed} of {len(rows)} quantities are assumed; sources: drivetrain outlook --quantities", "dim"))


def _times(span: Mapping[str, float]) -> str:
    """A ratio with its range.

    >>> _times({"p10": 0.88, "p50": 0.98, "p90": 1.04})
    '0.98 (0.88–1.04)'
    """
    return f"{span['p50']:.2f} ({span['p10']:.2f}–{span['p90']:.2f})"


def scientific(value: float) -> str:
    """A count in as few characters as a table has.

    >>> scientific(1.34e16)
    '1.3e16'
    """
    return f"{value:.1e}".replace("e+", "e")


def dollars(value: float) -> str:
    """Money to two figures.

    >>> dollars(1.234e12)
    '$1.2T'
    """
    return show_usd(float(f"{value:.2g}"))
