"""What the router knows when it decides: rows of numbers about endpoints and services, and the request at hand."""

from __future__ import annotations

import numpy as np

from drivetrain.cost.jit import inner
from drivetrain.serving.policies.signals import (
    AGE_S,
    ALIVE,
    ATTEMPT,
    DIFFICULTY,
    ENQUEUED_S,
    HIT_APPROX,
    HIT_EXACT,
    ID,
    INFLIGHT,
    ISL,
    KV_FRAC,
    NETWORK_S,
    ORIGIN,
    OSL,
    PRIORITY,
    QUEUE,
    RUNNING,
    SERVICE_INFLIGHT,
    SERVICE_READY,
    SERVICE_USD_PER_S,
    SESSION,
    STAGE,
    TIME_S,
    USD_PER_S,
)
from drivetrain.serving.sim.draws import N_DRAWS, uniform
from drivetrain.serving.sim.kernel import leap, memory
from drivetrain.serving.sim.kernel.tables import DOWN, READY
from drivetrain.serving.sim.kernel.world import World
from drivetrain.serving.sim.records import DECODE

blocks_used = leap.blocks_used
hits_approximate, hits_exact = memory.hits_approximate, memory.hits_exact


@inner
def routable(w: World, r: int) -> bool:
    """Whether the router takes replica ``r`` for alive, partitions aside."""
    replica = w.replicas[r]
    return bool(replica.believed > 0 and replica.noticed == 0 and (replica.state == READY or replica.state == DOWN))


@inner
def changed(w: World, r: int) -> None:
    """The state of replica ``r``, or what is believed of it, has changed."""
    row = w.endpoints[w.replicas[r].row]
    group = w.groups[w.pools[w.replicas[r].pool].group]
    group.alive -= np.int64(row[ALIVE])
    row[ALIVE] = 1.0 if routable(w, r) else 0.0
    group.alive += np.int64(row[ALIVE])


@inner
def metrics(w: World, r: int) -> None:
    """Read the engine metrics of replica ``r``."""
    replica = w.replicas[r]
    row = w.endpoints[replica.row]
    row[QUEUE] = replica.waiting
    row[RUNNING] = replica.running
    if w.clock[0].reads_kv > 0:
        row[KV_FRAC] = kv_frac(w, r)


@inner
def kv_frac(w: World, r: int) -> float:
    """Mean share of KV blocks in use over the cores of replica ``r``."""
    replica = w.replicas[r]
    blocks = w.pools[replica.pool].blocks
    total = 0.0
    if blocks > 0:
        for core in range(replica.core0, replica.core1):
            total += blocks_used(w, core, w.clock[0].now) / blocks
    return float(total / (replica.core1 - replica.core0))


@inner
def scrape(w: World) -> None:
    """Read the metrics of all engines."""
    w.clock[0].last_scrape = w.clock[0].now
    for r in range(w.replicas.shape[0]):
        metrics(w, r)


@inner
def endpoints(w: World, s: int, group: int, sender_region: int) -> bool:
    """Bring the rows of ``group`` up to date for slot ``s``; whether any of them is alive.

    Counts of the router are always so; a prompt held in ``sender_region`` (-1: none) must reach the decode replica.
    """
    c, slot, rows, g = w.clock[0], w.slots[s], w.endpoints, w.groups[group]
    hits = g.role != DECODE and (c.reads_approx > 0 or c.reads_exact > 0)
    if c.split == 0 and c.reads_metrics == 0 and c.n_origins == 1 and not hits:
        return bool(g.alive > 0)  # what else the rows hold is always up to date
    alive = False
    for i in range(g.row0, g.row1):
        row = rows[i]
        r = w.row_replica[i]
        region = w.pools[w.replicas[r].pool].region
        if c.split > 0:  # there was a partition: aliveness depends on who asks, and when
            there = routable(w, r) and w.heals_s[slot.origin, region] <= c.now
            if sender_region >= 0:
                there = there and w.heals_s[sender_region, region] <= c.now
            row[ALIVE] = 1.0 if there else 0.0
        alive = alive or row[ALIVE] > 0.0
        row[AGE_S] = c.now - c.last_scrape if c.scrape_s > 0.0 else 0.0
        if c.reads_metrics > 0 and c.scrape_s <= 0.0:
            metrics(w, r)
        if c.n_origins > 1:
            row[NETWORK_S] = w.network_s[slot.origin, region]
        if g.role != DECODE:
            if c.reads_approx > 0:
                row[HIT_APPROX] = hits_approximate(w, s, r)
            if c.reads_exact > 0:
                row[HIT_EXACT] = hits_exact(w, s, r)
    return alive


@inner
def services(w: World, s: int) -> None:
    """Fill ``services`` for slot ``s``."""
    c, table = w.clock[0], w.services
    table[:] = 0.0
    for r in range(w.replicas.shape[0]):
        replica = w.replicas[r]
        pool = w.pools[replica.pool]
        row, end = table[pool.service], w.endpoints[replica.row]
        row[SERVICE_INFLIGHT] += end[INFLIGHT]
        if routable(w, r) and w.heals_s[w.slots[s].origin, pool.region] <= c.now:
            row[SERVICE_READY] += 1.0
            row[SERVICE_USD_PER_S] += end[USD_PER_S]


@inner
def request(w: World, s: int) -> None:
    """Fill ``request`` with what policies see of slot ``s``."""
    row, slot = w.request, w.slots[s]
    row[ID] = slot.row
    row[TIME_S] = w.clock[0].now
    row[ISL] = slot.isl
    row[OSL] = slot.osl
    row[PRIORITY] = slot.priority
    row[SESSION] = slot.session
    row[ORIGIN] = slot.origin
    row[DIFFICULTY] = slot.difficulty
    row[STAGE] = slot.stage
    row[ATTEMPT] = slot.retries
    row[ENQUEUED_S] = 0.0


@inner
def draws(w: World, stream: int, s: int, decision: int) -> None:
    """Fill ``draws`` with the numbers of the ``decision``-th decision of its kind for slot ``s``."""
    for j in range(N_DRAWS):
        w.draws[j] = uniform(w.clock[0].seed, stream, w.slots[s].row, N_DRAWS * decision + j)
