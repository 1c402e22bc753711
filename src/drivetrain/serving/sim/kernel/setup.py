"""Tables of a fleet at time 0, before any request."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim import sketch
from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.kernel.setup_engines import Arrays, add_pools, add_replicas, most_running
from drivetrain.serving.sim.kernel.setup_router import add_router, set_clock
from drivetrain.serving.sim.records import N_PARTS, SERIES, Fleet, Options

_TIMED, _ENDED, _SERIES, _LOG = 4096, 8192, 4096, 1 << 16
"""Rows at first."""


def fleet_tables(fleet: Fleet, options: Options, hash_tokens: int, n_rows: int) -> Arrays:
    """All tables but the rows of the trace; ``n_rows`` (-1: unknown) bounds what can run at once."""
    pools = fleet.pools
    a: Arrays = {"clock": np.zeros(1, t.CLOCK), "gaps": np.zeros(sketch.N_BINS, np.int64)}
    add_pools(a, fleet, hash_tokens)
    most = [most_running(pool, bool(row["prefix"]), n_rows) for pool, row in zip(pools, a["pools"], strict=True)]
    add_replicas(a, pools, most)
    add_router(a, fleet)
    a["controls"] = _controls(fleet)
    n_entries = max((p.dp * _entries_of_core(row) for p, row in zip(pools, a["pools"], strict=True)), default=0)
    margin = max(pool.dp * n for pool, n in zip(pools, most, strict=True)) + 2
    a["slots"] = np.zeros(0, t.SLOTS)
    a["parts"] = np.zeros((0, N_PARTS))
    a["timed"] = np.zeros(_TIMED, t.TIMED)
    a["entries"] = np.zeros(0, t.ENTRIES)
    a["entry_places"] = np.full(2, -1, np.int32)
    a["seen"] = _sightings(2)
    a["told"] = _sightings(2)
    a["told_serial"] = np.zeros(len(a["cores"]), np.int64)
    a["news"] = np.zeros(1, t.NEWS)
    a["ended"] = np.zeros(_ENDED + margin, t.ENDED)
    a["ended_parts"] = np.zeros((len(a["ended"]), N_PARTS))
    a["series"] = np.zeros((_SERIES + len(pools) if options.sample_s > 0.0 else 0, len(SERIES)))
    a["log"] = np.zeros((min(options.log_steps, _LOG) + len(a["lanes"]), 6))
    set_clock(a, fleet, options, hash_tokens, margin=margin, n_entries=n_entries)
    return a


def _controls(fleet: Fleet) -> NDArray[Any]:
    """Control events by time, those of one time in the order given."""
    order = sorted(range(len(fleet.controls)), key=lambda i: fleet.controls[i].time_s)
    made = [fleet.controls[i] for i in order]
    return np.array([(c.time_s, c.kind, c.a, c.b, c.value) for c in made], dtype=t.CONTROLS)


def _entries_of_core(pool: NDArray[Any]) -> int:
    """The most entries a core of the pool can have, one for each that is being moved included."""
    if not pool["prefix"]:
        return 0
    return int(pool["blocks"] // pool["entry_blocks"] + pool["host_entries"]) + 1


def _sightings(size: int) -> NDArray[Any]:
    table = np.zeros(size, t.SIGHTINGS)
    table["place"] = -1
    return table
