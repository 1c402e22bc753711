"""When generated requests come: renewal processes of a given burstiness, modulated over the day.

A renewal process has independent gaps of mean 1 in operational time and coefficient of variation cv (1: Poisson):

- gamma: shape 1 / cv^2, so that load generators' "burstiness" is 1 / cv^2;
- Weibull: shape k with cv^2 = Gamma(1 + 2/k) / Gamma(1 + 1/k)^2 - 1.

The clock of the day turns operational time into seconds: the n-th request comes at t with ``rate * integral of
shape(s) ds from 0 to t = S_n``, where S_n sums n gaps and shape has mean 1 over the day. Bursts are thus denser where
the rate is higher. Shapes are hourly steps (a profile's) or a sinusoid, in steps of a 1,440th of the day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivetrain.serving.sim.records import Floats
from drivetrain.serving.traffic.streams import ARRIVALS, stream
from drivetrain.serving.traffic.wrong import ChoiceError, above_zero, among, at_least

LAWS = ("gamma", "weibull", "poisson")
DAYS = ("flat", "profile", "sine")
MOST_CV = 50.0
"""Beyond this nearly all requests come together: no trace on record is near it."""

_STEPS = 1440  # of a day, in which a sinusoid is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How requests come.

    Open: ``rate`` requests/s, mean over the day, with gaps of the ``law`` and ``cv`` (``None``: the profile's
    ``arrival_cv``). ``day``: flat, the ``profile``'s hours, or a ``sine`` whose highest rate is ``peak_to_mean``
    times the mean; a day lasts ``day_s`` and the run starts ``start_s`` into it. Closed: ``concurrency`` requests in
    flight, each sent ``think_s`` (mean of an exponential; 0: at once) after an answer.
    """

    rate: float | None = None
    cv: float | None = None
    law: str = "gamma"
    day: str = "flat"
    peak_to_mean: float | None = None
    day_s: float = 86400.0
    start_s: float = 0.0
    concurrency: int = 0
    think_s: float = 0.0

    def __post_init__(self) -> None:
        among("law", self.law, LAWS)
        among("day", self.day, DAYS)
        if (self.rate is None) == (self.concurrency == 0):
            raise ChoiceError(
                lambda say: f"give either a {say('rate')} (open loop) or a {say('concurrency')} (closed loop)."
            )
        for name in ("rate", "cv", "peak_to_mean", "day_s"):
            above_zero(name, getattr(self, name))
        for name in ("start_s", "concurrency", "think_s"):
            at_least(name, getattr(self, name))
        cv, peak = self.cv, self.peak_to_mean
        if cv is not None and cv > MOST_CV:
            raise ChoiceError(lambda say: f"{say('cv')} is {cv:g}. Give at most {MOST_CV:g}.")
        if self.law == "poisson" and cv not in (None, 1.0):
            raise ChoiceError(
                lambda say: f"a Poisson process has {say('cv')} 1, not {cv:g}. Give {say('law', 'gamma')} or weibull."
            )
        if (peak is not None) != (self.day == "sine"):
            raise ChoiceError(
                lambda say: f"{say('peak_to_mean')} belongs to {say('day', 'sine')}. Give both or neither."
            )
        if peak is not None and not 1 <= peak <= 2:
            raise ChoiceError(
                lambda say: (
                    f"{say('peak_to_mean')} of a sine is {peak:g}. Give 1 to 2; {say('day', 'profile')} has "
                    "higher peaks."
                )
            )


