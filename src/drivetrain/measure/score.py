"""How far predictions are from measurements.

Errors are signed, ``predicted / measured - 1``, as fractions. ``bias`` is their median; ``median_abs``, ``mean_abs``
and ``p90_abs`` are of their absolute values; ``coverage80`` is the share of measurements inside the 80 % interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


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
    """Summary of errors; ``coverage80`` is None where predictions carry no interval."""

    n: int
    median_abs: float
    mean_abs: float
    p90_abs: float
    bias: float
    coverage80: float | None


def score(pairs: Iterable[Pair]) -> Score | None:
    """Summarise; None without pairs. Quantiles interpolate linearly.

    >>> score([Pair(1.1, 1.0, 0.9, 1.3), Pair(0.8, 1.0, 0.7, 0.9), Pair(1.0, 1.0, 0.9, 1.1)]).mean_abs
    0.1
    """
    kept = list(pairs)
    if not kept:
        return None
    signed = np.array([p.error for p in kept])
    absolute = np.abs(signed)
    inside = [p.p10 <= p.measured <= p.p90 for p in kept if p.p10 is not None and p.p90 is not None]
    return Score(
        n=len(kept),
        median_abs=_round(np.median(absolute)),
        mean_abs=_round(absolute.mean()),
        p90_abs=_round(np.quantile(absolute, 0.9)),
        bias=_round(np.median(signed)),
        coverage80=_round(float(np.mean(inside))) if inside else None,
    )


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
