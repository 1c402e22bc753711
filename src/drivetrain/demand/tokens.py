r"""Tokens a task takes, and kinds of task that a lower price brings: what a fixed list of tasks leaves out.

Tokens per task grow on their own (longer prompts, reasoning, agents) and respond to price: cheaper tokens are spent on
more context, more attempts, longer chains. Growth fades: the rate of growth falls by e every F years::

    tau(t, p) = tau0 g(t) (p / p0)^-eta,      g(t) = exp(ln(growth) F (1 - exp(-t / F)))

New kinds of task become worth building at all::

    n(p) = (p / p0)^-zeta, held within 1/most and most

Without both, a lognormal of values would force the elasticity to 0 as prices fall and so decide the answer beforehand.
p0 is the price at the start; eta below 1, or spending per task would rise as tokens get cheaper without end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = float | Floats
ETA_MOST = 0.95


def grown(growth_per_year: Numbers, years: Numbers, fade_years: Numbers = np.inf) -> Floats:
    """Growth since the start where the rate fades with ``fade_years``.

    >>> float(grown(2.0, 3.0)), round(float(grown(2.0, 1e9, 2.0)), 6)
    (8.0, 4.0)
    """
    fade = np.asarray(fade_years, dtype=np.float64)
    time = np.asarray(years, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        effective = np.where(np.isinf(fade), time, -fade * np.expm1(-time / fade))
    found: Floats = np.power(np.asarray(growth_per_year, dtype=np.float64), effective)
    return found


def per_task(
    start: Numbers, growth_per_year: Numbers, years: Numbers, price: Numbers, price_start: Numbers,
    eta: Numbers, fade_years: Numbers = np.inf,
) -> Floats:  # fmt: skip
    """Tokens a task takes ``years`` after the start at ``price``.

    >>> float(per_task(1000.0, 1.0, 5.0, 1e-6, 4e-6, 0.5))   # a quarter of the price, twice the tokens
    2000.0
    """
    response = (np.asarray(price, dtype=np.float64) / price_start) ** -np.asarray(eta, dtype=np.float64)
    found: Floats = np.asarray(start, dtype=np.float64) * grown(growth_per_year, years, fade_years) * response
    return found


def arrivals(price: Numbers, price_start: Numbers, zeta: Numbers, most: Numbers) -> Floats:
    """Kinds of task at ``price``, as a multiple of those at the start.

    >>> float(arrivals(1e-7, 1e-6, 0.3, 10.0)) > 1.9, float(arrivals(1e-12, 1e-6, 0.3, 3.0))
    (True, 3.0)
    """
    ratio = (np.asarray(price, dtype=np.float64) / price_start) ** -np.asarray(zeta, dtype=np.float64)
    found: Floats = np.clip(ratio, 1.0 / np.asarray(most, dtype=np.float64), most)
    return found
