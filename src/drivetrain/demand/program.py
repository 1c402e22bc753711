r"""The whole horizon as one linear program: which accelerators to buy, where, and whom to serve.

Maximise the discounted value served less running cost and level payments for what is bought; quarters t, regions r::

    sum_t d_t dt [ sum_blocks value y - sum running a ] - sum_t x_t pay sum_(k < life, t + k < T) d_(t+k)
    a(v, r, t)  <=  installed(v, r, t) + purchases x(v, r, s) of s <= t still alive             stock
    sum_local peak y + sum_anywhere peak z  <=  sum_v units a     in each region and quarter    busiest hour
    sum_local mean y + sum_anywhere mean z  <=  sum_v units a     in each region and quarter    mean load
    sum_r z  =  sum_blocks y                                      loads that may run anywhere
    sum_v w a  <=  power(r, t);   sum wafers x, sum bytes x, sum capital x  <=  flow dt         limits
    x_v  <=  share_v sum x                                        what a vendor can be asked for within a quarter

``d_t = (1 + i)^-(t dt)``: at i = 0 everything is a plain sum. Payments after the horizon are left out, as is what they
would have served. Interactive loads are served in their own latency region; batch and training run anywhere, and batch
fills the trough (it has no peak row). Foresight is perfect, where the merit order of
:mod:`drivetrain.demand.allocate` is myopic: the two agree where a quarter does not depend on the next.

A dual is what one more unit of a row's right side adds to the objective: shadow prices here are in money of their own
quarter, so that a wafer's is USD per wafer, and power's and capacity's USD per watt or unit and year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drivetrain.demand.limits import LIMITS
from drivetrain.demand.program_rows import Built, build, elastic
from drivetrain.demand.program_terms import Kind, Load, Problem, problem
from drivetrain.demand.vintage import Floats
from drivetrain.errors import DrivetrainError, InfeasibleError
from drivetrain.units import number

__all__ = ["Kind", "Load", "Problem", "Solution", "problem", "solve"]
_FINE = 1e-9
_SHOWN = 3
_IN = {"packaging": ("wafers", 1.0), "hbm": ("PB", 1e15), "budget": ("billion USD", 1e9), "power": ("GW", 1e9),
       "capacity": ("million units", 1e6)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Solution:
    """The optimum. Arrays are by vintage V, region R, block B, quarter T, in that order; USD.

    ``served`` holds by load the share of each block that is served: (R, B, T), one region where it runs anywhere.
    ``rental_usd_per_unit_year`` is the price of a unit for flat use, ``peak_usd_per_unit_year`` the part of it for the
    busiest hour. ``shadow`` holds what one more wafer, byte or dollar of a quarter would be worth (T,), and of power
    what one more watt is worth a year (R, T). ``binding`` names the limit with the largest rent, or "demand".
    """

    value_usd: float
    running_usd: float
    payments_usd: float
    purchases: Floats
    active: Floats
    served: Mapping[str, Floats]
    rental_usd_per_unit_year: Floats
    peak_usd_per_unit_year: Floats
    shadow: Mapping[str, Floats]
    slack: Mapping[str, Floats]
    binding: tuple[str, ...]

    @property
    def objective_usd(self) -> float:
        """What was maximised."""
        return self.value_usd - self.running_usd - self.payments_usd


def solve(asked: Problem) -> Solution:
    """The best plan, or an :class:`InfeasibleError` that says which limit is short, where, when and by how much."""
    from scipy.optimize import linprog

    built = build(asked)
    found = linprog(
        built.cost, A_ub=built.upper, b_ub=built.upper_right, A_eq=built.equal, b_eq=built.equal_right,
        bounds=built.bounds, method="highs-ds",
    )  # fmt: skip
    if found.status == 2:
        raise InfeasibleError(_short(asked, built))
    if found.status != 0:
        raise DrivetrainError(f"the linear program of supply was not solved: {found.message}")
    return _solution(asked, built, found)


def _solution(asked: Problem, built: Built, found) -> Solution:  # type: ignore[no-untyped-def]  # noqa: ANN001 - scipy
    x, duals = np.asarray(found.x), -np.asarray(found.ineqlin.marginals)
    slack = np.asarray(found.slack)
    weights = asked.discounts
    in_year = weights * asked.dt_years

    def worth(name: str, divisor: Floats) -> Floats:
        rows = built.rows[name]
        values = np.maximum(duals[rows] * built.row_scale[name] * built.usd_scale / divisor, 0.0)
        return np.where(slack[rows] > _FINE * (1.0 + np.abs(built.upper_right[rows])), 0.0, values)

    shadow = {name: worth(name, weights) for name in LIMITS[:3]}
    shadow["power"] = worth("power", in_year)
    peak, mean = worth("peak", in_year), worth("mean", in_year)
    rents = {name: shadow[name] * asked.flow(name) * asked.dt_years for name in LIMITS[:3]}
    rents["power"] = (shadow["power"] * asked.power_w).sum(axis=0) * asked.dt_years
    table = np.stack([rents[name] for name in LIMITS])
    binding = tuple(LIMITS[k] if table[k, t] > 0 else "demand" for t, k in enumerate(table.argmax(axis=0)))
    running, payments, value = (float((built.parts[key] * x).sum()) * built.usd_scale
                                for key in ("running", "payments", "value"))  # fmt: skip
    return Solution(
        value, running, payments, built.spread("purchases", x), built.spread("active", x),
        {load.name: built.share(load.name, x) for load in asked.loads}, peak + mean, peak, shadow,
        {name: slack[built.rows[name]] / built.row_scale[name] for name in LIMITS}, binding,
    )  # fmt: skip


def _short(asked: Problem, built: Built) -> str:
    """Which limits would have to give for the contracted load, by the least relative amounts."""
    lacking = elastic(asked, built)
    texts = []
    for name, region, quarter, amount, frac in lacking[:_SHOWN]:
        unit, factor = _IN[name]
        where = f" in {region}" if region else ""
        share = f" ({frac:.1%} of what there is)" if np.isfinite(frac) else ""
        texts.append(f"{name}{where} is short by {number(amount / factor)} {unit}{share} in {asked.label(quarter)}")
    more = f"; and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return f"contracted load cannot be served: {'; '.join(texts)}{more}. Raise these limits or contract less."
