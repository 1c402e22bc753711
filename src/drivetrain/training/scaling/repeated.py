r"""Training on fewer unique tokens than wanted: what tokens are worth when seen again (Muennighoff et al. 2023).

With ``U`` unique tokens, ``D`` tokens in all and the size ``U_N`` that would be compute-optimal for U tokens, both
seen-again tokens and parameters beyond ``U_N`` lose their worth exponentially::

    R_D = D/U - 1,  R_N = N/U_N - 1                    how often again, how much too large (not below 0)
    D' = U   + U   r_D (1 - exp(-R_D / r_D))           effective unique tokens
    N' = U_N + U_N r_N (1 - exp(-R_N / r_N))           effective parameters,  U_N = min(N, (U G)^(beta/alpha) G)
    L(N, D, U) = e + a N'^-alpha + b D'^-beta

The first repetition is worth nearly as much as new tokens (1 - 1/(2 r_D)); no number of them is worth more than r_D
times the unique ones. A model beyond ``U_N`` counts as smaller also where nothing is repeated: the law was fitted so.
With ``D <= U`` nothing is repeated and D' = D, N' measured against the D tokens used. Turned round::

    D = U - U r_D ln(1 - (D' - U) / (U r_D))           tokens in all that are worth D' (none beyond U (1 + r_D))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drivetrain.errors import InfeasibleError
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law, Value, positive
from drivetrain.training.scaling.optimum import balance
from drivetrain.units import show

_GRID = 2001  # sizes tried before the refinement; the loss has one valley, the grid only brackets it
_DECADES = 6.0
_LEAST_FLOPS, _MOST_FLOPS = 1e12, 1e36
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Repeated:
    """``law`` with ``token_halflife`` r_D and ``param_halflife`` r_N (e-folds, in repetitions)."""

    law: Law
    token_halflife: float
    param_halflife: float

    def effective_tokens(self, tokens: Value, unique: float) -> Value:
        """Unique tokens that would be worth as much as ``tokens`` of which ``unique`` are distinct.

        >>> law = Repeated(Law(1.87, 521.0, 1488.0, 0.353, 0.353), 15.4, 5.3)
        >>> law.effective_tokens(1e9, 2e9), round(law.effective_tokens(4e9, 1e9) / 1e9, 2)
        (1000000000.0, 3.73)
        """
        distinct = np.minimum(tokens, positive("the number of unique tokens", unique))
        return _plain(_worth(tokens, distinct, self.token_halflife))

    def effective_params(self, params: Value, unique: Value) -> Value:
        """Parameters that ``unique`` tokens can make use of."""
        sensible = (unique * balance(self.law)) ** (self.law.beta / self.law.alpha) * balance(self.law)
        return _plain(_worth(params, np.minimum(params, sensible), self.param_halflife))

    def loss(self, params: Value, tokens: Value, unique: float) -> Value:
        """Loss of ``params`` parameters on ``tokens`` tokens, at most ``unique`` of them distinct."""
        distinct = np.minimum(tokens, positive("the number of unique tokens", unique))
        size = self.effective_params(params, distinct)
        return self.law.loss(size, self.effective_tokens(tokens, unique))

    def most_tokens(self, unique: float) -> float:
        """Effective tokens that no number of epochs exceeds.

        >>> Repeated(Law(1.87, 521.0, 1488.0, 0.353, 0.353), 15.0, 5.3).most_tokens(1e9)
        16000000000.0
        """
        return unique * (1.0 + self.token_halflife)

    def least_loss(self, unique: float) -> float:
        """What no budget gets below with ``unique`` tokens: any size, any number of epochs.

        >>> law = Repeated(Law(1.0, 4.0, 4.0, 0.5, 0.5), 15.0, 3.0)
        >>> law.least_loss(16.0)  # 1 + 4 / sqrt(16 * 4) + 4 / sqrt(16 * 16)
        1.75
        """
        sensible = (unique * balance(self.law)) ** (self.law.beta / self.law.alpha) * balance(self.law)
        return float(self.law.loss(sensible * (1.0 + self.param_halflife), self.most_tokens(unique)))

    def tokens_worth(self, effective: float, unique: float) -> float:
        """Tokens in all, ``unique`` of them distinct, that are worth ``effective`` new ones; infinite where none are.

        >>> law = Repeated(Law(1.87, 521.0, 1488.0, 0.353, 0.353), 15.4, 5.3)
        >>> round(law.tokens_worth(law.effective_tokens(4e9, 1e9), 1e9) / 1e9, 6)
        4.0
        """
        if effective <= unique:
            return effective
        left = 1.0 - (effective - unique) / (unique * self.token_halflife)
        return math.inf if left <= 0.0 else unique - unique * self.token_halflife * math.log(left)

    def tokens_for(self, loss: float, params: float, unique: float) -> float:
        """Tokens in all that bring ``params`` parameters to ``loss``; infinite where no number of epochs does."""
        once = float(self.law.tokens_for(loss, params))
        if once <= unique:
            return once
        return self.tokens_worth(float(self.law.tokens_for(loss, self.effective_params(params, unique))), unique)


@dataclass(frozen=True, slots=True)
class RepeatedOptimum:
    """The best model of a budget with ``unique`` tokens; ``epochs`` is tokens over unique ones, not below 1."""

    flops: float
    params: float
    tokens: float
    unique: float
    effective_tokens: float
    loss: float

    @property
    def epochs(self) -> float:
        """How often each token is seen."""
        return max(self.tokens / self.unique, 1.0)

    @property
    def tokens_per_param(self) -> float:
        """Training tokens, repeats included, per parameter."""
        return self.tokens / self.params


def repeated_optimum(law: Repeated, flops: float, unique: float) -> RepeatedOptimum:
    """The size and number of epochs with the lowest loss; found numerically, no closed form is known."""
    from scipy.optimize import minimize_scalar

    product = positive("the training budget", flops) / FLOPS_PER_PARAM_TOKEN

    def loss(log_params: Value) -> Value:
        params = np.exp(log_params)
        return law.loss(params, product / params, unique)

    middle = math.log(balance(law.law)) + law.law.beta / (law.law.alpha + law.law.beta) * math.log(product)
    reach = _DECADES * math.log(10.0)
    grid = np.linspace(middle - reach, middle + reach, _GRID)
    best = int(np.argmin(loss(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    params = math.exp(min((float(found.x), float(grid[best])), key=loss))
    tokens = product / params
    effective = float(law.effective_tokens(tokens, unique))
    return RepeatedOptimum(flops, params, tokens, unique, effective, float(law.loss(params, tokens, unique)))


def repeated_flops_for_loss(law: Repeated, loss: float, unique: float) -> float:
    """FLOPs of the cheapest training that reaches ``loss`` with ``unique`` tokens."""
    least = law.least_loss(unique)
    if loss <= least:
        raise InfeasibleError(
            f"a loss of {loss:g} is out of reach with {show(unique, 'params')} unique tokens, however often they are "
            f"seen: {least:.3f} is the limit. Ask for a higher loss, or bring more data."
        )
    return _flops_where(lambda flops: repeated_optimum(law, flops, unique).loss <= loss)


def repeated_flops_for_tokens(law: Repeated, tokens: float, unique: float) -> float:
    """FLOPs whose best training passes ``tokens`` tokens, ``unique`` of them distinct."""
    return _flops_where(lambda flops: repeated_optimum(law, flops, unique).tokens >= tokens)


def _flops_where(enough: Callable[[float], bool]) -> float:
    """The least FLOPs that are enough, by bisection of their logarithm."""
    low, high = math.log(_LEAST_FLOPS), math.log(_MOST_FLOPS)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(math.exp(middle)) else (middle, high)
    return math.exp(high)


def _worth(amount: Value, distinct: Value, halflife: float) -> Value:
    again = np.maximum(amount / distinct - 1.0, 0.0)
    return distinct - distinct * halflife * np.expm1(-again / halflife)


def _plain(value: Value) -> Value:
    return float(value) if np.ndim(value) == 0 else value
