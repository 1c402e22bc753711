"""Regular looks at the fleet: the time series, and the scale policy."""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner, jit
from drivetrain.serving.policies import dispatch as policies
from drivetrain.serving.policies.signals import (
    ARRIVALS_PER_S,
    COLD_START_S,
    INFLIGHT,
    INTERVAL_S,
    KV_FRAC,
    MOST,
    NOW_S,
    POOL_INFLIGHT,
    POOL_KV_FRAC,
    POOL_QUEUE,
    POOL_RUNNING,
    QUEUE,
    RUNNING,
)
from drivetrain.serving.policies.signals import READY as N_READY
from drivetrain.serving.policies.signals import STARTING as N_STARTING
from drivetrain.serving.sim.kernel import replicas, routing, signals, timed
from drivetrain.serving.sim.kernel.tables import DOWN, DRAINING, OFF, READY, STARTED, STARTING, STEPPING
from drivetrain.serving.sim.kernel.world import World

desired_by = policies.desired
become, rest = replicas.become, replicas.rest
kv_frac, scrape = signals.kv_frac, signals.scrape
make = timed.make
SCALE_OPTIONS = routing.SCALE_OPTIONS


@jit
def paid_s(w: World, p: int) -> float:
    """Replica-seconds paid for in pool ``p`` so far."""
    pool = w.pools[p]
    total = pool.on_s
    for r in range(pool.replica0, pool.replica0 + pool.most):
        if w.replicas[r].state != OFF:
            total += w.clock[0].now - w.replicas[r].on_since
    return float(total)


@inner
def sample(w: World) -> None:
    """A row of the time series for each pool."""
    c = w.clock[0]
    for p in range(w.pools.shape[0]):
        pool, row = w.pools[p], w.series[c.n_series]
        ready = 0
        waiting = 0
        running = 0
        used = 0.0
        busy = pool.busy_s
        for r in range(pool.replica0, pool.replica0 + pool.most):
            replica = w.replicas[r]
            for lane in range(replica.lane0, replica.lane1):
                if w.lanes[lane].state == STEPPING:
                    busy += c.now - w.lanes[lane].start
            if replica.state == READY:
                ready += 1
                waiting += replica.waiting
                running += replica.running
                used += kv_frac(w, r)
        paid = paid_s(w, p) * pool.pp
        row[0], row[1], row[2], row[3], row[4] = c.now, p, ready, waiting, running
        row[5] = used / ready if ready > 0 else 0.0
        row[6] = (busy - pool.busy_before) / (paid - pool.on_before) if paid > pool.on_before else 0.0
        row[7] = pool.completed - pool.completed_before
        row[8] = pool.preemptions - pool.preemptions_before
        row[9] = pool.input_tokens - pool.input_before
        row[10] = pool.cached_tokens - pool.cached_before
        pool.busy_before = busy
        pool.on_before = paid
        pool.completed_before = pool.completed
        pool.preemptions_before = pool.preemptions
        pool.input_before = pool.input_tokens
        pool.cached_before = pool.cached_tokens
        c.n_series += 1


@inner
def scale(w: World) -> None:
    """Ask the scale policy for each pool, in order."""
    c = w.clock[0]
    if c.scrape_s <= 0.0:
        scrape(w)
    for p in range(w.pools.shape[0]):
        _fill(w, p)
        answer = desired_by(c.scale, w.pool_row, w.scale_state[p], w.options[SCALE_OPTIONS])
        desired = math.ceil(min(max(answer, 1.0), float(w.pools[p].most)))
        there = 0
        pool = w.pools[p]
        for r in range(pool.replica0, pool.replica0 + pool.most):
            replica = w.replicas[r]
            if replica.noticed == 0 and (_serves(w, r) or replica.state == STARTING):
                there += 1
        if desired > there:
            _add(w, p, desired - there)
        elif desired < there:
            _stop(w, p, there - desired)


@inner
def started(w: World, r: int, starts: int) -> None:
    """A replica that was started serves."""
    replica = w.replicas[r]
    if replica.state == STARTING and replica.starts == starts:
        replica.believed = 1
        become(w, r, READY)


@inner
def _serves(w: World, r: int) -> bool:
    replica = w.replicas[r]
    return bool(replica.noticed == 0 and (replica.state == READY or (replica.state == DOWN and replica.believed > 0)))


@inner
def _fill(w: World, p: int) -> None:
    """The row of pool ``p`` for the scale policy."""
    c, pool, row = w.clock[0], w.pools[p], w.pool_row
    row[:] = 0.0
    row[NOW_S] = c.now
    for r in range(pool.replica0, pool.replica0 + pool.most):
        if _serves(w, r):
            row[N_READY] += 1.0
            row[POOL_INFLIGHT] += w.endpoints[w.replicas[r].row, INFLIGHT]
        elif w.replicas[r].state == STARTING and w.replicas[r].noticed == 0:
            row[N_STARTING] += 1.0
    for r in range(pool.replica0, pool.replica0 + pool.most):
        if _serves(w, r):
            end = w.endpoints[w.replicas[r].row]
            row[POOL_QUEUE] += end[QUEUE]
            row[POOL_RUNNING] += end[RUNNING]
            row[POOL_KV_FRAC] += end[KV_FRAC] / row[N_READY]
    row[ARRIVALS_PER_S] = (pool.routed - pool.routed_before) / c.scale_s
    pool.routed_before = pool.routed
    row[MOST] = pool.most
    row[COLD_START_S] = pool.cold_start_s
    row[INTERVAL_S] = c.scale_s


@inner
def _add(w: World, p: int, n: int) -> None:
    """Take draining replicas back, then start those that are off, the lowest numbers first."""
    c, pool = w.clock[0], w.pools[p]
    for wanted in (DRAINING, OFF):
        for r in range(pool.replica0, pool.replica0 + pool.most):
            replica = w.replicas[r]
            if n == 0 or replica.state != wanted or replica.noticed > 0:
                continue
            n -= 1
            if wanted == DRAINING:
                become(w, r, READY)
            else:
                become(w, r, STARTING)
                replica.starts += 1
                make(w, c.now + pool.cold_start_s, STARTED, r, replica.starts)


@inner
def _stop(w: World, p: int, n: int) -> None:
    """The highest numbers take no more requests; at least one keeps serving."""
    pool = w.pools[p]
    serving = 0
    for r in range(pool.replica0, pool.replica0 + pool.most):
        if w.replicas[r].state == READY and w.replicas[r].noticed == 0:
            serving += 1
    for r in range(pool.replica0 + pool.most - 1, pool.replica0 - 1, -1):
        if n == 0 or serving <= 1:
            return
        if w.replicas[r].state == READY and w.replicas[r].noticed == 0:
            become(w, r, DRAINING)
            rest(w, r)
            n -= 1
            serving -= 1
