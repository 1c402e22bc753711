"""What a replica can take at most within the targets, for many deployments at once, in machine code.

The largest rate at which the steady state is stable, every target holds and requests do not queue for longer than they
are served. All of that gets worse with the rate, so bisection in its logarithm finds it. Per accelerator and dollar it
is what a fleet costs at full load, without what whole replicas hide at small rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost import jit as compiler
from drivetrain.cost.jit import jit
from drivetrain.serving.kernel import E2E, LATENCY, N_OUT, POWER_W, QUEUE_S, STABLE, solve
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.purchase import UNLIMITED
from drivetrain.serving.search import Job, job_rows, lengths_met, pack
from drivetrain.serving.slo import Target, limit_arrays
from drivetrain.serving.sweep import DEPLOYMENT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST, _FIRST, _MOST = 1e-6, 1e-2, 1e9  # requests/s: below nothing counts, where to start, beyond nothing is
_PRECISION = 2e-4
_STEP = 8.0
RATE, WATTS, SOLVED = range(3)


@dataclass(frozen=True, slots=True)
class Capacities:
    """By job: requests/s of a replica at most (0: no rate will do), W of one accelerator there.

    ``n_evaluated`` counts steady states solved.
    """

    rate: Floats
    power_w: Floats
    n_evaluated: int


def capacities(jobs: Sequence[Job], lengths: Lengths, targets: tuple[Target, ...]) -> Capacities:
    """The most that a replica of each job takes of requests of ``lengths`` within ``targets``."""
    if not jobs:
        return Capacities(np.empty(0), np.empty(0), 0)
    compiler.ready()
    latencies, want = limit_arrays(targets)
    met = lengths_met(jobs, lengths, targets)
    out = np.empty((len(jobs), 3))
    _capacities(
        *pack(jobs, met), lengths.weight, lengths.isl, lengths.osl, lengths.arrival_cv2,
        job_rows(jobs, UNLIMITED, met), latencies, want, out,
    )  # fmt: skip
    return Capacities(out[:, RATE], out[:, WATTS], int(out[:, SOLVED].sum()))


@jit
def _capacities(
    ops: Floats, collectives: Floats, op_start: Ints, collective_start: Ints, context_of: Ints,
    spans: Floats, decode_ctx: Floats, prefill_ctx: Floats, computed: Floats,
    weight: Floats, isl: Floats, osl: Floats, arrival_cv2: float,
    jobs: Floats, limits: Floats, want: NDArray[np.bool_], found: Floats,
) -> None:  # fmt: skip
    """Fill ``found`` (jobs, 3): rate, power there, steady states solved."""
    out = np.empty(N_OUT)
    unwanted = np.zeros((4, 5), dtype=np.bool_)
    for job in range(jobs.shape[0]):
        d = jobs[job]
        dep = int(d[DEPLOYMENT])
        o = ops[op_start[dep] : op_start[dep + 1]]
        c = collectives[collective_start[dep] : collective_start[dep + 1]]
        ctx = context_of[dep]
        low, high, rate, n = 0.0, np.inf, _FIRST, 0.0
        while high > low * (1.0 + _PRECISION) and _LEAST <= rate <= _MOST:
            n += 1.0
            solve(o, c, d, spans[ctx], weight, isl, osl, computed[ctx], decode_ctx[ctx], prefill_ctx[ctx],
                  rate, arrival_cv2, 1.0, want, out)  # fmt: skip
            if _within(out, limits):
                low = rate
            else:
                high = rate
            if high == np.inf:
                rate *= _STEP
            elif low == 0.0:
                rate /= _STEP
            else:
                rate = math.sqrt(low * high)
        found[job, 0] = low
        found[job, 1] = np.nan
        if low > 0.0:
            n += 1.0
            solve(o, c, d, spans[ctx], weight, isl, osl, computed[ctx], decode_ctx[ctx], prefill_ctx[ctx],
                  low, arrival_cv2, 1.0, unwanted, out)  # fmt: skip
            found[job, 1] = out[POWER_W]
        found[job, 2] = n


@jit
def _within(out: Floats, limits: Floats) -> bool:
    """Whether a solution is stable, queues no longer than it serves, and keeps every limit."""
    if out[STABLE] != 1.0 or out[QUEUE_S] > out[LATENCY + 5 * E2E] - out[QUEUE_S]:
        return False
    for metric in range(4):
        for statistic in range(5):
            if limits[metric, statistic] < np.inf and out[LATENCY + 5 * metric + statistic] > limits[metric, statistic]:
                return False
    return True
