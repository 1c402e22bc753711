"""Steady state of one replica under load, in machine code.

The engine runs steps. A step decodes one token for each running sequence; with probability ``u`` it also carries
prompt chunks.
From the view of one sequence among B others, with x prompt chunks arriving per step (Poisson)::

    u = 1 - exp(-x)                   share of steps with prefill;  k = x / u chunks in such a step
    t = (1 - u) t_decode + u t_mixed(k)                                  mean step = mean time per output token
    B = rate (osl - 1) t              Little's law;  x = rate * chunks * t

which is solved for t from below (least fixed point). That is the mean over time; a request sees more, the prompts that
came while its own waited and that it decodes beside: so many seconds over its steps are added to its time per token.
Waiting to be prefilled is a queue in batches (:func:`drivetrain.serving.waits.prompt_queue`) plus the residual of the
step under way; waiting for a slot is a many-server queue (Halfin-Whitt) over the sequences that fit, in all lanes
together. Percentiles: :mod:`drivetrain.serving.percentiles`. Method: docs/method/serving.md.

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
from drivetrain.cost.kernel import step, step_by_class
from drivetrain.serving.correction import LEAST_GAPS, N_A, N_B, N_FIXED, N_MOVING, corrected, features, hidden
from drivetrain.serving.percentiles import QUANTILES, REMAINS, Z, itl_quantile, latency_quantile, tpot_quantile
from drivetrain.serving.waits import company, nearby, prompt_queue, rounds, wait_probability

Floats = NDArray[np.float64]

# What `solve` fills in. Latencies follow at LATENCY + 5 * metric + statistic (mean, p50, p90, p95, p99).
(STABLE, RATE, DECODING, IN_SYSTEM, T_STEP, T_DECODE, T_MIXED, MIXED_FRAC, PREFILL_TOKENS, QUEUE_S, SLOT_WAIT,
 PREFILL_LOAD, POWER_W, BUSY, LATENCY) = range(15)  # fmt: skip
FEATURES = LATENCY + 20  # of the percentiles' correction
N_OUT = FEATURES + N_FIXED + N_MOVING
TTFT, TPOT, ITL, E2E = range(4)

# Deployment scalars, in the order `solve` reads them.
(OVERHEAD_S, SEQUENCE_S, EXPOSED, PREFILL_S, REQUEST_S, LANES, DP, BUDGET, MAX_SEQS, STATIC_W, TDP_W,
 IDLE_W, VERIFY, YIELD, YIELD_VARIANCE, APART, OVERLAP, HOST_S, CORRECTED) = range(19)  # fmt: skip
N_SCALARS = 19
STEP_SCALARS = LANES  # those before it are what one step reads

_ITERATIONS = 60
_TOLERANCE = 1e-7
_STRIDE = 1.5
_MOST_STALL = 0.95  # beyond it a queue of prompts, not their stalls, is what grows
_MOST_FEEDBACK = 0.6
_NO_END = 1e30  # s


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
    gaps = 0.0  # steps of decoding
    gaps2 = 0.0
    together = 0.0
    isl_mean = 0.0
    for j in range(n_classes):
        isl_mean += weight[j] * isl[j]
        tokens += weight[j] * computed[j]
        tokens2 += weight[j] * computed[j] ** 2
        n_chunks += weight[j] * max(1.0, computed[j] / budget)
        n_steps += weight[j] * max(1.0, math.ceil(computed[j] / budget - 1e-9))
        gaps_j = max(osl[j] - 1.0, 0.0) / per_step
        gaps += weight[j] * gaps_j
        gaps2 += weight[j] * gaps_j**2
        together += weight[j] * gaps_j * computed[j]
    chunk = tokens / n_chunks
    ctx_prefill = np.zeros(n_spans)
    ctx_chunk = np.zeros(n_spans)
    none = np.zeros(n_spans)
    chunk_ctx = np.empty((n_spans, n_classes))
    for j in range(n_classes):
        share = weight[j] * computed[j] / tokens
        for s in range(n_spans):
            chunk_ctx[s, j] = _chunk_context(isl[j], computed[j], budget, spans[s])
            ctx_prefill[s] += share * prefill_ctx[s, j]
            ctx_chunk[s] += share * chunk_ctx[s, j]

    # least fixed point of t = g(t), by secant steps from below, bracketed once overshot
    one = 1.0 / dp if dp > 1 else 1.0
    t_low = step(ops, collectives, d, one, 0.0, 0.0, verify, decode_ctx, none, none)[0]
    t_whole = t_low
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
    # beyond this step time more sequences decode than fit; no need to look further
    ceiling = (1.0 + 1e-9) * limit / (lane_rate * gaps) if lane_rate * gaps > 0.0 else np.inf
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
        x = others * lane_rate * n_chunks * t
        u = -math.expm1(-x)
        if apart:
            per_s = others * lane_rate * n_chunks
            u = rounds(-math.expm1(-per_s * t_decode), per_s * max(t - t_decode, 0.0))
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
            # other ranks decode meanwhile, no more than there is to decode
            share = 1.0 - min((dp - 1.0) / dp, 1.0 / max(u, 1e-12)) * min(t_decode / t_prompts, 1.0)
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
    # where nothing decodes, prompts take turns at the emptiest rank: one queue for all arrivals
    budgets, regular = (tokens / budget, min(lane_cv2, 1.0)) if gaps > 0.0 else (np.inf, min(arrival_cv2, 1.0))
    queue, p_queue, spread = prompt_queue(
        others * load, drain * dp, budgets, cv2, regular, ranks, even,
        company(others * rate * (t_full + drain * dp / (1.0 - others * load) ** 2), arrival_cv2) / ranks,
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
    ahead = n_chunks * nearby(others * lane_rate * met, seen_cv2, d[LANES] if bursty else 1.0)
    # a loop holds no more than circulate: what is behind one is not there to wait for
    behind = 0.0
    excess = 0.0  # seconds of a request that those behind cost it
    calm = t
    if others >= 1.0 and gaps > 0.0:
        over = queue + min(t_decode + slope * (1.0 + ahead), longest) + (n_steps - 1.0) * t_full - t
        waited = 2.0 * others * lane_rate / dp * max(over, 0.0)
        behind = 0.5 * n_chunks * nearby(waited, seen_cv2, ranks if bursty else 1.0)
        excess = behind * slope / (1.0 - stall)
        if not apart:
            most = max(longest - t, 0.0) * gaps
            excess = excess * most / max(excess + most, 1e-300)
        t += excess / gaps
        decoding = lane_rate * gaps * t
        if decoding > limit:
            return

    # own prefill by class, with whatever else shares the steps
    own, mine, rows, total, t_own = np.empty((5, n_classes))
    own_mean = 0.0
    waiting = ahead * chunk  # prompt tokens of others in one's own last step
    beside = 0.0 if apart else others * decoding
    loading = rate / dp * isl_mean * d[HOST_S]  # share of the time that a link to host memory is busy
    if loading >= 1.0:
        return
    for j in range(n_classes):
        steps_j = max(1.0, math.ceil(computed[j] / budget - 1e-9))
        size = computed[j] / steps_j
        total[j] = verify * beside + min(size + waiting, max(full, size))
        mine[j] = min(size + waiting / dp, max(budget, size))
        rows[j] = mine[j] / size
        own[j] = (steps_j - 1.0) * (t_decode + (t_full - t_decode) * size / budget)
        own[j] += isl[j] * d[HOST_S] / (1.0 - loading)
    step_by_class(ops, collectives, d, beside / dp, mine, rows, total, decode_ctx, prefill_ctx, chunk_ctx, t_own)
    if overlap:
        for j in range(n_classes):
            t_own[j] = _halved(
                t_own[j], 0.0, ops, collectives, d, beside / dp, mine[j], rows[j], total[j], decode_ctx,
                prefill_ctx[:, j].copy(), chunk_ctx[:, j].copy(),
            )[0]  # fmt: skip
    for j in range(n_classes):
        own[j] += t_own[j]
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
        crowd = company(rate * stay, arrival_cv2)
        free = slots - inside
        p_slot = wait_probability(inside, slots - min(crowd, 0.9 * free), burst + feedback / (1.0 - feedback))
        clumps = (min(arrival_cv2, 1.0) + stay_cv2) / (1.0 - feedback) + 2.0 * crowd
        slot = p_slot * stay / free * clumps / 2.0

    in_system = lane_rate * (stay + slot + d[REQUEST_S])
    base = residual + own_mean + d[REQUEST_S]
    out[STABLE] = 1.0
    out[DECODING] = decoding * d[LANES]
    out[IN_SYSTEM] = in_system * d[LANES]
    out[T_STEP] = calm
    out[T_DECODE] = t_decode
    out[T_MIXED] = t_mixed
    out[MIXED_FRAC] = u
    out[PREFILL_TOKENS] = carried
    out[QUEUE_S] = queue + slot
    out[SLOT_WAIT] = p_slot
    out[PREFILL_LOAD] = load
    busy = -math.expm1(-in_system) if others >= 1.0 else 1.0
    active = drawn(d[STATIC_W], ((1.0 - u) * joules_decode + u * joules_mixed) / calm, d[TDP_W])
    out[BUSY] = busy
    out[POWER_W] = busy * max(active, d[IDLE_W]) + (1.0 - busy) * d[IDLE_W]

    out[LATENCY + 5 * TTFT] = base + queue + slot
    out[LATENCY + 5 * TPOT] = t / per_step
    out[LATENCY + 5 * ITL] = t / per_step
    out[LATENCY + 5 * E2E] = base + queue + slot + gaps * t
    # percentiles: the algebra's own, corrected by what the simulator was found to have
    correct = d[CORRECTED] > 0.0 and others >= 1.0 and gaps >= LEAST_GAPS and want[:, 1:].any()
    a, b = np.empty(N_A), np.empty(N_B)
    alone_s, whole_s = t_whole, t_whole
    if correct:  # in units without overlap, whose gain is to show in what rises with the rate
        size = min(tokens / n_steps, budget)
        beside = 0.0 if apart else one
        both = size if apart else verify + size
        t_prompt = step(ops, collectives, d, beside, size, 1.0, both, decode_ctx, ctx_prefill, ctx_chunk)[0]
        alone_s = t_prompt * n_steps + t_whole
        whole_s = alone_s + t_whole * gaps
        features(
            arrival_cv2, cv2, tokens, budget, n_steps, limit, dp, d[LANES], d[APART], t_prompt, t_whole, alone_s,
            gaps, gaps2, together, d[REQUEST_S], isl_mean, load, offered, calm, t, decoding, lane_rate,
            n_chunks, stay, queue + slot, base + queue + slot, out[FEATURES:],
        )  # fmt: skip
        hidden(out[FEATURES:], a, b)

    # what is added to one's own prefill: the step under way, others in one's own step, the queue, a slot
    first, last = 0.0, 0.0  # percentiles are found one by one, and rise
    for q in range(4):
        shift = d[REQUEST_S] + 2.0 * residual * QUANTILES[q]
        if want[TTFT, q + 1]:
            found = shift + latency_quantile(QUANTILES[q], weight, own, p_queue, queue, p_slot, slot)
            first = max(first, corrected(q, found, alone_s, a, b) if correct else found)
            out[LATENCY + 5 * TTFT + q + 1] = first
        if want[E2E, q + 1]:
            for j in range(n_classes):
                total[j] = own[j] + t / per_step * max(osl[j] - 1.0, 0.0)
            found = shift + latency_quantile(QUANTILES[q], weight, total, p_queue, queue, p_slot, slot)
            last = max(last, corrected(8 + q, found, whole_s, a, b) if correct else found)
            out[LATENCY + 5 * E2E + q + 1] = last
    if not (want[TPOT, 1:].any() or want[ITL, 1:].any()):
        return
    # one more sequence's effect on the step, for the swing of the batch around its mean
    more = max((1.0 + others * decoding + 1.0) / dp, 1.0)
    both = verify * (2.0 + others * decoding)
    nudged = step(ops, collectives, d, more, 0.0, 0.0, both, decode_ctx, none, none)[0]
    if overlap:
        nudged = _halved(nudged, 0.0, ops, collectives, d, more, 0.0, 0.0, both, decode_ctx, none, none)[0]
    per_sequence = max(nudged - t_decode, 0.0)
    swing = math.sqrt(decoding * burst) if others >= 1.0 else 0.0
    room = limit - decoding
    # what a request loses to prompts: those behind its own and who waited long has many; those that come meanwhile
    seconds = slope * n_chunks
    again = 1.0 / (1.0 - stall) ** 2
    wait2 = queue * queue * (2.0 / max(p_queue, 1e-9) - 1.0)
    once2 = seconds**2 * behind / n_chunks * spread + again * stall**2 * wait2
    each2 = again * seconds**2 * others * lane_rate * spread * calm
    end = _NO_END if apart else longest
    for j in range(n_classes):
        total[j] = max((osl[j] - 1.0) / per_step, 1.0)
    known = 0.0
    for q in range(4):
        if want[TPOT, q + 1]:
            most = per_sequence * min(Z[q] * swing * REMAINS, room)
            batch = most / Z[q] if q > 0 else per_sequence * swing * REMAINS
            found = tpot_quantile(
                q, weight, total, calm, t_decode, end, excess, once2, each2, batch,
                calm * calm * d[YIELD_VARIANCE] / (per_step * per_step),
            )  # fmt: skip
            found = min(found, max(end, t) + most)
            known = max(known, corrected(4 + q, found, t_whole, a, b) if correct else found)
            out[LATENCY + 5 * TPOT + q + 1] = known / per_step
        if want[ITL, q + 1]:
            out[LATENCY + 5 * ITL + q + 1] = itl_quantile(q, t_decode, t_mixed, u, per_sequence, swing, room, per_step)


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
