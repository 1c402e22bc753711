"""What serving costs, for people: ways to pay side by side, break-even use, a tornado, an hour's parts, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.bars import legend, stacked
from drivetrain.report.serve import consoles, print_assumptions
from drivetrain.units import JOULES_PER_KWH, number

PARTS = ("accelerator", "server", "network", "facility", "electricity", "maintenance", "staff")
_HALF = 22  # cells on each side of a tornado
_MOST_TERMS = 8
_TOLD = 51  # columns of a tornado beside its bars
_BESIDE = 37  # columns beside the bar of an hour
_BAR = 50
_NOTHING = 5e-4


def print_cost(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """An hour, and where a fleet is meant its tokens, on stdout; what was assumed on stderr."""
    if answer["assumptions"]:
        print_assumptions(answer["assumptions"])
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    if "ways" in answer:
        _fleet(out, answer["fleet"])
        out.print()
        if answer["ways"]:
            out.print(_ways(answer["ways"]))
        for line in break_even_lines(answer["break_even"]):
            out.print(line)
        _energy(out, answer["energy"], pictures=pictures)
    _hour(out, answer, pictures=pictures)
    if "ways" not in answer:
        for line in break_even_lines(answer["break_even"], "usual use"):
            out.print(line)
    _tornado(out, answer, pictures=pictures)
    for row in answer["solved_for"]:
        out.print(Text(f"solved for: {row['accelerator']} at ${row['usd']:,.0f}, from the {row['from']}: no price is "
                       "public, so that a hyperscaler's hour agrees by definition.", style="yellow"))  # fmt: skip
    out.print()
    out.print(Text(_next(answer), style="cyan"))


def break_even_lines(rows: Sequence[Mapping[str, Any]], told: str = "") -> list[Text]:
    """From which use on each fixed way of paying costs less than one paid by use; ``told``: whose use is compared."""
    if not rows:
        return [Text("break-even: nothing to compare: it takes a price to own or rent, and one by use", style="dim")]
    head = f"use of the fleet's capacity (now {_percent(rows[0]['now_frac'])})" if not told else "hours used"
    lines = [Text(f"break-even, in {head}", style="bold")]
    for row in rows:
        share = row["utilisation_frac"]
        if share is None:
            text = "never: what is paid by use costs nothing"
        elif share > 1:
            text = f"never: {_never(row, share, told)}"
        elif row.get("against_way") == "rent" and row["now_frac"] <= share:  # what is kept all day is the table's row
            text = f"above {_percent(share)}, so now {row['against']} if given back while idle, else {row['fixed']}"
        else:
            so = f"at a {told} of {_percent(row['now_frac'])}" if told else "now"
            text = f"above {_percent(share)}, so {so} {row['cheaper_now']}"
        lines.append(Text(f"  {row['fixed']} against {row['against']}: {text}"))
    return lines


def _never(row: Mapping[str, Any], share: float, told: str) -> str:
    """By how much what is fixed costs more even when used all the time."""
    if told or row.get("against_way") == "rent":
        return f"its hour costs {number(share, 3)} times one rented"
    return f"that takes {number(share, 3)} times its capacity"


def tornado_lines(
    rows: Sequence[Mapping[str, Any]], total: float, *, key: str = "usd", pictures: bool = True, half: int = _HALF
) -> list[Text]:
    """Bars to both sides of ``total``: what the low and the high of each term make of it, or of the number at ``key``.

    ``half`` cells are the longest bar on either side.

    >>> rows = [{"name": "pue", "low": 1.0, "high": 2.0, "usd_at_low": 1.0, "usd_at_high": 3.0}]
    >>> print(tornado_lines(rows, 2.0)[0].plain.split()[:2])
    ['PUE', '1']
    """
    if not rows:
        return []
    reach = max(max(abs(row[f"{key}_at_low"] - total), abs(row[f"{key}_at_high"] - total)) for row in rows) or 1.0
    lines = []
    for row in rows[:_MOST_TERMS]:
        ends = sorted((row[f"{key}_at_low"], row[f"{key}_at_high"]))
        left, right = (round(half * min(abs(end - total) / reach, 1.0)) for end in ends)
        left = left if ends[0] < total else 0
        right = right if ends[1] > total else 0
        bar = Text()
        if pictures:
            bar = Text.assemble(" " * (half - left), ("█" * left, "green"), "│", ("█" * right, "red"),
                                " " * (half - right))  # fmt: skip
        span = f"{number(row['low'], 3)} – {number(row['high'], 3)}"
        lines.append(Text.assemble(f"{term(row['name']):<17}{span:<17}", bar, f" ${number(ends[0])}–{number(ends[1])}"))
    return lines


def _fleet(out: Console, fleet: Mapping[str, Any]) -> None:
    shares = fleet["shares"]
    out.print(
        f"traffic   {number(fleet['requests_per_s'])} req/s: {number(fleet['input_tokens_per_s'])} input, "
        f"{number(fleet['cached_tokens_per_s'])} cached, {number(fleet['output_tokens_per_s'])} output tokens/s; "
        f"{_percent(fleet['utilisation_frac'])} of capacity"
    )
    if fleet["over_capacity"]:
        out.print(
            Text("          more than it takes within its targets, as predicted now: plan it again", style="yellow")
        )
    out.print(
        f"shares    of accelerator time: input {_percent(shares['input'])}, cached {_percent(shares['cached'])}, "
        f"output {_percent(shares['output'])}; a cache hit costs {_percent(fleet['hit_over_miss'])} of a miss"
    )


def _ways(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="USD at this traffic", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("way", "per hour", "M input", "M cached", "M output", "M of all", "1,000 req"):
        table.add_column(column, justify="left" if column == "way" else "right", no_wrap=column == "way")
    for row in rows:
        cells = [row[f"usd_per_million_{name}_tokens"] for name in ("input", "cached", "output", "all")]
        table.add_row(row["name"], number(row["usd_per_hour"], 3), *(number(cell, 3) for cell in cells),
                      number(1e3 * row["usd_per_request"], 3))  # fmt: skip
    return table


def _energy(out: Console, energy: Mapping[str, Any], *, pictures: bool) -> None:
    request, day = energy["joules_per_request"], energy["day"]
    carbon = energy["carbon_g_per_request"]
    told = "" if carbon is None else f", {number(carbon, 2)} g CO2e"
    out.print()
    out.print(
        f"energy    {number(energy['watt_hours_per_request'], 3)} Wh a request{told}; "
        f"{number(energy['joules_per_output_token'], 3)} J an output token; "
        f"{number(day['joules'] / JOULES_PER_KWH, 3)} kWh a day; "
        f"{number(energy['output_tokens_per_s_per_megawatt'], 3)} output tokens/s per MW drawn"
    )
    parts = {name: request[name] for name in ("active", "idle", "host", "facility")}
    if pictures:
        out.print(Text.assemble(" " * 10, stacked(parts, request["total"], _BAR)))
    shares = {name: _percent(joules / request["total"]) for name, joules in parts.items()}
    for line in legend(shares, out.width - 12):
        out.print(Text.assemble(" " * 10, line))


def _hour(out: Console, answer: Mapping[str, Any], *, pictures: bool) -> None:
    if not answer["operators"]:
        out.print(Text(f"nothing is known of what an {answer['accelerator']} costs to own (--set capital_usd=...)",
                       style="yellow"))  # fmt: skip
        return
    out.print()
    out.print(Text(f"an hour of one {answer['accelerator']}, USD", style="bold"))
    longest = max(row["usd_per_accelerator_hour"] for row in answer["operators"])
    most = max(min(_BAR, out.width - _BESIDE), 10)
    for row in answer["operators"]:
        parts, total = row["breakdown_usd"], row["usd_per_accelerator_hour"]
        bar = stacked(parts, total, max(round(most * total / longest), 1)) if pictures else Text()
        seen = row["published_usd_per_hour"]
        beside = ""
        if seen is not None:
            beside = "  by definition" if row["is_definition"] else f"  published {seen:.2f}"
        out.print(Text.assemble(f"{row['operator']:<13}{total:>6.2f}  ", bar, beside))
    first = answer["operators"][0]["breakdown_usd"]
    for line in legend({name: f"{first[name]:.2f}" for name in PARTS}, out.width - 21):
        out.print(Text.assemble(" " * 21, line))
    for row in answer["rent"]:
        out.print(f"{'rent':<13}{row['usd_per_accelerator_hour']:>6.2f}  {row['terms']}{_span(row)}")


def _span(row: Mapping[str, Any]) -> str:
    """The range of a rent, as far as it is known.

    >>> _span({"usd_low": 2.95, "usd_high": None}), _span({"usd_low": 1.0, "usd_high": 2.0})
    (' (from 2.95)', ' (1.00 to 2.00)')
    """
    low, high = row["usd_low"], row["usd_high"]
    if low is None or high is None:
        return f" (from {low:.2f})" if low is not None else f" (up to {high:.2f})" if high is not None else ""
    return f" ({low:.2f} to {high:.2f})"


def _tornado(out: Console, answer: Mapping[str, Any], *, pictures: bool) -> None:
    rows, fleet = answer["sensitivity"], "ways" in answer
    if not rows:
        return
    now = answer["ways"][0]["usd_per_million_output_tokens"] if fleet else (
        answer["operators"][0]["usd_per_accelerator_hour"])  # fmt: skip
    what = "a million output tokens" if fleet else "an hour"
    out.print()
    out.print(Text(f"what moves it: USD for {what} as {answer['operator']}, ${number(now)} now, one term at a time",
                   style="bold"))  # fmt: skip
    key = "usd_per_million_output_tokens" if fleet else "usd"
    half = max(min(_HALF, (out.width - _TOLD) // 2), 4)
    for line in tornado_lines(rows, now, key=key, pictures=pictures, half=half):
        out.print(line)


def _next(answer: Mapping[str, Any]) -> str:
    if "ways" in answer:
        model = answer["scenario"]["model"]
        return f"next: drivetrain cost lifetime --model {model} --tokens 15T, or --set pue=1.3 to change a term"
    return "next: drivetrain plan serve ... --save DIR, then drivetrain cost --plan DIR"


def term(name: str) -> str:
    """What a term of owning is called."""
    return _NAMES.get(name, name.replace("_", " "))


_NAMES = {
    "price_premium": "hardware price", "discount_rate_frac": "cost of capital", "server_years": "life, years",
    "maintenance_frac": "maintenance", "staff_usd_per_year": "staff, $/yr", "facility_usd_per_kw": "facility, $/kW",
    "facility_years": "facility, years", "load_frac": "load", "pue": "PUE", "usd_per_kwh": "electricity",
    "colocation_usd_per_kw_month": "rooms, $/kW mon",
    "utilisation_frac": "use of capacity",
}  # fmt: skip


def _percent(share: float) -> str:
    return f"{number(100 * share, 3) if share >= _NOTHING else '0'} %"
