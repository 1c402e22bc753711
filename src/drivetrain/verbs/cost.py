"""``cost``: what an accelerator-hour, a million tokens and a request cost, owned, rented or bought from an API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drivetrain import __version__
from drivetrain.catalogue import loader
from drivetrain.econ.energy import carbon_g_per, per_day, tokens_per_megawatt
from drivetrain.econ.operators import is_priced
from drivetrain.scenario import ServeScenario
from drivetrain.units import number
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.cost_fleet import Fleet, fleet_of_plan, fleet_of_scenario
from drivetrain.verbs.cost_owner import Market, kinds_of, market, owned_by, owned_fields, solved_for
from drivetrain.verbs.cost_plan_file import read_plan
from drivetrain.verbs.cost_sensitivity import per_output, tornado
from drivetrain.verbs.cost_ways import break_even, hour_break_even, rents, ways
from drivetrain.verbs.plan_serve import CATALOGUE_DATE


def cost_hourly(
    accelerator: str, operators: Sequence[str] = (), region: str = "", settings: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """An accelerator-hour: owned by each kind of operator, part by part, beside rents; what moves it most."""
    started = time.perf_counter()
    name = str(loader.load("accelerators", accelerator).name)
    answer = _hourly(name, operators, region, settings or {}, market())
    answer.pop("first")
    best = answer["operators"][0]
    answer["break_even"] = hour_break_even(answer["operators"], answer["rent"])
    answer["verdict"] = _hour_words(name, best, answer["rent"])
    return _finished(answer, started)


def cost_plan(
    plan: str | Path | Mapping[str, Any],
    operators: Sequence[str] = (),
    region: str = "",
    settings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The fleet of a saved ``plan serve`` answer (a file, its folder, or the answer itself)."""
    started = time.perf_counter()
    answer = plan if isinstance(plan, Mapping) else read_plan(plan)
    return cost_fleet(fleet_of_plan(answer), operators, region, settings, started)


