"""How wide the 80 % interval of a prediction is: log-normal around it, wider for what the fit never saw.

Standard deviations of the logarithm stand in ``[spread]`` of the calibration as ``KIND_METRIC``, by what was unseen::

    p10, p90 = x exp(-1.2816 sigma), x exp(+1.2816 sigma)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from drivetrain.cost.efficiency import calibration

Z80 = 1.2815515655446004
_DEFAULT = {"tpot": 0.15, "ttft": 0.35}
_MEAN_ABS_TO_SIGMA = 1.2533  # of a normal distribution
# In the fit, where the calibration file does not list them itself ([fit] models, accelerators).
MODELS = ("deepseek-r1", "gpt-oss-120b", "llama-3.1-70b", "minimax-m2.5", "qwen3.5-397b-a17b")
ACCELERATORS = ("b200-sxm-180gb", "h100-sxm-80gb", "h200-sxm-141gb")
Kind = Literal["known", "new_model", "new_accelerator"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of log(measured / predicted)."""

    tpot: float
    ttft: float


def spread(kind: Kind) -> Spread:
    """The spread of predictions of one kind; what the calibration does not give is assumed."""
    table: Mapping[str, Any] = calibration("serving").get("spread", {})
    tpot, ttft = (float(table.get(f"{kind}_{metric}", assumed)) for metric, assumed in _DEFAULT.items())
    return Spread(tpot, ttft)


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


def power_spread(generation: str) -> float:
    """Standard deviation of log(measured / predicted) power, with whole models left out of the fit.

    A generation whose power was not measured takes the widest of those that were.
    """
    raw = calibration("power")
    tables: Mapping[str, Any] = {"base": raw["base"], **raw.get("generation", {})}
    own = [tables[generation]] if generation in tables else tables.values()
    return _MEAN_ABS_TO_SIGMA * max(float(table["mean_abs_models_left_out"]) for table in own)


def kind_of(model: str, accelerator: str, fitted: bool) -> Kind:
    """What the fit had not seen: the accelerator (or its generation or engine), the model, or nothing."""
    new_model, new_accelerator = unseen(model, accelerator, fitted)
    return "new_accelerator" if new_accelerator else "new_model" if new_model else "known"


def unseen(model: str, accelerator: str, fitted: bool) -> tuple[bool, bool]:
    """Whether the fit had not seen the model, and the accelerator (or its generation or engine, not ``fitted``)."""
    new_accelerator = not fitted or accelerator not in _seen("accelerators", ACCELERATORS)
    return model not in _seen("models", MODELS), new_accelerator


def _seen(what: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the serving fit, as the calibration lists them."""
    return tuple(calibration("serving").get("fit", {}).get(what, otherwise))
