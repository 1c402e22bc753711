"""What a simulation takes and what it returns: fleet, requests, options; one row per request and totals.

All SI; tokens and blocks are whole numbers. The rules these records obey are in docs/method/simulation.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BOTH, PREFILL, DECODE = range(3)
"""Roles of a pool: serves whole requests, only their prompts, or only what follows."""

(COMPLETED, REJECTED, LOST, UNFINISHED) = range(4)
"""How a request ended: served, refused by admission, given up after its last retry, or still there at the end."""

(FAIL, RECOVER, DETECT, NOTICE, SLOW, PARTITION) = range(6)
"""Kinds of control event; see :class:`Control`."""

PARTS = ("queue", "prefill", "decode", "stall", "preemption", "transfer", "network", "frontend", "retry")
"""Where a request's time goes. The parts sum to its end-to-end latency."""
N_PARTS = len(PARTS)
QUEUE_PART, PREFILL_PART, DECODE_PART, STALL_PART, PREEMPTION_PART, TRANSFER_PART, NETWORK_PART, FRONTEND_PART, \
    RETRY_PART = range(N_PARTS)  # fmt: skip

SERIES = ("time_s", "pool", "ready", "queue", "running", "kv_frac", "busy_frac", "completed", "preemptions",
          "input_tokens", "cached_tokens")  # fmt: skip
"""Columns of the time series: one row per sampling tick and pool. ``busy_frac``, and the counts from ``completed``
on, are of the interval that ends there."""


@dataclass(frozen=True, slots=True, eq=False)
class StepModel:
    """The step time of one replica, compiled: arrays of :class:`drivetrain.cost.compiled.StepCoefficients`.

    ``scalars`` is (overhead_s, sequence_s, exposed, prefill_s). ``verified`` tokens run per sequence and decode step
    (1 without speculation), of which the drafted ``verified - 1`` are accepted one after another with probability
    ``acceptance``. ``hidden_frac`` is what two overlapping half batches hide (0: off).
    """

    ops: Floats
    collectives: Floats
    spans: Floats
    scalars: Floats
    verified: int = 1
    acceptance: float = 0.0
    hidden_frac: float = 0.0


