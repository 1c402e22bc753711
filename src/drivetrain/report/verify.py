"""A verified plan for people: what the closed form promised beside what the simulator found."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.units import number

_METRICS = (("TTFT", "ttft_s", 1.0, "s"), ("TPOT", "tpot_s", 1e3, "ms"), ("end to end", "e2e_s", 1.0, "s"))


def print_verified(found: dict[str, Any]) -> None:
    """Print what :func:`drivetrain.verbs.verify.verify` found on stdout."""
    out, _ = consoles()
    out.print()
    out.print(Text(verdict(found), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("p50 promised", "simulated", "p95 promised", "simulated", ""):
        table.add_column(title, justify="left" if not title else "right", no_wrap=True)
    for name, metric, scale, unit in _METRICS:
        pairs = [(found["promised"][metric], found["found"][metric], q) for q in ("p50", "p95")]
        cells = [_cell(side.get(q), scale) for promised, real, q in pairs for side in (promised, real)]
        table.add_row(name, *cells, unit)
    out.print(table)
    tried = ", ".join(f"{row['replicas']} {'keeps' if row['keeps_slo'] else 'breaks'}" for row in found["tried"])
    if len(found["tried"]) > 1:
        out.print(Text(f"  replicas tried: {tried} the targets", style="dim"))


def verdict(found: dict[str, Any]) -> str:
    """One sentence: whether the plan holds and what it takes.

    >>> verdict({"replicas_planned": 4, "replicas_needed": 5, "meets_slo": False, "rate_per_s": 6.0,
    ...          "traffic": {"n": 4000, "source": "trace.csv"}})
    'Simulated 4,000 requests of trace.csv at 6 req/s: the plan breaks its targets; 5 replicas instead of 4 keep them.'
    """
    traffic = found["traffic"]
    start = f"Simulated {traffic['n']:,} requests of {traffic['source']} at {number(found['rate_per_s'])} req/s: "
    planned, needed = found["replicas_planned"], found["replicas_needed"]
    if found["meets_slo"] is None:
        return start + "there are no targets to keep."
    if not found["meets_slo"]:
        more = f"{needed} replicas instead of {planned} keep them" if needed else "more replicas alone do not keep them"
        return f"{start}the plan breaks its targets; {more}."
    fewer = f"; {needed} replica{'s' * (needed > 1)} would do" if needed and needed < planned else ""
    return f"{start}the plan keeps its targets{fewer}."


def _cell(value: float | None, scale: float) -> str:
    return "" if value is None else number(value * scale)
