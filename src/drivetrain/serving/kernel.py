"""Steady state of one replica under load, in machine code.

The engine runs steps. A step decodes one token for each running sequence; with probability ``u`` it also carries
prompt chunks.
From the view of one sequence among B others, with x prompt chunks arriving per step (Poisson)::

    u = 1 - exp(-x)                   share of steps with prefill;  k = x / u chunks in such a step
    t = (1 - u) t_decode + u t_mixed(k)                                  mean step = mean time per output token
    B = rate (osl - 1) t              Little's law;  x = rate * chunks * t

which is solved for t from below (least fixed point). Waiting to be prefilled is an M/G/1 queue with Kingman's
correction for burstiness plus the residual of the step under way; waiting for a slot is a many-server queue
(Halfin-Whitt) over the
sequences that fit. Percentiles: see :func:`_latency_quantile` and :func:`_fill_tpot`. Method: docs/method/serving.md.

A replica of ``pp`` stages is ``pp`` lanes that each run their own steps on a share of the load; ``dp`` ranks of a
lane step together.

Techniques (docs/method/techniques.md) enter as scalars that change nothing at their defaults. With speculation a step
runs VERIFY tokens a sequence and yields YIELD of them, so that a request takes ``(osl - 1) / YIELD`` steps and ``t /
YIELD`` is the mean time per token. With APART prompts run in steps of their own while decodes wait: ``u`` is then the
number of prompt steps per decode step, ``t_mixed`` both after one another. OVERLAP is the share of the shorter of
computing and messages that two half batches hide. HOST_S seconds per input token are spent on loading cache from the
host.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.cost.kernel import step

Floats = NDArray[np.float64]

# What `solve` fills in. Latencies follow at LATENCY + 5 * metric + statistic (mean, p50, p90, p95, p99).
(STABLE, RATE, DECODING, IN_SYSTEM, T_STEP, T_DECODE, T_MIXED, MIXED_FRAC, PREFILL_TOKENS, QUEUE_S, SLOT_WAIT,
 PREFILL_LOAD, POWER_W, BUSY, LATENCY) = range(15)  # fmt: skip
N_OUT = LATENCY + 20
TTFT, TPOT, ITL, E2E = range(4)
QUANTILES = (0.5, 0.9, 0.95, 0.99)
_Z = (0.0, 1.2815515655446004, 1.6448536269514722, 2.3263478740408408)

# Deployment scalars, in the order `solve` reads them.
(OVERHEAD_S, SEQUENCE_S, EXPOSED, PREFILL_S, REQUEST_S, LANES, DP, BUDGET, MAX_SEQS, STATIC_W, TDP_W,
 IDLE_W, VERIFY, YIELD, YIELD_VARIANCE, APART, OVERLAP, HOST_S) = range(18)  # fmt: skip
N_SCALARS = 18
STEP_SCALARS = LANES  # those before it are what one step reads

_ITERATIONS = 60
_TOLERANCE = 1e-7
_STRIDE = 1.5


@jit
def solve(
    ops: Floats, collectives: Floats, d: Floats, spans: Floats,
    weight: Floats, isl: Floats, osl: Floats, computed: Floats, decode_ctx: Floats, prefill_ctx: Floats,
    rate: float, arrival_cv2: float, others: float, want: NDArray[np.bool_], out: Floats,
) -> None:  # fmt: skip
    """Fill ``out`` for a replica that receives ``rate`` requests/s.

    ``others`` is the share of the load that a request sees besides itself: 1 for an open stream, (C-1)/C when C
    requests circulate. ``want[metric, statistic]`` asks for percentiles beyond the means. ``decode_ctx[span]``,
    ``prefill_ctx[span, class]`` are contexts within each span. Unstable loads leave ``out[STABLE] = 0``.
    """
    n_classes = weight.shape[0]
    n_spans = spans.shape[0]
    lane_rate = rate / d[LANES]
    dp, budget = d[DP], d[BUDGET]
    verify, per_step, apart, overlap = d[VERIFY], d[YIELD], d[APART] > 0.0, d[OVERLAP] > 0.0
    out[:] = np.nan
    out[STABLE] = 0.0
    out[RATE] = rate

    # the mean prompt: tokens, chunks, and contexts per token and per chunk
    tokens = 0.0
    tokens2 = 0.0
    n_chunks = 0.0
    osl_mean = 0.0
    isl_mean = 0.0
    for j in range(n_classes):
        isl_mean += weight[j] * isl[j]
        tokens += weight[j] * computed[j]
        tokens2 += weight[j] * computed[j] ** 2
        n_chunks += weight[j] * max(1.0, computed[j] / budget)
        osl_mean += weight[j] * osl[j]
    chunk = tokens / n_chunks
    ctx_prefill = np.zeros(n_spans)
    ctx_chunk = np.zeros(n_spans)
    none = np.zeros(n_spans)
    for j in range(n_classes):
        share = weight[j] * computed[j] / tokens
        for s in range(n_spans):
            ctx_prefill[s] += share * prefill_ctx[s, j]
            ctx_chunk[s] += share * _chunk_context(isl[j], computed[j], budget, spans[s])
    gaps = max(osl_mean - 1.0, 0.0) / per_step  # steps of decoding

    # least fixed point of t = g(t), by secant steps from below, bracketed once overshot
    one = 1.0 / dp if dp > 1 else 1.0
    t_low = step(ops, collectives, d, one, 0.0, 0.0, verify, decode_ctx, none, none)[0]
    if overlap:
        t_low = _halved(t_low, 0.0, ops, collectives, d, one, 0.0, 0.0, verify, decode_ctx, none, none)[0]
    t_high = np.inf
    t = t_low
    previous_t = 0.0
    previous_g = 0.0
    t_decode = t_low
    t_mixed = t_low
    t_prompts = 0.0
    joules_decode = 0.0
    joules_mixed = 0.0
    u = 0.0
    carried = 0.0
    limit = d[MAX_SEQS] / d[LANES]
    # beyond this step time more sequences decode than fit; no need to look further
    ceiling = (1.0 + 1e-9) * limit / (lane_rate * gaps) if lane_rate * gaps > 0.0 else np.inf
    solved = False
    for iteration in range(_ITERATIONS):
        decoding = lane_rate * gaps * t
        seen = 1.0 + others * decoding
        rank = max(seen / dp, 1.0)
        x = others * lane_rate * n_chunks * t
        u = -math.expm1(-x)
        k = x / u if u > 1e-12 else 1.0
        if k * chunk > budget * dp:  # what a full step leaves over makes another step a mixed one
            u = x * chunk / (budget * dp)
            u = u if apart else min(1.0, u)
            k = x / u
        carried = min(k * chunk, budget * dp)
        per_rank = min(chunk * max(1.0, k / dp), budget)
        chunks_rank = per_rank / chunk
        beside = 0.0 if apart else rank  # sequences that decode in a step with prompts
        both = carried if apart else verify * seen + carried
        t_decode, joules_decode = step(ops, collectives, d, rank, 0.0, 0.0, verify * seen, decode_ctx, none, none)
        t_mixed, joules_mixed = step(
            ops, collectives, d, beside, per_rank, chunks_rank, both, decode_ctx, ctx_prefill, ctx_chunk
        )
        if overlap:
            t_decode, joules_decode = _halved(
                t_decode, joules_decode, ops, collectives, d, rank, 0.0, 0.0, verify * seen, decode_ctx, none, none
            )
            t_mixed, joules_mixed = _halved(
                t_mixed, joules_mixed, ops, collectives, d, beside, per_rank, chunks_rank, both, decode_ctx,
                ctx_prefill, ctx_chunk,
            )  # fmt: skip
        if apart:
            t_prompts = t_mixed
            t_mixed += t_decode
            joules_mixed += joules_decode
        g = (1.0 - u) * t_decode + u * t_mixed
        if abs(g - t) <= _TOLERANCE * t:
            t = g
            solved = True
            break
        if g < t:
            t_high = t
        else:
            t_low = t
            if t >= ceiling:
                return  # the step is longer still, so more would decode than fit
        slope = (g - previous_g) / (t - previous_t) if iteration > 0 and t != previous_t else 0.0
        candidate = t + (g - t) / (1.0 - slope) if slope < 1.0 else np.inf
        previous_t = t
        previous_g = g
        if t_high < np.inf:
            if iteration % 4 == 3 or not t_low < candidate < t_high:
                candidate = 0.5 * (t_low + t_high)
            t = candidate
        else:
            # short strides, lest one passes over the fixed point and a second one beyond it
            t = min(max(g, min(candidate, _STRIDE * t)), ceiling)
    decoding = lane_rate * gaps * t
    if not solved or decoding > limit:
        return

    # the prompt queue of a lane: all its ranks drain full budgets
    full = budget * dp
    beside = 0.0 if apart else 1.0 + others * decoding
    rank = 0.0 if apart else max(beside / dp, 1.0)
    chunks_rank = max(1.0, budget / chunk)
    both = verify * beside + full
    t_full = step(ops, collectives, d, rank, budget, chunks_rank, both, decode_ctx, ctx_prefill, ctx_chunk)[0]
    if overlap:
        t_full = _halved(
            t_full, 0.0, ops, collectives, d, rank, budget, chunks_rank, both, decode_ctx, ctx_prefill, ctx_chunk
        )[0]
    drain = tokens / full * t_full
    load = lane_rate * drain
    if load >= 1.0:
        return
    cv2 = max(tokens2 / (tokens * tokens) - 1.0, 0.0)
    queue = others * load / (1.0 - others * load) * (arrival_cv2 + cv2) / 2.0 * drain
    mean2 = t_decode**2 + u * t_prompts**2 if apart else (1.0 - u) * t_decode**2 + u * t_mixed**2
    residual = mean2 / (2.0 * t)

    # own prefill by class, with whatever else shares the steps
    own = np.zeros(n_classes)
    own_mean = 0.0
    waiting = others * lane_rate * n_chunks * t * chunk  # prompt tokens of others that come per step
    beside = 0.0 if apart else others * decoding
    rank = max(beside / dp, 0.0)
    loading = rate / dp * isl_mean * d[HOST_S]  # share of the time that a link to host memory is busy
    if loading >= 1.0:
        return
    for j in range(n_classes):
        chunks_j = max(1.0, computed[j] / budget)
        size = computed[j] / chunks_j
        for s in range(n_spans):
            ctx_prefill[s] = prefill_ctx[s, j]
            ctx_chunk[s] = _chunk_context(isl[j], computed[j], budget, spans[s])
        total = min(size + waiting, max(full, size))
        mine = min(size + max(0.0, waiting / dp), max(budget, size))
        both = verify * beside + total
        t_own = step(ops, collectives, d, rank, mine, mine / size, both, decode_ctx, ctx_prefill, ctx_chunk)[0]
        if overlap:
            t_own = _halved(
                t_own, 0.0, ops, collectives, d, rank, mine, mine / size, both, decode_ctx, ctx_prefill, ctx_chunk
            )[0]
        own[j] = chunks_j * t_own
        own[j] += isl[j] * d[HOST_S] / (1.0 - loading)
        own_mean += weight[j] * own[j]

    # a slot among those that fit: offered sequences against the limit
    stay = residual + queue + own_mean + gaps * t
    offered = lane_rate * stay
    if offered >= limit:
        return
    burst = (arrival_cv2 + 1.0) / 2.0
    p_slot = 0.0
    slot = 0.0
    if others >= 1.0:
        p_slot = _wait_probability(offered, limit, burst)
        slot = p_slot * stay / (limit - offered) * burst

    in_system = lane_rate * (stay + slot + d[REQUEST_S])
    base = residual + own_mean + d[REQUEST_S]
    out[STABLE] = 1.0
    out[DECODING] = decoding * d[LANES]
    out[IN_SYSTEM] = in_system * d[LANES]
    out[T_STEP] = t
    out[T_DECODE] = t_decode
    out[T_MIXED] = t_mixed
    out[MIXED_FRAC] = u
    out[PREFILL_TOKENS] = carried
    out[QUEUE_S] = queue + slot
    out[SLOT_WAIT] = p_slot
    out[PREFILL_LOAD] = load
    busy = -math.expm1(-in_system) if others >= 1.0 else 1.0
    active = drawn(d[STATIC_W], ((1.0 - u) * joules_decode + u * joules_mixed) / t, d[TDP_W])
    out[BUSY] = busy
    out[POWER_W] = busy * max(active, d[IDLE_W]) + (1.0 - busy) * d[IDLE_W]

    out[LATENCY + 5 * TTFT] = base + queue + slot
    out[LATENCY + 5 * TPOT] = t / per_step
    out[LATENCY + 5 * ITL] = t / per_step
    out[LATENCY + 5 * E2E] = base + queue + slot + gaps * t
    p_wait = 1.0 - (1.0 - min(others * load, 1.0)) * (1.0 - p_slot)
    for q in range(4):
        if want[TTFT, q + 1]:
            out[LATENCY + 5 * TTFT + q + 1] = _latency_quantile(
                QUANTILES[q], weight, own, osl, 0.0, d[REQUEST_S] + 2.0 * residual * QUANTILES[q], p_wait, queue + slot
            )
        if want[E2E, q + 1]:
            out[LATENCY + 5 * E2E + q + 1] = _latency_quantile(
                QUANTILES[q],
                weight,
                own,
                osl,
                t / per_step,
                d[REQUEST_S] + 2.0 * residual * QUANTILES[q],
                p_wait,
                queue + slot,
            )
    if want[TPOT, 1] or want[TPOT, 2] or want[TPOT, 3] or want[TPOT, 4] or want[ITL, 1] or want[ITL, 2] or want[
        ITL, 3] or want[ITL, 4]:  # fmt: skip
        # one more sequence's effect on the step, for the swing of the batch around its mean
        more = max((1.0 + others * decoding + 1.0) / dp, 1.0)
        both = verify * (2.0 + others * decoding)
        nudged = step(ops, collectives, d, more, 0.0, 0.0, both, decode_ctx, none, none)[0]
        if overlap:
            nudged = _halved(nudged, 0.0, ops, collectives, d, more, 0.0, 0.0, both, decode_ctx, none, none)[0]
        per_sequence = max(nudged - t_decode, 0.0)
        swing = math.sqrt(decoding * burst) if others >= 1.0 else 0.0
        _fill_tpot(
            out, weight, osl, t, t_decode, t_mixed, u, per_sequence, swing, limit - decoding, arrival_cv2, per_step,
            d[YIELD_VARIANCE], apart,
        )  # fmt: skip


@jit
def _halved(
    t: float, joules: float, ops: Floats, collectives: Floats, d: Floats, decode: float, prefill: float,
    chunks: float, expert_tokens: float, ctx_decode: Floats, ctx_prefill: Floats, ctx_chunk: Floats,
) -> tuple[float, float]:  # fmt: skip
    """The quicker of a whole step and two halves that overlap: :mod:`drivetrain.serving.techniques.overlap`.

    Called beside :func:`step`, not around it, so that the usual step stays inlined.
    """
    half, half_joules = step(ops, collectives, d, 0.5 * decode, 0.5 * prefill, 0.5 * chunks, 0.5 * expert_tokens,
                             ctx_decode, ctx_prefill, ctx_chunk)  # fmt: skip
    computing = step(ops, collectives[:0], d, 0.5 * decode, 0.5 * prefill, 0.5 * chunks, 0.5 * expert_tokens,
                     ctx_decode, ctx_prefill, ctx_chunk)[0]  # fmt: skip
    both = 2.0 * (half - d[OVERLAP] * min(computing, half - computing))
    return (both, 2.0 * half_joules) if both < t else (t, joules)


@jit
def drawn(static_w: float, dynamic_w: float, tdp_w: float) -> float:
    """Watts while working: static plus what operators draw at full clock, bent towards TDP as clocks fall.

    ``static + room (1 - exp(-dynamic / room))`` with ``room = tdp - static``: the slope is 1 at first, TDP the limit.
    """
    room = tdp_w - static_w
    if room <= 0.0:
        return tdp_w
    return static_w - room * math.expm1(-dynamic_w / room)


@jit
def _chunk_context(isl: float, computed: float, budget: float, span: float) -> float:
    """Cached tokens read per chunk: the prefix and the chunks before and with it, as far back as ``span`` reaches."""
    chunks = max(1.0, computed / budget)
    size = computed / chunks
    return float(min(isl - computed + size * (chunks + 1.0) / 2.0, span + size))


@jit
def _wait_probability(offered: float, servers: float, burst: float) -> float:
    """Halfin and Whitt's probability of waiting, with the offered load's spread widened by burstiness."""
    beta = (servers - offered) / math.sqrt(max(offered * burst, 1e-12))
    if beta > 30.0:
        return 0.0
    density = math.exp(-0.5 * beta * beta) / math.sqrt(2.0 * math.pi)
    below = 0.5 * math.erfc(-beta / math.sqrt(2.0))
    return density / (density + beta * below)


@jit
def _latency_quantile(
    q: float, weight: Floats, own: Floats, osl: Floats, t: float, shift: float, p_wait: float, wait: float
) -> float:
    """Quantile of own time plus waiting: P(wait > y) = p_wait exp(-y p_wait / wait), own time by request class.

    ``t`` adds the decode time of the class (0 for TTFT).
    """
    low = np.inf
    high = 0.0
    for j in range(weight.shape[0]):
        low = min(low, own[j] + t * max(osl[j] - 1.0, 0.0))
        high = max(high, own[j] + t * max(osl[j] - 1.0, 0.0))
    tail = wait / p_wait if p_wait > 1e-12 else 0.0
    high += tail * 12.0
    for _ in range(26):
        middle = 0.5 * (low + high)
        above = 0.0
        for j in range(weight.shape[0]):
            y = middle - own[j] - t * max(osl[j] - 1.0, 0.0)
            if y < 0.0:
                above += weight[j]
            elif tail > 0.0:
                above += weight[j] * p_wait * math.exp(-y / tail)
        if above > 1.0 - q:
            low = middle
        else:
            high = middle
        if high - low <= 1e-4 * high:
            break
    return high + shift


@jit
def _fill_tpot(
    out: Floats, weight: Floats, osl: Floats, t: float, t_decode: float, t_mixed: float, u: float,
    per_sequence: float, swing: float, room: float, arrival_cv2: float, per_step: float, variance: float, apart: bool,
) -> None:  # fmt: skip
    """Percentiles of TPOT over requests and of ITL over gaps.

    A request's mean over its steps varies with how many of them carried prefill (binomial, or Poisson where prompts run
    apart; widened by burstiness) and with the batch it met, which stays correlated over a request's life (0.736 of the
    variance remains after averaging a process with exponential correlation over one correlation time). Normal, kept
    within the possible steps. With speculation a step yields ``per_step`` tokens of ``variance``: n tokens take a
    number of steps whose variance is n variance / per_step^3. Tokens of one step arrive together, so that a share
    1 - 1/per_step of the gaps are 0 and the others are steps.
    """
    inverse = 0.0
    tokens_inverse = 0.0
    for j in range(weight.shape[0]):
        inverse += weight[j] / max((osl[j] - 1.0) / per_step, 1.0)
        tokens_inverse += weight[j] / max(osl[j] - 1.0, 1.0)
    scatter = u if apart else u * (1.0 - u)
    stalls = (t_mixed - t_decode) ** 2 * scatter * inverse * max(arrival_cv2, 1.0)
    luck2 = t * t * variance / per_step**3 * tokens_inverse
    for q in range(4):
        batch = per_sequence * min(_Z[q] * swing * 0.858, room) / per_step
        stall = _Z[q] * math.sqrt(stalls) / per_step
        spread = math.sqrt(batch**2 + stall**2 + _Z[q] ** 2 * luck2)
        out[LATENCY + 5 * TPOT + q + 1] = min(t / per_step + spread, max(t_mixed, t) + batch)
        among = QUANTILES[q]  # the quantile among gaps between steps
        z = _Z[q]
        if per_step > 1.0:
            among = 1.0 - (1.0 - QUANTILES[q]) * per_step
            if among <= 0.0:
                out[LATENCY + 5 * ITL + q + 1] = 0.0
                continue
            z = _normal_quantile(among)
        base = t_mixed if among > 1.0 - u else t_decode
        out[LATENCY + 5 * ITL + q + 1] = base + per_sequence * min(z * swing, room)


@jit
def _normal_quantile(p: float) -> float:
    """Standard normal quantile for p of at least one half, 0 below: Hastings' rational approximation, within 0.0005."""
    if p <= 0.5:
        return 0.0
    w = math.sqrt(-2.0 * math.log(1.0 - p))
    top = 2.515517 + w * (0.802853 + w * 0.010328)
    return float(w - top / (1.0 + w * (1.432788 + w * (0.189269 + w * 0.001308))))
