"""What a run comes to: latencies, goodput, use, money and energy, and where the time went.

    ttft = first - sent,   e2e = finish - sent,   tpot = (e2e - ttft) / (osl - 1)          of completed requests
    slo_goodput_frac  = requests that completed within every limit / all requests that were sent
    usd_per_million   = (sum over pools of on_s * usd_per_s + egress) * 1e6 / output tokens
    joules_per_token  = (accelerators + on_s * n_accelerators * host_w) * PUE / output tokens

Output tokens are those that clients saw: all of completed requests, and what unfinished ones have so far. Percentiles
of requests are exact, of a run that was played in parts by the sketch, as those of gaps between tokens (``itl_s``)
always are: within half a percent. A request
of one token has no ``tpot`` and keeps any limit on it. A single request is held to the limit of a target whatever its
statistic, and to the loosest where one metric has several; a limit on ``itl`` is held against its mean gap, which is
its ``tpot``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.serving.sim.finished import BY_REPLICA, Sums, finished, sums_of
from drivetrain.serving.sim.intervals import LEVEL_FRAC
from drivetrain.serving.sim.latency import OF_REQUESTS, Exact, Sketched, Statistics, of_gaps
from drivetrain.serving.sim.records import (
    COMPLETED,
    LOST,
    PARTS,
    REJECTED,
    UNFINISHED,
    Fleet,
    Floats,
    Outcome,
    Requests,
)
from drivetrain.serving.sim.series import mean_kv_frac, series_rows
from drivetrain.serving.slo import Target
from drivetrain.units import MILLION, SECONDS_PER_HOUR

LATENCIES = ("ttft_s", "itl_s", "tpot_s", "e2e_s")
_ENDS = (("completed", COMPLETED), ("rejected", REJECTED), ("lost", LOST), ("unfinished", UNFINISHED))


def summary(
    outcome: Outcome, fleet: Fleet, requests: Requests, slo: tuple[Target, ...] = (), *,
    pue: float | Sequence[float] = 1.0, usd_per_token: Floats | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of one run, in the order in which they are printed; what is not known is ``None``.

    ``pue`` is one number or one for each pool; ``usd_per_token[region, origin]`` is paid for each output token that
    leaves a cloud's region.
    """
    done = finished(outcome, requests)
    return fields_of(sums_of(done, fleet, slo), Exact(done, slo), outcome, fleet, len(requests), slo, pue=pue,
                     usd_per_token=usd_per_token)  # fmt: skip


