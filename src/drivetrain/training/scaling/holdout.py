r"""What a law gets wrong beyond the runs it was fitted on: fits without the highest decades of compute, scored on them.

For each cut the law is fitted on the runs below and predicts those above. With k decades between a run and the cut and
s the scatter of runs around their own fit, the error per decade is pooled over runs and cuts::

    loss_error  = sqrt( sum (r^2 - s^2) / sum k^2 )       r = ln of predicted over measured loss
    ratio_error = sqrt( sum (ln q)^2 / sum k^2 )          q = D*/N* at the highest compute, this fit's over the full's

Errors of the coefficients are part of both. Errors grow about in proportion to k as far as this can be seen, two to
three decades; beyond that the proportion is carried on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.fit import LEAST_RUNS, Fit, refit
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.objective import DELTA, Runs
from drivetrain.training.scaling.optimum import optimum

_LEFT_OUT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # shares of the runs, those of most compute
_LEAST_ABOVE = 5


@dataclass(frozen=True, slots=True)
class Cut:
    """One fit below ``flops``: runs below and above, how far above the highest lies, errors there and inside."""

    flops: float
    n_below: int
    n_above: int
    decades: float
    rms_inside: float
    rms_above: float
    bias_above: float
    ratio_over_full: float


@dataclass(frozen=True, slots=True)
class Holdout:
    """Errors per decade of compute beyond the fit; None where the runs are too few to tell."""

    cuts: tuple[Cut, ...]
    loss_error: float | None
    ratio_error: float | None


def holdout(runs: Runs, full: Fit, delta: float = DELTA) -> Holdout:
    """Fits of the cheapest 40 to 90 % of ``runs``, scored on the rest."""
    flops = runs.flops
    order, cuts = np.sort(flops), []
    squares = weights = 0.0
    for share in _LEFT_OUT:
        edge = float(order[int((1.0 - share) * (len(order) - 1))])
        below = flops <= edge
        if below.sum() < max(LEAST_RUNS, len(runs) // 5) or (~below).sum() < _LEAST_ABOVE:
            continue
        try:
            part = refit(runs.only(below), full.law, delta)
        except BadInputError:
            continue  # the runs below determine no law of their own
        above = runs.only(~below)
        errors = np.log(part.law.loss(above.params, above.tokens) / above.losses)
        decades = np.log10(above.flops / edge)
        inside = float(np.sqrt(np.mean(part.errors**2)))
        squares += float(np.sum(errors**2 - inside**2))
        weights += float(np.sum(decades**2))
        cuts.append(Cut(edge, int(below.sum()), len(above), float(decades.max()), inside,
                        float(np.sqrt(np.mean(errors**2))), float(errors.mean()),
                        _ratio(part.law, order[-1]) / _ratio(full.law, order[-1])))  # fmt: skip
    if not cuts:
        return Holdout((), None, None)
    moved = sum(np.log(cut.ratio_over_full) ** 2 for cut in cuts) / sum(cut.decades**2 for cut in cuts)
    return Holdout(tuple(cuts), float(np.sqrt(max(squares, 0.0) / weights)), float(np.sqrt(moved)))


def _ratio(law: Law, flops: float) -> float:
    return float(optimum(law, flops).tokens_per_param)
