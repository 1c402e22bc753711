"""Statistics behind the workload profiles: quantiles, request classes, burstiness, prefix reuse.

Pure functions on arrays, no files. ``derive_workloads.py`` applies them to traces, the tests check them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

PROBABILITIES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
N_CLASSES = 14
INPUT_CUTS = (0.5, 0.95, 0.99)
"""Ranks of input length at which classes are always cut, so that the median and the tail stay visible."""
MIN_CLASS_SHARE = 0.002
"""No class is smaller than this share of requests: a class is a kind of request, not one request."""
BURST_SCALE_S = 3.0
"""Time scale at which arrivals are called bursty; see :func:`dispersion`."""


@dataclass(frozen=True, slots=True)
class Class:
    """A share of requests and the mean lengths inside it."""

    weight: float
    isl: float
    osl: float


def quantiles(values: Floats) -> dict[float, float]:
    """Return the quantiles of a sample at ``PROBABILITIES`` (1.0 is the maximum)."""
    return dict(zip(PROBABILITIES, np.quantile(values, PROBABILITIES).tolist(), strict=True))


def request_classes(isl: Floats, osl: Floats, n: int = N_CLASSES) -> list[Class]:
    """Cut requests into ``n`` classes that lose as little as possible of the second moments.

    Start from four bins by input length (``INPUT_CUTS``), then keep cutting the bin, axis and threshold that
    lower sum (x - mean)^2 / E[x^2] + (y - mean)^2 / E[y^2] most. A class stands at the mean of its requests:
    E[isl] and E[osl] are exact, E[isl^2] and E[osl^2] fall short by just the variance left inside classes,
    and the error of E[isl osl] is within the geometric mean of those two shortfalls.
    """
    order = np.argsort(isl, kind="stable")
    cuts = [round(edge * len(order)) for edge in INPUT_CUTS]
    leaves = [part for part in np.split(order, cuts) if len(part)]
    scale = (1.0 / np.mean(isl**2), 1.0 / np.mean(osl**2))
    smallest = max(3, int(np.ceil(MIN_CLASS_SHARE * len(order))))
    best = [_best_cut(leaf, isl, osl, scale, smallest) for leaf in leaves]
    while len(leaves) < n:
        at = max(range(len(leaves)), key=lambda i: best[i][0])
        gain, left, right = best[at]
        if gain <= 0:
            break
        leaves[at : at + 1] = [left, right]
        best[at : at + 1] = [_best_cut(part, isl, osl, scale, smallest) for part in (left, right)]
    made = [Class(len(p) / len(order), float(isl[p].mean()), float(osl[p].mean())) for p in leaves]
    return sorted(made, key=lambda c: (c.isl, c.osl))


_Index = NDArray[np.intp]
_Cut = tuple[float, _Index, _Index]


def _best_cut(leaf: _Index, isl: Floats, osl: Floats, scale: tuple[float, float], smallest: int) -> _Cut:
    """Find the cut of one bin with the largest fall in scaled squared error."""
    best: _Cut = (0.0, leaf, leaf[:0])
    n = len(leaf)
    if n < 2 * smallest:
        return best
    for axis in (isl, osl):
        order = leaf[np.argsort(axis[leaf], kind="stable")]
        sizes = np.arange(1, n)
        gain = np.zeros(n - 1)
        for values, factor in ((isl, scale[0]), (osl, scale[1])):
            centred = values[order] - values[order].mean()
            gain += factor * np.cumsum(centred)[:-1] ** 2 * (1 / sizes + 1 / (n - sizes))
        gain[np.diff(axis[order]) == 0] = 0.0  # never cut between equal lengths
        gain[: smallest - 1] = gain[n - smallest :] = 0.0
        at = int(gain.argmax())
        if gain[at] > best[0]:
            best = (float(gain[at]), order[: at + 1], order[at + 1 :])
    return best


def class_error(classes: Sequence[Class], isl: Floats, osl: Floats) -> dict[str, float]:
    """Return the relative error (classes / sample - 1) of the means and second moments."""
    w, x, y = (np.array([getattr(c, key) for c in classes]) for key in ("weight", "isl", "osl"))
    pairs = {"isl": (x, isl), "osl": (y, osl), "isl_isl": (x * x, isl * isl), "isl_osl": (x * y, isl * osl),
             "osl_osl": (y * y, osl * osl)}  # fmt: skip
    return {key: float((w * ours).sum() / theirs.mean() - 1) for key, (ours, theirs) in pairs.items()}


def interarrival_cv(arrival_s: Floats) -> float:
    """Return the coefficient of variation of inter-arrival times: raw, idle gaps and all."""
    gaps = np.diff(np.sort(arrival_s))
    return float(gaps.std() / gaps.mean())


def dispersion(arrival_s: Floats, scale_s: float = BURST_SCALE_S) -> float:
    """Index of dispersion of counts, Var[N(t)] / E[N(t)] in windows of ``scale_s`` seconds: 1 for Poisson.

    A queue feels the variability of arrivals over the time a request spends in it, not over one gap and not
    over minutes. The squared CV of gaps mistakes a few long pauses for burstiness at every scale; the
    dispersion over minutes mistakes a slow change of rate for it. A renewal process has IDC -> c_a^2, so the
    root of the IDC stands in for the CV in queueing formulas. Three seconds is the order of a TTFT target and
    the finest scale at which arrivals recorded in 3 s steps still say something.
    """
    edges = np.arange(arrival_s.min(), arrival_s.max(), scale_s)
    counts = np.histogram(arrival_s, bins=edges)[0]
    return float(counts.var() / counts.mean())


def peak_to_mean(arrival_s: Floats, scale_s: float) -> float:
    """Return the busiest window of ``scale_s`` seconds over the mean one."""
    counts = np.histogram(arrival_s, bins=np.arange(arrival_s.min(), arrival_s.max(), scale_s))[0]
    return float(counts.max() / counts.mean())


def superposed_cv2(rates: Floats, cv2: Floats, utilisation: float = 0.7) -> float:
    """Squared CV of many independent clients together (Albin's weight as in Whitt's QNA).

    c^2 = w sum(p_i c_i^2) + 1 - w with w = 1 / (1 + 4 (1 - u)^2 (v - 1)), v = 1 / sum(p_i^2) and p_i the
    share of client i in the rate.
    """
    share = rates / rates.sum()
    weight = 1.0 / (1.0 + 4.0 * (1.0 - utilisation) ** 2 * (1.0 / (share**2).sum() - 1.0))
    return float(weight * (share * cv2).sum() + 1.0 - weight)


def prefix_hit(
    blocks: Iterable[Sequence[int]], isl: Floats, block_tokens: int, cache_tokens: float = float("inf")
) -> float:
    """Share of input tokens found in an LRU prefix cache: a request hits up to its first missing block."""
    capacity = cache_tokens / block_tokens
    cache: OrderedDict[int, None] = OrderedDict()
    hit = 0.0
    for ids, tokens in zip(blocks, isl, strict=True):
        leading = next((n for n, block in enumerate(ids) if block not in cache), len(ids))
        hit += min(leading * block_tokens, tokens)
        for block in reversed(ids):  # the head of a prefix is touched last, so it is evicted last
            cache[block] = None
            cache.move_to_end(block)
        while len(cache) > capacity:
            cache.popitem(last=False)
    return float(hit / isl.sum())


def day_shape(start_s: Floats, rate: Floats) -> Floats:
    """24 hourly factors with mean 1: every day is divided by its own mean, then days are averaged."""
    day, hour = (start_s // 86400).astype(int), (start_s // 3600 % 24).astype(int)
    table = np.full((day.max() + 1, 24), np.nan)
    for d, h in {*zip(day.tolist(), hour.tolist(), strict=True)}:
        table[d, h] = rate[(day == d) & (hour == h)].mean()
    shape = np.nanmean(table / np.nanmean(table, axis=1, keepdims=True), axis=0)
    return np.asarray(shape / shape.mean(), dtype=np.float64)


def lognormal_grid(mean: float, cv: float, cap: float, n: int) -> Floats:
    """``n`` equally likely points of a log-normal cut at ``cap``, whole tokens, scaled back to ``mean``."""
    sigma = np.sqrt(np.log1p(cv**2))
    points = np.exp(sigma * norm.ppf((np.arange(n) + 0.5) / n) - sigma**2 / 2)
    scale = mean
    for _ in range(100):  # cutting lowers the mean; raise the scale until it is back
        cut = np.clip(scale * points, 1.0, cap)
        scale *= mean / cut.mean()
    return np.asarray(cut, dtype=np.float64)


def from_quantiles(p50: Floats, p90: Floats, p99: Floats, u: Floats, cap: float) -> Floats:
    """Draw lengths whose p50, p90 and p99 are as recorded.

    The logarithm is linear in the normal score between recorded quantiles; the first and last slope go on
    outside, to the one-in-a-thousand request at most.
    """
    z = np.clip(norm.ppf(u), norm.ppf(1e-3), norm.ppf(1 - 1e-3))
    low, mid, high = (np.log(np.maximum(q, 1.0)) for q in (p50, p90, p99))
    z90, z99 = norm.ppf(0.9), norm.ppf(0.99)
    body = low + (mid - low) / z90 * z
    tail = mid + (high - mid) / (z99 - z90) * (z - z90)
    return np.asarray(np.clip(np.exp(np.where(z < z90, body, tail)), 1.0, cap), dtype=np.float64)
