"""Percentiles of latencies over requests and over gaps between tokens, in machine code.

Requests come in classes with weights. A quantile of a mixture is where the shares of all classes beyond it sum to one
less the quantile. Both searches below start close by and take few evaluations, since a search over deployments needs
hundreds of thousands of quantiles. Method: docs/method/serving.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.9, 0.95, 0.99)
Z = (0.0, 1.2815515655446004, 1.6448536269514722, 2.3263478740408408)
_WITHIN = 2e-5  # of a quantile
_CLOSE = 1e-4  # deviations of a normal variable
_MOST = 60  # evaluations; a few are enough
_REACH = 600.0  # tails that the spread of own times may be long, lest exponentials underflow
_SHORT = 1e-4  # of own times: shorter waits on average are none
_RARE = 1e-12  # chance of a wait
REMAINS = 0.858  # root of the 0.736 of a swing's variance that is left, averaged over its own correlation time
_END = 40.0  # tails: nobody waits for longer
_LEAST_SKEW = 0.02  # below it a Gamma distribution is a normal one


@jit
def latency_quantile(
    q: float, weight: Floats, own: Floats, p_one: float, mean_one: float, p_other: float, mean_other: float
) -> float:
    """Quantile of a class's ``own`` time plus two independent waits, each P(wait > y) = p exp(-y p / mean).

    With classes in order of their own time, P(sum > y) is smooth between two neighbours: Newton's method there.
    """
    n = weight.shape[0]
    time, share = np.empty(n), np.empty(n)
    for j in range(n):  # insertion: classes mostly come in order
        i = j
        while i > 0 and time[i - 1] > own[j]:
            time[i], share[i] = time[i - 1], share[i - 1]
            i -= 1
        time[i], share[i] = own[j], weight[j]
    # waits too short to matter beside own times, or too rare, are none
    least = max((time[n - 1] - time[0]) / _REACH, _SHORT * time[n - 1])
    p_one = p_one if mean_one > least * p_one and p_one > _RARE else 0.0
    p_other = p_other if mean_other > least * p_other and p_other > _RARE else 0.0
    one = mean_one / p_one if p_one > 0.0 else least
    other = mean_other / p_other if p_other > 0.0 else least
    beyond = 1.0 - q
    # of the classes up to here: share, weighed with what is left of the first tail, of the second, of both
    above, a, b, ab = 1.0, 0.0, 0.0, 0.0
    low, high = time[0], np.inf
    for j in range(n):
        step = time[j] - low
        fall_a = math.exp(-step / one) if p_one > 0.0 and step > 0.0 else 1.0
        fall_b = math.exp(-step / other) if p_other > 0.0 and step > 0.0 else 1.0
        if above + p_one * a * fall_a + p_other * b * fall_b - p_one * p_other * ab * fall_a * fall_b <= beyond:
            high = time[j]  # between the class before and this one
            break
        above -= share[j]
        a, b, ab = a * fall_a + share[j], b * fall_b + share[j], ab * fall_a * fall_b + share[j]
        low = time[j]
        if above + p_one * a + p_other * b - p_one * p_other * ab <= beyond:
            return float(low)  # the class's own mass passes the quantile
    high = min(high, low + _END * (one + other))
    start, y = low, low
    for _ in range(_MOST):
        fall_a, fall_b = p_one * math.exp((start - y) / one), p_other * math.exp((start - y) / other)
        first, second, joint = a * fall_a, b * fall_b, ab * fall_a * fall_b
        over = above + first + second - joint - beyond
        if over > 0.0:
            low = y
        else:
            high = y
        stride = over / max(first / one + second / other - joint * (1.0 / one + 1.0 / other), 1e-300)
        if low < y + stride < high:
            y += stride
        else:
            stride = 0.5 * (low + high) - y
            y += stride
        if abs(stride) <= _WITHIN * y:
            break
    return float(y)


@jit
def tpot_quantile(
    at: int, weight: Floats, steps: Floats, t: float, t_decode: float, longest: float, excess: float, once2: float,
    each2: float, batch: float, luck2: float,
) -> float:  # fmt: skip
    """Quantile ``at`` (index in QUANTILES) of the mean step over requests, of classes with ``steps`` each.

    A request of n steps takes ``t + excess / n`` a step; the seconds it loses to prompts have variance ``once2 + n
    each2``, and the skewness of a Gamma variable; the batch it meets adds a standard deviation ``batch``, the luck of
    drafts a variance ``luck2 / n``. A shifted Gamma distribution, by Wilson and Hilferty: cube roots are normal. No
    mean step is beyond ``longest`` on average, nor varies more than between decode steps and the longest.
    """
    n = weight.shape[0]
    scale, root, shift = np.empty(n), np.empty(n), np.empty(n)
    z = Z[at]
    low, high, y, typical = np.inf, -np.inf, 0.0, 0.0
    for j in range(n):
        mean = min(t + excess / steps[j], max(longest, t))
        lost2 = min((once2 / steps[j] + each2) / steps[j], max((longest - mean) * (mean - t_decode), 0.0))
        all2 = max(lost2 + batch * batch + luck2 / steps[j], 1e-16 * t * t)
        deviation = math.sqrt(all2)
        skew = max(2.0 * lost2 * lost2 / (max(mean - t_decode, 1e-12 * t) * all2 * deviation), _LEAST_SKEW)
        scale[j], root[j] = 2.0 * deviation / skew, skew / 6.0
        shift[j] = mean - scale[j]
        own = shift[j] + scale[j] * max(1.0 - root[j] * root[j] + z * root[j], 0.0) ** 3
        low, high = min(low, own), max(high, own)
        y += weight[j] * own
        typical += weight[j] * deviation
    stride = 0.0
    was = 0.0
    for iteration in range(_MOST):
        if high - low <= _WITHIN * high:
            break
        below = 0.0
        for j in range(n):
            below += weight[j] * _gamma_below((y - shift[j]) / scale[j], root[j])
        # in terms of a normal deviate the share below is about linear: secant steps
        off = normal_quantile(below) - z
        if abs(off) <= _CLOSE:
            break
        if off < 0.0:
            low = y
        else:
            high = y
        slope = (off - was) / stride if iteration > 0 and stride != 0.0 else 1.0 / typical
        step = -off / slope if slope > 0.0 else 0.0
        if iteration % 3 == 2 or abs(step) <= _WITHIN * y or not low < y + step < high:
            step = 0.5 * (low + high) - y
        was, stride = off, step
        y += step
    return float(y)


@jit
def _gamma_below(x: float, root: float) -> float:
    """P(X <= x) of a Gamma variable of mean 1, by Wilson and Hilferty; ``root`` is a third of its deviation."""
    z = (np.cbrt(max(x, 0.0)) - (1.0 - root * root)) / root
    return float(normal_below(z))


@jit
def normal_below(z: float) -> float:
    """Standard normal distribution: Hastings' polynomial (Abramowitz and Stegun 26.2.18), within 0.00025."""
    x = abs(z)
    p = 1.0 + x * (0.196854 + x * (0.115194 + x * (0.000344 + x * 0.019527)))
    p *= p
    tail = 0.5 / (p * p)
    return tail if z < 0.0 else 1.0 - tail


