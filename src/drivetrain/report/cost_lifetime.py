"""Training against serving over a model's life, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles, print_assumptions
from drivetrain.units import JOULES_PER_KWH, SECONDS_PER_HOUR, number, show
from drivetrain.verbs.train_solve import show_usd

_MOST_DAYS = 1000.0
_LARGER = (("TWh", 1e9), ("GWh", 1e6), ("MWh", 1e3))
_NAMES = {"flop": "FLOPs", "accelerator_s": "accelerator time", "joules": "energy", "usd": "money"}


def print_lifetime(answer: Mapping[str, Any]) -> None:
    """Bills, from where serving is most of them, and DeepSeek-V3's bill from its parts."""
    print_assumptions(answer["assumptions"])
    out, _ = consoles()
    out.print()
    out.print(Text(answer["verdict"], style="bold green"))
    out.print()
    out.print(_bills(answer))
    out.print(_reach(answer))
    for name, ratios in answer["served_over_trained"].items():
        out.print(f"tokens served per token trained, {name}: 80 % from {number(ratios['0.8'])}, "
                  f"90 % from {number(ratios['0.9'])}")  # fmt: skip
    if answer["shares"]:
        told = ", ".join(f"{_NAMES[m]} {number(100 * share)} %" for m, share in answer["shares"].items())
        out.print(f"after {show(answer['served_tokens'], 'params')} tokens served, serving is: {told}")
    if "plan_days_for_share" in answer:
        days = answer["plan_days_for_share"]["0.8"]["accelerator_s"]
        told = f"{number(days)} days" if days < _MOST_DAYS else f"{number(days / 365.0)} years"
        out.print(f"at the plan's traffic serving is 80 % of accelerator time after {told}")
    out.print()
    for line in deepseek_lines(answer["deepseek_v3"]):
        out.print(line)


def deepseek_lines(found: Mapping[str, Any]) -> list[str]:
    """DeepSeek-V3's bill from its parts, and what it leaves out."""
    whole = found["development_usd"]
    return [
        f"DeepSeek-V3 from its parts: {found['flop']:.3g} FLOPs at its measured MFU take "
        f"{found['pretraining_hours'] / 1e6:.2f} M GPU-hours; with extension and post-training "
        f"{found['total_hours'] / 1e6:.3f} M, {show_usd(found['usd'])}. Reported: "
        f"{found['reported_hours'] / 1e6:.3f} M, {show_usd(found['reported_usd'])}.",
        f"Left out: research and failed runs ({show_usd(whole['low'])} to {show_usd(whole['high'])} in all, as other "
        f"laboratories spend), the cluster itself ({show_usd(found['cluster_usd'])}, used for "
        f"{number(found['days'])} days), staff, data, and what came before and after.",
    ]


def _bills(answer: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "FLOPs", "accelerator-hours", "energy", "money"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    rows = (("final training run", answer["final_run"]), ("whole development", answer["training"]),
            ("a million tokens served", answer["per_million_tokens_served"]))  # fmt: skip
    for name, bill in rows:
        usd = f"${bill['usd']:.3g}" if bill["usd"] < 1 else show_usd(bill["usd"])
        table.add_row(name, f"{bill['flop']:.3g}", number(bill["accelerator_s"] / SECONDS_PER_HOUR),
                      _energy(bill["joules"]), usd)  # fmt: skip
    return table


def _energy(joules: float) -> str:
    """Electricity in the unit that reads best.

    >>> _energy(3.6e6), _energy(3.6e13)
    ('1 kWh', '10 GWh')
    """
    kwh = joules / JOULES_PER_KWH
    unit, size = next(((unit, size) for unit, size in _LARGER if kwh >= size), ("kWh", 1.0))
    return f"{number(kwh / size, 3)} {unit}"


def _reach(answer: Mapping[str, Any]) -> Table:
    table = Table(title="tokens served from which serving is the share of", title_justify="left", box=box.SIMPLE_HEAD,
                  pad_edge=False)  # fmt: skip
    for column in ("share", *_NAMES.values()):
        table.add_column(column, justify="right")
    for share, tokens in answer["tokens_for_share"].items():
        table.add_row(f"{100 * float(share):.0f} %",
                      *("–" if tokens[m] is None else show(tokens[m], "params") for m in _NAMES))  # fmt: skip
    return table