def cost_serve(
    scenario: ServeScenario,
    operators: Sequence[str] = (),
    region: str = "",
    settings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """One replica of one configuration, as ``predict serve`` takes it."""
    started = time.perf_counter()
    return cost_fleet(fleet_of_scenario(scenario), operators, region, settings, started)


def cost_fleet(
    fleet: Fleet,
    operators: Sequence[str] = (),
    region: str = "",
    settings: Mapping[str, float] | None = None,
    started: float | None = None,
) -> dict[str, Any]:
    """A fleet's tokens: every way to pay for them, break-even use, sensitivity, energy and carbon."""
    started = time.perf_counter() if started is None else started
    known = market()
    answer = _hourly(fleet.accelerator, operators, region, settings or {}, known, may_lack=True)
    found = ways(fleet, answer["operators"], answer["rent"])
    answer |= {
        "fleet": _fleet_fields(fleet),
        "ways": found,
        "break_even": break_even(fleet, found),
        "energy": _energy(fleet),
    }
    first = answer.pop("first")
    if first is not None:
        usd = found[0]["usd_per_million_output_tokens"]
        answer["sensitivity"] = per_output(answer["sensitivity"], first, usd, 1.0 / fleet.capacity)
    answer["verdict"] = _fleet_words(fleet, found)
    return _finished(answer, started, fleet)


def _hourly(
    accelerator: str,
    operators: Sequence[str],
    region: str,
    settings: Mapping[str, float],
    known: Market,
    *,
    may_lack: bool = False,
) -> dict[str, Any]:
    """What owning and renting an hour costs; ``may_lack``: an accelerator nobody prices has no owners."""
    kinds = kinds_of(operators, known)
    priced = not may_lack or "capital_usd" in settings or is_priced(accelerator, known.prices)
    owners = [owned_by(accelerator, kind, known, region, settings) for kind in kinds if priced]
    rows = [owned_fields(mine) for mine in owners]
    return {
        "accelerator": accelerator,
        "operator": kinds[0],
        "first": owners[0] if owners else None,
        "operators": rows,
        "rent": rents(accelerator, known),
        "solved_for": solved_for(rows),
        "sensitivity": tornado(owners[0], settings) if owners else [],
        "assumptions": [asdict(a) for a in _assumptions(kinds[0], region, settings, known)] if owners else [],
        "sources": _sources(rows, known),
    }


def _fleet_fields(fleet: Fleet) -> dict[str, Any]:
    return {
        "label": fleet.label, "model": fleet.model, "accelerator": fleet.accelerator,
        "n_accelerators": fleet.n_accelerators, "requests_per_s": fleet.rate,
        "input_tokens_per_s": fleet.flow.input, "cached_tokens_per_s": fleet.flow.cached,
        "output_tokens_per_s": fleet.flow.output, "utilisation_frac": 1.0 / fleet.capacity,
        "over_capacity": fleet.over_capacity,
        "shares": {"input": fleet.shares.input, "cached": fleet.shares.cached, "output": fleet.shares.output},
        "hit_over_miss": fleet.shares.hit_over_miss,
    }  # fmt: skip


def _energy(fleet: Fleet) -> dict[str, Any]:
    """Energy by what draws it: of a request, an output token, a day; carbon where the grid is known."""
    power, flow, grid = fleet.power, fleet.flow, fleet.carbon_g_per_kwh
    request = dict(power.joules_per(fleet.rate))
    shares = {"input": fleet.shares.input, "cached": fleet.shares.cached, "output": fleet.shares.output}
    return {
        "power_w": dict(power.parts) | {"total": power.total},
        "joules_per_request": request | {"total": sum(request.values())},
        "joules_per_request_by_tokens": {name: share * sum(request.values()) for name, share in shares.items()},
        "share": {name: watts / power.total for name, watts in power.parts.items()},
        "watt_hours_per_request": sum(request.values()) / 3600.0,
        "joules_per_output_token": power.total / flow.output,
        "output_tokens_per_joule": flow.output / power.total,
        "output_tokens_per_s_per_megawatt": tokens_per_megawatt(flow.output, power.total),
        "carbon_g_per_request": None if grid is None else carbon_g_per(power, fleet.rate, grid),
        "day": per_day(power, grid),
    }


def _assumptions(kind: str, region: str, settings: Mapping[str, float], known: Market) -> list[Assumption]:
    found = []
    prefix = f"{kind}:"
    for key, quantity in known.economics.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name == "utilisation_frac":
            continue
        if name in settings:
            found.append(Assumption(name, settings[name], "your choice"))
        elif name == "usd_per_kwh" and region:
            place = loader.load("regions", region)
            found.append(Assumption(name, place.usd_per_kwh, f"industrial rate, {place.name}"))
        else:
            found.append(Assumption(name, quantity.mid.value, f"{quantity.mid.source}, {quantity.mid.seen}"))
    return found


def _sources(rows: Sequence[Mapping[str, Any]], known: Market) -> list[str]:
    ids = [row["price"]["source"].partition(",")[0] for row in rows]
    kinds = {row["operator"] for row in rows}
    ids += [q.mid.source for key, q in known.economics.items() if key.partition(":")[0] in kinds]
    titles = loader.sources()
    return [f"{titles[i].title} ({titles[i].publisher}, {titles[i].date})" for i in dict.fromkeys(ids) if i in titles]


def _hour_words(name: str, own: Mapping[str, Any], rented: Sequence[Mapping[str, Any]]) -> str:
    text = f"An {name} hour costs ${own['usd_per_accelerator_hour']:.2f} to own as {own['operator']}"
    if not rented:
        return f"{text}; no rent is known."
    return (
        text
        + "; "
        + ", ".join(f"${row['usd_per_accelerator_hour']:.2f} to rent {row['terms']}" for row in rented)
        + "."
    )


def _fleet_words(fleet: Fleet, rows: Sequence[Mapping[str, Any]]) -> str:
    cheapest = min(rows, key=lambda row: row["usd_per_hour"], default=None)
    if cheapest is None:
        return f"{fleet.label}: no price is known to own, to rent or of an API; --set capital_usd=... sets one."
    return (
        f"{fleet.label}: {cheapest['name']} is cheapest at this traffic, ${number(cheapest['usd_per_hour'])}/h, "
        f"${number(cheapest['usd_per_million_input_tokens'])} per million input and "
        f"${number(cheapest['usd_per_million_output_tokens'])} per million output tokens."
    )


def _finished(answer: dict[str, Any], started: float, fleet: Fleet | None = None) -> dict[str, Any]:
    answer["elapsed_s"] = time.perf_counter() - started
    answer["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE}
    if fleet is not None:
        scenario = fleet.resolved.scenario
        answer["scenario"] = asdict(scenario)
        answer["meta"]["run"] = scenario.fingerprint(__version__, CATALOGUE_DATE)
    return answer
