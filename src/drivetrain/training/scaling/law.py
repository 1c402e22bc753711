r"""The parametric scaling law of Hoffmann et al. 2022 ("Chinchilla") and its level curves.

With N parameters that a token passes, D training tokens and the loss L in nats per token of a held-out text::

    L(N, D) = e + a N^-alpha + b D^-beta           C = 6 N D                FLOPs of training

``e`` is what no model of the family gets below (the entropy of the text), ``a N^-alpha`` what a finite model adds and
``b D^-beta`` what finite data add. A loss belongs to its text and tokeniser: laws of different ``data`` are not
comparable. 6 FLOPs per parameter and token count the products of both passes and leave attention scores out.

Fields are floats, or arrays of one shape (many draws of one law at once); so are the results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.errors import BadInputError

Value = Any  # a float, or an array of draws
FLOPS_PER_PARAM_TOKEN = 6.0  # training: 2 forward, 4 backward
SERVING_FLOPS_PER_PARAM_TOKEN = 2.0


@dataclass(frozen=True, slots=True)
class Law:
    """Coefficients of ``L = e + a N^-alpha + b D^-beta``; all above zero.

    >>> Law(e=1.0, a=4.0, b=9.0, alpha=0.5, beta=0.5).loss(params=4.0, tokens=9.0)
    6.0
    """

    e: Value
    a: Value
    b: Value
    alpha: Value
    beta: Value

    def __post_init__(self) -> None:
        for name in ("e", "a", "b", "alpha", "beta"):
            if not bool(np.all(np.asarray(getattr(self, name)) > 0)):
                raise BadInputError(f"a scaling law needs {name} above 0, not {getattr(self, name)}.")

    def loss(self, params: Value, tokens: Value) -> Value:
        """Loss of ``params`` parameters trained on ``tokens`` tokens, nats per token."""
        return self.e + self.a * params**-self.alpha + self.b * tokens**-self.beta

    def excess(self, params: Value, tokens: Value) -> Value:
        """The part of the loss above the irreducible one."""
        return self.loss(params, tokens) - self.e

    def tokens_for(self, loss: Value, params: Value) -> Value:
        """Tokens that bring ``params`` parameters to ``loss``; infinite where the model is too small.

        >>> Law(e=1.0, a=4.0, b=9.0, alpha=0.5, beta=0.5).tokens_for(loss=6.0, params=4.0)
        9.0
        """
        return _inverse(loss - self.e - self.a * params**-self.alpha, self.b, self.beta)

    def params_for(self, loss: Value, tokens: Value) -> Value:
        """Parameters that reach ``loss`` on ``tokens`` tokens; infinite where the data do not suffice.

        >>> Law(e=1.0, a=4.0, b=9.0, alpha=0.5, beta=0.5).params_for(loss=6.0, tokens=9.0)
        4.0
        """
        return _inverse(loss - self.e - self.b * tokens**-self.beta, self.a, self.alpha)


def training_flops(params: Value, tokens: Value) -> Value:
    """``C = 6 N D``.

    >>> f"{training_flops(70e9, 1.4e12):.3g}"
    '5.88e+23'
    """
    return FLOPS_PER_PARAM_TOKEN * params * tokens


def positive(name: str, value: float) -> float:
    """``value``, or an error where it is no finite number above zero."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise BadInputError(f"{name} is {value}; it must be a finite number above 0.")
    return float(value)


def reachable(law: Law, loss: float) -> float:
    """``loss``, or an error where no model of the law gets there."""
    if not positive("the target loss", loss) > law.e:
        raise BadInputError(
            f"a loss of {loss:g} is out of reach: the law's irreducible loss is {float(law.e):.4g}. Ask for more."
        )
    return float(loss)


def _inverse(rest: Value, scale: Value, exponent: Value) -> Value:
    """X of ``scale x^-exponent = rest``, infinite where rest is not above zero."""
    left = np.asarray(rest, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.where(left > 0, (scale / np.where(left > 0, left, np.nan)) ** (1.0 / exponent), np.inf)
    return float(found) if found.ndim == 0 else found
