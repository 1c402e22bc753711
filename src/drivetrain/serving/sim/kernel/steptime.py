"""How long a step takes and what it draws: contexts of a core's work, the cost model's step, and its affine course.

While only decodes run, every operator's compute and memory times are affine in the number of steps taken, and so is
their sum with fixed weights until one of them becomes the larger: :func:`course`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.step import CTX_DECODE, EXPERT_TOKENS, HIT, N_FEATURES, ONE, ROWS, TOKENS
from drivetrain.cost.compiled import LOCAL, LOG_MISS, SPAN, WATTS_COMPUTE, WATTS_MEMORY
from drivetrain.cost.jit import inner
from drivetrain.cost.kernel import step
from drivetrain.serving.sim.kernel.world import World

Floats = NDArray[np.float64]


@inner
def decode_contexts(w: World, core: int) -> int:
    """Fill ``ctx_decode`` with mean contexts by span; steps until one more sequence outgrows a span (0 or more).

    ``lines[:, 0]`` gets the sequences whose context still grows within each span.
    """
    q, ctx, spans, lines = w.cores[core], w.ctx_decode, w.spans, w.lines
    pool = w.pools[q.pool]
    n = q.decoding
    least = 1 << 40
    for s in range(pool.span0, pool.span1):
        span = spans[s]
        if n == 0:
            ctx[s - pool.span0] = 0.0
        elif math.isinf(span):
            ctx[s - pool.span0] = float(q.sum_base + n * q.turns) / float(n)
            lines[s - pool.span0, 0] = float(n)
        else:
            base = w.base
            edge = int(span) - q.turns  # whose base is at least this is beyond the span
            total = 0
            growing = 0
            for i in range(q.list0, q.list0 + n):
                if base[i] < edge:
                    growing += 1
                    total += base[i]
                    least = min(least, edge - base[i])
            total += growing * q.turns
            ctx[s - pool.span0] = (float(total) + float(n - growing) * span) / float(n)
            lines[s - pool.span0, 0] = float(growing)
    return int(least)


@inner
def prompt_contexts(w: World, core: int) -> None:
    """Fill ``ctx_prefill`` and ``ctx_chunk`` with means by span over the chunks of the step."""
    q, spans, slots, others = w.cores[core], w.spans, w.slots, w.others
    pool = w.pools[q.pool]
    for s in range(pool.span0, pool.span1):
        span = spans[s]
        area = 0.0
        reach = 0.0
        for i in range(q.list0, q.list0 + q.others):
            size = slots[others[i]].chunk
            if size > 0:
                done = slots[others[i]].done
                area += _area(float(done + size), span) - _area(float(done), span)
                reach += min(float(done + size), span + size)
        w.ctx_prefill[s - pool.span0] = area / q.prompt_tokens if q.chunks > 0 else 0.0
        w.ctx_chunk[s - pool.span0] = reach / q.chunks if q.chunks > 0 else 0.0


@inner
def core_step(
    w: World, core: int, decode: float, prefill: float, chunks: float, expert_tokens: float
) -> tuple[float, float]:
    """Seconds and joules of this work of one core, with the contexts filled in before."""
    p = w.cores[core].pool
    pool = w.pools[p]
    ops = w.ops[pool.op0 : pool.op1]
    collectives = w.collectives[pool.collective0 : pool.collective1]
    scalars = w.scalars[p]
    t, joules = step(ops, collectives, scalars, decode, prefill, chunks, expert_tokens, w.ctx_decode, w.ctx_prefill,
                     w.ctx_chunk)  # fmt: skip
    if pool.hidden > 0.0:
        half, half_joules = step(ops, collectives, scalars, 0.5 * decode, 0.5 * prefill, 0.5 * chunks,
                                 0.5 * expert_tokens, w.ctx_decode, w.ctx_prefill, w.ctx_chunk)  # fmt: skip
        computing = step(ops, collectives[:0], scalars, 0.5 * decode, 0.5 * prefill, 0.5 * chunks,
                         0.5 * expert_tokens, w.ctx_decode, w.ctx_prefill, w.ctx_chunk)[0]  # fmt: skip
        both = 2.0 * (half - pool.hidden * min(computing, half - computing))
        if both < t:
            return both, 2.0 * half_joules
    return t, joules


@inner
def course(w: World, core: int, decode: float, expert_tokens: float) -> tuple[float, float, float, float, float]:
    """Decode steps of a core: (seconds, seconds more each step, joules, joules more, steps for which this holds).

    Per operator with compute c + dc k and memory m + dm k in step k: the larger of both plus the exposed share of the
    smaller, up to the k where they cross.
    """
    p = w.cores[core].pool
    pool = w.pools[p]
    scalars, ctx, lines = w.scalars[p], w.ctx_decode, w.lines
    exposed = scalars[2]
    seconds = scalars[0] + scalars[1] * decode
    more = 0.0
    joules = 0.0
    joules_more = 0.0
    limit = np.inf
    for i in range(pool.op0, pool.op1):
        row = w.ops[i]
        s = int(row[SPAN])
        total, slope = decode * ctx[s], lines[s, 0]
        hit = 0.0 if row[LOCAL] == 0.0 else -row[LOCAL] * math.expm1(expert_tokens * row[LOG_MISS])
        c = (row[ONE] + row[TOKENS] * decode + row[ROWS] * decode + row[CTX_DECODE] * total + row[HIT] * hit
             + row[EXPERT_TOKENS] * expert_tokens)  # fmt: skip
        m = (row[N_FEATURES + ONE] + row[N_FEATURES + TOKENS] * decode + row[N_FEATURES + ROWS] * decode
             + row[N_FEATURES + CTX_DECODE] * total + row[N_FEATURES + HIT] * hit
             + row[N_FEATURES + EXPERT_TOKENS] * expert_tokens)  # fmt: skip
        dc = row[CTX_DECODE] * slope
        dm = row[N_FEATURES + CTX_DECODE] * slope
        if c > m or (c == m and dc > dm):
            seconds += c + exposed * m
            more += dc + exposed * dm
            if dm > dc:
                limit = min(limit, (c - m) / (dm - dc))
        else:
            seconds += m + exposed * c
            more += dm + exposed * dc
            if dc > dm:
                limit = min(limit, (m - c) / (dc - dm))
        joules += c * row[WATTS_COMPUTE] + m * row[WATTS_MEMORY]
        joules_more += dc * row[WATTS_COMPUTE] + dm * row[WATTS_MEMORY]
    collectives = w.collectives
    for i in range(pool.collective0, pool.collective1):
        row = collectives[i]
        message = row[1] * decode + row[2] * decode + row[3] * expert_tokens
        seconds += row[0] * min(row[4] + row[5] * message, row[6] + row[7] * message, row[8] + row[9] * message)
    return seconds, more, joules, joules_more, limit


@inner
def watts(w: World, p: int, dynamic_w: float) -> float:
    """Power of an accelerator in a step: static and what operators draw, bent towards TDP; at least idle power."""
    pool = w.pools[p]
    room = pool.tdp_w - pool.static_w
    drawn = pool.tdp_w if room <= 0.0 else pool.static_w - room * math.expm1(-dynamic_w / room)
    return float(max(drawn, pool.idle_w))


@inner
def _area(x: float, span: float) -> float:
    """Integral of min(k, span) over k from 0 to x."""
    return 0.5 * x * x if x <= span else span * x - 0.5 * span * span
