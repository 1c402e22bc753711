"""A disaggregated deployment event by event in plain Python: one prefill replica, one link, one decode replica.

Prompts are packed in order into steps of at most the budget, the last one cut where it does not fit. A finished
prompt's cache goes over the link, one at a time. The decode replica looks for arrived caches between steps.
"""

import numpy as np

from drivetrain.cost.kernel import step
from drivetrain.serving.kernel import STEP_SCALARS


class Clock:
    """Step times of a prepared replica."""

    def __init__(self, prepared):
        c = prepared.deployment.coefficients
        self.ops, self.collectives, self.spans = c.ops, c.collectives, np.array(c.spans)
        self.scalars = prepared.scalars[:STEP_SCALARS]

    def __call__(self, decoding, context, tokens=0.0, chunks=0.0, prompt_context=0.0, chunk_context=0.0):
        within = [np.minimum(value, self.spans) for value in (context, prompt_context, chunk_context)]
        return step(self.ops, self.collectives, self.scalars, float(decoding), float(tokens), float(chunks),
                    float(decoding + tokens), *within)[0]  # fmt: skip


def prefill(clock, sent, isl, budget):
    """When each prompt is computed. Contexts are means over the step, as the step time takes them."""
    done_at, now, head, done, n = np.zeros(len(sent)), 0.0, 0, 0.0, len(sent)
    while head < n:
        now = max(now, sent[head])
        room, k, start, area, reach, chunks, ended = budget, head, done, 0.0, 0.0, 0, []
        while k < n and sent[k] <= now and room >= 1.0:
            size = min(isl[k] - start, room)
            area += ((start + size) ** 2 - start**2) / 2.0
            reach += start + size
            room, chunks = room - size, chunks + 1
            if start + size < isl[k]:
                start += size
                break
            ended.append(k)
            k, start = k + 1, 0.0
        tokens = budget - room
        now += clock(0, 0.0, tokens, chunks, area / tokens, reach / chunks)
        done_at[ended] = now
        head, done = k, start
    return done_at


def send(ready, seconds):
    """When each cache has arrived, over one link in order."""
    free, arrived = 0.0, np.zeros(len(ready))
    for i in np.argsort(ready, kind="stable"):
        free = max(free, ready[i]) + seconds[i]
        arrived[i] = free
    return arrived


def decode(clock, arrived, isl, osl, slots, first_here):
    """(when the first token is shown, when the last is) of each request."""
    order = list(np.argsort(arrived, kind="stable"))
    shown, ended = np.zeros(len(isl)), np.zeros(len(isl))
    now, k, running = 0.0, 0, []  # running: [request, tokens to write, tokens in cache]
    while k < len(order) or running:
        if not running:
            now = max(now, arrived[order[k]])
        while k < len(order) and arrived[order[k]] <= now and len(running) < slots:
            r = order[k]
            k += 1
            shown[r] = now
            left = osl[r] if first_here else osl[r] - 1
            if left > 0:
                running.append([r, left, isl[r]])
            else:
                ended[r] = now
        if not running:
            continue
        now += clock(len(running), np.mean([one[2] for one in running]))
        for one in running:
            if first_here and one[1] == osl[one[0]]:
                shown[one[0]] = now
            one[1] -= 1
            one[2] += 1
            if one[1] == 0:
                ended[one[0]] = now
        running = [one for one in running if one[1] > 0]
    return shown, ended
