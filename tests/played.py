"""Outcomes and answers of simulations made by hand, for tests of what is said about them."""

import numpy as np

from drivetrain.serving.sim import sketch
from drivetrain.serving.sim.records import (
    COMPLETED,
    N_PARTS,
    SERIES,
    Cache,
    Fleet,
    Outcome,
    Pool,
    Requests,
    Rules,
    StepModel,
)


def requests(isl, osl, arrival_s=None):
    n = len(isl)
    zeros = np.zeros(n, dtype=np.int64)
    minus = np.full(n, -1, dtype=np.int64)
    arrival = np.arange(n, dtype=float) if arrival_s is None else np.asarray(arrival_s, dtype=float)
    return Requests(arrival, np.asarray(isl), np.asarray(osl), zeros, minus, zeros, minus, np.zeros(n), minus,
                    np.zeros(n), zeros, zeros, np.empty(0, dtype=np.int64))  # fmt: skip


def pool(name="main", replicas=1, n_accelerators=1, pp=1, host_w=0.0, usd_per_s=0.0, **more):
    step = StepModel(np.empty((0, 0)), np.empty((0, 0)), np.empty(0), np.zeros(4))
    return Pool(name, 0, 0, 0, step, Cache(1000, 16), Rules("by hand", 2048, 256), pp, 1, replicas, replicas,
                n_accelerators, 100.0, 700.0, 80.0, host_w=host_w, usd_per_s=usd_per_s, **more)  # fmt: skip


def fleet(*pools):
    return Fleet(pools or (pool(),))


def outcome(sent, first, finish, *, status=None, parts=None, osl=None, pools=1, on_s=None, series=None, **more):
    """An outcome of as many requests as ``sent`` has; parts are all decode unless they are given."""
    sent, first, finish = (np.asarray(x, dtype=float) for x in (sent, first, finish))
    n = len(sent)
    if parts is None:
        parts = np.zeros((n, N_PARTS))
        parts[:, 2] = finish - sent
    status = np.full(n, COMPLETED) if status is None else np.asarray(status)
    end = float(np.max(finish, initial=0.0, where=~np.isnan(finish)))
    gaps = np.zeros(sketch.N_BINS, dtype=np.int64)
    rows = np.empty((0, len(SERIES))) if series is None else np.asarray(series, dtype=float)
    made = np.zeros(n, dtype=np.int64) if osl is None else np.asarray(osl)
    default = {
        "replica": np.zeros(n, dtype=np.int64), "cached_tokens": np.zeros(n, dtype=np.int64),
        "preemptions": np.zeros(n, dtype=np.int64), "retries": np.zeros(n, dtype=np.int64),
        "stages": np.ones(n, dtype=np.int64), "output_tokens": made, "gaps": gaps, "gap_sum_s": 0.0, "end_s": end,
        "busy_s": np.zeros(pools), "joules": np.zeros(pools), "tokens_out": np.zeros(pools, dtype=np.int64),
        "steps": 1, "leaps": 0, "log": np.empty((0, 6)),
    }  # fmt: skip
    return Outcome(sent_s=sent, first_s=first, finish_s=finish, status=status, parts=parts, series=rows,
                   on_s=np.full(pools, end) if on_s is None else np.asarray(on_s, dtype=float),
                   **(default | more))  # fmt: skip
