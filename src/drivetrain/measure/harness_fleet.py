"""The same load test played by the fleet simulator: what ``validate serving --simulate`` predicts from.

Requests, lengths and the closed loop are those of :mod:`drivetrain.measure.harness`; steps, blocks, admission and
preemption are the simulator's (:mod:`drivetrain.serving.sim`), on one replica. What the harness replays of a server's
front end beyond its delay (how often the scheduler looks for requests, prompts that it holds back) is not the
simulator's, so the two differ there and where the cache is full.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivetrain.measure.harness import PROMPTS_PER_SLOT, Latencies, request_lengths
from drivetrain.measure.recipes import DEFAULT, Recipe
from drivetrain.serving.sim.build import Setup, pool_of
from drivetrain.serving.sim.records import Fleet, Options
from drivetrain.serving.sim.run import simulate as play
from drivetrain.serving.steady import Prepared
from drivetrain.serving.traffic.records import requests_of


def simulate(
    prepared: Prepared, isl: float, osl: float, spread: float, concurrency: int, n_requests: int = 0,
    prefill_first: bool | None = None, statistic: str = "mean", recipe: Recipe = DEFAULT,
) -> Latencies:  # fmt: skip
    """As :func:`drivetrain.measure.harness.simulate`, by the fleet simulator."""
    n = n_requests or PROMPTS_PER_SLOT * concurrency
    d, slots = prepared.deployment, max(1.0, float(concurrency - recipe.extra))
    mixed = None if prefill_first is None else not prefill_first
    pool = pool_of(d, prepared.budget, min(float(d.engine.max_num_seqs) * d.cut.layout.dp, slots), Setup(mixed=mixed))
    prompts, answers = request_lengths(isl, osl, spread, n)
    requests = requests_of(prompts, answers, concurrency=concurrency)
    outcome = play(Fleet(pools=(pool,)), requests, Options())
    first, whole = outcome.first_s - outcome.sent_s, outcome.finish_s - outcome.sent_s
    several = answers > 1  # requests of one output token have no gap
    reduce: Callable[[np.ndarray], np.float64] = np.median if statistic == "median" else np.mean
    gaps = (whole - first)[several] / (answers[several] - 1.0)
    return Latencies(
        ttft=float(reduce(first)), tpot=float(reduce(gaps)) if gaps.size else float("nan"),
        duration=float(np.nanmax(outcome.finish_s)),
    )  # fmt: skip
