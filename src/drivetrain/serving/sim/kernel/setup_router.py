"""Tables of what is around the engines at time 0: endpoints, the router and its policies, and numbers of the run."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.serving import policies
from drivetrain.serving.policies import signals
from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.kernel.setup_engines import Arrays
from drivetrain.serving.sim.records import Fleet, Options

_INF = math.inf


def add_router(a: Arrays, fleet: Fleet) -> None:
    """Endpoints by service and role, what the router keeps, and its policies' options and states."""
    replicas, pools = a["replicas"], fleet.pools
    keys = list(dict.fromkeys((pool.service, pool.role) for pool in pools))
    groups = a["groups"] = np.zeros(len(keys), t.GROUPS)
    a["group_of"] = np.full((len(fleet.services), 3), -1, np.int64)
    a["row_replica"] = np.zeros(len(replicas), np.int64)
    ends = a["endpoints"] = np.zeros((len(replicas), signals.N_ENDPOINT))
    row = 0
    for g, (service, role) in enumerate(keys):
        a["group_of"][service, role] = g
        groups[g]["row0"], groups[g]["service"], groups[g]["role"] = row, service, role
        for r, replica in enumerate(replicas):
            pool = pools[replica["pool"]]
            if (pool.service, pool.role) == (service, role):
                replica["row"], a["row_replica"][row] = row, r
                ends[row, signals.ALIVE] = float(replica["state"] == t.READY)
                ends[row, signals.NETWORK_S] = fleet.network_s[0, pool.region]
                ends[row, signals.USD_PER_S] = pool.usd_per_s
                ends[row, signals.PREFILL_TOKENS_PER_S] = pool.prefill_tokens_per_s
                row += 1
        groups[g]["row1"] = row
        groups[g]["alive"] = ends[groups[g]["row0"] : row, signals.ALIVE].sum()
    for row, pool in zip(a["pools"], pools, strict=True):
        row["group"] = keys.index((pool.service, pool.role))
    a["scores"] = np.zeros(len(replicas))
    a["network_s"] = np.ascontiguousarray(fleet.network_s, dtype=np.float64)
    n_places = max(*fleet.network_s.shape, len(fleet.regions))
    a["heals_s"] = np.full((n_places, n_places), -_INF)
    a["services"] = np.zeros((len(fleet.services), signals.N_SERVICE))
    a["request"] = np.zeros(signals.N_REQUEST)
    a["draws"] = np.zeros(4)
    a["options"] = np.array([policies.option_values(kind, getattr(fleet.policies, kind)) for kind in policies.KINDS])
    a["route_state"] = np.zeros((len(keys), signals.N_STATE))
    a["admit_state"], a["select_state"] = np.zeros(signals.N_STATE), np.zeros(signals.N_STATE)
    a["scale_state"] = np.zeros((len(pools), signals.N_STATE))
    a["pool_row"] = np.zeros(signals.N_POOL)


def set_clock(a: Arrays, fleet: Fleet, options: Options, hash_tokens: int, *, margin: int, n_entries: int) -> None:
    """Numbers of the run itself."""
    codes = {kind: policies.code_of(kind, getattr(fleet.policies, kind).name) for kind in policies.KINDS}
    asked = [policies.reads(kind, getattr(fleet.policies, kind).name) for kind in ("route", "admit", "scale")]
    reads, reads_scale = asked[0] | asked[1], asked[2]
    metrics = {"QUEUE", "RUNNING", "KV_FRAC"}
    exact = "HIT_EXACT" in reads and n_entries > 0
    scales = not (codes["scale"] == 0 and a["options"][4][0] == 0.0)
    row = a["clock"][0]
    for name, value in {
        "horizon": options.horizon_s,
        "seed": np.uint64(options.seed % 2**64).astype(np.int64), "leap": options.leap,
        "log_steps": options.log_steps,
        "n_controls": len(fleet.controls), "scrape_s": fleet.scrape_s, "sample_s": options.sample_s,
        "scale_s": fleet.policies.scale_s if scales else 0.0, "next_scrape": 1, "next_sample": 1, "next_scale": 1,
        "ending": -1, "free_slot": -1, "free_entry": -1, "entry_mask": 1, "seen_mask": 1, "told_mask": 1,
        "margin": margin, "most_entries": n_entries,
        "most_news": 2 * n_entries + len(a["cores"]) if exact and fleet.event_lag_s > 0.0 else 0,
        "hash_tokens": hash_tokens, "event_lag": fleet.event_lag_s, "ttl": fleet.index_ttl_s,
        "retry_s": fleet.retry_s, "max_retries": fleet.max_retries, "n_origins": fleet.network_s.shape[0],
        **codes, "reads_metrics": not reads.isdisjoint(metrics), "reads_kv": "KV_FRAC" in reads | reads_scale,
        "reads_approx": "HIT_APPROX" in reads and hash_tokens > 0, "reads_exact": exact,
    }.items():  # fmt: skip
        row[name] = value
