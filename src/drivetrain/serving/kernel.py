"""Steady state of one replica under load, in machine code.

The engine runs steps. A step decodes one token for each running sequence; with probability ``u`` it also carries
prompt chunks.
From the view of one sequence among B others, with x prompt chunks arriving per step (Poisson)::

    u = 1 - exp(-x)                   share of steps with prefill;  k = x / u chunks in such a step
    t = (1 - u) t_decode + u t_mixed(k)                                  mean step = mean time per output token
    B = rate (osl - 1) t              Little's law;  x = rate * chunks * t

which is solved for t from below (least fixed point), twice: the second time with the prompts that wait behind one's own
when it is done, and that a short answer decodes beside (x grows by those per step). Waiting to be prefilled is a
queue in batches (:func:`_prompt_queue`) plus the residual of the step under way; waiting for a slot is a many-server
queue (Halfin-Whitt) over the sequences that fit, in all lanes together. Bursts: :func:`_company`. Percentiles:
:func:`_latency_quantile` and :func:`_fill_tpot`. Method: docs/method/serving.md.

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
_MOST_STALL = 0.95  # beyond it a queue of prompts, not their stalls, is what grows
_MOST_FEEDBACK = 0.6
_NEGLIGIBLE = 1e-3  # of a request's time: no second solution for it
_GAMMA = 0.94  # of 1 + 1 / cv2, between 0.89 and 1


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
    n_steps = 0.0
    osl_mean = 0.0
    isl_mean = 0.0
    for j in range(n_classes):
        isl_mean += weight[j] * isl[j]
        tokens += weight[j] * computed[j]
        tokens2 += weight[j] * computed[j] ** 2
        n_chunks += weight[j] * max(1.0, computed[j] / budget)
        n_steps += weight[j] * max(1.0, math.ceil(computed[j] / budget - 1e-9))
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
    t = t_low
    t_decode = t_low
    t_mixed = t_low
    t_prompts = 0.0
    joules_decode = 0.0
    joules_mixed = 0.0
    u = 0.0
    carried = 0.0
    limit = d[MAX_SEQS] / d[LANES]
    burst = (arrival_cv2 + 1.0) / 2.0
    share = 1.0
    t_alone = t_low
    behind = 0.0  # chunks that wait when one's own prompt is done
    # beyond this step time more sequences decode than fit; no need to look further
    ceiling = (1.0 + 1e-9) * limit / (lane_rate * gaps) if lane_rate * gaps > 0.0 else np.inf
    for lap in range(2):
        solved = False
        t_high = np.inf
        previous_t = 0.0
        previous_g = 0.0
        for iteration in range(_ITERATIONS):
            decoding = lane_rate * gaps * t
            seen = 1.0 + others * decoding
            rank = max(seen / dp, 1.0)
            t_decode, joules_decode = step(ops, collectives, d, rank, 0.0, 0.0, verify * seen, decode_ctx, none, none)
            if overlap:
                t_decode, joules_decode = _halved(
                    t_decode, joules_decode, ops, collectives, d, rank, 0.0, 0.0, verify * seen, decode_ctx, none, none
                )
            x = others * lane_rate * n_chunks * t + behind / max(gaps, 1.0)
            u = -math.expm1(-x)
            if apart:
                per_s = others * lane_rate * n_chunks
                u = _rounds(-math.expm1(-per_s * t_decode), per_s * max(t - t_decode, 0.0))
                u *= x / max(per_s * t, 1e-300)
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
            t_mixed, joules_mixed = step(
                ops, collectives, d, beside, per_rank, chunks_rank, both, decode_ctx, ctx_prefill, ctx_chunk
            )
            if overlap:
                t_mixed, joules_mixed = _halved(
                    t_mixed, joules_mixed, ops, collectives, d, beside, per_rank, chunks_rank, both, decode_ctx,
                    ctx_prefill, ctx_chunk,
                )  # fmt: skip
            if apart:
                t_prompts = t_mixed
                share = (1.0 + (dp - 1.0) * max(1.0 - t_decode / t_prompts, 0.0)) / dp  # other ranks decode meanwhile
                u *= share
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
        ranks = d[LANES] * dp  # each has a queue of its own
        even = ranks / (ranks + decoding * d[LANES])  # so far do prompts, not answers, decide where the next one goes
        lane_cv2 = even * arrival_cv2 / ranks + (1.0 - even) * (1.0 + (arrival_cv2 - 1.0) / ranks)
        queue, p_queue, spread = _prompt_queue(
            others * load, drain * dp, tokens / budget if gaps > 0.0 else np.inf, cv2, min(lane_cv2, 1.0), ranks, even,
            _company(others * rate * (t_full + drain * dp / (1.0 - others * load) ** 2), arrival_cv2) / ranks,
        )  # fmt: skip

        # others in one's own step, and behind one when it is done
        slope = (t_mixed - t_decode) / k * (share if apart else 1.0)  # seconds of a chunk
        stall = min(others * lane_rate * n_chunks * slope, _MOST_STALL)  # what of the time prompts add to steps
        two = t_decode**2 + u * t_prompts**2 - t * t if apart else u * (1.0 - u) * (t_mixed - t_decode) ** 2
        bred = (slope * n_chunks) ** 2 * others * lane_rate * t * spread / (1.0 - stall * stall)
        longest = max(t_full + t_decode if apart else t_full, t_mixed)
        residual = (two + t * t) / (2.0 * t)
        met = t  # mean step that one arrives in; where nothing decodes, no step is under way but for prompts
        if gaps > 0.0:
            met += min(max(two, bred), max((longest - t) * (t - t_decode), 0.0)) / t
        bursty = arrival_cv2 > ranks
        seen_cv2 = arrival_cv2 if bursty else lane_cv2
        ahead = n_chunks * _nearby(others * lane_rate * met, seen_cv2, d[LANES] if bursty else 1.0)
        if others < 1.0:
            break  # a loop holds no more than circulate: what is behind one is not there to wait for
        if lap == 0:
            over = queue + min(t_decode + slope * (1.0 + ahead), longest) + (n_steps - 1.0) * t_full - t
            waited = 2.0 * others * lane_rate / dp * max(over, 0.0)
            behind = 0.5 * n_chunks * _nearby(waited, seen_cv2, ranks if bursty else 1.0)
            if gaps < 1.0 or behind * slope < _NEGLIGIBLE * gaps * t:
                break

    # own prefill by class, with whatever else shares the steps
    own = np.zeros(n_classes)
    own_mean = 0.0
    waiting = ahead * chunk  # prompt tokens of others in one's own last step
    beside = 0.0 if apart else others * decoding
    rank = max(beside / dp, 0.0)
    loading = rate / dp * isl_mean * d[HOST_S]  # share of the time that a link to host memory is busy
    if loading >= 1.0:
        return
    for j in range(n_classes):
        chunks_j = max(1.0, math.ceil(computed[j] / budget - 1e-9))
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
        own[j] = t_own + (chunks_j - 1.0) * (t_decode + (t_full - t_decode) * size / budget)
        own[j] += isl[j] * d[HOST_S] / (1.0 - loading)
        own_mean += weight[j] * own[j]

    # a slot among those that fit: offered sequences against the limit
    stay = residual + queue + own_mean + gaps * t
    offered = lane_rate * stay
    if offered >= limit:
        return
    slots = limit * d[LANES]
    stay_cv2 = 0.0
    for j in range(n_classes):
        stay_cv2 += weight[j] * (residual + queue + own[j] + max(osl[j] - 1.0, 0.0) / per_step * t) ** 2
    stay_cv2 = max(stay_cv2 / stay**2 - 1.0, 0.0)
    p_slot = 0.0
    slot = 0.0
    if others >= 1.0:
        inside = offered * d[LANES]
        # more sequences make longer steps, so that a batch that has grown is slow to shrink
        feedback = min((t - t_alone) / t, _MOST_FEEDBACK)
        company = _company(rate * stay, arrival_cv2)
        free = slots - inside
        p_slot = _wait_probability(inside, slots - min(company, 0.9 * free), burst + feedback / (1.0 - feedback))
        clumps = (min(arrival_cv2, 1.0) + stay_cv2) / (1.0 - feedback) + 2.0 * company
        slot = p_slot * stay / free * clumps / 2.0

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
    # what is added to one's own prefill: the step under way, others in one's own step, the queue, a slot
    for q in range(4):
        for metric, per_token in ((TTFT, 0.0), (E2E, t / per_step)):
            if want[metric, q + 1]:
                out[LATENCY + 5 * metric + q + 1] = _latency_quantile(
                    QUANTILES[q], weight, own, osl, per_token, d[REQUEST_S] + 2.0 * residual * QUANTILES[q],
                    p_queue, queue, p_slot, slot,
                )  # fmt: skip
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
            out, want, weight, osl, t, t_decode, t_mixed, u, per_sequence, swing, limit - decoding, per_step,
            d[YIELD_VARIANCE], apart, longest, stall, slope * n_chunks, others * lane_rate * spread,
            behind / n_chunks, spread, queue * queue * (2.0 / max(p_queue, 1e-9) - 1.0),
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
def _rounds(one: float, during: float) -> float:
    """Prompt steps for each decode step, where decodes wait until no prompt is there.

    ``one`` is the chance of a first (some prompt came in the decode step). Each is followed by another where prompts
    came meanwhile: ``u = one exp(during / u)`` with ``during`` the chunks that come in all of them; by Newton.
    """
    if during <= 0.0 or one <= 1e-12:
        return one
    u = one + during
    for _ in range(6):
        log = math.log(u / one)
        u -= (u * log - during) / (log + 1.0)
    return u


@jit
def _company(expected: float, cv2: float) -> float:
    """Arrivals beyond those ``expected`` within a time after an arrival, where gaps are Gamma with ``cv2`` above 1.

    With f the chance that the next gap is shorter than that time, a run of short gaps adds f / (1 - f); over long
    times the excess is (cv2 - 1) / 2. Between the two: their harmonic sum. No excess up to ``cv2`` 1.
    """
    if cv2 <= 1.0 or expected <= 0.0:
        return 0.0
    f = min((expected / cv2) ** (1.0 / cv2) / _GAMMA, 0.999)
    return float(1.0 / (2.0 / (cv2 - 1.0) + (1.0 - f) / f))


@jit
def _nearby(expected: float, cv2: float, ways: float) -> float:
    """Arrivals within a time around one's own, ``expected`` of them on average, a stream dealt out ``ways``.

    Bursts bring more (:func:`_company`, before and after), regular arrivals fewer: in a short time none.
    """
    if cv2 < 1.0:
        return expected * expected / (expected + 1.0 - cv2) if expected > 0.0 else 0.0
    return float(expected + 2.0 * _company(0.5 * expected * ways, cv2) / ways)


@jit
def _prompt_queue(
    load: float, drain: float, budgets: float, cv2: float, regular: float, ranks: float, even: float, company: float
) -> tuple[float, float, float]:
    """(mean wait, chance to wait, variability) of a prompt for room in the token budget.

    Pollaczek and Khinchine with batches: ``[load (regular + cv2) / 2 + company] / (1 - load)`` services, fewer where
    requests go to the emptier of several ranks (Sakasegawa's exponent). Work up to a budget runs at once in the next
    step, so only what exceeds it waits: a random walk over steps, by Siegmund's correction exp(-2 0.583 drift /
    deviation), or over whole prompts where those are larger than a budget. A prompt is of
    ``budgets``; infinite where nothing decodes: prompts then take turns.
    """
    among = 1.0 - even + even * max(load, 1e-9) ** (math.sqrt(2.0 * (ranks + 1.0)) - 2.0) / ranks
    spread = regular + 2.0 * company + cv2
    jump = min(max(budgets * spread, 1e-9), 1e9)  # work that comes together, in budgets
    exceeds = math.exp(-(1.0 - load) * min(1.165 / math.sqrt(max(load * jump, 1e-12)), 1.0 / jump))
    wait = (load * (regular + cv2) / 2.0 * among + company) / (1.0 - load) * drain * exceeds
    clump = (regular + 2.0 * company + 1.0) / 2.0
    chance = 1.0 - (1.0 - load * among) / clump if clump >= 1.0 else load * clump * among
    return wait, chance * exceeds, spread


@jit
def _latency_quantile(
    q: float, weight: Floats, own: Floats, osl: Floats, t: float, shift: float, p_queue: float, queue: float,
    p_slot: float, slot: float,
) -> float:  # fmt: skip
    """Quantile of own time plus two waits: P(wait > y) = p exp(-y p / mean) each, own time by request class.

    ``t`` adds the decode time of the class (0 for TTFT).
    """
    low = np.inf
    high = 0.0
    for j in range(weight.shape[0]):
        low = min(low, own[j] + t * max(osl[j] - 1.0, 0.0))
        high = max(high, own[j] + t * max(osl[j] - 1.0, 0.0))
    one = queue / p_queue if p_queue > 1e-12 else 0.0
    other = slot / p_slot if p_slot > 1e-12 else 0.0
    high += 6.0 * (one + other)
    for _ in range(26):
        middle = 0.5 * (low + high)
        above = 0.0
        for j in range(weight.shape[0]):
            y = middle - own[j] - t * max(osl[j] - 1.0, 0.0)
            if y < 0.0:
                above += weight[j]
                continue
            tail = p_queue * math.exp(-y / one) if y < 12.0 * one else 0.0
            if y < 12.0 * other:
                tail += (1.0 - tail) * p_slot * math.exp(-y / other)
            above += weight[j] * tail
        if above > 1.0 - q:
            low = middle
        else:
            high = middle
        if high - low <= 1e-4 * high:
            break
    return high + shift


@jit
def _fill_tpot(
    out: Floats, want: NDArray[np.bool_], weight: Floats, osl: Floats, t: float, t_decode: float, t_mixed: float,
    u: float, per_sequence: float, swing: float, room: float, per_step: float, variance: float, apart: bool,
    longest: float, stall: float, prompt_s: float, clumped_rate: float, behind: float, spread: float, wait2: float,
) -> None:  # fmt: skip
    """Percentiles of TPOT over requests and of ITL over gaps.

    By class of answer length, n steps: the mean is the calm step plus what the prompts ``behind`` one's own cost, over
    n. Around it, prompts that come meanwhile cost ``prompt_s`` each and delay, so that more come: their variance per
    second over (1 - stall)^2, that of the wait one had (``wait2``: who waited long has many behind), the batch one met,
    which stays correlated over a request's life (0.736 of the variance remains after averaging a process with
    exponential correlation over one correlation time). A shifted Gamma distribution with the skewness of the stalls;
    no step is longer than ``longest``. With speculation a step yields ``per_step`` tokens of ``variance``: n tokens
    take a number of steps whose variance is n variance / per_step^3. Tokens of one step arrive together, so that a
    share 1 - 1/per_step of the gaps are 0 and the others are steps.
    """
    n = weight.shape[0]
    gaps = 0.0
    for j in range(n):
        gaps += weight[j] * max(osl[j] - 1.0, 0.0) / per_step
    gaps = max(gaps, 1.0)
    excess = min(behind * prompt_s / (1.0 - stall), max(t - t_decode, 0.0) * gaps)  # seconds lost to those behind
    calm = t - excess / gaps
    again = 1.0 / (1.0 - stall) ** 2
    mean = np.empty(n)
    root = np.empty(n)
    shift = np.empty(n)
    for q in range(4):
        if not (want[TPOT, q + 1] or want[ITL, q + 1]):
            continue
        batch = per_sequence * (min(_Z[q] * swing * 0.858, room) / _Z[q] if q > 0 else swing * 0.858)
        low = np.inf
        high = -np.inf
        for j in range(n):
            steps = max((osl[j] - 1.0) / per_step, 1.0)
            at = calm + excess / steps
            lost2 = prompt_s**2 * (again * clumped_rate * calm * steps + behind * spread) + again * stall**2 * wait2
            lost2 /= steps * steps
            if not apart:
                at = min(at, max(longest, t))
                lost2 = min(lost2, max((longest - at) * (at - t_decode), 0.0))
            all2 = max(lost2 + batch * batch + t * t * variance / (per_step * per_step * steps), 1e-16 * t * t)
            skew = max(2.0 * lost2 * lost2 / (max(at - t_decode, 1e-12 * t) * all2**1.5), 0.02)
            mean[j] = 2.0 * math.sqrt(all2) / skew
            root[j] = skew / 6.0
            shift[j] = at - mean[j]
            own = shift[j] + mean[j] * max(1.0 - root[j] ** 2 + _Z[q] * root[j], 0.0) ** 3
            low = min(low, own)
            high = max(high, own)
        if high - low > 1e-4 * high:
            high = _between(QUANTILES[q], low, high, weight, shift, mean, root)
        if not apart:
            high = min(high, max(longest, t) + per_sequence * min(_Z[q] * swing * 0.858, room))
        out[LATENCY + 5 * TPOT + q + 1] = high / per_step
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
def _between(q: float, low: float, high: float, weight: Floats, shift: Floats, mean: Floats, root: Floats) -> float:
    """Quantile of a mixture of shifted Gamma variables, from below and above by regula falsi (Illinois)."""
    below_low = -q
    below_high = 1.0 - q
    side = 0
    for _ in range(20):
        middle = (low * below_high - high * below_low) / (below_high - below_low)
        value = -q
        for j in range(weight.shape[0]):
            value += weight[j] * _below(middle - shift[j], mean[j], root[j])
        if value < 0.0:
            low = middle
            below_low = value
            if side < 0:
                below_high *= 0.5
            side = -1
        else:
            high = middle
            below_high = value
            if side > 0:
                below_low *= 0.5
            side = 1
        if abs(value) < 1e-5 or high - low <= 1e-4 * high:
            return middle
    return high


@jit
def _below(y: float, mean: float, root: float) -> float:
    """P(X <= y) of a Gamma variable, by Wilson and Hilferty; ``root`` is its standard deviation over three means."""
    if y <= 0.0:
        return 0.0
    z = ((y / mean) ** (1.0 / 3.0) - (1.0 - root * root)) / root
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@jit
def _normal_quantile(p: float) -> float:
    """Standard normal quantile for p of at least one half, 0 below: Hastings' rational approximation, within 0.0005."""
    if p <= 0.5:
        return 0.0
    w = math.sqrt(-2.0 * math.log(1.0 - p))
    top = 2.515517 + w * (0.802853 + w * 0.010328)
    return float(w - top / (1.0 + w * (1.432788 + w * (0.189269 + w * 0.001308))))
