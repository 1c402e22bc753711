"""A load test replayed: the requests a harness sends, run event by event through one deployment.

Mean TTFT of a finite closed loop is not that of the steady state: the first C prompts arrive together. So the test is
simulated as it was run, with the step time that everything else uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.catalogue.market import Engine
from drivetrain.cost import jit
from drivetrain.measure.recipes import DEFAULT, Recipe
from drivetrain.serving import closed_loop
from drivetrain.serving.deployment import scalars
from drivetrain.serving.kernel import STEP_SCALARS
from drivetrain.serving.steady import Prepared

Floats = NDArray[np.float64]
PROMPTS_PER_SLOT = 10  # of the public harness: ten prompts for each request in flight
_ISL_SEED, _OSL_SEED = 1, 2


@dataclass(frozen=True, slots=True)
class Latencies:
    """What a harness reports, seconds: mean (or median) TTFT and TPOT over requests, and the test's duration."""

    ttft: float
    tpot: float
    duration: float


def simulate(
    prepared: Prepared, isl: float, osl: float, spread: float, concurrency: int, n_requests: int = 0,
    prefill_first: bool | None = None, statistic: str = "mean", recipe: Recipe = DEFAULT,
) -> Latencies:  # fmt: skip
    """Run ``n_requests`` (default ten per slot) through ``prepared``, ``concurrency`` in flight.

    Lengths have means ``isl`` and ``osl`` and are uniform in ``[(1 - spread) L, L]``. ``prefill_first``: prompts run
    in steps of their own while decodes wait (default: as the engine does it). A request passes the front end before
    the scheduler sees it, and its first token the way back; ``recipe`` says when the scheduler looks, how long it holds
    prompts back and how many slots it lacks.
    """
    jit.ready()
    n = n_requests or PROMPTS_PER_SLOT * concurrency
    d = prepared.deployment
    ttft, tpot = np.empty(n), np.empty(n)
    # a slot is always held, so that a replica whose memory rule leaves none still moves
    slots = max(1.0, min(prepared.max_seqs, float(concurrency - recipe.extra)))
    prompts, answers = request_lengths(isl, osl, spread, n)
    result = closed_loop.run(
        d.coefficients.ops, d.coefficients.collectives, scalars(d, prepared.budget, slots)[:STEP_SCALARS],
        np.array(d.coefficients.spans), prompts, answers,
        concurrency, float(prepared.budget), slots, float(d.cut.layout.dp),
        not d.engine.scheduler.mixed(True) if prefill_first is None else prefill_first, True,
        d.efficiency.request_s, d.efficiency.frontend_s, recipe.poll, recipe.hold, ttft, tpot,
    )  # fmt: skip
    reduce: Callable[[Floats], np.float64] = np.median if statistic == "median" else np.mean
    gaps = tpot[np.isfinite(tpot)]  # requests of one output token have none
    mean_tpot = float(reduce(gaps)) if gaps.size else float("nan")
    return Latencies(
        ttft=float(reduce(ttft)) + d.efficiency.reply_s,
        tpot=mean_tpot,
        duration=float(result[closed_loop.DURATION]),
    )


def runs_prefill_first(engine_family: str) -> bool:
    """Whether the newest engine of a family runs prompt chunks in steps of their own instead of with decodes.

    >>> runs_prefill_first("sglang"), runs_prefill_first("vllm")
    (True, False)
    """
    known: list[Engine] = [e for e in loader.load_all("engines").values() if e.family == engine_family]
    newest = max(known, key=lambda e: e.released, default=None)
    return newest is not None and not newest.scheduler.mixed(True)


@lru_cache(maxsize=256)
def request_lengths(isl: float, osl: float, spread: float, n: int) -> tuple[Floats, Floats]:
    """Prompt and answer lengths of the ``n`` requests of a test, in the order they are sent."""
    return lengths(isl, spread, n, _ISL_SEED), lengths(osl, spread, n, _OSL_SEED)


def lengths(mean: float, spread: float, n: int, seed: int) -> Floats:
    """``n`` lengths uniform in ``[(1 - spread) L, L]`` with mean ``mean``: stratified quantiles in a fixed shuffle.

    >>> lengths(90.0, 0.2, 4, 1).tolist() == lengths(90.0, 0.2, 4, 1).tolist()
    True
    >>> sorted(lengths(90.0, 0.2, 4, 1).tolist())
    [82.0, 88.0, 92.0, 98.0]
    """
    longest = mean / (1.0 - spread / 2.0)
    at = (np.arange(n) + 0.5) / n
    np.random.default_rng(seed).shuffle(at)
    return np.maximum(np.round(longest * (1.0 - spread + spread * at)), 1.0)
