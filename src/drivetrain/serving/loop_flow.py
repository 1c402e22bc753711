"""A closed loop of C requests on a replica: where they are, how many end in a second, how long a token takes.

Lanes hold C / pp requests, whole numbers next to it in the proportion that makes the mean, less those away between an
answer and the step that takes up the next request, and at most as many as fit; the rest waits for a slot. Requests of
various lengths are mixed (:mod:`drivetrain.serving.loop_lane`), those of one length can march in step
(:mod:`drivetrain.serving.loop_march`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from drivetrain.serving import loop_lane, loop_march
from drivetrain.serving.loop_work import NOBODY, Lane, Work, between

if TYPE_CHECKING:
    from drivetrain.serving.steady import Prepared


@dataclass(frozen=True, slots=True)
class Flow:
    """A replica in a loop: requests/s, seconds between tokens of a sequence, and means over time of all lanes.

    ``decoding`` in all lanes; steps, shares and ``prefill_tokens`` of a lane, as in
    :class:`drivetrain.serving.steady.SteadyState`.
    """

    rate: float
    tpot_s: float
    decoding: float
    step_s: float
    mixed_frac: float
    prefill_tokens: float


def circulate(prepared: Prepared, concurrency: float, in_step: bool = False) -> Flow:
    """The loop of ``concurrency`` requests; at least one must fit.

    ``in_step``: if all requests have one length, they do so to the token and are sent together at the start, as in a
    load test. Otherwise one length stands for many that are like it on average.
    """
    work = Work(prepared)
    goal, slots = concurrency / work.lanes, work.slots * work.ranks
    if in_step and work.alike and work.gaps > 0.0:
        inside = loop_march.marching(work, goal, slots)
    else:
        inside = _inside(goal, slots, cache(lambda n: loop_lane.mixed(work, n)))
    return Flow(
        rate=work.lanes * inside.rate,
        tpot_s=(inside.decoding / inside.tokens if inside.tokens > 0.0 else inside.step_s) / work.per_step,
        decoding=work.lanes * inside.decoding,
        step_s=inside.step_s,
        mixed_frac=inside.mixed_frac,
        prefill_tokens=inside.prompt_tokens,
    )


def _inside(goal: float, slots: float, lane: Callable[[int], Lane]) -> Lane:
    """The lane with as many requests as leave room for those away, ``goal`` together and at most ``slots`` inside."""

    def together(requests: int) -> float:
        return requests + lane(requests).away if requests > 0 else 0.0

    below, above = 0, math.ceil(min(goal, slots))
    if together(above) <= goal:
        return _between(min(goal, slots), lane)
    while above - below > 1:
        nearby = math.floor(goal - lane(above).away)
        guess = nearby if below < nearby < above else (below + above) // 2
        below, above = (guess, above) if together(guess) <= goal else (below, guess)
    low, high = together(below), together(above)
    return _between(min(below + (goal - low) / (high - low), slots), lane)


def _between(requests: float, lane: Callable[[int], Lane]) -> Lane:
    """Means of lanes that hold the whole numbers next to ``requests``."""
    below = math.floor(requests)
    more = requests - below
    low = lane(below) if below > 0 else NOBODY
    return between(low, lane(below + 1), more) if more > 0.0 else low
