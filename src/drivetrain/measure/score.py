"""How far predictions are from measurements.

Errors are signed, ``predicted / measured - 1``, as fractions. ``bias`` is their median; ``median_abs``, ``mean_abs``
and ``p90_abs`` are of their absolute values; ``coverage80`` is the share of measurements inside the 80 % interval.
``interval_score80`` is the mean interval score (Gneiting and Raftery 2007) of the logarithms at alpha = 0.2: an
interval pays for its width and, ten times over, for what it misses::

    (u - l) + 2/alpha (l - y)+ + 2/alpha (y - u)+        l, u = log p10, log p90;  y = log measured
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_ALPHA = 0.2  # of an 80 % interval


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction with its 80 % interval (None where there is none) beside what was measured."""

    predicted: float
    measured: float
    p10: float | None = None
    p90: float | None = None

    @property
    def error(self) -> float:
        """``predicted / measured - 1``."""
        return self.predicted / self.measured - 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """Summary of errors; ``coverage80`` and ``interval_score80`` are None where predictions carry no interval."""

    n: int
    median_abs: float
    mean_abs: float
    p90_abs: float
    bias: float
    coverage80: float | None
    interval_score80: float | None


def score(pairs: Iterable[Pair]) -> Score | None:
    """Summarise; None without pairs. Quantiles interpolate linearly.

    >>> score([Pair(1.1, 1.0, 0.9, 1.3), Pair(0.8, 1.0, 0.7, 0.9), Pair(1.0, 1.0, 0.9, 1.1)]).mean_abs
    0.1

    An interval of exp(+-0.1) around a measurement scores its width 0.2; one that misses by 0.1, 10 x 0.1 more:

    >>> low, high = np.exp(-0.1), np.exp(0.1)
    >>> [score([Pair(1.0, measured, low, high)]).interval_score80 for measured in (1.0, np.exp(0.2), np.exp(-0.2))]
    [0.2, 1.2, 1.2]
    """
    kept = list(pairs)
    if not kept:
        return None
    signed = np.array([p.error for p in kept])
    absolute = np.abs(signed)
    ranges = [(p.p10, p.measured, p.p90) for p in kept if p.p10 is not None and p.p90 is not None]
    inside = [low <= measured <= high for low, measured, high in ranges]
    return Score(
        n=len(kept),
        median_abs=_round(np.median(absolute)),
        mean_abs=_round(absolute.mean()),
        p90_abs=_round(np.quantile(absolute, 0.9)),
        bias=_round(np.median(signed)),
        coverage80=_round(float(np.mean(inside))) if inside else None,
        interval_score80=_round(_interval_score(ranges)) if ranges else None,
    )


def _interval_score(ranges: Sequence[tuple[float, float, float]]) -> float:
    low, y, high = np.log(np.array(ranges)).T
    return float(np.mean(high - low + 2.0 / _ALPHA * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))))


def grouped(items: Sequence[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Items by ``key``, keys in numeric order where they are numbers, else in alphabetical order."""
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return dict(sorted(found.items(), key=lambda entry: _order(entry[0])))


def _order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text


def _round(value: float) -> float:
    return round(float(value), 6)
