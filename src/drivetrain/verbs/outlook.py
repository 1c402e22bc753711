"""``outlook``: years of tokens, compute, fleets, power and money, and what efficiency does to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import __version__
from drivetrain.catalogue.spreads import Spread
from drivetrain.demand import drivers
from drivetrain.demand.horizon import planned
from drivetrain.demand.outlook import Quarter, run
from drivetrain.demand.program import Solution
from drivetrain.demand.question import Grows, answer, elasticities, mean_elasticity
from drivetrain.demand.switches import switched, switches
from drivetrain.demand.world import World, central, drawn, quantities, world
from drivetrain.demand.yearly import Year, years_of
from drivetrain.units import HOURS_PER_YEAR, number
from drivetrain.verbs.kept import titles
from drivetrain.verbs.outlook_file import OutlookQuestion, read_outlook
from drivetrain.verbs.outlook_years import binding_of, spread_of, year_row
from drivetrain.verbs.plan_serve import CATALOGUE_DATE

Floats = NDArray[np.float64]
Seen = Callable[[int, int], None]
WORLDS = 4  # runs of the sequence behind an answer
NOTE = "A model with stated assumptions, not a forecast: not investment advice."


def outlook(question: OutlookQuestion | str | Path | None = None, *, seen: Seen | None = None) -> dict[str, Any]:
    """Every year of ``question`` (a file's path, or the defaults) with its ranges, and the essay's question answered.

    ``seen(done, total)`` is told of progress. The linear program runs on the mids; ranges are over joint draws.
    """
    started = time.perf_counter()
    asked = read_outlook(question) if isinstance(question, (str, Path)) else (question or OutlookQuestion())
    known = known_of(asked)
    middle = world(central(known), float(asked.end_year))
    path = run(middle)
    solution = planned(middle, path, contracted_frac=asked.contracted_frac)
    sample = sampled(asked, known) if asked.draws > 1 else middle
    steps, done = WORLDS * sample.years.size, [0]

    def tick(_: int) -> None:
        done[0] += 1
        if seen is not None:
            seen(done[0], steps)

    quarters = run(sample, seen=tick)
    years = years_of(quarters)
    grows = answer(sample, years, seen=tick)
    rows = [year_row(sample, one) for one in years]
    for row, one in zip(rows, years, strict=True):
        row["binding"] = binding_of(one, middle, solution)
    return {
        "verdict": _verdict(years, grows, rows), "note": NOTE, "title": asked.title, "years": rows,
        "question": [_grows(one) for one in grows], "growth": _growth(years),
        "elasticity": _elasticity(sample, quarters), "drivers": _drivers(middle, years_of(path)),
        "classes": _classes(sample, years), "value": _value(years), "program": _program(middle, path, solution),
        "start": _start(sample),
        "switches": [{"name": name, "title": switches()[name].title} for name in asked.switches],
        "assumptions": [_assumption(one, own=name in asked.quantities) for name, one in known.items()],
        "sources": titles(dict.fromkeys(one.stated.source for one in known.values())),
        "draws": sample.n, "seed": asked.seed, "elapsed_s": time.perf_counter() - started,
        "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }  # fmt: skip


def quantity_rows() -> list[dict[str, Any]]:
    """Every quantity of an outlook with its range and source."""
    return [_assumption(one, own=False) for one in quantities().values()]


def known_of(asked: OutlookQuestion, *more: str) -> dict[str, Spread]:
    """Every quantity as the question has it, its switches and ``more`` of them on."""
    return switched(quantities(asked.quantities), (*asked.switches, *more))


def sampled(asked: OutlookQuestion, known: Mapping[str, Spread]) -> World:
    """The world at the question's joint draws."""
    return world(drawn(known, asked.draws, asked.seed), float(asked.end_year))


def _verdict(years: list[Year], grows: list[Grows], rows: list[dict[str, Any]]) -> str:
    """How much more of everything, what efficiency did to it, what binds."""
    first, last = years[0], years[-1]
    times = float(np.median(last.total_flop / first.total_flop))
    tokens = float(np.median(last.tokens.sum(axis=0) / first.tokens.sum(axis=0)))
    compute = {one.limited: one for one in grows if one.measure == "compute"}
    limited, free = compute[True], compute[False]
    binding = rows[-1]["binding"]
    binds = max(binding, key=lambda one: float(one["probability"]))["constraint"] if binding else "demand"
    return (
        f"From {first.year} to {last.year} tokens grow {number(tokens, 2)}x and compute {number(times, 2)}x (medians). "
        f"Efficiency of software makes compute grow in {limited.probability:.0%} of draws and shrink in "
        f"{limited.shrinks:.0%}, against a world without it ({free.probability:.0%} and {free.shrinks:.0%} if nothing "
        "limited supply); "
        f"what most often holds supply back in {last.year} is {binds}."
    )


def _grows(one: Grows) -> dict[str, Any]:
    return {"measure": one.measure, "supply_limited": one.limited, "probability_grows": one.probability,
            "probability_shrinks": one.shrinks, "ratio": {"p10": one.p10, "p50": one.p50, "p90": one.p90}}  # fmt: skip


def _growth(years: list[Year]) -> dict[str, Any]:
    """How likely each measure is larger in the last year than in the first, and by how much: not the same question."""
    first, last = years[0], years[-1]
    pairs = {
        "compute": (last.total_flop, first.total_flop), "dollars": (last.spend_usd, first.spend_usd),
        "hbm": (last.hbm_bytes, first.hbm_bytes), "power": (last.power_w, first.power_w),
        "tokens": (last.tokens.sum(axis=0), first.tokens.sum(axis=0)),
    }  # fmt: skip
    return {name: {"probability_grows": float((after > before).mean()), "ratio": spread_of(after / before)}
            for name, (after, before) in pairs.items()}  # fmt: skip


def _elasticity(sample: World, quarters: list[Quarter]) -> list[dict[str, Any]]:
    """By year (its last quarter): all classes together, how likely it is above 1, and each class."""
    last = {int(one.year + 1e-9): one for one in quarters}
    found = []
    for year, one in last.items():
        together, each = mean_elasticity(sample, one), elasticities(sample, one)
        found.append({
            "year": year, "all": spread_of(together), "probability_above_1": float((together > 1.0).mean()),
            "by_class": {task.name: spread_of(values) for task, values in zip(sample.tasks, each, strict=True)},
        })  # fmt: skip
    return found


def _drivers(middle: World, years: list[Year]) -> list[dict[str, Any]]:
    """Tokens per unit-second at each year's end against the start by driver, at the mids and the mix of tokens."""
    found, served = [], 0.0
    start = float(years[0].tokens.sum())
    for one in years:
        served += float(one.tokens.sum())
        weights = dict(zip((task.name for task in middle.tasks), one.tokens, strict=True))
        ratio = np.array([1.0 + served / start])
        rows = drivers.factors(one.year + 1.0, middle.at, middle.rows, tokens_ratio=ratio, weights=weights)
        factors = {name: float(np.asarray(value).ravel()[0]) for name, value in rows.items()}
        found.append({"year": one.year, "factors": factors, "total": float(np.prod(list(factors.values())))})
    return found


def _classes(sample: World, years: list[Year]) -> list[dict[str, Any]]:
    first, last = years[0].tokens, years[-1].tokens
    return [
        {"class": task.name, "title": task.title, "latency": task.latency, "tier": task.tier,
         "tokens_first_year": spread_of(first[c]), "tokens_last_year": spread_of(last[c]),
         "share_last_year": spread_of(last[c] / last.sum(axis=0))}
        for c, task in enumerate(sample.tasks)
    ]  # fmt: skip


def _value(years: list[Year]) -> list[dict[str, Any]]:
    """Where capital and rent go, by year: medians in USD (what each supplier sells) and as shares."""
    return [
        {"year": one.year,
         "capital_usd": {part: float(np.median(usd)) for part, usd in one.capital_usd.items()},
         "rent_usd": {part: float(np.median(usd)) for part, usd in one.rent_usd.items()},
         "capital_frac": {part: _share(usd, one.capex_usd) for part, usd in one.capital_usd.items()},
         "rent_frac": {part: _share(usd, one.spend_usd) for part, usd in one.rent_usd.items()}}
        for one in years
    ]  # fmt: skip


def _share(part: Floats, whole: Floats) -> float | None:
    """The median share over the draws in which there is anything; None where there is in none."""
    some = whole > 0.0
    return float(np.median(part[some] / whole[some])) if some.any() else None


def _program(middle: World, path: list[Quarter], solution: Solution) -> dict[str, Any]:
    """The linear program beside the sequence of quarters, both at the mids: rents of an H100-hour by year."""
    duals = solution.rental_usd_per_unit_year.mean(axis=0) / HOURS_PER_YEAR
    ours = [float(one.rent_usd_per_unit_year[0]) / HOURS_PER_YEAR for one in path]
    by_year: dict[int, list[tuple[float, float]]] = {}
    for one, program, sequence in zip(path, duals.tolist(), ours, strict=True):
        by_year.setdefault(int(one.year + 1e-9), []).append((program, sequence))
    error = middle.rows.error
    rents = [
        {"year": year, "program": float(np.mean([one for one, _ in both])),
         "sequence": float(np.mean([one for _, one in both]))}
        for year, both in by_year.items()
    ]  # fmt: skip
    return {
        "objective_usd": solution.objective_usd, "value_usd": solution.value_usd, "rent_usd_per_h100_hour": rents,
        "separable_error": {"mean_frac": error.mean_frac, "max_frac": error.max_frac},
    }  # fmt: skip


def _start(sample: World) -> dict[str, Any]:
    """What was solved for so that the start is what is known of it."""
    return {
        "compute_beyond_counted_tokens": spread_of(sample.beyond),
        "training_units": spread_of(sample.training_units_start),
        "adopted_frac": {task.name: spread_of(values)
                         for task, values in zip(sample.tasks, sample.states.adopted_frac, strict=True)},
    }  # fmt: skip


def _assumption(one: Spread, *, own: bool) -> dict[str, Any]:
    said: Mapping[str, Any] = {"what": one.name, "title": one.title, "unit": one.dimension, "value": one.mid,
                               "low": one.low, "high": one.high, "share": one.share}  # fmt: skip
    return {**said, "source": "the question" if own else one.stated.source, "kind": one.stated.kind}
