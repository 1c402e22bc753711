"""Experts that are not equally popular: which are hit, which rank waits, and what copies of popular ones change.

Popularity is Zipf: expert i is among the top k of a token with probability ``q_i``, proportional to ``i^-skew`` and at
most 1, the ``q_i`` summing to k. Of n tokens the experts hit are ``sum 1 - (1 - q_i)^n``, grouped into a few kinds of
about equal popularity. With experts spread over ranks a step waits for the busiest, whose load over the mean is the
imbalance: with experts placed as they are numbered, the mean of the maximum over random placements; with redundant
copies, what greedy replication and packing leaves (copy whichever expert has the most load per copy, then hand
experts to ranks by falling load, each to the least loaded that has room: the load balancer that DeepSeek published).

Valid for popularity that lasts long enough to be balanced; the scatter of a small batch comes on top and is not
modelled. A rank is taken to hold the average mix of popularity, all of it ``imbalance`` times as busy; messages of
dispatch and combine wait for that rank too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import Op
from drivetrain.arch.step import EXPERT_TOKENS, Vector
from drivetrain.techniques import Techniques

Floats = NDArray[np.float64]
_PLACEMENTS = 64
_KINDS = 8
_BISECTIONS = 30
_MOST_SKEWED = 10.0


@dataclass(frozen=True, slots=True)
class Kind:
    """``count`` physical experts, each chosen by a token with probability ``share``; ``load`` of all the work."""

    count: float
    share: float
    load: float


def touches_experts(techniques: Techniques) -> bool:
    """Whether any of the chosen techniques acts on experts."""
    return techniques.expert_imbalance > 1.0 or techniques.expert_skew > 0.0 or techniques.redundant_experts > 0


def with_experts(op: Op, techniques: Techniques, layout: Layout) -> list[Op]:
    """``op`` as it is under the chosen popularity, imbalance and copies; other operators as they are."""
    routed = op.kind == "experts"
    if not (routed or op.name in ("expert dispatch", "expert combine")):
        return [op]
    n = round(op.experts_local * layout.ep)
    top_k = op.expert_share * n
    busiest = imbalance_of(techniques, n, top_k, layout.ep)
    if not routed:
        return [replace(op, message=tuple(busiest * m for m in op.message))]  # type: ignore[arg-type]
    copies = techniques.redundant_experts if layout.ep > 1 else 0  # a second copy on the same rank serves nothing
    if techniques.expert_skew == 0.0 and copies == 0:
        return [_of_kind(op, Kind(float(n), op.expert_share, 1.0), busiest, layout.ep, 1.0)]
    kinds = kinds_of(n, top_k, techniques.expert_skew, copies, layout.ep)
    return [_of_kind(op, kind, busiest, layout.ep, float(i == 0)) for i, kind in enumerate(kinds)]


def imbalance_of(techniques: Techniques, n_experts: int, top_k: float, ranks: int) -> float:
    """Load of the busiest of ``ranks`` over the mean.

    Observed imbalance is taken as that of unbalanced placement: with redundant experts it becomes what balancing leaves
    of the skew that would cause it.
    """
    if ranks == 1:
        return 1.0
    copies = techniques.redundant_experts
    if techniques.expert_imbalance == 1.0:
        return imbalance(n_experts, top_k, techniques.expert_skew, ranks, copies)
    if copies == 0:
        return techniques.expert_imbalance
    skew = _skew_that_gives(techniques.expert_imbalance, n_experts, top_k, ranks)
    return min(techniques.expert_imbalance, imbalance(n_experts, top_k, skew, ranks, copies))


@cache
def popularity(n_experts: int, top_k: float, skew: float) -> tuple[float, ...]:
    """Probability of each expert to be among a token's ``top_k``, most popular first.

    >>> popularity(4, 2.0, 0.0)
    (0.5, 0.5, 0.5, 0.5)
    """
    weights = np.arange(1, n_experts + 1, dtype=np.float64) ** -skew
    chosen = np.zeros(n_experts)
    certain = 0  # the most popular ones that every token would choose
    while certain < n_experts:
        rest = weights[certain:]
        chosen[certain:] = (top_k - certain) * rest / rest.sum()
        if chosen[certain] <= 1.0:
            break
        chosen[certain] = 1.0
        certain += 1
    return tuple(float(q) for q in chosen)


@cache
def imbalance(n_experts: int, top_k: float, skew: float, ranks: int, redundant: int) -> float:
    """Busiest rank's load over the mean, by random placement without copies, by balancing with them."""
    loads = np.array(popularity(n_experts, top_k, skew))
    if skew == 0.0 and redundant == 0:
        return 1.0
    if redundant == 0:
        rng = np.random.default_rng(0)
        each = [rng.permutation(loads).reshape(ranks, -1).sum(axis=1).max() for _ in range(_PLACEMENTS)]
        return float(np.mean(each)) * ranks / top_k
    # fewer copies than there is room for are a choice too, so that more never balance worse
    tries = range(redundant % ranks, redundant + 1, ranks)
    return min(_packed(loads, ranks, copies) for copies in tries) * ranks / top_k


