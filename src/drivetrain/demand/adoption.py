r"""How adoption follows what is worth doing: Bass diffusion towards a ceiling that the price moves.

With A the share of potential tasks done by machine and M the share worth doing::

    dA/dt = (a + b A / M) (M - A)              A < M: innovation a and imitation b, per year
    dA/dt = -c (A - M)                         A > M: what no longer pays is given up at rate c

Over a step in which M is constant both are solved exactly; with y = A / M::

    y(t) = 1 - (a + b) (1 - y0) / ((a + b y0) exp((a + b) t) + b (1 - y0))

Valid for M that changes slowly against the step (a quarter). Bass (1969); a and b of consumer durables average 0.03 and
0.38 a year (Sultan, Farley and Lehmann 1990).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = float | Floats


def step(
    adopted: Numbers, ceiling: Numbers, innovation: Numbers, imitation: Numbers, years: float,
    churn_per_year: Numbers = 0.2,
) -> Floats:  # fmt: skip
    """Share adopted after ``years`` under a constant ceiling.

    >>> round(float(step(0.0, 1.0, 0.03, 0.38, 1e3)), 6), float(step(0.5, 0.5, 0.03, 0.38, 1.0))
    (1.0, 0.5)
    """
    now, most = np.broadcast_arrays(np.asarray(adopted, dtype=np.float64), np.asarray(ceiling, dtype=np.float64))
    a, b = np.asarray(innovation, dtype=np.float64), np.asarray(imitation, dtype=np.float64)
    reached = np.where(most > 0.0, np.minimum(now, most) / np.where(most > 0.0, most, 1.0), 1.0)
    left = 1.0 - reached
    # exp(-(a + b) t) keeps long steps finite
    fade = np.exp(-(a + b) * years)
    below = (a + b * reached) + b * left * fade
    grown = 1.0 - np.where(below > 0.0, (a + b) * left * fade / np.where(below > 0.0, below, 1.0), left)
    given_up = most + (now - most) * np.exp(-np.asarray(churn_per_year, dtype=np.float64) * years)
    found: Floats = np.where(now > most, given_up, most * grown)
    return found


def rate(adopted: Numbers, ceiling: Numbers, innovation: Numbers, imitation: Numbers) -> Floats:
    """dA/dt below the ceiling, per year.

    >>> round(float(rate(0.1, 0.5, 0.03, 0.4)), 6)   # (0.03 + 0.4 x 0.2) x 0.4
    0.044
    """
    now, most = np.asarray(adopted, dtype=np.float64), np.asarray(ceiling, dtype=np.float64)
    found: Floats = (innovation + np.asarray(imitation, dtype=np.float64) * now / most) * (most - now)
    return found