@jit
def normal_quantile(p: float) -> float:
    """Standard normal quantile: Hastings' rational approximation (26.2.23), within 0.0005."""
    rare = max(min(p, 1.0 - p), 1e-300)
    w = math.sqrt(-2.0 * math.log(rare))
    top = 2.515517 + w * (0.802853 + w * 0.010328)
    z = w - top / (1.0 + w * (1.432788 + w * (0.189269 + w * 0.001308)))
    return float(z if p > 0.5 else -z)


@jit
def itl_quantile(
    at: int, t_decode: float, t_mixed: float, u: float, per_sequence: float, swing: float, room: float, per_step: float
) -> float:
    """Quantile of the gap between tokens: the step with prompts beyond 1 - ``u``, the plain one else, and the swing.

    Of ``per_step`` tokens a step (speculation) all but one follow at once, so that a share 1 - 1/per_step of the gaps
    are 0 and the others are steps.
    """
    among = QUANTILES[at]  # the quantile among gaps between steps
    z = Z[at]
    if per_step > 1.0:
        among = 1.0 - (1.0 - QUANTILES[at]) * per_step
        if among <= 0.0:
            return 0.0
        z = max(normal_quantile(among), 0.0)
    base = t_mixed if among > 1.0 - u else t_decode
    return float(base + per_sequence * min(z * swing, room))
