"""Sums of latencies that are known by their mean and a few percentiles."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.percentiles import QUANTILES
from drivetrain.serving.steady import Latency

Floats = NDArray[np.float64]


def of_link(exposed: Floats, wait: float, weight: Floats) -> Latency:
    """The exposed transfer over requests, by class, and the mean wait for the link."""
    order = np.argsort(exposed)
    below = np.cumsum(weight[order])
    at = [float(exposed[order][min(int(np.searchsorted(below, q - 1e-12)), len(order) - 1)]) for q in QUANTILES]
    mean = float(weight @ exposed) + wait
    # an exponential wait: its quantile is -ln(1 - q) times its mean
    return Latency(mean, *(x - math.log1p(-q) * wait for x, q in zip(at, QUANTILES, strict=True)))


def together(one: Latency, other: Latency, share: float) -> Latency:
    """Sum of two times that both grow with the prompt: quantiles add."""
    return Latency(*(a + share * b for a, b in zip(_values(one), _values(other), strict=True)))


def independent(one: Latency, other: Latency, share: float) -> Latency:
    """Sum of independent times, the second met by a ``share`` of requests."""
    mean = one.mean + share * other.mean
    spread = []
    for a, b in zip(_values(one)[1:], _values(other)[1:], strict=True):
        x, y = a - one.mean, share * (b - other.mean)
        square = math.copysign(x * x, x) + math.copysign(y * y, y)
        spread.append(mean + math.copysign(math.sqrt(abs(square)), square))
    return Latency(mean, *spread)


def shifted(latency: Latency, mean: float) -> Latency:
    """``latency`` moved as a whole to another ``mean``."""
    return Latency(*(value - latency.mean + mean for value in _values(latency)))


def _values(latency: Latency) -> tuple[float, float, float, float, float]:
    return latency.mean, latency.p50, latency.p90, latency.p95, latency.p99
