r"""By how much one training run's loss leads another's, and what would draw them level.

``lead = L_a - L_b`` (above 0: B leads). Its range comes from draws of the law's coefficients and of what a mixture is
worth, *the same draws on both sides*, and of each cluster's speed and each run's scatter, which are its own: what is
unsure of the law is common to both, so the lead is known better than either loss. Speed moves the tokens of a run only
where a limit ends it. ``to_tie`` is the factor on the loser's compute, at its ratio of tokens to parameters, that
reaches the other's loss: how much better per dollar (or joule) its cluster would have to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import scaling
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.uncertainty import draws

_Q90 = NormalDist().inv_cdf(0.9)
_ROUNDS = 200
_MOST = 1e12  # times the compute: beyond it no tie is told


@dataclass(frozen=True, slots=True)
class Lead:
    """``value`` is A's loss less B's, with 80 % bounds; ``b_leads`` the share of draws in which B is lower.

    ``to_tie``: times the compute that the loser lacks; ``None`` where nothing reaches the other's loss.
    """

    value: float
    p10: float | None
    p90: float | None
    b_leads: float | None
    to_tie: float | None


def lead(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> Lead | None:
    """The lead between two answers; ``None`` where either has no loss or they are on different texts."""
    if not a or not b or a["loss"]["value"] is None or b["loss"]["value"] is None:
        return None
    if a["loss"]["data"] != b["loss"]["data"]:
        return None
    value = a["loss"]["value"] - b["loss"]["value"]
    low = high = share = None
    known = a["loss"]["law"] == b["loss"]["law"] and a["loss"]["compute_gain"] is not None
    if known and (law := draws(a["loss"]["law"])) is not None:
        found = _losses(a, law, 1) - _losses(b, law, 2)
        low, high = (float(q) for q in np.quantile(found, (0.1, 0.9)))
        share = float(np.mean(found > 0))
    worse, better = (a, b) if value > 0 else (b, a)
    return Lead(value, low, high, share, _to_tie(worse, better["loss"]["value"]) if known and value else None)


def _losses(f: Mapping[str, Any], law: Law, seed: int) -> NDArray[np.float64]:
    """The loss of a run in every draw of the law, its gain and (where a limit ends it) its speed."""
    common, own = np.random.default_rng(0), np.random.default_rng(seed)
    n, told = np.asarray(law.e).size, f["loss"]
    z = common.standard_normal(n)
    gain, low, high = (told[f"compute_gain{end}"] for end in ("", "_p10", "_p90"))
    worth = gain * np.exp(np.where(z > 0, math.log(high / gain), math.log(gain / low)) / _Q90 * z)
    speed = own.standard_normal(n)
    if f.get("limited_by") in ("budget_usd", "days"):
        half = math.log(f["tokens_per_s_per_accel_p90"] / f["tokens_per_s_per_accel"])
        worth = worth * np.exp(half / _Q90 * speed)
    each = np.sqrt(worth)
    scatter = scaling.law(told["law"]).run_error
    found: NDArray[np.float64] = law.loss(told["counted_params"] * each, told["counted_tokens"] * each)
    return found * np.exp((scatter.value if scatter else 0.0) * own.standard_normal(n))


def _to_tie(f: Mapping[str, Any], loss: float) -> float | None:
    """Times the compute of ``f`` that reach ``loss``, by bisection: the loss falls with compute.

    ``None`` where tokens are seen again: more compute would be more repeats, not more data.
    """
    if f["loss"]["counted_tokens"] != f["tokens"]:
        return None
    law, gain = parametric(f["loss"]["law"]), f["loss"]["compute_gain"]

    def reached(times: float) -> float:
        each = math.sqrt(gain * times)
        return float(law.loss(f["loss"]["counted_params"] * each, f["loss"]["counted_tokens"] * each))

    low, high = 1.0, _MOST
    if reached(high) > loss:
        return None
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if reached(middle) > loss else (low, middle)
    return high
