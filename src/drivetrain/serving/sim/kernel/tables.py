"""The simulator's state: one table for each kind of thing, a row for each thing.

Rows refer to each other by number; ``-1`` is none. Times are seconds of the simulated clock. A *slot* is a request that
was sent and has not ended; its row is used again afterwards, so that memory grows with requests in the system and not
with the trace.
"""

from __future__ import annotations

import numpy as np

F, N, S = np.float64, np.int64, np.int32  # a number, a count or index, a small one


# Constants below are numpy integers: numba compiles a function anew for every literal it is called with.


def _table(**columns: type) -> np.dtype[np.void]:
    return np.dtype(list(columns.items()), align=True)


POOLS = _table(
    service=N, region=N, role=N, group=N, pp=N, dp=N, most=N, replica0=N,
    budget=N, max_seqs=N, chunked=N, mixed=N, watermark=N, reserve_frac=F, priority_preempts=N,
    fewest_preempts=N,
    blocks=N, block_tokens=N, state_blocks=F, window0=N, window1=N, prefix=N, entry_blocks=N, host_entries=N, host_s=F,
    op0=N, op1=N, collective0=N, collective1=N, span0=N, span1=N, verified=N, acceptance=F, hidden=F,
    accelerators=F, static_w=F, tdp_w=F, idle_w=F, frontend_s=F, cold_start_s=F,
    busy_s=F, joules=F, on_s=F, tokens_out=N, completed=N, preemptions=N, input_tokens=N, cached_tokens=N, routed=N,
    routed_before=N, busy_before=F, on_before=F, completed_before=N, preemptions_before=N, input_before=N,
    cached_before=N,
)  # fmt: skip
"""First what a pool is (``accelerators`` of one lane), then totals, then totals at the last tick."""

OFF, STARTING, READY, DRAINING, DOWN = np.arange(5)
"""States of a replica."""

REPLICAS = _table(
    pool=N, lane0=N, lane1=N, core0=N, core1=N, row=N, state=N, believed=N, noticed=N, slow=F, on_since=F,
    waiting=N, running=N, present=N, starts=N,
)  # fmt: skip
"""``row`` is its endpoint. ``believed``: the router takes it for healthy; ``noticed``: it is going to be reclaimed.
``present`` counts requests on it or on their way to it. ``starts`` voids what was made for an earlier start."""

IDLE, BOUNDARY, STEPPING = np.arange(3)
"""States of a lane: nothing to do; between steps, to be planned at this time; in a step or a leap of steps."""

LANES = _table(
    pool=N, replica=N, core0=N, core1=N, state=N, start=F, end=F, steps=N, first=F, more=F, pure=F,
    joules=F, joules_more=F, decoding=N, prompt_tokens=N,
)  # fmt: skip
"""The first of its ``steps`` takes ``first``, each further one ``more`` more than the one before, joules likewise.
``pure`` is what its decodes alone would take, negative where there is nothing else in it."""

OPEN, HEAD, FULL = np.arange(3)
"""What admission said at the last boundary: all who waited came in; the first does not fit; no room for anybody."""

CORES = _table(
    pool=N, replica=N, lane=N, list0=N, hist0=N,
    decoding=N, others=N, arrived=N, held=N, waiting=N,
    turns=N, next_end=N, sum_base=N, fresh=N, last_emission=F, last_before=F, pure=F,
    free=N, idle_blocks=N, reserve=N,
    fifo=N, fifo_last=N, heap=N,
    idle_first=N, idle_last=N, host_first=N, host_last=N, n_host=N, host_free=F, link_free=F,
    decodes=N, chunks=N, prompt_tokens=N, preempted=N, admission=N,
)  # fmt: skip
"""``turns`` counts steps in which it decoded: a decoding sequence stores ``base + turns`` tokens and ends when turns
reach its ``end``. ``others`` run but do not decode. ``fresh`` decoding sequences have not emitted here yet, or not
when the others did. ``growth``: blocks taken for the step under way; ``decodes``, ``chunks``, ``prompt_tokens`` are
what that step does."""

FREE, TRANSIT, WAITING, LOADING, TRANSFERRING, ARRIVED, PREFILLING, DECODING, ANSWERED, RETRYING, HELD = np.arange(11)
"""States of a slot: on its way to a replica; in a core (six of them; ``ARRIVED``: its cache has come, it decodes from
the next step on); all its tokens emitted; lost and to be sent again. ``HELD`` is a slot of its own for the prompt that
a prefill core keeps until the decode side has it."""

