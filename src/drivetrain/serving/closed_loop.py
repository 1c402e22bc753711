"""A load test, event by event: C requests in flight, the next sent when one ends, all C sent together at the start.

Mean latencies of a finite load test are not those of the steady state: the opening burst queues C prompts at once,
and for a test of ten prompts per slot that is a tenth of the requests but often most of the mean TTFT. This loop runs
the same
step time as everything else. While all running sequences decode, the steps to the next completion are taken in one
leap:
their times are affine in context, so that the sum is the mean of first and last times their number.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.cost.kernel import step

Floats = NDArray[np.float64]

# What `run` returns.
(TTFT, TPOT, DURATION, STEPS) = range(4)
_BATCH = 0.9  # of the token budget: a batch this full is not held back


@jit
def run(
    ops: Floats, collectives: Floats, scalars: Floats, spans: Floats, isl: Floats, osl: Floats, concurrency: int,
    budget: float, max_seqs: float, dp: float, prefill_first: bool, leap: bool, request_s: float, frontend_s: float,
    poll: int, hold: int, ttft: Floats, tpot: Floats,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Serve ``isl.shape[0]`` requests, ``concurrency`` at a time; mean TTFT, mean TPOT, duration (s), steps.

    ``prefill_first`` runs prompts in steps of their own while decodes wait; otherwise chunks share steps with decodes
    within the token ``budget``. ``ttft`` and ``tpot`` receive each request's times. ``leap`` off takes every step by
    itself. A request that is sent passes the front end, which takes ``frontend_s`` for each, one at a time, and reaches
    the scheduler ``request_s`` later: requests whose predecessors end together arrive together. The scheduler looks at
    arrivals every ``poll`` steps and holds prompts back for up to ``hold`` steps to run them in one batch.
    """
    n = isl.shape[0]
    n_spans = spans.shape[0]
    ctx_d = np.zeros(n_spans)
    ctx_p = np.zeros(n_spans)
    ctx_c = np.zeros(n_spans)
    sent = np.zeros(n)
    ready = np.zeros(n)  # when the scheduler can take a request, in order of sending
    known = 0  # of `waiting`, those with a time in `ready`
    front = 0.0  # when the front end is free
    first = np.zeros(n)
    waiting = np.zeros(n, dtype=np.int64)  # requests in order of sending
    slots = int(min(max_seqs, concurrency))
    running = np.zeros(slots + 1, dtype=np.int64)
    left = np.zeros(slots + 1)
    context = np.zeros(slots + 1)
    n_running = 0
    head = 0  # next of `waiting` to enter prefill
    tail = min(concurrency, n)
    for i in range(tail):
        waiting[i] = i
    next_request = tail
    seen = 0  # of `waiting`, those the scheduler knows of
    since = 0.0  # steps since it looked
    held = 0  # steps for which it has held prompts back
    done_tokens = 0.0  # of the prompt at `head`
    now = 0.0
    finished = 0
    steps = 0.0
    while finished < n:
        while known < tail:
            front = max(front, sent[waiting[known]]) + frontend_s
            ready[known] = front + request_s
            known += 1
        if n_running == 0 and head < tail and ready[head] > now:
            now = ready[head]
        if n_running == 0 or since >= poll:
            while seen < tail and ready[seen] <= now:
                seen += 1
            since = 0.0
        # chunks of this step: prompts in order, as far as budget and slots go
        room = budget * dp - (0.0 if prefill_first else float(n_running))
        taken = 0.0
        chunks = 0
        entering = 0
        k = head
        done = done_tokens
        for s in range(n_spans):
            ctx_p[s] = 0.0
            ctx_c[s] = 0.0
        while k < seen and n_running + entering < slots and room - taken >= 1.0:
            r = waiting[k]
            size = min(isl[r] - done, room - taken)
            for s in range(n_spans):
                area = _min_area(done + size, spans[s]) - _min_area(done, spans[s])
                ctx_p[s] += area
                ctx_c[s] += min(done + size, spans[s] + size)
            taken += size
            chunks += 1
            if done + size >= isl[r] - 1e-9:
                entering += 1
                k += 1
                done = 0.0
            else:
                done += size
                break
        for s in range(n_spans):
            total = 0.0
            for j in range(n_running):
                total += min(context[j], spans[s])
            ctx_d[s] = total / n_running if n_running > 0 else 0.0
        holding = held < hold and n_running > 0 and chunks > 0 and done_tokens == 0.0
        holding = holding and taken + n_running < _BATCH * budget
        if chunks > 0:
            held = held + 1 if holding else 0
        if chunks > 0 and not holding:
            for s in range(n_spans):
                ctx_p[s] /= taken
                ctx_c[s] /= chunks
            decoding = 0.0 if prefill_first else float(n_running)
            per_rank = max(taken / dp, min(taken, budget) if chunks < dp else taken / dp)
            t = step(ops, collectives, scalars, decoding / dp, per_rank, max(chunks / dp, 1.0), decoding + taken,
                     ctx_d, ctx_p, ctx_c)[0]  # fmt: skip
            now += t
            steps += 1.0
            since += 1.0
            if not prefill_first:
                finished, next_request, tail, n_running = _advance(
                    1.0, now, running, left, context, n_running, sent, first, osl, tpot, waiting, finished,
                    next_request, tail, n,
                )  # fmt: skip
            while head < k:  # prompts whose last chunk this was have their first token
                r = waiting[head]
                first[r] = now
                ttft[r] = now - sent[r]
                running[n_running] = r
                left[n_running] = osl[r] - 1.0
                context[n_running] = isl[r]
                n_running += 1
                head += 1
                if left[n_running - 1] <= 0.0:
                    n_running -= 1
                    tpot[r] = np.nan
                    finished += 1
                    if next_request < n:
                        sent[next_request] = now
                        waiting[tail] = next_request
                        tail += 1
                        next_request += 1
            done_tokens = done
            continue
        # nothing to prefill: decode up to the next completion
        count = 1.0
        if leap and not holding:
            count = left[0]
            for j in range(n_running):
                count = min(count, left[j])
            count = max(count, 1.0)
        rank = max(float(n_running) / dp, 1.0)
        t = step(ops, collectives, scalars, rank, 0.0, 0.0, float(n_running), ctx_d, ctx_p, ctx_c)[0]
        if count > 1.0:
            for s in range(n_spans):
                total = 0.0
                for j in range(n_running):
                    total += min(context[j] + count - 1.0, spans[s])
                ctx_d[s] = total / n_running
            last = step(ops, collectives, scalars, rank, 0.0, 0.0, float(n_running), ctx_d, ctx_p, ctx_c)[0]
            slope = (last - t) / (count - 1.0)
            if head < tail and n_running < slots:
                # the leap ends with the step in which the next request arrives, t + (t + slope) + ... reaches it, or
                # with the one after which the scheduler looks
                gap, b, wanted = ready[head] - now, t - 0.5 * slope, poll - since
                if gap > 0.5 * (t + last) * count:
                    wanted = count
                elif gap > 0.0:
                    arrival = math.ceil(2.0 * gap / (b + math.sqrt(max(b * b + 2.0 * slope * gap, 0.0))) - 1e-9)
                    wanted = max(wanted, arrival)
                count = min(max(wanted, 1.0), count)
            t += 0.5 * slope * (count - 1.0)
        now += count * t
        steps += count
        since += count
        if since > poll:  # it looked on the way, last `since` steps ago
            since = (since - 1.0) % poll + 1.0
            while seen < tail and ready[seen] <= now - since * t:
                seen += 1
        finished, next_request, tail, n_running = _advance(
            count, now, running, left, context, n_running, sent, first, osl, tpot, waiting, finished, next_request,
            tail, n,
        )  # fmt: skip
    return float(np.mean(ttft)), float(np.nanmean(tpot)), now, steps


@jit
def _advance(
    count: float, now: float, running: NDArray[np.int64], left: Floats, context: Floats, n_running: int, sent: Floats,
    first: Floats, osl: Floats, tpot: Floats, waiting: NDArray[np.int64], finished: int, next_request: int, tail: int,
    n: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Give every running sequence ``count`` tokens; those that end leave, and each sends the next request."""
    j = 0
    while j < n_running:
        left[j] -= count
        context[j] += count
        if left[j] > 0.5:
            j += 1
            continue
        r = running[j]
        tpot[r] = (now - first[r]) / (osl[r] - 1.0)
        finished += 1
        if next_request < n:
            sent[next_request] = now
            waiting[tail] = next_request
            tail += 1
            next_request += 1
        n_running -= 1
        running[j] = running[n_running]
        left[j] = left[n_running]
        context[j] = context[n_running]
    return finished, next_request, tail, n_running


@jit
def _min_area(x: float, span: float) -> float:
    """Integral of min(k, span) over k from 0 to x."""
    if x <= span or math.isinf(span):
        return 0.5 * x * x
    return span * x - 0.5 * span * span
