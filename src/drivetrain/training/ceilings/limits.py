r"""Five ceilings on the FLOPs of the largest training run, by year; equations over draws.

With t years since the end of 2025, duration ``T = min(T_0 g_T^t, T_most)``, utilisation u, the gain of narrower number
formats ``F = F_2030^(min(t, 5) / 5)``, the peak of an H100 ``p`` and the power it takes with its site
``w = w_2024 / g_e^(t + 1)``::

    spend    min(U_0 g_U^t, U_most) e_0 g_p^t F       what the largest run costs, times FLOP per dollar
    power    P / w  p F u T                           P from the site of 2025 to campus or joined sites in 2030
    chips    S_0 g_S^t share  p F u T                 stock of H100 equivalents
    data     C with D*(C) = D                         the law's optimum trains on all tokens there are
    latency  wall (T / 3 months)^2                    at a fixed batch D grows as T, and C as D^2

Power grows evenly (in logarithms) from 2025 to 2030. Utilisation is taken not to fall with size: Erdil and
Schneider-Joseph see it fall from about 2e28 FLOP, so that power, chips and spending are a little generous there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivetrain.training.ceilings.draws import Draws, Floats
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.optimum import flops_for_tokens
from drivetrain.training.scaling.uncertainty import draws as law_draws

START, ANCHOR = 2025, 2030
_WATTS_YEAR = 2024
_THREE_MONTHS_S = 91.0 * 86400.0


def duration_s(d: Draws, year: float) -> Floats:
    """How long the largest run may last."""
    found: Floats = np.minimum(d["run.duration"] * d["run.duration_growth"] ** (year - START), d["run.duration_most"])
    return found


def spend(d: Draws, year: float) -> Floats:
    """FLOPs that the growth of budgets pays for."""
    t = year - START
    usd = np.minimum(d["spend.usd"] * d["spend.growth"] ** t, d["spend.most_usd"])
    return usd * flops_per_usd(d, year)


def flops_per_usd(d: Draws, year: float) -> Floats:
    """FLOPs of a run that a dollar buys."""
    found: Floats = d["spend.flops_per_usd"] * d["hardware.price_growth"] ** (year - START) * _formats(d, year)
    return found


def power(d: Draws, year: float) -> Floats:
    """FLOPs that the power of one campus, or of the sites joined, allows."""
    return power_w(d, year) / watts_per_h100(d, year) * flops_per_h100(d, year)


def watts_per_h100(d: Draws, year: float) -> Floats:
    """Power of a site for what an H100 computes."""
    found: Floats = d["hardware.h100_watts"] / d["hardware.energy_growth"] ** (year - _WATTS_YEAR)
    return found


def power_w(d: Draws, year: float) -> Floats:
    """Power that one run can draw."""
    campus = d["power.campus"]
    later = np.where(d.chance("power.joined"), np.maximum(d["power.network"], campus), campus)
    towards = (min(year, ANCHOR) - START) / (ANCHOR - START)
    then: Floats = d["power.now"] * (later / d["power.now"]) ** towards
    return then * d["power.growth_after"] ** max(year - ANCHOR, 0.0)


def chips(d: Draws, year: float) -> Floats:
    """FLOPs that the share of the world's chips allows."""
    stock = d["chips.stock"] * d["chips.growth"] ** (year - START)
    return stock * np.minimum(d["chips.share"], 1.0) * flops_per_h100(d, year)


def data(d: Draws, year: float) -> Floats:
    """FLOPs at which the compute-optimal model has read every token there is."""
    everything = np.where(d.chance("data.beyond_text"), d["data.all"], d["data.text"])
    tokens = everything * d["data.growth"] ** (year - ANCHOR)
    found: Floats = flops_for_tokens(laws(d), tokens)
    return found


def latency(d: Draws, year: float) -> Floats:
    """FLOPs that steps in sequence leave time for."""
    return d["latency.wall"] * (duration_s(d, year) / _THREE_MONTHS_S) ** 2


LIMITS: dict[str, Callable[[Draws, float], Floats]] = {
    "spend": spend, "power": power, "chips": chips, "data": data, "latency": latency,
}  # fmt: skip
PHYSICAL = ("power", "chips", "data", "latency")


def flops_per_h100(d: Draws, year: float) -> Floats:
    """FLOPs of a whole run on one H100 equivalent."""
    return d["hardware.h100_flops"] * _formats(d, year) * np.minimum(d["run.utilisation"], 1.0) * duration_s(d, year)


def _formats(d: Draws, year: float) -> Floats:
    found: Floats = d["hardware.format_gain"] ** (min(max(year - START, 0.0), ANCHOR - START) / (ANCHOR - START))
    return found


def laws(d: Draws) -> Law:
    """A draw of the default law for each draw of the rest."""
    many = law_draws()
    if many is None:
        return parametric()
    row = d.rows("law", len(many.e))
    return Law(many.e[row], many.a[row], many.b[row], many.alpha[row], many.beta[row])
