"""``outlook_scenarios``: the switches one at a time beside the question as asked, over the same draws.

Each switch stands for a way in which the story of growth would be wrong. All runs share their random numbers, so that a
ratio against the base is by draw and holds nothing of chance.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import __version__
from drivetrain.demand.outlook import run
from drivetrain.demand.question import Grows, answer
from drivetrain.demand.switches import switches
from drivetrain.demand.yearly import Year, years_of
from drivetrain.verbs.outlook import NOTE, WORLDS, Seen, known_of, sampled
from drivetrain.verbs.outlook_file import OutlookQuestion, read_outlook
from drivetrain.verbs.outlook_years import spread_of
from drivetrain.verbs.plan_serve import CATALOGUE_DATE

Floats = NDArray[np.float64]
BASE = "base"


def outlook_scenarios(
    question: OutlookQuestion | str | Path | None = None, *, seen: Seen | None = None
) -> dict[str, Any]:
    """The last year and P(grows) of the base and of each switch on top of it, with paired ratios against the base."""
    started = time.perf_counter()
    asked = read_outlook(question) if isinstance(question, (str, Path)) else (question or OutlookQuestion())
    others = [one for name, one in switches().items() if name not in asked.switches]
    quarters = 4 * (asked.end_year - asked.start_year)
    steps, done = WORLDS * quarters * (1 + len(others)), [0]

    def tick(_: int) -> None:
        done[0] += 1
        if seen is not None:
            seen(done[0], steps)

    rows: list[dict[str, Any]] = []
    base: Mapping[str, Floats] | None = None
    for name, title, more in [(BASE, "As asked", ()), *((one.name, one.title, (one.name,)) for one in others)]:
        sample = sampled(asked, known_of(asked, *more))
        years = years_of(run(sample, seen=tick))
        grows = answer(sample, years, seen=tick)
        last = _measured(years[-1])
        base = last if base is None else base
        rows.append({
            "switch": name, "title": title,
            "last_year": {key: spread_of(values) for key, values in last.items()},
            "against_base": {key: _against(values, base[key]) for key, values in last.items()},
            "question": _odds(grows),
        })  # fmt: skip
    return {
        "verdict": _verdict(rows, asked.end_year - 1), "note": NOTE, "title": asked.title, "year": asked.end_year - 1,
        "scenarios": rows, "switches": list(asked.switches), "draws": asked.draws, "seed": asked.seed,
        "elapsed_s": time.perf_counter() - started, "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }  # fmt: skip


def _measured(one: Year) -> dict[str, Floats]:
    return {
        "tokens": one.tokens.sum(axis=0), "compute_flop": one.total_flop, "power_w": one.power_w,
        "capex_usd": one.capex_usd, "price_usd_per_million_tokens": 1e6 * one.price_usd_per_token,
        "rent_usd_per_h100_hour": one.rent_usd_per_hour, "inference_frac": one.inference_frac,
    }  # fmt: skip


def _against(values: Floats, base: Floats) -> dict[str, float] | None:
    """Ratios over the draws in which the base has any; None where it has in none."""
    some = base > 0.0
    return spread_of(values[some] / base[some]) if some.any() else None


def _odds(grows: Sequence[Grows]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in grows:
        odds = {"grows": one.probability, "shrinks": one.shrinks}
        found.setdefault(one.measure, {})["limited" if one.limited else "unlimited"] = odds
    return found


def _verdict(rows: Sequence[Mapping[str, Any]], year: int) -> str:
    """What moves compute most, and between what P(grows) lies."""
    odds = [row["question"]["compute"]["limited"]["grows"] for row in rows]
    span = f"between {min(odds):.0%} and {max(odds):.0%}" if len(odds) > 1 else f"{odds[0]:.0%}"
    told = f"Over these worlds the odds that software efficiency grows compute lie {span}"
    others = sorted(rows[1:], key=lambda row: float(row["against_base"]["compute_flop"]["p50"]))
    if not others:
        return f"{told}."
    lowest, highest = others[0], others[-1]
    ends = [f"{row['against_base']['compute_flop']['p50']:.2f}x under {row['switch']}" for row in (lowest, highest)]
    return f"{told}; compute in {year} is {' and '.join(dict.fromkeys(ends))} against the base (medians of draws)."
