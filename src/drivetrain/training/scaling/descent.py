r"""The objective of a fit and its descent, compiled: five unknowns, thousands of descents.

Quasi-Newton with the full inverse Hessian (BFGS), which in five unknowns is what L-BFGS approximates, and a line search
for the weak Wolfe conditions by bracketing. That search needs no second derivatives to exist, and the objective, almost
a sum of absolute values, has kinks at the scale of its steps (Lewis and Overton 2013). Compiled, a descent takes a
millisecond; library routines spend more than that on calling BLAS with matrices of five rows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit

Floats = NDArray[np.float64]
N_COEFFICIENTS = 5
_ARMIJO, _WOLFE = 1e-4, 0.9
_HALVINGS, _STILL = 60, 4
_TINY = 1e-300


@jit
def objective(
    at: Floats, log_params: Floats, log_tokens: Floats, log_losses: Floats, weights: Floats, delta: float,
    gradient: Floats,
) -> float:  # fmt: skip
    """``sum_i w_i H(r_i) / delta`` at ``at``; its gradient is written to ``gradient``.

    Coordinates: logarithms of the size term, the data term and the floor at log_params = log_tokens = 0, alpha, beta.
    """
    total = 0.0
    gradient[:] = 0.0
    floor = math.exp(min(at[2], 700.0))
    for i in range(log_losses.size):
        by_params = math.exp(min(at[0] - at[3] * log_params[i], 700.0))
        by_tokens = math.exp(min(at[1] - at[4] * log_tokens[i], 700.0))
        loss = by_params + by_tokens + floor
        error = math.log(loss) - log_losses[i]
        clipped = min(max(error, -delta), delta)
        total += weights[i] * clipped * (error - 0.5 * clipped)
        slope = weights[i] * clipped / loss
        gradient[0] += slope * by_params
        gradient[1] += slope * by_tokens
        gradient[2] += slope * floor
        gradient[3] -= slope * by_params * log_params[i]
        gradient[4] -= slope * by_tokens * log_tokens[i]
    for k in range(gradient.size):
        gradient[k] /= delta
    return total / delta


@jit
def descend(
    start: Floats, log_params: Floats, log_tokens: Floats, log_losses: Floats, weights: Floats, delta: float,
    tolerance: float, most_steps: int,
) -> tuple[float, Floats]:  # fmt: skip
    """The minimum below ``start``: value and place.

    Ends when ``_STILL`` steps in a row gain less than the share ``tolerance``, or no step gains anything.
    """
    size = start.size
    at, gradient = start.copy(), np.empty(size)
    value = objective(at, log_params, log_tokens, log_losses, weights, delta, gradient)
    inverse, direction = np.eye(size), np.empty(size)
    new, new_gradient, change, turned = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    still, fresh = 0, True
    for _ in range(most_steps):
        fall = 0.0
        for k in range(size):
            direction[k] = 0.0
            for j in range(size):
                direction[k] -= inverse[k, j] * gradient[j]
            fall += direction[k] * gradient[k]
        if not fall < 0.0:  # rounding has spoilt the inverse, or the gradient is nothing
            norm = 0.0
            for k in range(size):
                norm += gradient[k] * gradient[k]
            if fresh or not norm > _TINY:
                break
            inverse[:] = np.eye(size)
            fresh = True
            continue
        step, low, high = (1.0 / (1.0 + math.sqrt(-fall)) if fresh else 1.0), 0.0, math.inf
        new_value, found = value, False
        for _halving in range(_HALVINGS):
            for k in range(size):
                new[k] = at[k] + step * direction[k]
            new_value = objective(new, log_params, log_tokens, log_losses, weights, delta, new_gradient)
            if not new_value <= value + _ARMIJO * step * fall:
                high = step
            else:
                found = True
                slope = 0.0
                for k in range(size):
                    slope += direction[k] * new_gradient[k]
                if slope >= _WOLFE * fall:
                    break
                low = step
            step = 0.5 * (low + high) if high < math.inf else 2.0 * step
        if not (found and new_value <= value):
            if fresh:
                break
            inverse[:] = np.eye(size)
            fresh = True
            continue
        bend = turning = 0.0
        for k in range(size):
            change[k] = new[k] - at[k]
            turned[k] = new_gradient[k] - gradient[k]
            bend += change[k] * turned[k]
            turning += turned[k] * turned[k]
        if bend > 0.0:
            if fresh:
                inverse[:] = np.eye(size) * (bend / turning)
            _update(inverse, change, turned, bend)
        still = still + 1 if value - new_value <= tolerance * abs(new_value) else 0
        fresh = False
        at[:] = new
        gradient[:] = new_gradient
        value = new_value
        if still >= _STILL:
            break
    return value, at


@jit
def _update(inverse: Floats, change: Floats, turned: Floats, bend: float) -> None:
    """BFGS: the inverse Hessian after ``change`` turned the gradient by ``turned``; ``bend`` is their product."""
    size = change.size
    through = np.zeros(size)
    curve = 0.0
    for k in range(size):
        for j in range(size):
            through[k] += inverse[k, j] * turned[j]
        curve += through[k] * turned[k]
    for k in range(size):
        for j in range(size):
            inverse[k, j] += (1.0 + curve / bend) * change[k] * change[j] / bend
            inverse[k, j] -= (through[k] * change[j] + change[k] * through[j]) / bend
