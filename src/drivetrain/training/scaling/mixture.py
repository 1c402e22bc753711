r"""Mixtures of experts: the joint law of Ludziejewski et al. 2025, dense models included.

With ``N`` active parameters, ``D`` tokens and ``E`` experts of the size of the dense feed-forward part, one active::

    L = c + a E^-delta N^-(alpha - gamma ln E) + b E^omega D^-(beta + zeta ln E)

For any one E this is the parametric law of :mod:`law` with coefficients of its own, so that every closed form of
:mod:`optimum` and :mod:`lifetime` holds (:meth:`Mixture.at`). More experts lower the loss at fixed active size, the
more so the more tokens there are, and move the optimum to fewer active parameters and more tokens; the gain shrinks
with the active size. Experts cost memory, which this law does not count.

The paper maps E to a saturating count with two more constants; where these are not known E stands for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.optimum import Optimum, flops_for_loss, optimum


@dataclass(frozen=True, slots=True)
class Mixture:
    """Coefficients of the joint law, as magnitudes: the signs stand in its equation."""

    c: float
    a: float
    delta: float
    alpha: float
    gamma: float
    b: float
    omega: float
    beta: float
    zeta: float

    def at(self, n_experts: float) -> Law:
        """The law of models with ``n_experts`` experts (1: dense).

        >>> Mixture(1.4, 36.0, 0.23, 0.19, 0.01, 36.0, 0.55, 0.18, 0.026).at(1)
        Law(e=1.4, a=36.0, b=36.0, alpha=0.19, beta=0.18)
        """
        if not (math.isfinite(n_experts) and n_experts >= 1):
            raise BadInputError(f"the number of experts is {n_experts}; it must be at least 1 (1: a dense model).")
        log = math.log(n_experts)
        if self.alpha - self.gamma * log <= 0:
            raise BadInputError(f"{n_experts:g} experts are beyond what the law of mixtures can say.")
        return Law(
            e=self.c,
            a=self.a * n_experts**-self.delta,
            b=self.b * n_experts**self.omega,
            alpha=self.alpha - self.gamma * log,
            beta=self.beta + self.zeta * log,
        )


def best_experts(law: Mixture, flops: float, choices: Sequence[int]) -> tuple[int, Optimum]:
    """The number of experts, of ``choices``, whose compute-optimal model has the lowest loss, and that model."""
    if not choices:
        raise BadInputError("give at least one number of experts to choose from.")
    found = [(n, optimum(law.at(n), flops)) for n in choices]
    return min(found, key=lambda one: float(one[1].loss))


def compute_gain(law: Mixture, n_experts: float, flops: float) -> float:
    """How many times the FLOPs a dense model needs for the loss that ``n_experts`` experts reach with ``flops``."""
    return float(flops_for_loss(law.at(1), float(optimum(law.at(n_experts), flops).loss)) / flops)
