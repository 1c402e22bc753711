"""What a plan buys, for people: units, spares and what stays idle, limits used, regions, a mixed fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from drivetrain.report.pools import cut_name, mixed_name
from drivetrain.units import number, show


def purchase_lines(f: Mapping[str, Any], scenario: Mapping[str, Any]) -> list[str]:
    """What is bought and how much of each limit it takes; nothing for loose accelerators without limits."""
    lines = []
    unit = f.get("server") or f.get("instance")
    spare, idle = f.get("spare_accelerators", 0), f.get("idle_accelerators", 0)
    if unit or spare:
        n = f["n_accelerators"]
        parts = [
            f"{n - spare - idle} serve",
            *([f"{spare} spare"] if spare else []),
            *([f"{idle} idle"] if idle else []),
        ]
        what = f"{f.get('n_servers') or f.get('n_instances')}x {unit}: " if unit else ""
        lines.append(f"bought    {what}{n} {f['accelerator']}, {', '.join(parts)}")
    power, watts = f.get("provisioned_power_w"), scenario.get("max_power_w")
    if watts and power:
        lines.append(
            f"power     {show(power, 'W')} of IT power (no PUE) provisioned of {show(watts, 'W')} "
            f"({_share(power, watts)})"
        )
    usd, budget = f["usd_per_hour"], scenario.get("budget_usd_per_hour")
    if budget and usd is not None:
        lines.append(f"budget    ${number(usd)}/h of ${number(budget)}/h ({_share(usd, budget)})")
    return lines


def whole_servers_line(whole: Mapping[str, Any] | None) -> str:
    """The plan in whole servers, where those hold more than it needs; else nothing."""
    if not whole or not whole["idle_accelerators"]:
        return ""
    usd = "" if whole["usd_per_hour"] is None else f", ${number(whole['usd_per_hour'])}/h"
    return (
        f"In whole servers: {whole['n_servers']}x {whole['server']}, {whole['idle_accelerators']} of "
        f"{whole['n_accelerators']} accelerators idle{usd} (--buy servers)."
    )


def mixed_lines(mixed: Mapping[str, Any] | None, *, asked: bool) -> list[str]:
    """A mixed fleet beside the best single one."""
    if not asked:
        return []
    if mixed is None:
        return ["mixed       no pair of fleets keeps targets and limits"]
    split, gain = mixed["split"], mixed["gain_frac"]
    words = {"usd_per_hour": "cheaper", "power_w": "less power", "n_accelerators": "fewer accelerators"}
    worse = {"usd_per_hour": "dearer", "power_w": "more power", "n_accelerators": "more accelerators"}
    if gain is None:
        verdict = "where one fleet will not do"
    elif abs(gain) < 0.0005:
        verdict = "no gain over one fleet"
    else:
        verdict = f"{number(100 * abs(gain), 2)} % {(words if gain > 0 else worse)[mixed['metric']]} than one fleet"
    usd = mixed["usd_per_million_output_tokens"]
    money = "" if usd is None else f", ${number(usd)}/Mtok"
    short, long = (plan_name(pool) for pool in mixed["pools"])
    return [
        f"mixed       {short} for prompts up to {split['prompt_tokens']:,.0f} tokens, "
        f"{_percent(split['short'])} of requests,",
        f"            {long} for longer ones: {verdict}{money}",
    ]


def region_table(rows: list[Mapping[str, Any]]) -> Table | None:
    """The plan in each region; nothing where only one was given."""
    if not rows:
        return None
    table = Table(title="the plan by region", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("region", "$/h", "$/Mtok", "g CO2e/Mtok", "price"):
        table.add_column(column, justify="left" if column in ("region", "price") else "right", no_wrap=True)
    for row in rows:
        figures = (row[k] for k in ("usd_per_hour", "usd_per_million_output_tokens",
                                    "carbon_g_per_million_output_tokens"))  # fmt: skip
        table.add_row(row["region"], *("–" if v is None else number(v) for v in figures), row["price_basis"] or "–")
    return table


def plan_name(row: Mapping[str, Any]) -> str:
    """A row of alternatives: what is bought and how it is cut."""
    unit, n = row.get("server") or row.get("instance"), row.get("n_servers") or row.get("n_instances")
    what = f"{n}x {unit}" if unit else f"{row['n_accelerators']}x {row['accelerator']}"
    return f"{mixed_name(row) or what} ({cut_name(row)})"


def _share(part: float, whole: float) -> str:
    return _percent(part / whole)


def _percent(frac: float) -> str:
    return f"{number(100 * frac, 2)} %"
