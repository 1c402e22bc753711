"""Speed of an outlook, one JSON object a line: name, value, unit, conditions (as run.py).

    python benchmarks/outlook.py [DRAWS]

Ten years by quarters, with everything as in the catalogue: an outlook at the mids with its linear program (to take
less than 0.5 s), and DRAWS joint draws (default 10,000) of all four worlds behind P(grows) (less than 60 s). Beside
them the two parts of supply alone, where demand is made up (power laws that ask for the whole fleet at the rent of the
start, then grow) so that limits bind: the program for seven classes in four regions and training, and the merit order
in two worlds. CPU seconds of one core.
"""

from __future__ import annotations

import sys

import numpy as np
from run import cpu_seconds, report

END_YEAR, N_BLOCKS = 2036.0, 8
CLASSES = {"support": 0.8, "coding": 1.1, "agents": 1.3, "workflow": 0.9, "reasoning": 1.2}
BATCH = {"summarising": 1.0, "retrieval": 0.7}


def outlook() -> None:
    from drivetrain.demand.horizon import asked, planned
    from drivetrain.demand.outlook import run
    from drivetrain.demand.program_rows import build
    from drivetrain.demand.world import central, quantities, world

    def once() -> None:
        w = world(central(quantities()), END_YEAR)
        planned(w, run(w))

    once()
    w = world(central(quantities()), END_YEAR)
    rows, columns = build(asked(w, run(w))).upper.shape
    report(
        "outlook.ten_years", cpu_seconds(once, 5), "s",
        f"{len(w.years)} quarters, {len(w.tasks)} classes, {len(w.vintages)} vintages at the mids: start, quarters in "
        f"sequence, and the linear program of {rows} rows and {columns} columns; warm process, CPU time",
    )  # fmt: skip


def monte_carlo(n: int) -> None:
    from drivetrain.demand.outlook import run
    from drivetrain.demand.question import answer
    from drivetrain.demand.world import drawn, quantities, world
    from drivetrain.demand.yearly import years_of

    def once(draws: int) -> None:
        w = world(drawn(quantities(), draws, 1), END_YEAR)
        answer(w, years_of(run(w)))

    once(20)
    report(
        "outlook.monte_carlo", cpu_seconds(lambda: once(n), 1), "s",
        f"{n} draws, 40 quarters, 4 worlds (with and without software's gains, with and without limits); warm process, "
        "CPU time",
    )  # fmt: skip


def program() -> None:
    from drivetrain.demand.limits import REGIONS
    from drivetrain.demand.program import Load, problem, solve
    from drivetrain.demand.program_loads import training
    from drivetrain.demand.program_rows import build
    from drivetrain.demand.world import central, quantities, world

    w = world(central(quantities()), END_YEAR)
    rent, there = float(w.rent_start_usd[0]), float(units_there(w)[0])
    grown = 1.7 ** (w.years - 2026.0)
    share = np.array([0.45, 0.2, 0.15, 0.2])[:, None, None]

    def load(name: str, elasticity: float, peak: float) -> Load:
        one = training(0.08 * there * grown, rent, elasticity, utilisation_frac=0.65, n_blocks=N_BLOCKS)
        units = one.units * (share if peak else 1.0)
        worth = np.broadcast_to(one.usd_per_unit_year, units.shape)
        return Load(name, units, worth, peak / 0.65, 1.0 / 0.65, anywhere=not peak)

    loads = [load(name, elasticity, 1.8) for name, elasticity in CLASSES.items()]
    loads += [load(name, elasticity, 0.0) for name, elasticity in BATCH.items()]
    loads.append(training(0.4 * there * grown, rent, 0.7, utilisation_frac=0.8, n_blocks=N_BLOCKS))
    asked = problem(w.vintages, w.fleet, w.limits, loads, 0.1)
    rows, columns = build(asked).upper.shape
    found = solve(asked)
    assert share.shape[0] == len(REGIONS)
    bound = sum(one != "demand" for one in found.binding)
    report(
        "outlook.program", cpu_seconds(lambda: solve(asked), 5), "s",
        f"{len(w.years)} quarters, {len(loads)} loads of {N_BLOCKS} blocks, 4 regions, {len(w.vintages)} vintages: "
        f"{rows} rows, {columns} columns, limits bind in {bound} quarters; build and solve, warm process, CPU time",
    )  # fmt: skip


def merit_order(n: int) -> None:
    from drivetrain.demand import fleet
    from drivetrain.demand.allocate import quarter
    from drivetrain.demand.world import drawn, quantities, world

    w = world(drawn(quantities(), n, 1), END_YEAR)
    units = units_there(w)
    rules = {"rate": w.at["finance.rate"], "fall_per_year": w.at["finance.fall"]}

    def run(growth: float) -> None:
        there, price = w.fleet, None
        for t, year in enumerate(w.years):
            wanted = units * w.rent_start_usd * growth ** (year - 2026.0)
            there, _ = fleet.retire(there, w.vintages, year)
            counts = there.by_vintage(len(w.vintages))
            found = quarter(
                counts, w.vintages, w.limits, t, lambda usd, wanted=wanted: wanted / usd, guess=price, **rules
            )
            price = found.cleared.price_usd_per_unit_year
            there = fleet.buy(there, found.bought, year)
            there, _ = fleet.scrap(there, found.idle, w.at["fleet.scrap_frac"] * 0.25)

    def both() -> None:
        run(1.7)
        run(1.2)

    run(1.7)
    report(
        "outlook.merit_order", cpu_seconds(both, 1), "s",
        f"{n} draws, {len(w.years)} quarters, 2 worlds, {len(w.vintages)} vintages: clearing, purchases, retirement; "
        "demand is one power law; warm process, CPU time",
    )  # fmt: skip


def units_there(w) -> np.ndarray:
    counts = w.fleet.by_vintage(len(w.vintages))
    return np.sum([one.units * count for one, count in zip(w.vintages, counts, strict=True)], axis=0)


if __name__ == "__main__":
    n_draws = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    outlook()
    monte_carlo(n_draws)
    program()
    merit_order(n_draws)
