"""Does the ranking hold: how likely the best accelerator really beats the runner-up on another one.

Both measures of the objective are drawn from their ranges as two-piece log-normals: normal in the logarithm, with the
deviation of the lower end below the middle and of the upper end above it. Errors of different accelerators are
independent, those on one accelerator are shared, so that a second plan on the same one is no rival. Quantiles of equal
weight stand in for random draws: the same answer every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.measure.spread import Z80

Floats = NDArray[np.float64]
_POINTS = 400
_TYPICAL_TOKENS = 100.0  # of a request, as where plans are ranked by latency
_METRIC = {"cost": "usd_per_million_output_tokens", "energy": "joules_per_output_token",
           "carbon": "joules_per_output_token", "accelerators": "n_accelerators",
           "tokens-per-megawatt": "provisioned_power_w"}  # fmt: skip


def ranking_confidence(rows: Sequence[Mapping[str, Any]], objective: str) -> dict[str, Any] | None:
    """Probability that the first of ``rows``, the best plan of each accelerator, beats the next on another accelerator.

    ``None`` where there is no other, or the measure of either is unknown.
    """
    if not rows:
        return None
    best = rows[0]
    rival = next((row for row in rows if _parts(row).isdisjoint(_parts(best))), None)
    if rival is None:
        return None
    one, other = _range(best, objective), _range(rival, objective)
    if one is None or other is None:
        return None
    return {
        "metric": _METRIC.get(objective, "ttft_s.mean + 100 tpot_s.mean"),
        "best": best["accelerator"],
        "runner_up": rival["accelerator"],
        "probability": probability_less(one, other),
    }


def probability_less(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Probability that a value with (10th percentile, middle, 90th percentile) is below another; ties count half.

    >>> probability_less((0.9, 1.0, 1.1), (0.9, 1.0, 1.1))
    0.5
    >>> probability_less((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
    1.0
    """
    a, b = _quantiles(one), np.sort(_quantiles(other))
    above = len(b) - np.searchsorted(b, a, side="right")
    ties = np.searchsorted(b, a, side="right") - np.searchsorted(b, a, side="left")
    return float(np.mean(above + 0.5 * ties) / len(b))


def _quantiles(found: tuple[float, float, float]) -> Floats:
    """The value at evenly spaced probabilities; infinite beyond a 90th percentile that is."""
    low, middle, high = found
    z = np.array([NormalDist().inv_cdf((i + 0.5) / _POINTS) for i in range(_POINTS)])
    below, above = math.log(middle / low) / Z80, math.log(high / middle) / Z80 if math.isfinite(high) else math.inf
    endless = math.isinf(above)
    values: Floats = middle * np.exp(np.where(z < 0, below, below if endless else above) * z)
    if endless:
        values[z > Z80] = math.inf
    return values


def _range(row: Mapping[str, Any], objective: str) -> tuple[float, float, float] | None:
    """(10th percentile, value, 90th percentile) of what the objective makes smallest."""
    if objective == "latency":
        one, many = row["ttft_s"], row["tpot_s"]
        ends = [one[name] + _TYPICAL_TOKENS * many[name] for name in ("mean_p10", "mean", "mean_p90")]
        return ends[0], ends[1], ends[2]
    if objective == "tokens-per-megawatt":  # provisioned power goes with the number of accelerators
        n, watts = row["n_accelerators"], row["provisioned_power_w"]
        few, many = row["n_accelerators_p10"], row["n_accelerators_p90"]
        return watts / n * few, watts, math.inf if many is None else watts / n * many
    name = _METRIC[objective]
    low, value, high = (row[name + end] for end in ("_p10", "", "_p90"))
    return None if not value else (low, value, math.inf if high is None else high)


def _parts(row: Mapping[str, Any]) -> set[str]:
    """Accelerators of a plan: two where its pools run on different ones."""
    layout = row["layout"]
    if isinstance(layout, Mapping):
        return {pool["accelerator"] for pool in layout.values()}
    return {row["accelerator"]}
