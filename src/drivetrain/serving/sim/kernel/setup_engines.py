"""Tables of pools, replicas, lanes and cores at time 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.records import DECODE, Fleet, Floats, Pool

Arrays = dict[str, NDArray[Any]]


def most_running(pool: Pool, shares: bool, n_rows: int) -> int:
    """The most sequences that can run in a core at once; without prefix cache (``shares``) each has a block."""
    most = pool.rules.max_num_seqs if n_rows < 0 else min(pool.rules.max_num_seqs, n_rows)
    if pool.cache.block_tokens > 0 and not shares:
        most = min(most, pool.cache.blocks)
    return max(most, 1)


def add_pools(a: Arrays, fleet: Fleet, hash_tokens: int) -> None:
    """Pools, their step models and the windows of their caches."""
    rows = a["pools"] = np.zeros(len(fleet.pools), t.POOLS)
    ops: list[Floats] = []
    collectives: list[Floats] = []
    spans: list[Floats] = []
    windows: list[tuple[float, float]] = []
    replica0 = 0
    for row, pool in zip(rows, fleet.pools, strict=True):
        rules, cache, step = pool.rules, pool.cache, pool.step
        caches = cache.prefix and pool.role != DECODE and hash_tokens > 0
        per_entry = hash_tokens // cache.block_tokens if cache.block_tokens else 0
        for name, value in {
            "service": pool.service, "region": pool.region, "role": pool.role, "pp": pool.pp, "dp": pool.dp,
            "most": pool.max_replicas, "replica0": replica0,
            "budget": rules.token_budget, "max_seqs": rules.max_num_seqs, "chunked": rules.chunked,
            "mixed": rules.mixed, "watermark": math.floor(rules.watermark_frac * cache.blocks),
            "reserve_frac": rules.reserve_output_frac, "priority_preempts": rules.priority_preempts,
            "fewest_preempts": rules.fewest_preempts,
            "blocks": cache.blocks, "block_tokens": cache.block_tokens, "state_blocks": cache.state_blocks,
            "window0": len(windows), "window1": len(windows) + len(cache.window_spans), "prefix": caches,
            "entry_blocks": per_entry, "host_entries": cache.host_blocks // per_entry if per_entry else 0,
            "host_s": cache.host_s_per_token,
            "op0": _rows(ops), "collective0": _rows(collectives), "span0": _rows(spans),
            "verified": step.verified, "acceptance": step.acceptance, "hidden": step.hidden_frac,
            "accelerators": pool.n_accelerators / pool.pp, "static_w": pool.static_w, "tdp_w": pool.tdp_w,
            "idle_w": pool.idle_w, "frontend_s": pool.frontend_s, "cold_start_s": pool.cold_start_s,
        }.items():  # fmt: skip
            row[name] = value
        ops.append(step.ops)
        collectives.append(step.collectives)
        spans.append(step.spans)
        windows += list(zip(cache.window_spans, cache.window_blocks, strict=True))
        row["op1"], row["collective1"] = _rows(ops), _rows(collectives)
        row["span1"] = _rows(spans)
        replica0 += pool.max_replicas
    a["ops"] = np.ascontiguousarray(np.concatenate(ops), dtype=np.float64)
    a["collectives"] = np.ascontiguousarray(np.concatenate(collectives), dtype=np.float64)
    a["spans"] = np.concatenate(spans).astype(np.float64)
    a["scalars"] = np.array([pool.step.scalars[:4] for pool in fleet.pools], dtype=np.float64)
    a["windows"] = np.array(windows, dtype=np.float64).reshape(len(windows), 2)
    n_spans = max(len(s) for s in spans)
    a["ctx_decode"], a["ctx_prefill"], a["ctx_chunk"] = (np.zeros(n_spans) for _ in range(3))
    a["lines"] = np.zeros((max(n_spans, *(pool.dp for pool in fleet.pools)), 3))
    a["transfers"] = np.zeros((len(fleet.services), 5))
    for service, transfer in enumerate(fleet.transfers):
        a["transfers"][service] = (transfer.fixed_s, transfer.s_per_token, transfer.pieces,
                                   transfer.first_token_by_decode, transfer.shown_by_decode)  # fmt: skip


def add_replicas(a: Arrays, pools: tuple[Pool, ...], most: list[int]) -> None:
    """Replicas, their lanes and cores, and the lists of who runs in each."""
    n_replicas = sum(pool.max_replicas for pool in pools)
    n_lanes = sum(pool.max_replicas * pool.pp for pool in pools)
    n_cores = sum(pool.max_replicas * pool.pp * pool.dp for pool in pools)
    replicas = a["replicas"] = np.zeros(n_replicas, t.REPLICAS)
    lanes = a["lanes"] = np.zeros(n_lanes, t.LANES)
    cores = a["cores"] = np.zeros(n_cores, t.CORES)
    r = lane = core = places = bins = 0
    for p, pool in enumerate(pools):
        for k in range(pool.max_replicas):
            replica = replicas[r]
            replica["pool"], replica["lane0"], replica["lane1"] = p, lane, lane + pool.pp
            replica["core0"], replica["core1"] = core, core + pool.pp * pool.dp
            replica["state"], replica["believed"] = t.READY if k < pool.replicas else t.OFF, 1
            replica["slow"] = 1.0
            for _ in range(pool.pp):
                row = lanes[lane]
                row["pool"], row["replica"], row["core0"], row["core1"] = p, r, core, core + pool.dp
                row["end"] = math.inf
                for _ in range(pool.dp):
                    q = cores[core]
                    q["pool"], q["replica"], q["lane"], q["list0"], q["hist0"] = p, r, lane, places, bins
                    q["free"] = pool.cache.blocks
                    for name in ("fifo", "fifo_last", "heap", "idle_first", "idle_last", "host_first", "host_last"):
                        q[name] = -1
                    places += most[p] + 1
                    bins += pool.cache.block_tokens
                    core += 1
                lane += 1
            r += 1
    for name in ("decoding", "base", "end", "others"):
        a[name] = np.zeros(places + 1, np.int64)
    a["histogram"] = np.zeros(bins + 1, np.int64)
    size = 1 << max(n_lanes - 1, 1).bit_length()
    winners = a["winners"] = np.full(2 * size, -1, np.int64)
    winners[size : size + n_lanes] = np.arange(n_lanes)
    for node in range(size - 1, 0, -1):
        winners[node] = winners[2 * node]
    a["plans"] = np.zeros(n_lanes + 1, np.int64)


def _rows(parts: list[Floats]) -> int:
    return sum(len(part) for part in parts)
