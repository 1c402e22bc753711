"""A lane in a closed loop of requests that are all alike: they march in step, and keep to it.

Requests that start together and have one length end together, so that their prompts follow upon one another as well:
a train of G = n c / R steps with prompts, n requests of c prompt tokens on a rank, R tokens of room in a step; then
steps that only decode. Prompts that meet in a step decode together ever after, so that trains close up and never come
apart. Every request has the same period T, whatever its place j in the train (its prompt is done in step f of it)::

    f(j) = ceil(j c / R)                    L = ceil(away / t_d) decode steps that one who is away misses
    apart                                   T = away + train + gaps t_d               all end in one step
    mixed, others decode in between         T = L t_d + train + (gaps + f(1) - G) t_d
    mixed, all end before one is back       T = away + train + (gaps + f(1) - G) t_d
    prompts without end                     T = train, where that is longer

    rate = n / T          TPOT = (T - mean time from an answer's end to the next first token) / gaps

In a mixed train those decode whose prompts are done and those who have not ended yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.serving.loop_work import NOBODY, Floats, Lane, Work, between

_POINTS = 24  # along a train, at which its steps are evaluated
_ROUNDS = 3
_ROUNDING = 1e-9
_SPARSE = 1.02


@dataclass(frozen=True, slots=True)
class _Train:
    """The steps of a period that run prompts: so many, of them ``per_prompt`` for each prompt, and what all last."""

    steps: int
    per_prompt: float
    seconds: float


def marching(work: Work, goal: float, slots: float) -> Lane:
    """The lane of ``goal`` requests of one length, ``slots`` of which fit; means of whole numbers next to them.

    More requests never make fewer end: where a number of them packs into fuller steps than the next ones, those are
    taken to do as well.
    """
    inside = min(goal, slots)
    best, alone = 0.0, _march(work, 1, work.away_s).rate
    below, low = 0, NOBODY
    for n in _numbers(math.ceil(inside)):
        lane = _at_least(_march(work, n, work.away_s), best, n * alone, n)
        best = lane.rate
        if n >= inside:
            lane = between(low, lane, (inside - below) / (n - below))
            break
        below, low = n, lane
    if goal <= slots:
        return lane
    # who waits takes the slot of one who is away, so that slots stand empty for less time
    held = math.ceil(inside)
    busy = held / _march(work, held, 0.0).rate
    full = _march(work, held, max((busy + work.away_s) * inside / goal - busy, 0.0))
    return _at_least(between(NOBODY, full, inside / held), lane.rate, goal * alone, inside)


def _numbers(most: int) -> Iterator[int]:
    """Whole numbers up to one that is at least ``most``, sparser where they are large."""
    n = 1
    while n < most:
        yield n
        n = max(n + 1, int(n * _SPARSE))
    yield n


def _at_least(lane: Lane, rate: float, most: float, requests: float) -> Lane:
    """``lane`` with a rate between ``rate`` and ``most``; no more decode than there are."""
    scale = min(max(lane.rate, rate), most) / lane.rate
    return replace(
        lane, rate=lane.rate * scale, tokens=lane.tokens * scale, decoding=min(lane.decoding * scale, requests)
    )


def _march(work: Work, requests: int, away: float) -> Lane:
    """The lane of ``requests``, each ``away`` seconds between its answer and the next."""
    fewer, rest = divmod(requests, work.ranks)
    ranks = [(n, k) for n, k in ((fewer, work.ranks - rest), (fewer + 1, rest)) if n > 0 and k > 0]
    most, active = ranks[-1][0], sum(k for _, k in ranks)
    plain = _seconds(work, requests / active, 0.0, active)
    missed = 0.0 if work.apart else float(math.ceil(away / plain - _ROUNDING))
    train = _train(work, most, active, missed)
    first = 0 if work.apart else math.ceil(train.per_prompt - _ROUNDING)
    gap = missed * plain if train.steps - first >= missed and not work.apart else away
    decodes = work.gaps if work.apart else max(work.gaps + first - train.steps, 0.0)
    period = train.seconds + decodes * plain + gap
    decoding = period - sum(k * _out(work, train, n, (first, missed, plain, gap)) for n, k in ranks) / requests
    steps = train.steps + decodes
    if not work.apart:
        endless, step = _endless(work, most, active)
        if endless >= period or train.steps >= work.gaps + first + missed:
            period, decoding, decodes, steps = endless, work.gaps * step, 0.0, endless / step
    met = 0.0 if requests == 1 or (train.steps == 1 and not work.apart) else 1.0  # a prompt beside somebody
    return Lane(
        rate=requests / period,
        decoding=requests * decoding / period,
        tokens=requests * work.gaps / period,
        step_s=(period - gap if decodes else period) / (work.gaps if work.apart else steps),
        mixed_frac=met * (steps - decodes) / (work.gaps if work.apart else steps),
        prompt_tokens=requests * work.prompt / max(steps - decodes, 1.0),
        away=0.0,
    )


def _train(work: Work, most: int, active: int, missed: float) -> _Train:
    """The train of a rank with the ``most`` requests, all ``active`` ranks alike."""
    beside, room = np.zeros(_POINTS), work.budget
    for _ in range(_ROUNDS if not work.apart and most > 1 else 0):
        long = most * work.prompt / room
        at = (np.arange(_POINTS) + 0.5) / _POINTS * max(long, 1.0)
        done, to_end = (np.clip(x / max(long, 1.0), 0.0, 1.0) for x in (at - 1.0, long - at - missed))
        beside = np.minimum(most * (done + to_end), most - 1.0)
        room = max(work.budget - work.verify * float(beside.mean()), 1.0)
    long = most * work.prompt / room
    whole, steps = math.floor(long + _ROUNDING), math.ceil(long - _ROUNDING)
    seconds = 0.0
    if whole > 0:
        seconds = whole * float(np.mean([_seconds(work, float(b), room, active) for b in beside]))
    if steps > whole:
        seconds += _seconds(work, float(beside[-1]) if whole else 0.0, (long - whole) * room, active)
    return _Train(steps, work.prompt / room, seconds)


def _out(work: Work, train: _Train, n: int, when: tuple[int, float, float, float]) -> float:
    """Seconds from an answer's end to the next first token, summed over the ``n`` requests of a rank.

    Apart: all but the steps that decode and those of the train that follow upon one's own prompt.
    """
    first, missed, plain, gap = when
    done = np.ceil(np.arange(1, n + 1) * train.per_prompt - _ROUNDING)  # f(j)
    step = train.seconds / train.steps
    if work.apart:
        return float((gap + done * step).sum())
    late: Floats = done - first
    soon = np.maximum(gap - late * plain, 0.0) + done * step
    return float(np.where(late <= missed, soon, (first + missed) * step).sum())


def _endless(work: Work, most: int, active: int) -> tuple[float, float]:
    """(Period, step) where prompts never end: r of them in a step, ``gaps r`` sequences decode beside."""
    room = work.budget / (1.0 + work.verify * work.gaps / work.prompt)
    step = _seconds(work, work.gaps * room / work.prompt, room, active)
    return most * work.prompt / room * step, step


def _seconds(work: Work, decode: float, tokens: float, active: int) -> float:
    """A step of ``active`` ranks alike."""
    chunks = max(tokens / work.chunk, 1.0) if tokens > 0.0 else 0.0
    return work.seconds(decode, tokens, chunks, active * (work.verify * decode + tokens))
