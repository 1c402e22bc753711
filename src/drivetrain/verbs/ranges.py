"""The 80 % range of every figure of a configuration: from errors of step time, power and price to dollars and joules.

Each error is a factor with a 10th and a 90th percentile around 1. Errors of one source move everything together; the
three sources are independent, so their ranges combine by squares of logarithms, each side by itself::

    e2e           = ttft f_ttft + (e2e - ttft) f_tpot         fully dependent: the wider reading
    $/h           = accelerators(f_tpot, f_ttft) x price
    $ per token   = $/h / tokens served,    at full load: price / capacity(f_tpot, f_ttft)
    W, J          = accelerators x power,   J per token = W / tokens served

Percentiles of a figure that falls where another rises swap ends. Method: docs/method/ranges.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.econ.pricing import HourlyPrice
from drivetrain.measure.spread import interval
from drivetrain.measure.uncertainty import Uncertainty


@dataclass(frozen=True, slots=True)
class Ends:
    """A factor's 10th and 90th percentile; ``low <= 1 <= high``, where 0 and infinity mean that there is no end."""

    low: float = 1.0
    high: float = 1.0

    @property
    def inverse(self) -> Ends:
        """Of one over the factor.

        >>> Ends(0.5, math.inf).inverse
        Ends(low=0.0, high=2.0)
        """
        return Ends(1.0 / self.high, 1.0 / self.low if self.low else math.inf)


SURE = Ends()


@dataclass(frozen=True, slots=True)
class Moves:
    """What the errors of step time do to a configuration, as factors, beside its price.

    ``capacity``: the most it takes within the targets. ``fleet``: accelerators bought, where they follow the traffic
    (a plan). ``flow``: tokens served, where they follow the accelerators (a prediction; ``None`` for a plan, whose
    tokens are those that are asked for). ``notes`` say what has no end.
    """

    capacity: Ends = SURE
    fleet: Ends = SURE
    flow: Ends | None = None
    price: Ends = SURE
    notes: tuple[str, ...] = ()


def lognormal(sigma: float) -> Ends:
    """The ends of a log-normal error."""
    return Ends(*interval(1.0, sigma))


def independent(*factors: Ends) -> Ends:
    """The ends of a product of independent errors.

    >>> combined = independent(Ends(math.exp(-3), math.exp(3)), Ends(math.exp(-4), math.exp(4)))
    >>> [round(math.log(end), 12) for end in (combined.low, combined.high)]
    [-5.0, 5.0]
    """
    return Ends(
        math.exp(-math.hypot(*(_log(f.low) for f in factors))),
        _exp(math.hypot(*(_log(f.high) for f in factors))),
    )


def price_ends(price: HourlyPrice | None) -> Ends:
    """Low and high of a price's source, read as its 10th and 90th percentile; none where it gives none."""
    if price is None or not price.usd_per_hour > 0:
        return SURE
    low, high = price.usd_low or price.usd_per_hour, price.usd_high or price.usd_per_hour
    return Ends(min(1.0, low / price.usd_per_hour), max(1.0, high / price.usd_per_hour))


def with_ranges(fields: Mapping[str, Any], u: Uncertainty, moves: Moves) -> dict[str, Any]:
    """``fields`` with ``…_p10`` and ``…_p90`` beside each figure, means of latencies likewise, and why so wide."""
    found: dict[str, Any] = {}
    latencies, factors = _latencies(fields, u), _factors(u, moves)
    for name, value in fields.items():
        if name.endswith(("_p10", "_p90")):
            continue
        found[name] = value
        if name in latencies:
            found[name] = value | dict(zip(("mean_p10", "mean_p90"), latencies[name], strict=True))
        elif name in factors:
            found |= dict(zip((f"{name}_p10", f"{name}_p90"), _ends(value, factors[name]), strict=True))
    return found | {
        "range_kind": u.kind,
        "range_sigma": {"tpot": u.tpot, "ttft": u.ttft, "power": u.power},
        "range_notes": [*u.notes, *moves.notes],
    }


def _latencies(fields: Mapping[str, Any], u: Uncertainty) -> dict[str, tuple[float | None, float | None]]:
    first, step = lognormal(u.ttft), lognormal(u.tpot)
    means = {name: fields[f"{name}_s"]["mean"] for name in ("ttft", "tpot", "itl", "e2e")}
    found = {"ttft_s": _ends(means["ttft"], first), "tpot_s": _ends(means["tpot"], step),
             "itl_s": _ends(means["itl"], step), "e2e_s": (None, None)}  # fmt: skip
    if means["ttft"] is not None and means["e2e"] is not None:
        whole = stretched(means["ttft"], means["e2e"], first, step)
        found["e2e_s"] = _ends(means["e2e"], whole)
    return found


def stretched(ttft: float, e2e: float, first: Ends, step: Ends) -> Ends:
    """The factor on the end-to-end latency where both parts are at the same end.

    >>> stretched(1.0, 4.0, Ends(0.5, 2.0), Ends(0.75, 1.5))
    Ends(low=0.6875, high=1.625)
    """
    if not e2e > 0:  # also where a load without a steady state has no latencies
        return Ends(min(first.low, step.low), max(first.high, step.high))
    share = min(ttft / e2e, 1.0)
    return Ends(share * first.low + (1 - share) * step.low, share * first.high + (1 - share) * step.high)


def _factors(u: Uncertainty, moves: Moves) -> dict[str, Ends]:
    """By field, how it moves."""
    power = lognormal(u.power)
    fleet, capacity, flow = moves.fleet, moves.capacity, moves.flow or SURE
    per_token = Ends(fleet.low * flow.inverse.low, fleet.high * flow.inverse.high)
    joules = independent(per_token, power)
    return ({"n_accelerators": fleet} if moves.flow is None else {}) | {
        "tokens_per_s_per_user": lognormal(u.tpot).inverse,
        "output_tokens_per_s": capacity if moves.flow is None else flow,
        "output_tokens_per_s_capacity": capacity,
        "output_tokens_per_s_per_accelerator": capacity,
        "max_rate_per_s": capacity,
        "max_rate_within_slo_per_s": capacity,
        "requests_per_s": flow,
        "usd_per_hour": independent(fleet, moves.price),
        "usd_per_million_output_tokens": independent(per_token, moves.price),
        "usd_per_million_tokens_full_load": independent(capacity.inverse, moves.price),
        "joules_per_output_token": joules,
        "power_w": independent(fleet, power),
        "carbon_g_per_million_output_tokens": joules,
    }


def _ends(value: float | None, factor: Ends) -> tuple[float | None, float | None]:
    """Both percentiles of ``value``; ``None`` where it is unknown or has no end. A count stays whole."""
    if value is None:
        return None, None
    ends = (value * end if math.isfinite(end) else None for end in (factor.low, factor.high))
    low, high = (round(end) if isinstance(value, int) and end is not None else end for end in ends)
    return low, high


def _log(factor: float) -> float:
    return math.log(factor) if factor else -math.inf


def _exp(x: float) -> float:
    return math.exp(x) if x < 700.0 else math.inf
