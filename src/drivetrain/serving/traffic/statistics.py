"""What a stream of requests amounts to: rate, burstiness, lengths, the share of prompts that was there before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivetrain.serving.sim.records import Ints, Requests
from drivetrain.serving.traffic.records import ragged
from drivetrain.serving.traffic.timing import rate_of


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, quantiles and maximum of a length in tokens."""

    mean: float
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of requests.

    ``n`` requests, ``n_arriving`` of which come by themselves at known times, over ``span_s`` from the first to the
    last. ``rate_per_s`` = (n_arriving - 1) / span_s. ``iat_cv`` is the coefficient of variation of the gaps between
    arrivals (1: Poisson). Both are nan where they say nothing. ``prefix_frac`` is the share of prompt tokens that an
    unlimited cache, empty at first, finds: leading named blocks of earlier rows, except for the prompt's last token.
    """

    n: int
    n_arriving: int
    span_s: float
    rate_per_s: float
    iat_cv: float
    isl: Spread
    osl: Spread
    prefix_frac: float


def describe(requests: Requests, *, prefix: bool = True) -> Statistics:
    """Measure ``requests``; without ``prefix`` the share found in a cache is left at nan, which saves its time."""
    open_loop = (requests.after < 0) & (requests.concurrency == 0)
    arrival_s = requests.arrival_s[open_loop]
    gaps = np.diff(arrival_s)
    mean = float(gaps.mean()) if len(gaps) else 0.0
    found = float(found_tokens(requests).sum()) if prefix else math.nan
    return Statistics(
        n=len(requests),
        n_arriving=len(arrival_s),
        span_s=float(arrival_s[-1] - arrival_s[0]) if len(arrival_s) else math.nan,
        rate_per_s=rate_of(arrival_s),
        iat_cv=float(gaps.std() / mean) if mean > 0 else math.nan,
        isl=_spread(requests.isl),
        osl=_spread(requests.osl),
        prefix_frac=found / float(requests.isl.sum()) if len(requests) else math.nan,
    )


def found_tokens(requests: Requests) -> Ints:
    """Prompt tokens of each request that an unlimited cache finds, filled by all rows before it.

    Rows that share a stretch of ``hashes`` are looked at once: what an earlier one named is known, so that only what
    is longer than any earlier one needs a look.
    """
    n, tokens = len(requests), requests.hash_tokens
    if not tokens or not n:
        return np.zeros(n, dtype=np.int64)
    known, new = _known_before(requests.hash_start, requests.hash_count)
    at = ragged(requests.hash_start + known, new)  # places of `hashes` that are named for the first time
    row = np.repeat(np.arange(n), new)
    missing = np.flatnonzero(_first_row(requests.hashes[at], row) >= row)
    starts = np.cumsum(new) - new
    next_missing = np.searchsorted(missing, starts)
    stop = np.append(missing, len(at))[next_missing]
    leading = known + np.minimum(stop - starts, new)
    return np.asarray(np.minimum(leading, (requests.isl - 1) // tokens) * tokens)


def _first_row(names: Ints, row: Ints) -> Ints:
    """The first row that has each name."""
    if len(names) and int(names.min()) >= 0 and int(names.max()) < 8 * len(names) + 1024:
        first = np.empty(int(names.max()) + 1, dtype=np.int64)
        first[names[::-1]] = row[::-1]  # of several values for one place the last is kept
        return np.asarray(first[names])
    _, index, which = np.unique(names, return_index=True, return_inverse=True)
    return np.asarray(row[index[which]])


def _known_before(start: Ints, count: Ints) -> tuple[Ints, Ints]:
    """How many names at ``start`` an earlier row with that start has, and how many this one adds."""
    order = np.argsort(start, kind="stable")
    sorted_start, sorted_count = start[order], count[order]
    group = np.cumsum(np.append(0, np.diff(sorted_start) != 0)) if len(start) else order
    shift = group * (int(count.max()) + 1)  # running maximum within a group: later groups lie above
    running = np.maximum.accumulate(sorted_count + shift) - shift
    before = np.where(np.append(True, np.diff(group) != 0), 0, np.append(0, running[:-1]))
    known = np.empty_like(count)
    known[order] = np.minimum(before, sorted_count)
    return known, count - known


def _spread(tokens: Ints) -> Spread:
    if not len(tokens):
        return Spread(*[math.nan] * 5)
    return Spread(float(tokens.mean()), *(float(x) for x in np.quantile(tokens, (0.5, 0.9, 0.99, 1.0))))
