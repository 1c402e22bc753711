"""Plain forecasts of a series: the baselines that a model of the outlook has to beat.

With points (x_i, y_i), x in years, the last one (x_n, y_n)::

    last value        y = y_n
    compound growth   y = y_n (y_n / y_{n-k})^((x - x_n) / (x_n - x_{n-k})),      k steps back
    log trend         ln y = a + b x by least squares over all points
    damped growth     the growth rate of the last step, times phi^(years ahead) as it goes; phi fitted on the points

All are deterministic and look at the points given alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError

Floats = NDArray[np.float64]
Forecast = Callable[[Floats, Floats, Floats], Floats]


def last_value(_x: Floats, y: Floats, at: Floats) -> Floats:
    """Nothing changes."""
    return np.full(at.shape, y[-1])


def compound_growth(steps: int) -> Forecast:
    """Growth over the last ``steps`` intervals carried on.

    >>> compound_growth(1)(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([2.0, 3.0])).tolist()
    [4.0, 8.0]
    """

    def forecast(x: Floats, y: Floats, at: Floats) -> Floats:
        back = min(steps, y.size - 1)
        rate = np.log(y[-1] / y[-1 - back]) / (x[-1] - x[-1 - back])
        found: Floats = y[-1] * np.exp(rate * (at - x[-1]))
        return found

    return forecast


def log_trend(x: Floats, y: Floats, at: Floats) -> Floats:
    """A straight line through the logarithms."""
    slope, level = np.polyfit(x - x[-1], np.log(y), 1)
    found: Floats = np.exp(level + slope * (at - x[-1]))
    return found


def damped_growth(x: Floats, y: Floats, at: Floats) -> Floats:
    """Growth that fades: ``phi`` a year minimises the squared error of each step's growth from the step before."""
    from scipy.optimize import minimize_scalar

    rates = np.diff(np.log(y)) / np.diff(x)
    gaps = np.diff((x[1:] + x[:-1]) / 2.0)

    def misfit(phi: float) -> float:
        return float(np.sum((rates[1:] - rates[:-1] * phi**gaps) ** 2))

    if rates.size < 3:
        raise BadInputError("Damped growth needs at least four points.")
    phi = float(minimize_scalar(misfit, bounds=(0.05, 1.0), method="bounded").x)
    middle = (x[-1] + x[-2]) / 2.0
    ahead = phi ** (at - middle) - phi ** (x[-1] - middle)
    grown = rates[-1] * (ahead / np.log(phi) if phi < 1.0 - 1e-9 else at - x[-1])
    found: Floats = y[-1] * np.exp(grown)
    return found


def errors(predicted: Floats, measured: Floats) -> tuple[float, float]:
    """Mean absolute error and median signed error, of ``predicted / measured - 1``.

    >>> errors(np.array([1.1, 0.9, 1.2]), np.ones(3))
    (0.1333..., 0.1000...)
    """
    off = predicted / measured - 1.0
    return float(np.mean(np.abs(off))), float(np.median(off))
