r"""What the largest run of a year would take: dollars, power, chips, tokens and days, over the same draws.

The equations of :mod:`drivetrain.training.ceilings.limits` read backwards, with C the FLOPs of the largest run::

    usd    = C / (FLOP per dollar)         h100 = C / (FLOPs of one H100 over the run)        power = h100 w
    tokens = D*(C) of the scaling law

H100 are equivalents: later chips do the work of several.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivetrain.training.ceilings.draws import Draws, Floats
from drivetrain.training.ceilings.largest import Paths, Span, span
from drivetrain.training.ceilings.limits import duration_s, flops_per_h100, flops_per_usd, laws, watts_per_h100
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN
from drivetrain.training.scaling.optimum import balance
from drivetrain.units import SECONDS_PER_DAY

Taken = Callable[[Draws, float, Floats], Floats]


def taken(found: Paths, i: int) -> dict[str, Span]:
    """What the largest run of the ``i``-th year takes.

    ``flops`` is of all draws, those that do not allow the run of 2025 too, since arrays of one shape are needed; they
    are left out of the spans.

    >>> from drivetrain.training.ceilings.largest import paths
    >>> sorted(taken(paths([2030], n=500), 0))
    ['days', 'h100_equivalents', 'power_w', 'tokens', 'usd']
    """
    year = found.years[i]
    flops = np.ones(found.draws.n)
    flops[found.kept] = found.least()[:, i]
    return {name: span(take(found.draws, year, flops)[found.kept]) for name, take in _TAKES.items()}


def _usd(d: Draws, year: float, flops: Floats) -> Floats:
    return flops / flops_per_usd(d, year)


def _h100(d: Draws, year: float, flops: Floats) -> Floats:
    return flops / flops_per_h100(d, year)


def _power_w(d: Draws, year: float, flops: Floats) -> Floats:
    return _h100(d, year, flops) * watts_per_h100(d, year)


def _tokens(d: Draws, _year: float, flops: Floats) -> Floats:
    law = laws(d)
    found: Floats = (flops / FLOPS_PER_PARAM_TOKEN) ** (law.alpha / (law.alpha + law.beta)) / balance(law)
    return found


def _days(d: Draws, year: float, _flops: Floats) -> Floats:
    return duration_s(d, year) / SECONDS_PER_DAY


_TAKES: dict[str, Taken] = {"usd": _usd, "power_w": _power_w, "h100_equivalents": _h100, "tokens": _tokens,
                            "days": _days}  # fmt: skip