@cache
def kinds_of(n_experts: int, top_k: float, skew: float, redundant: int, ranks: int) -> tuple[Kind, ...]:
    """Physical experts by popularity, at most a few kinds that keep number and load exactly."""
    loads = np.array(popularity(n_experts, top_k, skew))
    each = np.sort(_replicated(loads, redundant, ranks))[::-1]
    edges = _edges(each)
    return tuple(
        Kind(float(b - a), float(each[a:b].mean()), float(each[a:b].sum()) / top_k) for a, b in pairwise(edges)
    )


def _of_kind(op: Op, kind: Kind, busiest: float, ranks: int, kernels: float) -> Op:
    def loaded(v: Vector) -> Vector:
        out = list(v)
        out[EXPERT_TOKENS] *= busiest * kind.load
        return tuple(out)  # type: ignore[return-value]

    return replace(
        op,
        flops=loaded(op.flops),
        activations=loaded(op.activations),
        experts_local=kind.count / ranks,
        expert_share=1.0 - (1.0 - min(kind.share, 1.0)) ** busiest,
        kernels=kernels * op.kernels,
    )


def _replicated(loads: Floats, redundant: int, ranks: int) -> Floats:
    """Load of every physical expert after giving copies, one by one, to whichever has the most load per copy.

    None has more copies than there are ranks: a second one on the same rank serves nothing.
    """
    copies = np.ones(len(loads))
    for _ in range(redundant):
        copies[int(np.argmax(np.where(copies < ranks, loads / copies, -1.0)))] += 1
    return np.repeat(loads / copies, copies.astype(int))


def _packed(loads: Floats, ranks: int, redundant: int) -> float:
    """Load of the busiest rank after greedy packing: by falling load, each to the least loaded rank with room."""
    each = np.sort(_replicated(loads, redundant, ranks))[::-1]
    room = len(each) // ranks
    total, held = np.zeros(ranks), np.zeros(ranks)
    for load in each:
        rank = int(np.argmin(np.where(held < room, total, math.inf)))
        total[rank] += load
        held[rank] += 1
    return float(total.max())


def _edges(falling: Floats) -> list[int]:
    """Where kinds begin and end: at each change of popularity if there are few, else at ranks 1, 2, 4, 8, ..."""
    changes = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(falling) < -1e-12)), len(falling)]
    if len(changes) <= _KINDS + 1:
        return changes
    doubling = [1 << i for i in range(len(falling).bit_length()) if 1 << i < len(falling)]
    return [0, *doubling, len(falling)]


@cache
def _skew_that_gives(wanted: float, n_experts: int, top_k: float, ranks: int) -> float:
    low, high = 0.0, _MOST_SKEWED
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if imbalance(n_experts, top_k, middle, ranks, 0) < wanted else (low, middle)
    return 0.5 * (low + high)


def experts_hit_exactly(n_experts: int, top_k: float, skew: float, tokens: float) -> float:
    """Experts that at least one of ``tokens`` chose, expert by expert: what the kinds stand for."""
    q = np.array(popularity(n_experts, top_k, skew))
    return float(np.sum(1.0 - (1.0 - q) ** tokens))
