r"""The best model when it will also be served: training plus lifetime serving at least cost (Sardana et al. 2024).

Training costs ``6 N D`` FLOPs, serving ``2 N`` per token read or written. Prices of a FLOP differ: a token that is
written runs the machine at a lower utilisation than one that is read, and both at a lower one than training. With the
price of a FLOP of reading and of writing over that of training, ``p_in`` and ``p_out``::

    W = 6 N D + 2 N S          S = p_in T_in + p_out T_out          tokens over the model's life, weighted

*At a target loss* l: minimise W on ``L(N, D) = l``. With ``x = a N^-alpha``, ``y = b D^-beta``, ``x + y = l - e`` the
derivative along the level curve vanishes where::

    3 D (alpha x / (beta y) - 1) = S

The left side rises with x, from minus infinity to plus infinity, so there is one solution; at S = 0 it is the
compute-optimal one and with S the model gets smaller and is trained for longer. *At a budget* W: minimise L on
``2 N (3 D + S) = W``, where ``alpha x / (beta y) = 1 + S / (3 D)``. Both by bisection of a monotone function.

The law is used far from the tokens per parameter at which it was fitted when S is large; Sardana et al. find that fits
on usual ratios then promise too much. ``uncertainty`` tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.law import (
    FLOPS_PER_PARAM_TOKEN,
    SERVING_FLOPS_PER_PARAM_TOKEN,
    Law,
    positive,
    reachable,
)
from drivetrain.training.scaling.optimum import flops_for_loss, optimum

_HALVINGS = 200  # a double has 53 bits; the bracket is some hundred wide
_FARTHEST = 300.0  # e^300 of either share: beyond any number of tokens


@dataclass(frozen=True, slots=True)
class Serving:
    """What a model answers over its life.

    ``input_tokens`` read and ``output_tokens`` written; ``input_price`` and ``output_price``: price of one of their
    FLOPs over the price of a training FLOP (utilisation of training over theirs, times the ratio of rents).

    >>> Serving(output_tokens=1e12, output_price=3.0).weighted_tokens
    3000000000000.0
    """

    input_tokens: float = 0.0
    output_tokens: float = 0.0
    input_price: float = 1.0
    output_price: float = 1.0

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInputError(f"{name} is {value}; it must be a finite number from 0 up.")
        positive("input_price", self.input_price)
        positive("output_price", self.output_price)

    @property
    def weighted_tokens(self) -> float:
        """``S``: tokens whose FLOPs cost as much as training FLOPs do."""
        return self.input_price * self.input_tokens + self.output_price * self.output_tokens


@dataclass(frozen=True, slots=True)
class LifetimeOptimum:
    """The model that is cheapest over its life, in FLOPs at the price of training.

    ``saved_frac``: of what the compute-optimal model of the same loss would cost over the same life.
    """

    params: float
    tokens: float
    loss: float
    training_flops: float
    serving_flops: float
    saved_frac: float

    @property
    def lifetime_flops(self) -> float:
        """Training and serving, in FLOPs at the price of training."""
        return self.training_flops + self.serving_flops

    @property
    def tokens_per_param(self) -> float:
        """Training tokens per parameter."""
        return self.tokens / self.params


def cheapest_for_loss(law: Law, loss: float, serving: Serving) -> LifetimeOptimum:
    """The model of loss ``loss`` that costs least to train and serve.

    >>> law = Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5)
    >>> best = cheapest_for_loss(law, 3.0, Serving())
    >>> round(best.params, 6), round(best.tokens, 6), round(best.saved_frac, 6)
    (16.0, 16.0, 0.0)
    """
    excess = reachable(law, loss) - law.e
    s = serving.weighted_tokens
    even = math.log(law.beta / law.alpha)  # log odds of x at the compute optimum

    def tokens(odds: float) -> float:  # y = excess / (1 + e^odds)
        return float((law.b * (1.0 + math.exp(odds)) / excess) ** (1.0 / law.beta))

    def rises(odds: float) -> float:
        return 3.0 * tokens(odds) * math.expm1(odds - even) - s

    odds = even if s == 0 else _root(rises, even, min(even + _FARTHEST, _FARTHEST * law.beta))
    params = (law.a * (1.0 + math.exp(-odds)) / excess) ** (1.0 / law.alpha)
    return _described(law, params, tokens(odds), serving)


def best_for_budget(law: Law, lifetime_flops: float, serving: Serving) -> LifetimeOptimum:
    """The model of the lowest loss whose training and serving cost ``lifetime_flops`` together.

    >>> law = Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5)
    >>> round(best_for_budget(law, 1536.0, Serving()).loss, 6)
    3.0
    """
    budget, s = positive("the lifetime budget", lifetime_flops), serving.weighted_tokens

    def tokens(log_params: float) -> float:
        return (budget / (SERVING_FLOPS_PER_PARAM_TOKEN * math.exp(log_params)) - s) / 3.0

    def falls(log_params: float) -> float:  # log of alpha x / (beta y) over 1 + S / 3D
        d = tokens(log_params)
        if d <= 0:
            return -math.inf
        x = math.log(law.alpha * law.a) - law.alpha * log_params
        y = math.log(law.beta * law.b) - law.beta * math.log(d)
        return float(x - y - math.log1p(s / (3.0 * d)))

    start = math.log(optimum(law, budget).params)
    log_params = _root(lambda n: -falls(n), start - _FARTHEST, start)
    return _described(law, math.exp(log_params), tokens(log_params), serving)


def _described(law: Law, params: float, tokens: float, serving: Serving) -> LifetimeOptimum:
    loss = float(law.loss(params, tokens))
    training = FLOPS_PER_PARAM_TOKEN * params * tokens
    served = SERVING_FLOPS_PER_PARAM_TOKEN * params * serving.weighted_tokens
    plain = optimum(law, float(flops_for_loss(law, loss)))
    usual = plain.flops + SERVING_FLOPS_PER_PARAM_TOKEN * plain.params * serving.weighted_tokens
    return LifetimeOptimum(params, tokens, loss, training, served, 1.0 - (training + served) / usual)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function of one number crosses zero between ``low`` and ``high``."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if rising(middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
