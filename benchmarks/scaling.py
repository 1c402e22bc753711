"""Speed of scaling laws and ceilings, one JSON object a line: name, value, unit, conditions (as run.py).

    python benchmarks/scaling.py [RUNS.csv]

The fit runs on RUNS.csv (columns of `drivetrain fit scaling`), else on 240 runs made here. Medians in CPU seconds of
one core, warm; the command line is a whole process by wall clock, compiled code cached.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from run import CLI, cpu_seconds, report, wall_seconds

N_RUNS, N_DRAWS = 240, 4000


def made_up(folder: Path) -> Path:
    """Runs like Chinchilla's: 240 between 1e18 and 1e22 FLOP, with their scatter."""
    from drivetrain.training.scaling.known import parametric

    random = np.random.default_rng(1)
    flops = 10.0 ** random.uniform(18.2, 22.1, N_RUNS)
    params = np.sqrt(flops / 120.0) * np.exp(random.uniform(-1.5, 1.5, N_RUNS))
    losses = parametric().loss(params, flops / 6.0 / params) * np.exp(0.0075 * random.standard_normal(N_RUNS))
    path = folder / "runs.csv"
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("Model Size", "Training FLOP", "loss"))
        writer.writerows(zip(params, flops, losses, strict=True))
    return path


def fits(path: Path) -> None:
    from drivetrain.training.scaling.bootstrap import bootstrap
    from drivetrain.training.scaling.fit import STARTS, fit
    from drivetrain.verbs.fit_scaling import fit_scaling, read_runs

    runs = read_runs(path)
    found = fit(runs)
    what = f"{len(runs)} runs, warm process, CPU time"
    report("fit_scaling.starts", cpu_seconds(lambda: fit(runs), 3), "s", f"{STARTS} descents; {what}")
    report(
        "fit_scaling.bootstrap", cpu_seconds(lambda: bootstrap(runs, found.law), 3), "s", f"{N_DRAWS} refits; {what}"
    )
    report("fit_scaling", cpu_seconds(lambda: fit_scaling(path), 3), "s", f"all of it; {what}")
    report("cli.fit_scaling", wall_seconds([*CLI, "fit", "scaling", str(path), "--format", "json"], 3), "s",
           f"{len(runs)} runs, cold process, compiled code cached, wall clock, best of 3")  # fmt: skip


def answers() -> None:
    from drivetrain.training.ceilings.claim import growth_claim
    from drivetrain.training.ceilings.largest import largest_runs
    from drivetrain.training.scaling.known import parametric, repeated
    from drivetrain.training.scaling.lifetime import Serving, cheapest_for_loss
    from drivetrain.training.scaling.optimum import optimum
    from drivetrain.training.scaling.repeated import repeated_optimum
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    law, chain, serving = parametric(), repeated(), Serving(output_tokens=1e13)
    for name, repeats, run in (
        ("scaling.optimum", 2000, lambda: optimum(law, 5.76e23)),
        ("scaling.optimum_with_ranges", 50, lambda: estimated_optimum(5.76e23)),
        ("scaling.lifetime", 500, lambda: cheapest_for_loss(law, 1.98, serving)),
        ("scaling.repeated", 50, lambda: repeated_optimum(chain, 1e24, 1e12)),
    ):
        run()
        report(name, 1e6 * cpu_seconds(lambda run=run, n=repeats: [run() for _ in range(n)], 5) / repeats, "us",
               "one answer, warm process, CPU time")  # fmt: skip
    report("ceilings.years", cpu_seconds(largest_runs, 5), "s", "10 years, 20,000 draws, warm process, CPU time")
    report("ceilings.claim", cpu_seconds(growth_claim, 5), "s", "11 years, 20,000 draws, warm process, CPU time")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fits(Path(sys.argv[1]) if len(sys.argv) > 1 else made_up(Path(folder)))
    answers()
