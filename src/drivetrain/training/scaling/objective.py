r"""What a fit of the parametric law minimises (Hoffmann et al. 2022; Besiroglu et al. 2024), and its coordinates.

Over runs i with sizes N, tokens D and losses l, Huber's function of the error of the logarithm, summed::

    sum_i w_i H(r_i)      r = ln(e^{a' - alpha n} + e^{b' - beta d} + e^{e'}) - ln l
    H(r) = r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)           delta = 0.001

``n`` and ``d`` are the logarithms of N and D *less their means*, and ``a'``, ``b'`` the logarithms of the two terms at
those means: a and alpha, which lie on a narrow ridge otherwise, come apart, and a descent takes a third of the steps.
delta is far below the scatter of runs, so that nearly all of them count by their absolute error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.training.scaling.law import Law

Floats = NDArray[np.float64]
DELTA = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Training runs: parameters, tokens and final losses, one entry each, in the order of the file."""

    params: Floats
    tokens: Floats
    losses: Floats

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def flops(self) -> Floats:
        """``6 N D``."""
        return 6.0 * self.params * self.tokens

    def only(self, chosen: NDArray[np.bool_]) -> Runs:
        """The runs marked in ``chosen``."""
        return Runs(self.params[chosen], self.tokens[chosen], self.losses[chosen])


class Objective:
    """The objective of ``runs`` in centred coordinates ``(a', b', e', alpha, beta)``, in units of ``delta``."""

    def __init__(self, runs: Runs, delta: float = DELTA) -> None:
        log_params, log_tokens = np.log(runs.params), np.log(runs.tokens)
        self.centre = float(log_params.mean()), float(log_tokens.mean())
        self.delta = delta
        self._runs = log_params - self.centre[0], log_tokens - self.centre[1], np.log(runs.losses)
        self._ones = np.ones(len(runs))

    def __call__(self, at: Floats, weights: Floats | None = None) -> tuple[float, Floats]:
        """Value and gradient at ``at``; ``weights``: how often each run counts."""
        from drivetrain.training.scaling.descent import objective

        gradient = np.empty(len(at))
        value = objective(at, *self._runs, self._ones if weights is None else weights, self.delta, gradient)
        return float(value), gradient

    def descend(
        self, start: Floats, tolerance: float, most_steps: int, weights: Floats | None = None
    ) -> tuple[float, Floats]:
        """The minimum below ``start``: value (in units of delta) and place."""
        from drivetrain.training.scaling.descent import descend

        weights = self._ones if weights is None else weights
        value, at = descend(start, *self._runs, weights, self.delta, tolerance, most_steps)
        return (float(value) if np.isfinite(value) else np.inf), at

    def value(self, at: Floats) -> float:
        """The sum itself, in the units of the publications."""
        return self(at)[0] * self.delta

    def errors(self, at: Floats) -> Floats:
        """``ln`` of predicted over measured loss, by run."""
        log_params, log_tokens, log_losses = self._runs
        terms = np.exp(at[0] - at[3] * log_params) + np.exp(at[1] - at[4] * log_tokens) + np.exp(at[2])
        found: Floats = np.log(terms) - log_losses
        return found

    def place(self, law: Law) -> Floats:
        """Coordinates of a law."""
        n, d = self.centre
        return np.array([np.log(law.a) - law.alpha * n, np.log(law.b) - law.beta * d, np.log(law.e), law.alpha,
                         law.beta])  # fmt: skip

    def logarithms(self, at: Floats) -> Floats:
        """``ln e, ln a, ln b, alpha, beta`` at coordinates (rows, or one)."""
        n, d = self.centre
        a, b, e, alpha, beta = np.moveaxis(at, -1, 0)
        return np.stack([e, a + alpha * n, b + beta * d, alpha, beta], axis=-1)