SLOTS = _table(
    row=N, session=N, hash0=N, hash_n=S, isl=S, osl=S, priority=N, origin=S, service=S, selected=S,
    state=S, at=S, replica=S, core=S, partner=S, ticket=N, sending=S, sighted=S, counted=S,
    stage=S, retries=S, routed=S, luck=S, preemptions=S, cached=S,
    next=S, child=S, order=N, admission=N, key=F, difficulty=F,
    need=S, done=S, chunk=S, loads=S, emitted=S, entries=S, blocks=S, fixed=S, recomputes=S, turn=N,
    part=S, since=F, pure=F, output=N, sent=F, last_sent=F, last_emission=F, first=F, computing_since=F, computed=F,
)  # fmt: skip
"""``at``: the replica where the router counts it in flight (-1: none); ``replica``: the last one it was sent to.
``partner``: the slot that holds its prompt elsewhere, or whose prompt this holds (-1: none waits for it).
``ticket`` names the one event that is to move it on. ``sending`` counts its ways to replicas, ``sighted`` is the last
of them of which a token was made; ``counted``: its prompt tokens are in the router's count. It holds ``entries`` of its
names, the first ones, and ``blocks`` of tokens of its own besides, and ``fixed`` ones. ``recomputes``: preempted since
it was enqueued. ``turn`` is the core's when it began to decode. Since ``since`` it is in ``part``; ``pure`` is the
core's then. ``computed``: seconds that its prompt took in a prefill core."""

TIMED = _table(time=F, number=N, kind=N, a=N, b=N)
(ENQUEUED, LOADED, TRANSFERRED, FIRST_SEEN, ALL_SEEN, SENT, RETRIED, STARTED) = np.arange(8)
"""Kinds of timed event; ``a`` is a slot, ``b`` its ticket (``FIRST_SEEN``: its sending). ``SENT``: ``a`` is a row;
``STARTED``: a replica and its starts."""

NOTHING, DISPATCH, REACH, RETRY, SEND_AGAIN, ANSWER = np.arange(6)
"""What may be to be done at once: see :mod:`drivetrain.serving.sim.kernel.router`."""

ENTRIES = _table(name=N, core=S, where=S, holders=S, before=S, after=S)
NOWHERE, ON_DEVICE, IN_HOST = np.arange(3)

SIGHTINGS = _table(name=N, place=N, serial=N, time=F)
"""Where a router's index saw a name: at an endpoint at ``time``, or in a core (-inf: not any more)."""

NEWS = _table(name=N, core=N, time=F, added=N)
"""What cores tell the event index: a name appears (1) or is gone (0), or all names are (-1)."""

CONTROLS = _table(time=F, kind=N, a=N, b=N, value=F)

ENDED = _table(
    row=N,
    isl=N,
    osl=N,
    origin=N,
    status=N,
    replica=N,
    cached=N,
    preemptions=N,
    retries=N,
    stages=N,
    output=N,
    sent=F,
    first=F,
    finish=F,
)

CLOCK = _table(
    now=F, plans=N, open=N, horizon=F, seed=N, leap=N,
    n_controls=N, next_control=N, scrape_s=F, sample_s=F, scale_s=F, next_scrape=N, next_sample=N, next_scale=N,
    last_scrape=F, split=N,
    row0=N, n_rows=N, n_arrivals=N, next_arrival=N, closed=N, next_row=N, more_rows=N,
    free_slot=N, free_slots=N, timed=N, made=N, orders=N, admissions=N,
    free_entry=N, free_entries=N, entry_mask=N, seen_mask=N, n_seen=N, told_mask=N, n_told=N, news0=N, news1=N,
    margin=N, most_children=N, n_children=N, most_entries=N, most_sightings=N, most_news=N,
    ended=N, n_series=N, n_log=N, log_steps=N, steps=N, leaps=N, gap_sum=F,
    todo=N, todo_slot=N, todo_group=N, ending=N, prompts_end=N, ending_core=N, at=N, last=N, kept=N, fresh=N,
    hash_tokens=N, event_lag=F, ttl=F, retry_s=F, max_retries=N, n_origins=N,
    route=N, admit=N, schedule=N, select=N, scale=N, reads_metrics=N, reads_kv=N, reads_approx=N, reads_exact=N,
)  # fmt: skip
"""``todo`` is what is to happen at once, before anything else. A step end is gone through piece by piece: of lane
``ending``, at ``ending_core``, decoding sequences, then (``prompts_end``) prompts, from place ``at`` to ``last``.
``margin``, ``most_*``: what one event can add to tables at most. ``split``: there was a partition."""

GROUPS = _table(row0=N, row1=N, service=N, role=N, alive=N)
"""Endpoints that a decision is between: rows ``row0`` to ``row1``. ``alive``: how many are, partitions aside."""
