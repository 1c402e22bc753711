"""Step times and flows of a lane in a closed loop: its cores' chains, the ranks that step together.

A lane holds Y requests, spread over its d ranks as evenly as whole numbers allow. Each rank is a chain of its own
(:mod:`drivetrain.serving.loop_chain`); a step of the lane takes as long as its slowest rank::

    T | j ranks have prompts = max(decoding alone, the longest of j prompt steps)      j ~ Binomial(d, u)
    rate = sum E[m] / E[T]        tokens = sum E[decode] / E[T]        TPOT = sum E[b T] / sum E[decode]

with b sequences that decode or wait to, over ranks. TPOT weighs each step with those that wait for it. A prompt step
of w runs m(w) prompts, as far as the token budget and whole steps for each prompt allow::

    m(w) = min(w / E[ceil(prompt / room)], room / E[prompt])      room = budget - verified tokens (all of it, apart)
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from drivetrain.serving.loop_chain import shares
from drivetrain.serving.loop_work import Floats, Lane, Work

MOST = 400
"""Requests of a core that are followed one by one; where there are more, as many groups of them are."""
_LEAST = 1e-9  # of a probability that counts


class _Rank:
    """The chain of a rank with ``requests``, and what its steps consist of by the number that wait."""

    def __init__(self, work: Work, requests: int, count: int) -> None:
        n = min(requests, MOST)
        self.count = count
        self.group = requests / n
        self.waiting = np.arange(n + 1.0) * self.group
        self.held = requests - self.waiting  # decoding, or to decode when prompts are done
        self.done = work.prompts_done(self.waiting, self.held)
        self.decode = np.where((self.waiting > 0.0) & work.apart, 0.0, self.held)
        self.prompt_tokens = self.done * work.prompt
        self.chunks = np.where(self.waiting > 0.0, np.maximum(self.prompt_tokens / work.chunk, 1.0), 0.0)
        self.tokens = work.verify * self.decode + self.prompt_tokens
        if work.gaps > 0.0:
            self.share = shares(self.done / self.group, self.decode > 0.0, min(1.0 / work.gaps, 1.0))
        else:  # nobody decodes: all have prompts
            self.share = np.append(np.zeros(n), 1.0)
        self.live = np.flatnonzero((self.share > 1e-10) & (self.waiting > 0.0))
        self.step_s = np.zeros(n + 1)  # of the lane while this rank is in such a state

    @cached_property
    def busy(self) -> float:
        """Share of steps with prompts."""
        return float(self.share[1:].sum())

    def seconds(self, work: Work, beside: float) -> Floats:
        """Prompt steps of its live states, with ``beside`` tokens in other ranks."""
        rows = zip(*(x[self.live] for x in (self.decode, self.prompt_tokens, self.chunks, self.tokens)), strict=True)
        return np.array([work.seconds(float(b), float(p), float(c), float(t + beside)) for b, p, c, t in rows])


def mixed(work: Work, requests: int) -> Lane:
    """A lane that holds ``requests`` of all lengths, mixed."""
    fewer, rest = divmod(requests, work.ranks)
    ranks = [_Rank(work, n, k) for n, k in ((fewer, work.ranks - rest), (fewer + 1, rest)) if n > 0 and k > 0]
    mean = _step_together(work, ranks)
    done, held, decode, prompt = (
        sum(r.count * float(r.share @ values) for r, values in zip(ranks, by_rank, strict=True))
        for by_rank in (
            [r.done for r in ranks],
            [r.held * r.step_s for r in ranks],
            [r.decode for r in ranks],
            [r.prompt_tokens for r in ranks],
        )
    )
    count = sum(r.count for r in ranks)
    without = math.prod((1.0 - r.busy) ** r.count for r in ranks)
    met, decodes = 1.0 - without, 1.0
    if requests == 1:
        met = 0.0  # its own prompt it does not decode beside
    if work.apart:
        decodes = max(sum(r.count * (1.0 - r.busy) for r in ranks) / count, 1e-12)
        met = sum(r.count * r.busy for r in ranks) / count if requests > 1 else 0.0
    return Lane(
        rate=done / mean,
        decoding=held / mean,
        tokens=decode / mean,
        step_s=mean / decodes,
        mixed_frac=met / decodes,
        prompt_tokens=prompt / max(1.0 - without, 1e-12),
        away=done / mean * _absence(work, ranks[-1], requests),
    )


def _step_together(work: Work, ranks: list[_Rank]) -> float:
    """The mean step of the lane; fills each rank's ``step_s``, the mean in each of its states.

    Given how many ranks have prompts the others decode all they hold, and those with prompts are drawn from the
    ranks' states with prompts.
    """
    n = sum(r.count for r in ranks)
    busy = min(sum(r.count * r.busy for r in ranks) / n, 1.0)
    prompts = sum(r.count * float(r.share[1:] @ r.tokens[1:]) for r in ranks) / max(n * busy, 1e-300)
    decodes = sum(r.count * r.tokens[0] for r in ranks) / n
    held = sum(r.count * r.held[0] for r in ranks) / n  # not the fullest: one more in a rank is no longer step of all
    mean = 0.0
    for j in range(n + 1):
        here, other, own = (_binomial(k, i, busy) for k, i in ((n, j), (n - 1, j), (n - 1, j - 1)))
        if max(here, other, own) < _LEAST:
            continue
        plain = 0.0
        if j < n:
            beside = j * prompts + (n - j - 1) * decodes
            plain = work.seconds(held, 0.0, 0.0, decodes + beside)
        if j == 0:
            mean += here * plain
            for r in ranks:
                r.step_s[0] += other * plain
            continue
        times = [r.seconds(work, (j - 1) * prompts + (n - j) * decodes) for r in ranks]
        order = np.argsort(np.concatenate(times))
        known = np.maximum(np.concatenate(times)[order], plain)
        if len(known) == 0:
            continue
        weight = np.concatenate([r.count * r.share[r.live] for r in ranks])[order]
        below = np.minimum(np.cumsum(weight) / weight.sum(), 1.0)
        slowest = float(np.diff(below**j, prepend=0.0) @ known)
        mean += here * slowest
        for r, t in zip(ranks, times, strict=True):
            r.step_s[0] += other * slowest
            r.step_s[r.live] += own * _longer(np.maximum(t, plain), known, np.diff(below ** (j - 1), prepend=0.0), j)
    return mean


def _longer(own: Floats, known: Floats, chance: Floats, j: int) -> Floats:
    """Means of the larger of ``own`` and the slowest of the other ``j - 1``, which is ``known`` with ``chance``."""
    if j == 1:
        return own
    at = np.searchsorted(known, own, side="right")
    smaller = np.concatenate(([0.0], np.cumsum(chance)))
    larger = np.concatenate((np.cumsum((known * chance)[::-1])[::-1], [0.0]))
    return np.asarray(own * smaller[at] + larger[at])


def _absence(work: Work, rank: _Rank, requests: int) -> float:
    """Seconds from an answer's last token to the step that takes up the next request, where that does not come at once.

    A step that has begun is waited for: one that lasts longer than the request is away is missed whole, of shorter
    ones half a step more than it is away.
    """
    away = work.away_s
    if away <= 0.0 or requests == 1:
        return away
    steps = np.divide(away, rank.step_s, out=np.zeros_like(rank.step_s), where=rank.step_s > 0.0)
    missed = np.where(steps <= 1.0, 1.0, steps + np.minimum(steps - 1.0, 0.5))
    return float(rank.share @ (missed * rank.step_s))


def _binomial(n: int, k: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1.0 - p) ** (n - k) if 0 <= k <= n else 0.0
