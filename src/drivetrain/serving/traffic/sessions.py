"""Sessions: tasks of several calls over one context that grows, as agents and conversations make them.

Call j of a session sends all that came before and something new::

    isl_0 = first,    isl_j = isl_(j-1) + osl_(j-1) + new_j

and comes ``gap`` after the answer to the call before it (a tool runs, a person thinks). The blocks of a session are
named once, so that each call finds the prompt and answer of the last one; the first ``shared_tokens`` of a session
are the same for all sessions of its group (system prompt, tools). Rows are ordered by session.

Where the length of the first prompt and of what is new are not given, they follow from the workload's mean input I,
mean output O and share h of prompts found by an unlimited cache. With m calls on average and w = E[m (m - 1)] / (2
E[m])::

    I = first + w (O + new),      (1 - h) m I = first - shared + (m - 1) new

w is (m - 1) / 2 where all sessions have m calls, 2 (m - 1) / 3 where calls are even from 1 to 2 m - 1, and m - 1
where they are geometric: there the two equations say the same of ``new``, so that it must be given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import Floats, Ints, Requests
from drivetrain.serving.traffic.lengths import whole
from drivetrain.serving.traffic.records import Names, ragged
from drivetrain.serving.traffic.streams import CALLS, GAPS, PREFIX, PROMPTS, stream
from drivetrain.serving.traffic.wrong import ChoiceError, at_least

LAWS = ("fixed", "even", "geometric")
_WEIGHT = {"fixed": 1.0 / 2.0, "even": 2.0 / 3.0, "geometric": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """What sessions are like: ``calls`` on average, by the ``law`` fixed (all alike), even (from 1 on) or geometric.

    ``first_isl`` tokens in the first prompt and ``new_tokens`` more in each later one, beside the answers, are means of
    log-normal laws of coefficient of variation ``new_cv``; ``None`` takes them from the workload. ``shared_tokens`` of
    the first prompt are common to all sessions of one of ``shared_groups`` groups. ``gap_s`` between an answer and the
    next call is the mean of a gamma law of coefficient of variation ``gap_cv``.
    """

    calls: float = 8.0
    law: str = "fixed"
    first_isl: float | None = None
    new_tokens: float | None = None
    new_cv: float = 0.5
    shared_tokens: int = 0
    shared_groups: int = 1
    gap_s: float = 2.0
    gap_cv: float = 1.0

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise ChoiceError(lambda _: f"the law of calls is '{self.law}'. Give one of {', '.join(LAWS)}.")
        for name, least in (("calls", 1), ("first_isl", 1), ("new_tokens", 1), ("new_cv", 0), ("shared_tokens", 0),
                            ("shared_groups", 1), ("gap_s", 0), ("gap_cv", 0)):  # fmt: skip
            at_least(name, getattr(self, name), least)
        if self.law != "geometric" and self.calls != int(self.calls):
            raise ChoiceError(
                lambda say: f"{say('calls')} is {self.calls:g}. Give a whole number, or the law geometric."
            )

    @property
    def weight(self) -> float:
        """w: answers and new parts before a call, on average over calls."""
        return _WEIGHT[self.law] * (self.calls - 1.0)


def prompts_of(sessions: Sessions, isl: float, osl: float, share: float) -> tuple[float, float]:
    """Mean tokens of the first prompt and of what is new in a later one, for mean lengths and a share found again.

    Three calls have w = 1. New are 500 tokens, then 400 twice: 1,300 of 3,000, and the mean prompt has 500 + 1 * 500.

    >>> first, new = prompts_of(Sessions(calls=3), 1000.0, 100.0, 1.0 - 1300.0 / 3000.0)
    >>> round(first, 9), round(new, 9)
    (500.0, 400.0)
    """
    first, new, w, later = sessions.first_isl, sessions.new_tokens, sessions.weight, sessions.calls - 1.0
    if new is None and first is not None:
        new = (isl - first) / w - osl if w else 1.0
    elif new is None:
        if later and not later > w:
            raise ChoiceError(
                lambda say: (
                    f"sessions of geometric length need {say('new_tokens')}: the workload's means do not tell them."
                )
            )
        computed = (1.0 - share) * sessions.calls * isl  # tokens of a session that no cache has
        new = (computed + sessions.shared_tokens - isl + w * osl) / (later - w) if later else 1.0
    first = isl - w * (osl + new) if first is None else first
    if first < max(sessions.shared_tokens, 1) or new < 1:
        raise ChoiceError(
            lambda say: (
                f"sessions of {sessions.calls:g} calls cannot have prompts of {isl:,.0f} tokens on average, "
                f"{share:.0%} of them found again, and answers of {osl:,.0f}: the first prompt would have {first:,.0f} "
                f"tokens, later ones {new:,.0f} new ones. "
                f"Give {say('first_isl')} and {say('new_tokens')}, or other {say('calls')} or {say('shared_tokens')}."
            )
        )
    return first, new


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """Rows of sessions, in order: the session of each (from 0), whether it is its first, prompt, gap before it."""

    session: Ints
    is_first: NDArray[np.bool_]
    isl: Ints
    gap_s: Floats

    @property
    def after(self) -> Ints:
        """The row before within a session, -1 for its first."""
        return np.where(self.is_first, -1, np.arange(len(self.isl)) - 1)


def counts_of(sessions: Sessions, n: int, seed: int) -> Ints:
    """Calls of each of ``n`` sessions."""
    generator, calls = stream(seed, CALLS), int(sessions.calls)
    if sessions.law == "geometric":
        return generator.geometric(1.0 / sessions.calls, n)
    if sessions.law == "even":
        return generator.integers(1, 2 * calls - 1, n, endpoint=True)
    return np.full(n, calls, dtype=np.int64)


def calls_of(sessions: Sessions, counts: Ints, osl: Ints, first: float, new: float, seed: int) -> Calls:
    """The calls of sessions of so many ``counts`` with answers ``osl``, and first and new tokens of these means."""
    session = np.repeat(np.arange(len(counts)), counts)
    begins = np.cumsum(counts) - counts
    is_first = np.zeros(len(session), dtype=bool)
    is_first[begins] = True
    generator = stream(seed, PROMPTS)
    fresh = whole(_lognormal(new, sessions.new_cv, generator, len(session)), generator)
    own = whole(_lognormal(first - sessions.shared_tokens, sessions.new_cv, generator, len(counts)), generator)
    grown = fresh + np.append(0, osl[:-1])
    grown[begins] = own + sessions.shared_tokens
    total = np.cumsum(grown)
    isl = total - np.repeat(total[begins] - grown[begins], counts)
    gaps = stream(seed, GAPS)
    gap_s = np.full(len(session), float(sessions.gap_s))
    if sessions.gap_s > 0 and sessions.gap_cv > 0:
        shape = 1.0 / sessions.gap_cv**2
        gap_s = gaps.gamma(shape, sessions.gap_s / shape, len(session))
    return Calls(session, is_first, isl, np.where(is_first, 0.0, gap_s))


def names_of(sessions: Sessions, calls: Calls, osl: Ints, tokens: int, seed: int) -> Names:
    """Names of the sessions' blocks of ``tokens``: calls of one session share one stretch."""
    count = (calls.isl + osl) // tokens
    begins = np.flatnonzero(calls.is_first)
    extent = np.maximum.reduceat(count, begins)
    start = np.cumsum(extent) - extent
    shared = sessions.shared_tokens // tokens
    flat = sessions.shared_groups * shared + np.arange(int(extent.sum()))
    if shared:
        group = stream(seed, PREFIX).integers(0, sessions.shared_groups, len(begins))
        head = np.minimum(extent, shared)
        flat[ragged(start, head)] = ragged(group * shared, head)
    return Names(start[calls.session], count, flat)


def in_turn(requests: Requests, agents: int, think_s: Floats) -> Requests:
    """Sessions done by ``agents`` one after another, the first of each at 0, others ``think_s`` after the last answer.

    Sessions go round the agents. ``think_s`` has one number for each session.
    """
    begins = np.flatnonzero(requests.after < 0)
    ends = np.append(begins[1:], len(requests)) - 1
    after, gap_s = requests.after.copy(), requests.gap_s.copy()
    after[begins[agents:]] = ends[:-agents] if len(begins) > agents else ends[:0]
    gap_s[begins[agents:]] = think_s[: len(begins)][agents:]
    return replace(requests, after=after, gap_s=gap_s, arrival_s=np.zeros(len(requests)))


def _lognormal(mean: float, cv: float, generator: np.random.Generator, n: int) -> Floats:
    if cv == 0 or mean <= 0:
        return np.full(n, max(mean, 0.0))
    sigma = math.sqrt(math.log1p(cv**2))
    return generator.lognormal(math.log(mean) - sigma**2 / 2, sigma, n)