def fields_of(
    sums: Sums, latency: Exact | Sketched, totals: Outcome, fleet: Fleet, n: int, slo: tuple[Target, ...], *,
    pue: float | Sequence[float] = 1.0, usd_per_token: Floats | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a run of ``n`` requests from sums over them, their latencies and the run's ``totals``."""
    latencies = {name: latency.statistics(name) for name in OF_REQUESTS}
    latencies["itl_s"] = of_gaps(totals.gaps, totals.gap_sum_s)
    counts = {name: int(sums.by_status[code]) for name, code in _ENDS}
    counts["unfinished"] += n - sums.sent
    accelerators = np.array([pool.n_accelerators for pool in fleet.pools], dtype=float)
    paid = totals.on_s * accelerators
    joules = (totals.joules + paid * np.array([pool.host_w for pool in fleet.pools])) * np.asarray(pue)
    egress = 0.0 if usd_per_token is None else float((sums.crossed * usd_per_token).sum())
    usd = float(sum(on * pool.usd_per_s for on, pool in zip(totals.on_s, fleet.pools, strict=True))) + egress
    goodput = _over(sums.good, sums.sent)
    e2e_s, answered = float(sums.parts_s.sum()), counts["completed"]
    fields: dict[str, Any] = {
        "n_requests": n,
        "sent": sums.sent,
        **counts,
        **{name: latencies[name] for name in LATENCIES},
        "slo_goodput_frac": goodput,
        **({} if goodput is None else latency.goodput_bounds(goodput)),
        "targets": [_target(target, latencies) for target in slo],
        "output_tokens_per_s": _over(sums.tokens, totals.end_s),
        "requests_per_s": _over(answered, totals.end_s),
        "utilisation_frac": _over(float((totals.busy_s * accelerators).sum()), float(paid.sum())),
        "kv_occupancy_frac": mean_kv_frac(totals.series, fleet),
        "cache_hit_frac": _over(sums.cached, sums.prompt),
        "preemptions": sums.preemptions,
        "retries": sums.retries,
        "usd_per_million_output_tokens": _over(usd * MILLION, sums.tokens),
        "usd": usd,
        "egress_usd": egress,
        "joules_per_output_token": _over(float(joules.sum()), sums.tokens),
        "power_w": _over(float(joules.sum()), totals.end_s),
        "attribution": _by_part(sums.parts_s / e2e_s) if e2e_s > 0 else None,
        "attribution_s": _by_part(sums.parts_s / answered) if answered else dict.fromkeys(PARTS),
        "attribution_slowest_s": latency.slowest(),
        "duration_s": totals.end_s,
        "accelerator_hours": float(paid.sum()) / SECONDS_PER_HOUR,
        "output_tokens": sums.tokens,
        "wasted_output_tokens": sums.made - sums.tokens,
        "more_than_one_stage_frac": _over(sums.staged, answered),
        "pools": _pools(sums, totals, fleet, joules),
        "replicas": _replicas(sums, fleet),
        "series": series_rows(totals.series, fleet),
        "distribution": latency.distribution(),
        "steps": totals.steps,
    }
    method = "batch means" if "mean_low" in latencies["e2e_s"] else None
    fields["confidence"] = {"level_frac": LEVEL_FRAC, "method": method}
    fields["percentiles"] = latency.percentiles
    return {name: _plain(value) for name, value in fields.items()}


def _target(target: Target, latencies: dict[str, Statistics]) -> dict[str, Any]:
    """A target against what its statistic reached over all completed requests."""
    reached = latencies[f"{target.metric}_s"][target.statistic]
    return {"slo": target.name, "limit_s": target.limit_s, "reached_s": reached,
            "met": reached is not None and reached <= target.limit_s}  # fmt: skip


def _pools(sums: Sums, totals: Outcome, fleet: Fleet, joules: Floats) -> list[dict[str, Any]]:
    """Each pool; requests count for the pool that served them last."""
    ends = np.cumsum([pool.max_replicas for pool in fleet.pools])
    rows = []
    for i, (pool, served) in enumerate(zip(fleet.pools, np.split(sums.by_replica, ends[:-1]), strict=True)):
        of = dict(zip(BY_REPLICA, served.sum(axis=0).tolist(), strict=True))
        on = float(totals.on_s[i])
        rows.append({
            "pool": pool.name,
            "service": fleet.services[pool.service],
            "region": fleet.regions[pool.region],
            "role": ("both", "prefill", "decode")[pool.role],
            "replicas": pool.replicas,
            "mean_replicas": _over(on, totals.end_s),
            "n_accelerators": pool.n_accelerators,
            "completed": int(of["completed"]),
            "ttft_mean_s": _over(of["ttft_s"], of["completed"]),
            "tpot_mean_s": _over(of["tpot_s"], of["with_tpot"]),
            "output_tokens": int(totals.tokens_out[i]),
            "utilisation_frac": _over(float(totals.busy_s[i]), on),
            "kv_occupancy_frac": mean_kv_frac(totals.series, fleet, i),
            "cache_hit_frac": _over(of["cached"], of["input"]),
            "usd": on * pool.usd_per_s,
            "joules": float(joules[i]),
        })  # fmt: skip
    return rows


def _replicas(sums: Sums, fleet: Fleet) -> list[dict[str, Any]]:
    """Who served what; requests count for the replica that served them last."""
    names = [pool.name for pool in fleet.pools for _ in range(pool.max_replicas)]
    found = []
    for i, (name, row) in enumerate(zip(names, sums.by_replica.tolist(), strict=True)):
        of = dict(zip(BY_REPLICA, row, strict=True))
        found.append({"replica": i, "pool": name, "completed": int(of["completed"]),
                      "ttft_mean_s": _over(of["ttft_s"], of["completed"]), "input_tokens": int(of["input"]),
                      "output_tokens": int(of["output"]),
                      "cache_hit_frac": _over(of["cached"], of["input"])})  # fmt: skip
    return found


def _by_part(values: Floats) -> dict[str, float]:
    return dict(zip(PARTS, values.tolist(), strict=True))


def _over(a: float, b: float) -> float | None:
    return float(a) / float(b) if b else None


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """JSON knows no NaN or infinity: they become null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
