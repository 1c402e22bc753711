"""How many replicas of each pool: the pair in the numbers that keep the targets, link and held memory included."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.catalogue.disaggregation import handover
from drivetrain.errors import LayoutError
from drivetrain.serving.disagg import Disaggregated, Pool, at_rate, disaggregated
from drivetrain.serving.disagg_fleet import Fleet, Question, evaluate, miss
from drivetrain.serving.pool_purchase import allowed, bill
from drivetrain.serving.search import Job
from drivetrain.serving.transfer import Via, share_a_domain

_PLENTY = 16  # times the prefill replicas a pool needs alone: more would not lower TTFT
_MORE_DECODE = (1.0, 1.2, 1.5, 2.0)
_FASTER = (1.35, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment for one pool and the replicas it alone would need; ``score`` is what the objective minimises."""

    job: Job
    replicas: int
    score: float


class Counter:
    """Counts evaluations."""

    def __init__(self, n: int) -> None:
        self.n = n


def sized(q: Question, first: Candidate, then: Candidate, tried: Counter) -> list[Fleet]:
    """The pair in the numbers that meet the targets; in numbers that come near where none do."""
    a, b = first.job, then.job
    known = handover(b.deployment.engine)
    assert known is not None
    found: list[Fleet] = []
    for via in _ways(a, b):
        try:
            base = disaggregated(_pool(a), _pool(b), q.traffic.lengths, known, via)
        except LayoutError:
            continue
        sizes = _sizes(q, a, b, base, first.replicas, then.replicas, tried)
        placed = [s for s in sizes if via == "network" or share_a_domain(a.deployment, b.deployment, *s)]
        tried.n += 2 * len(placed)
        found += [evaluate(q, a, b, base.sized(x, y)) for x, y in placed]
        if placed == sizes != []:
            break  # the faster links reach everywhere
    return found


def _ways(a: Job, b: Job) -> tuple[Via, ...]:
    together = a.offer.name == b.offer.name and share_a_domain(a.deployment, b.deployment, 1, 1)
    return ("domain", "network") if together else ("network",)


def _pool(job: Job) -> Pool:
    return Pool(job.deployment, job.budget, job.max_seqs, 1)


def _sizes(q: Question, a: Job, b: Job, base: Disaggregated, x0: int, y0: int, tried: Counter) -> list[tuple[int, int]]:
    """Numbers of replicas (prefill, decode) worth pricing."""

    def good(x: int, y: int) -> bool:
        tried.n += 2
        return miss(q, at_rate(base.sized(x, y), q.traffic.peak_rate)) <= 1.0

    def affordable(x: int, y: int) -> bool:
        return allowed(bill(a, x, b, y, q.limits.spares), q.limits)

    plenty = _PLENTY * x0
    y = fewest(lambda n: good(plenty, n), y0, _PLENTY * y0)
    if y is None:
        return [size for size in ((x0, y0), (2 * x0, y0), (2 * x0, 2 * y0), (8 * x0, 8 * y0)) if affordable(*size)]
    found: list[tuple[int, int]] = []
    for factor in _MORE_DECODE:
        more = math.ceil(y * factor)
        x = fewest(lambda n, more=more: good(n, more), x0, plenty)  # type: ignore[misc]
        if x is None or (found and x >= found[-1][0]):
            break  # more decode replicas spare no prefill
        found.append((x, more))
    if q.objective == "latency":
        found += [(math.ceil(x * f), math.ceil(y * g)) for x, y in found[:1] for f in _FASTER for g in (1.0, f)]
    return [size for size in found if affordable(*size)]


def fewest(good: Callable[[int], bool], start: int, most: int) -> int | None:
    """The fewest replicas that are good, all numbers above being good too; searched both ways from ``start``."""
    low, high = 0, max(start, 1)
    if good(high):
        step = 1
        while high - step >= 1 and good(high - step):
            high, step = high - step, 2 * step
        low = max(high - step, 0)
    else:
        while not good(high):
            if high >= most:
                return None
            low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high