@dataclass(frozen=True, slots=True)
class Cache:
    """KV memory of one core (one data-parallel rank of one pipeline lane), in blocks.

    A sequence with c tokens stored takes ``ceil(c / block_tokens)`` blocks, and for its whole life ``state_blocks +
    sum(window_blocks * min(isl + osl, window_spans))`` rounded up, for layers that keep a window or a state. A model
    without any layer that keeps all tokens has ``block_tokens = 0``: only the latter counts.
    ``prefix`` turns the prefix cache on; an entry of it holds ``Requests.hash_tokens`` tokens. ``host_blocks`` is
    what host memory holds of evicted entries, ``host_s_per_token`` what loading a token back takes.
    """

    blocks: int
    block_tokens: int
    state_blocks: float = 0.0
    window_spans: tuple[float, ...] = ()
    window_blocks: tuple[float, ...] = ()
    prefix: bool = False
    host_blocks: int = 0
    host_s_per_token: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How an engine schedules: data of ``catalogue/data/engines``, not code.

    ``token_budget`` tokens and at most ``max_num_seqs`` sequences run per core and step. ``chunked`` cuts prompts to
    the budget; otherwise a prompt runs whole. ``mixed`` runs prompts in steps with decodes; otherwise prompts run in
    steps of their own while decodes wait. ``watermark_frac`` of the blocks stays free at admission;
    ``reserve_output_frac`` is the share of the blocks that running requests will still grow by that admission leaves
    to them. The victim is of the worst schedule key with ``priority_preempts``, else with ``fewest_preempts`` of those
    decoding whoever has written the fewest tokens, else the last admitted.
    """

    name: str
    token_budget: int
    max_num_seqs: int
    chunked: bool = True
    mixed: bool = True
    watermark_frac: float = 0.0
    reserve_output_frac: float = 0.0
    priority_preempts: bool = False
    fewest_preempts: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Alike replicas in one region that serve one service.

    A replica is ``pp`` lanes that step by themselves, each of ``dp`` cores that step together. ``replicas`` are there
    at the start, of at most ``max_replicas``. Powers are per accelerator; ``usd_per_s`` per replica, all that is
    bought for it. ``frontend_s`` passes outside the engine for each request. ``cold_start_s`` from the decision to
    the first request. ``prefill_tokens_per_s`` of a replica at full prompt steps is for policies only (0: unknown).
    """

    name: str
    service: int
    region: int
    role: int
    step: StepModel
    cache: Cache
    rules: Rules
    pp: int
    dp: int
    replicas: int
    max_replicas: int
    n_accelerators: int
    static_w: float
    tdp_w: float
    idle_w: float
    host_w: float = 0.0
    usd_per_s: float = 0.0
    frontend_s: float = 0.0
    cold_start_s: float = 0.0
    prefill_tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a prompt's cache goes from a prefill to a decode pool of a service: ``fixed_s + s_per_token * tokens``.

    Sent in ``pieces`` while the prompt is computed (1: after it). ``first_token_by_decode``: the decode side computes
    the prompt's last token again and shows the first token; else the prefill side computes it, and
    ``shown_by_decode`` says whether it is seen only when the cache has arrived.
    """

    fixed_s: float = 0.0
    s_per_token: float = 0.0
    pieces: int = 1
    first_token_by_decode: bool = False
    shown_by_decode: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A registered policy of one kind with its options in the order of its fields."""

    name: str
    options: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """One policy of each kind; ``scale_s`` is the time between two looks at the size of the pools."""

    route: Policy = Policy("least-loaded")
    admit: Policy = Policy("always")
    schedule: Policy = Policy("fcfs")
    select: Policy = Policy("one-model")
    scale: Policy = Policy("fixed")
    scale_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Control:
    """Something that happens to the fleet at ``time_s``, whatever the load.

    ``FAIL`` replica ``a``: it stops, its requests are retried or lost, its caches are gone. ``RECOVER``: it serves
    again. ``DETECT``: the router learns of either. ``NOTICE``: no new requests for it. ``SLOW``: its steps take
    ``value`` times as long. ``PARTITION``: regions ``a`` and ``b`` do not reach each other until ``value`` (seconds).
    Replicas are numbered over all pools, ``max_replicas`` each.
    """

    time_s: float
    kind: int
    a: int = 0
    b: int = 0
    value: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Pools, how their regions and roles are connected, and what rules them.

    ``network_s[origin, region]`` is the one-way delay. ``transfers[service]`` is used where a service has prefill and
    decode pools. ``scrape_s`` is the time between two readings of engine metrics (0: read at each decision),
    ``event_lag_s`` how late cache events reach the router, ``index_ttl_s`` how long the router believes that what it
    sent somewhere is still cached there. A request is sent again ``retry_s`` after its replica failed, at most
    ``max_retries`` times.
    """

    pools: tuple[Pool, ...]
    services: tuple[str, ...] = ("model",)
    regions: tuple[str, ...] = ("here",)
    network_s: Floats = field(default_factory=lambda: np.zeros((1, 1)))
    transfers: tuple[Transfer, ...] = ()
    policies: Policies = field(default_factory=Policies)
    controls: tuple[Control, ...] = ()
    scrape_s: float = 0.0
    event_lag_s: float = 0.0
    index_ttl_s: float = 120.0
    retry_s: float = 1.0
    max_retries: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """The requests, one row each, as arrays of one length.

    ``arrival_s`` ascends over rows that come by themselves. A row with ``after >= 0`` comes ``gap_s`` after the answer
    to that (earlier) row instead; its ``arrival_s`` is ignored. With ``concurrency > 0`` the loop is closed: that many
    rows are sent at 0, and each answer sends the next row ``gap_s`` later. ``service`` -1 leaves the choice to the
    select policy. ``hashes[hash_start : hash_start + hash_count]`` name the blocks of ``hash_tokens`` tokens that the
    prompt, and after it the output, fill: rows that share leading names share that prefix.
    """

    arrival_s: Floats
    isl: Ints
    osl: Ints
    priority: Ints
    session: Ints
    origin: Ints
    service: Ints
    difficulty: Floats
    after: Ints
    gap_s: Floats
    hash_start: Ints
    hash_count: Ints
    hashes: Ints
    hash_tokens: int = 0
    concurrency: int = 0

    def __len__(self) -> int:
        return len(self.isl)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: ``leap`` off takes every step by itself (kernel only); ``sample_s`` 0 keeps no time series.

    ``log_steps`` keeps the first so many steps for a timeline. ``horizon_s`` ends the run there (inf: when all is
    served).
    """

    seed: int = 1
    leap: bool = True
    sample_s: float = 0.0
    log_steps: int = 0
    horizon_s: float = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What happened. The first group has one row per request, in the order of :class:`Requests`.

    ``sent_s`` is when the client sent it, ``first_s`` and ``finish_s`` when the client saw the first and the last
    token (nan where it did not); ``parts[i, PARTS]`` sums to ``finish_s - sent_s``. ``replica`` served it last.
    ``output_tokens`` were made for it by all replicas, also those of lost attempts and of an answer that a cascade
    threw away. ``gaps`` counts time between tokens in the bins of :mod:`drivetrain.serving.sim.sketch`.
    By pool: ``on_s`` replica-seconds paid for, ``busy_s`` lane-seconds of steps over lanes, ``joules`` of its
    accelerators (idle included, host and PUE not), ``tokens_out``. ``steps`` counts steps, ``leaps`` those taken at
    once. ``series`` has the columns :data:`SERIES`; ``log`` rows are (lane, start_s, end_s, decoding, prompt tokens,
    steps).
    """

    sent_s: Floats
    first_s: Floats
    finish_s: Floats
    status: Ints
    replica: Ints
    cached_tokens: Ints
    preemptions: Ints
    retries: Ints
    stages: Ints
    output_tokens: Ints
    parts: Floats

    gaps: Ints
    gap_sum_s: float
    end_s: float
    on_s: Floats
    busy_s: Floats
    joules: Floats
    tokens_out: Ints
    steps: int
    leaps: int
    series: Floats
    log: Floats
