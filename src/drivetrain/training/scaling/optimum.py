r"""The best use of a training budget under a scaling law: closed forms.

Minimising ``L(N, D)`` on ``6 N D = C`` gives, with ``G = (alpha a / (beta b))^(1 / (alpha + beta))``::

    N* = G (C/6)^(beta / (alpha + beta))            D* = (C/6)^(alpha / (alpha + beta)) / G
    L* = e + K (C/6)^-gamma                         gamma = alpha beta / (alpha + beta)
    K  = a G^-alpha + b G^beta                      D*/N* = G^-2 (C/6)^((alpha - beta) / (alpha + beta))

so at the optimum both terms keep a constant ratio, ``alpha a N^-alpha = beta b D^-beta``, and what is above the
irreducible loss is a power of compute: ten times the budget leaves the share ``10^-gamma`` of it, at any scale.
Hoffmann et al. 2022, equation 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law, Value, positive, reachable


@dataclass(frozen=True, slots=True)
class Optimum:
    """The compute-optimal model of a budget."""

    flops: Value
    params: Value
    tokens: Value
    loss: Value

    @property
    def tokens_per_param(self) -> Value:
        """D* / N*."""
        return self.tokens / self.params


def optimum(law: Law, flops: float) -> Optimum:
    """The model and data that reach the lowest loss with ``flops`` FLOPs.

    >>> best = optimum(Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5), 6 * 256.0)
    >>> best.params, best.tokens, best.loss, best.tokens_per_param
    (16.0, 16.0, 3.0, 1.0)
    """
    product = positive("the training budget", flops) / FLOPS_PER_PARAM_TOKEN
    params = balance(law) * product ** (law.beta / (law.alpha + law.beta))
    tokens = product / params
    return Optimum(flops, params, tokens, law.loss(params, tokens))


def balance(law: Law) -> Value:
    """``G``, the size at which the two terms fall equally fast per FLOP when C = 6."""
    return (law.alpha * law.a / (law.beta * law.b)) ** (1.0 / (law.alpha + law.beta))


def loss_exponent(law: Law) -> Value:
    """``gamma``: the excess loss at the optimum falls as compute to the minus this."""
    return law.alpha * law.beta / (law.alpha + law.beta)


def params_exponent(law: Law) -> Value:
    """``beta / (alpha + beta)``: how the optimal size grows with compute."""
    return law.beta / (law.alpha + law.beta)


def ratio_exponent(law: Law) -> Value:
    """How tokens per parameter move with compute: 0 where both exponents are equal, above 0 where data ask for more.

    >>> ratio_exponent(Law(e=1.0, a=1.0, b=1.0, alpha=0.3, beta=0.3))
    0.0
    """
    return (law.alpha - law.beta) / (law.alpha + law.beta)


def flops_for_loss(law: Law, loss: float) -> Value:
    """FLOPs of the cheapest training that reaches ``loss``: ``6 (K / (L - e))^(1/gamma)``.

    >>> flops_for_loss(Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5), 3.0)
    1536.0
    """
    size = balance(law)
    scale = law.a * size**-law.alpha + law.b * size**law.beta
    return FLOPS_PER_PARAM_TOKEN * (scale / (reachable(law, loss) - law.e)) ** (1.0 / loss_exponent(law))


def flops_for_tokens(law: Law, tokens: Value) -> Value:
    """FLOPs whose optimum trains on ``tokens`` tokens: what a stock of data suffices for."""
    return FLOPS_PER_PARAM_TOKEN * (tokens * balance(law)) ** ((law.alpha + law.beta) / law.alpha)


def marginal_loss(law: Law, flops: float) -> Value:
    """``dL*/d log10 C``: what the next tenth of a decade is worth, times ten; below zero.

    >>> round(marginal_loss(Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5), 1536.0), 4)
    -1.1513
    """
    return -loss_exponent(law) * math.log(10.0) * (optimum(law, flops).loss - law.e)


@dataclass(frozen=True, slots=True)
class Return:
    """What ``factor`` times the budget buys.

    ``loss_before`` and ``loss_after``; ``excess_kept`` the share of the excess loss that stays, the same at any scale;
    ``to_halve`` the factor of compute that halves the excess.
    """

    factor: float
    loss_before: Value
    loss_after: Value
    excess_kept: Value
    to_halve: Value

    @property
    def gain(self) -> Value:
        """Loss taken off."""
        return self.loss_before - self.loss_after


def marginal_return(law: Law, flops: float, factor: float = 10.0) -> Return:
    """The return of ``factor`` times the budget.

    >>> ten = marginal_return(Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5), 1536.0, factor=16.0)
    >>> ten.gain, ten.excess_kept, ten.to_halve
    (1.0, 0.5, 16.0)
    """
    gamma = loss_exponent(law)
    before = optimum(law, flops).loss
    after = optimum(law, flops * positive("the factor", factor)).loss
    return Return(factor, before, after, factor**-gamma, 2.0 ** (1.0 / gamma))
