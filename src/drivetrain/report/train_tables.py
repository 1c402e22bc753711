"""Tables of a training answer: layouts, pipeline schedules, accelerators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from drivetrain.report.train_numbers import energy_text, percent
from drivetrain.units import number, show
from drivetrain.verbs.train_solve import show_usd
from drivetrain.verbs.train_words import laid_out

MOST_ROWS = 8


def schedule_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Pipeline schedules, each with its best layout; which are searched unasked, and who has them."""
    table = Table(title="pipeline schedules, each with its best layout (○ only with --schedule)", title_justify="left",
                  box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for column in ("schedule", "layout", "step", "bubble", "memory", "faster", "who has it"):
        left = column in ("schedule", "layout", "who has it")
        table.add_column(column, justify="left" if left else "right", no_wrap=column not in ("layout", "who has it"),
                         overflow="fold")  # fmt: skip
    for row in rows:
        mark = "★" if row["chosen"] else " " if row["searched"] else "○"
        name = row["schedule"] if "pp" in row["layout"] else "no pipeline"
        table.add_row(
            f"{mark} {name}", row["layout"], show(row["step_time_s"], "s"), percent(row["bubble_frac"]),
            show(row["memory_bytes"], "bytes"), percent(row["faster_frac"]), row["where"],
        )  # fmt: skip
    return table


def layout_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The fastest layouts that fit."""
    table = Table(title="best layouts", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("layout", "recompute", "step", "tok/s each", "MFU", "memory", "slower"):
        left = column in ("layout", "recompute")
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "layout", overflow="fold")
    for row in rows[:MOST_ROWS]:
        table.add_row(
            laid_out(row["layout"], row["schedule"]), row["recompute"], show(row["step_time_s"], "s"),
            number(row["tokens_per_s_per_accel"]), percent(row["mfu"]), show(row["memory_bytes"], "bytes"),
            percent(row["slower_frac"]),
        )  # fmt: skip
    return table


def accelerator_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The plan on each accelerator, ranked; a star where speed is by analogy."""
    table = Table(title="by accelerator", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("accelerator", "n", "days", "cost", "loss", "MFU", "energy", "layout"):
        left = column in ("accelerator", "layout")
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "layout", overflow="fold")
    for row in rows[: 2 * MOST_ROWS]:
        loss = row["loss"]["value"]
        table.add_row(
            f"{row['accelerator']}{'' if row['tier'] == 'calibrated' else '*'}", f"{row['n_accelerators']:,}",
            number(row["days"]),
            "–" if row["usd"] is None else show_usd(row["usd"]), "–" if loss is None else f"{loss:.4g}",
            percent(row["mfu"]), energy_text(row["energy_j"]), row["layout"],
        )  # fmt: skip
    return table
