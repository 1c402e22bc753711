"""How wide the 80 % interval of a prediction is: log-normal around it, wider for what the fit never saw.

Standard deviations of the logarithm stand in ``[spread]`` of the calibration, by what was unseen::

    p10, p90 = x exp(-1.2816 sigma), x exp(+1.2816 sigma)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.cost.efficiency import calibration

Z80 = 1.2815515655446004
_DEFAULT = {"tpot": 0.15, "ttft": 0.35}
KINDS = ("calibrated", "unseen_model", "unseen_accelerator")


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of log(measured / predicted)."""

    tpot: float
    ttft: float


def spread(kind: str) -> Spread:
    """The spread of one of :data:`KINDS`; what the calibration does not give is assumed."""
    table: Mapping[str, Any] = calibration("serving").get("spread", {})
    values = _DEFAULT | dict(table.get("calibrated", {})) | dict(table.get(kind, {}))
    return Spread(float(values["tpot"]), float(values["ttft"]))


def interval(value: float, sigma: float) -> tuple[float, float]:
    """The 10th and 90th percentile.

    >>> [round(v, 3) for v in interval(1.0, 0.1)]
    [0.88, 1.137]
    """
    return value * math.exp(-Z80 * sigma), value * math.exp(Z80 * sigma)


def estimate(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """The sigma whose 80 % interval holds 80 % of these measurements: what a fit writes into ``[spread]``.

    >>> round(estimate([1.0] * 10, [1.05, 0.95, 1.1, 0.9, 1.2, 0.8, 1.0, 1.02, 0.98, 2.0]), 3)
    0.149
    """
    misses = np.abs(np.log(np.asarray(measured) / np.asarray(predicted)))
    return float(np.quantile(misses, 0.8) / Z80)


def seen(what: str) -> frozenset[str]:
    """Names of the models or accelerators in the serving fit; empty where the calibration does not list them."""
    return frozenset(calibration("serving").get("fit", {}).get(what, ()))