def arrival_times(how: Arrivals, rate: float, cv: float, hours: tuple[float, ...], n: int | None,
                  duration_s: float | None, seed: int) -> Floats:  # fmt: skip
    """The times of the first ``n`` arrivals, or of those before ``duration_s``, whichever ends first.

    ``hours`` are the profile's factors of the day, ``rate`` the mean rate.
    """
    if n is None and duration_s is None:
        raise ChoiceError(
            lambda say: f"say how many requests to make ({say('n')}), or for how long ({say('duration_s')})."
        )
    generator = stream(seed, ARRIVALS)
    clock = _clock(how, hours)
    end = math.inf if duration_s is None else rate * clock.area(duration_s)
    most = n if n is not None else MOST_REQUESTS
    if n is None and end > MOST_REQUESTS:
        raise ChoiceError(
            lambda say: (
                f"{end:,.0f} requests would come in {duration_s:g} s, more than {MOST_REQUESTS:,}. Lower "
                f"{say('rate')} or {say('duration_s')}."
            )
        )
    parts: list[Floats] = []
    last, made = 0.0, 0
    while made < most and last < end:
        expected = min(
            most - made, MOST_REQUESTS if math.isinf(end) else (end - last) * 1.02 + 4 * cv * math.sqrt(end - last) + 64
        )
        gaps = gaps_of(how.law, cv, generator, int(expected))
        gaps[0] += last
        sums = np.cumsum(gaps)
        parts.append(sums)
        last, made = float(sums[-1]), made + len(sums)
    sums = np.concatenate(parts) if parts else np.zeros(0)
    sums = sums[: int(np.searchsorted(sums, end, "left"))]
    return clock.seconds(sums / rate)


MOST_REQUESTS = 100_000_000
"""More than this does not fit into memory beside what a run needs."""


def gaps_of(law: str, cv: float, generator: np.random.Generator, n: int) -> Floats:
    """``n`` gaps of mean 1 and coefficient of variation ``cv``."""
    if law == "poisson" or cv == 1.0:
        return generator.exponential(1.0, n)
    if law == "gamma":
        shape = 1.0 / cv**2
        return generator.gamma(shape, 1.0 / shape, n)
    shape = weibull_shape(cv)
    return generator.weibull(shape, n) / math.gamma(1.0 + 1.0 / shape)


def weibull_shape(cv: float) -> float:
    """The shape k of a Weibull law with coefficient of variation ``cv``.

    >>> round(weibull_shape(1.0), 9)
    1.0
    """
    from scipy.optimize import brentq
    from scipy.special import gammaln

    def excess(log_shape: float) -> float:  # log(1 + cv^2) of a shape, over that wanted
        k = math.exp(log_shape)
        return float(gammaln(1 + 2 / k) - 2 * gammaln(1 + 1 / k) - math.log1p(cv**2))

    return math.exp(brentq(excess, math.log(0.05), math.log(1e4), xtol=1e-13))


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """Seconds of the run and area under the day's shape, at the corners of a day: both start at 0, piecewise linear."""

    corners: Floats
    areas: Floats
    start_s: float

    def area(self, seconds: float) -> float:
        """Integral of the shape over the first ``seconds`` of the run."""
        return self._to_area(self.start_s + seconds) - self._to_area(self.start_s)

    def seconds(self, area: Floats) -> Floats:
        """The times by which the shape has these areas."""
        day = self.corners[-1]
        if len(self.corners) == 2:
            return area
        area = area + self._to_area(self.start_s)
        whole = np.floor(area / day)
        return np.asarray(whole * day + np.interp(area - whole * day, self.areas, self.corners) - self.start_s)

    def _to_area(self, second: float) -> float:
        day = float(self.corners[-1])
        whole = math.floor(second / day)
        return whole * day + float(np.interp(second - whole * day, self.corners, self.areas))


def _clock(how: Arrivals, hours: tuple[float, ...]) -> _Clock:
    if how.day == "flat":
        corners = areas = np.array([0.0, how.day_s])
    elif how.day == "profile":
        corners = np.linspace(0.0, how.day_s, len(hours) + 1)
        areas = np.concatenate(([0.0], np.cumsum(hours))) * how.day_s / len(hours)
    else:  # highest at noon
        corners = np.linspace(0.0, how.day_s, _STEPS + 1)
        swing = (how.peak_to_mean or 1.0) - 1.0
        areas = corners - swing * how.day_s / (2 * math.pi) * np.sin(2 * math.pi * corners / how.day_s)
    areas = areas * (how.day_s / areas[-1])
    return _Clock(corners, areas, how.start_s)
