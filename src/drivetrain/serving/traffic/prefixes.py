"""Names of blocks for generated requests, so that an unlimited cache finds a wanted share of the prompts.

Every request begins with a part of one of G prefixes and goes on with text of its own. Its part is the same share x
of every prompt, in whole blocks; what an earlier request with that prefix had is found. Requests take a prefix at
random, so that the times between uses of one are exponential with mean G / rate: G = rate * interval makes it the
interval that the closed form assumes for a finite cache (:mod:`drivetrain.serving.reuse`). The first use of a prefix
finds nothing, and a part longer than any before it is found only so far: x is raised until the wanted share is found
over all requests made. Where no x can, there are fewer prefixes. Own text is named too, block by block with the
answer: it fills a cache as it does in life.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.serving.sim.records import Floats, Ints
from drivetrain.serving.traffic.records import Names, Note, ragged
from drivetrain.serving.traffic.streams import PREFIX, stream
from drivetrain.serving.traffic.wrong import ChoiceError, above_zero, whole

HASH_TOKENS = 64
"""Tokens of a named block: a multiple of the cache blocks of engines (16 to 64), and few enough names."""

_CLOSE = 2e-4  # of the prompt tokens: how near the share found must come
_TRIES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How prompts begin alike. ``share`` of prompt tokens found by an unlimited cache (``None``: the profile's).

    ``prefixes``: how many there are; ``None`` makes one return every ``interval_s`` on average (``None``: the
    catalogue's ``reuse_interval``), in a closed loop there are as many as clients; ``1`` is one system prompt common
    to all. Blocks have ``hash_tokens`` tokens.
    """

    share: float | None = None
    prefixes: int | None = None
    interval_s: float | None = None
    hash_tokens: int = HASH_TOKENS

    def __post_init__(self) -> None:
        if self.share is not None and not 0 <= self.share < 1:
            raise ChoiceError(
                lambda say: f"{say('share')} of prompts found is {self.share:g}. Give at least 0 and below 1."
            )
        for name in ("prefixes", "hash_tokens"):
            whole(name, getattr(self, name))
        above_zero("interval_s", self.interval_s)


def named(isl: Ints, osl: Ints, share: float, reuse: Reuse, rate: float, clients: int, seed: int) -> tuple[Names, Note]:
    """Names for requests in this order, at ``rate`` a second or of so many ``clients``; says what they make."""
    tokens = reuse.hash_tokens
    generator = stream(seed, PREFIX)
    uniform, dither = generator.random(len(isl)), generator.random(len(isl))
    wanted = reuse.prefixes or clients or max(round(rate * _interval_s(reuse)), 1)
    prefixes = min(wanted, len(isl))
    while True:
        group = np.minimum((uniform * prefixes).astype(np.int64), prefixes - 1)
        parts, found = _parts(isl, share, tokens, dither, group)
        if found >= share - _CLOSE or prefixes == 1 or reuse.prefixes is not None:
            break
        prefixes = max(prefixes // 2, 1)
    longest = int(parts.max()) if len(parts) else 0
    count = (isl + osl) // tokens
    start = np.cumsum(count) - count
    flat = prefixes * longest + np.arange(int(count.sum()))
    shared = ragged(start, parts)
    flat[shared] = ragged(group * longest, parts)
    every = f", each used every {prefixes / rate:.3g} s on average" if rate > 0 else ""
    fewer = f" (fewer than the {wanted:,} asked for, to reach the share)" if prefixes < wanted else ""
    text = f"{found:.1%} of prompt tokens found by an unlimited cache ({share:.1%} wanted), {prefixes:,} prefixes"
    return Names(start, count, flat), Note("shared prefixes", text + fewer + every)


def _interval_s(reuse: Reuse) -> float:
    from drivetrain.catalogue import loader

    return reuse.interval_s or loader.techniques()["reuse_interval"].mid.value


def _parts(isl: Ints, share: float, tokens: int, dither: Floats, group: Ints) -> tuple[Ints, float]:
    """Blocks that each request shares, and the share of all prompt tokens found: x by the secant, kept in bounds."""
    small = group.astype(np.uint16) if int(group.max()) < 1 << 16 else group  # sorted by digits, several times as fast
    order = np.argsort(small, kind="stable")
    again = np.append(False, np.diff(group[order]) == 0)  # not the first of its prefix
    room = (isl - 1) // tokens  # the last token of a prompt is always computed
    lift = group[order] * (int(room.max()) + 1)
    blocks, dithered, most, total = isl[order] / tokens, dither[order], room[order], float(isl.sum()) / tokens

    def found(x: float) -> tuple[Ints, float]:
        parts = np.minimum((x * blocks + dithered).astype(np.int64), most)
        highest = np.maximum.accumulate(parts + lift) - lift  # a later group lies above all earlier ones
        return parts, float(np.minimum(parts[1:], highest[:-1])[again[1:]].sum()) / total

    low, high, x = 0.0, 1.0, share
    parts, at = found(x)
    for _ in range(_TRIES):
        if abs(at - share) <= _CLOSE:
            break
        low, high = (x, high) if at < share else (low, x)
        guess = x * share / at if at > 0 else 1.0
        x = guess if low < guess < high else (low + high) / 2
        parts, at = found(x)
    made = np.empty_like(parts)
    made[order] = parts
    return made, at
