"""The time series of a run, thinned to what a picture or a person takes in, and means over it."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivetrain.serving.sim.records import SERIES, Fleet, Floats

MOST_ROWS = 120
"""Rows of each pool in an answer; a longer series is averaged over stretches of equal length."""
_TIME, _POOL = SERIES.index("time_s"), SERIES.index("pool")
_LEVELS = ("ready", "queue", "running", "kv_frac", "busy_frac")
_COUNTS = ("completed", "preemptions", "input_tokens", "cached_tokens")


def series_rows(series: Floats, fleet: Fleet, most: int = MOST_ROWS) -> list[dict[str, Any]]:
    """Rows by pool and time: levels are means over the stretch that ends at ``time_s``, counts are sums over it."""
    found = []
    for i, pool in enumerate(fleet.pools):
        mine = series[series[:, _POOL] == i] if series.size else series.reshape(0, len(SERIES))
        for stretch in np.array_split(mine, min(most, len(mine)) or 1):
            if not len(stretch):
                continue
            row: dict[str, Any] = {"time_s": float(stretch[-1, _TIME]), "pool": pool.name}
            row |= {name: float(stretch[:, SERIES.index(name)].mean()) for name in _LEVELS}
            row |= {name: int(stretch[:, SERIES.index(name)].sum()) for name in _COUNTS}
            found.append(row)
    return found


def mean_kv_frac(series: Floats, fleet: Fleet, pool: int | None = None) -> float | None:
    """KV occupancy over samples and pools, weighted by accelerators that serve; of one ``pool`` where it is given."""
    if not series.size:
        return None
    mine = series if pool is None else series[series[:, _POOL] == pool]
    accelerators = np.array([p.n_accelerators for p in fleet.pools], dtype=float)
    weight = mine[:, SERIES.index("ready")] * accelerators[mine[:, _POOL].astype(int)]
    return float(weight @ mine[:, SERIES.index("kv_frac")] / weight.sum()) if weight.sum() else None
