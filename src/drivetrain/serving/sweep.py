"""Evaluate many deployments under one traffic, in machine code.

A *job* is a deployment with its batch limits, priced, and the units it is bought in. For each job the sweep looks for
the fewest replicas that keep the targets at the peak (latency falls with replicas, so doubling and bisection find it),
evaluates some more for the trade-off between cost and speed, and writes one row per evaluation.
Replicas beyond the fewest fill whole units: what is paid for may as well serve.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.kernel import (
    E2E,
    IDLE_W,
    IN_SYSTEM,
    LATENCY,
    N_OUT,
    N_SCALARS,
    POWER_W,
    QUEUE_S,
    STABLE,
    TPOT,
    TTFT,
    solve,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of a result row.
(JOB, REPLICAS, MEETS, VIOLATION, TTFT_MEAN, TPOT_MEAN, TOKENS_PER_ACCELERATOR, USD_PER_HOUR, USD_PER_MILLION,
 JOULES_PER_TOKEN, ACCELERATORS, WALL_W) = range(12)  # fmt: skip
N_COLUMNS = 12

# Columns of a job beyond the kernel's scalars.
(DEPLOYMENT, PER_REPLICA, USD_HOUR, HOST_W, UNIT, PER_UNIT, UNITS_PER_REPLICA, SPARE_UNITS, MOST) = range(
    N_SCALARS, N_SCALARS + 9
)
N_JOB = N_SCALARS + 9

ROWS_PER_JOB = 48
_SPREAD = (1.0, 1.15, 1.35, 1.6, 2.0, 2.6, 3.5, 5.0, 8.0)


@jit
def sweep(
    ops: Floats, collectives: Floats, op_start: Ints, collective_start: Ints, context_of: Ints,
    spans: Floats, decode_ctx: Floats, prefill_ctx: Floats, computed: Floats,
    weight: Floats, isl: Floats, osl: Floats, arrival_cv2: float,
    jobs: Floats, peak_rate: float, mean_rate: float, limits: Floats, want: NDArray[np.bool_],
    pue: float, mean_energy: bool, rows: Floats,
) -> int:  # fmt: skip
    """Fill ``rows`` (at least ``ROWS_PER_JOB`` a job); the number of rows written.

    ``limits[metric, statistic]`` are the targets in seconds (inf where none). ``MEETS`` is 1 where the row is stable
    and within them at ``peak_rate``; cost is per output token at ``mean_rate``, and so is energy where
    ``mean_energy`` asks for
    it (a second solution each); otherwise energy is at the peak.
    """
    out = np.empty(N_OUT)
    unwanted = np.zeros((4, 5), dtype=np.bool_)
    osl_mean = 0.0
    for j in range(weight.shape[0]):
        osl_mean += weight[j] * osl[j]
    n_rows = 0
    for job in range(jobs.shape[0]):
        d = jobs[job]
        dep = int(d[DEPLOYMENT])
        o = ops[op_start[dep] : op_start[dep + 1]]
        c = collectives[collective_start[dep] : collective_start[dep + 1]]
        ctx = context_of[dep]
        most = d[MOST]
        first_row = n_rows
        low = 0.0  # replicas known to fail
        high = 0.0  # fewest replicas known to meet
        n = 1.0
        tried = 0
        while tried < ROWS_PER_JOB - 10 and n <= most:
            tried += 1
            row = rows[n_rows]
            n_rows += 1
            solve(o, c, d, spans[ctx], weight, isl, osl, computed[ctx], decode_ctx[ctx], prefill_ctx[ctx],
                  peak_rate / n, arrival_cv2, 1.0, want, out)  # fmt: skip
            _record(row, job, n, out, d, peak_rate, mean_rate, osl_mean, limits, pue)
            if row[MEETS] == 1.0:
                high = n
            else:
                low = n
                # more replicas cannot help once a replica runs nearly alone and is still too slow
                if out[STABLE] == 1.0 and out[IN_SYSTEM] < 0.02 and row[VIOLATION] > 1.0:
                    break
            if high == 0.0:
                if n >= most:
                    break
                n = min(2.0 * n, most)  # the last try is all there is, power of two or not
            elif high - low <= 1.0:
                break
            else:
                n = math.floor((low + high) / 2.0)
        if high > 0.0:
            for factor in _SPREAD:
                n = math.ceil(math.ceil(high * factor) / d[PER_UNIT]) * d[PER_UNIT]
                known = n > most
                for k in range(first_row, n_rows):
                    known = known or rows[k, REPLICAS] == n
                if known:
                    continue
                solve(o, c, d, spans[ctx], weight, isl, osl, computed[ctx], decode_ctx[ctx], prefill_ctx[ctx],
                      peak_rate / n, arrival_cv2, 1.0, want, out)  # fmt: skip
                _record(rows[n_rows], job, n, out, d, peak_rate, mean_rate, osl_mean, limits, pue)
                n_rows += 1
        # energy is drawn over a mean day, not at the peak: solve again at the mean load
        for k in range(first_row, n_rows):
            row = rows[k]
            if mean_energy and row[MEETS] == 1.0:
                solve(o, c, d, spans[ctx], weight, isl, osl, computed[ctx], decode_ctx[ctx], prefill_ctx[ctx],
                      mean_rate / row[REPLICAS], arrival_cv2, 1.0, unwanted, out)  # fmt: skip
                row[WALL_W] = _wall_w(row, out, d, pue)
                row[JOULES_PER_TOKEN] = row[WALL_W] / (mean_rate * osl_mean)
    return n_rows


@jit
def _wall_w(row: Floats, out: Floats, d: Floats, pue: float) -> float:
    """Power at the meter: replicas at work, and what is bought beyond them idle in a running server."""
    serving = row[REPLICAS] * d[PER_REPLICA]
    idle = row[ACCELERATORS] - serving
    return float((serving * (out[POWER_W] + d[HOST_W]) + idle * (d[IDLE_W] + d[HOST_W])) * pue)


@jit
def _record(
    row: Floats, job: int, n: float, out: Floats, d: Floats, peak_rate: float, mean_rate: float, osl_mean: float,
    limits: Floats, pue: float,
) -> None:  # fmt: skip
    """One evaluation's figures; an unstable one keeps its cost and an infinite violation."""
    row[JOB] = job
    row[REPLICAS] = n
    row[ACCELERATORS] = (math.ceil(n / d[PER_UNIT]) * d[UNITS_PER_REPLICA] + d[SPARE_UNITS]) * d[UNIT]
    row[USD_PER_HOUR] = row[ACCELERATORS] * d[USD_HOUR]
    row[USD_PER_MILLION] = row[USD_PER_HOUR] * 1e6 / 3600.0 / (mean_rate * osl_mean)
    row[TOKENS_PER_ACCELERATOR] = peak_rate * osl_mean / row[ACCELERATORS]
    row[TTFT_MEAN] = out[LATENCY + 5 * TTFT]
    row[TPOT_MEAN] = out[LATENCY + 5 * TPOT]
    row[WALL_W] = _wall_w(row, out, d, pue)
    row[JOULES_PER_TOKEN] = row[WALL_W] / (peak_rate * osl_mean)
    worst = np.inf
    if out[STABLE] == 1.0:
        # even without targets: a queue that outlasts the service itself is no plan
        worst = out[QUEUE_S] / (out[LATENCY + 5 * E2E] - out[QUEUE_S])
        worst = worst if worst > 1.0 else 0.0
        for metric in range(4):
            for statistic in range(5):
                if limits[metric, statistic] < np.inf:
                    worst = max(worst, out[LATENCY + 5 * metric + statistic] / limits[metric, statistic])
    row[VIOLATION] = worst
    row[MEETS] = 1.0 if worst <= 1.0 else 0.0
