"""Energy and carbon of a request, a token, a day, by what draws it.

    E_request = PUE * (n P_active t_active + n P_idle t_idle + n P_host t)

over the time between requests, ``t = t_active + t_idle = 1 / rate``: accelerators at work, the same accelerators
while they wait, hosts, and the facility's overhead ``PUE - 1`` on all of them. Joules and watts. Carbon is operational.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from drivetrain.econ.numbers import above_zero, at_least_zero, pue_of
from drivetrain.econ.tokens import carbon_g
from drivetrain.errors import BadInputError
from drivetrain.units import SECONDS_PER_HOUR

_SECONDS_PER_DAY = 24.0 * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Draw:
    """Mean power of a fleet by what draws it, watts; ``facility`` is cooling and losses on top of the others."""

    active: float
    idle: float
    host: float
    facility: float

    @property
    def total(self) -> float:
        """Power at the meter."""
        return sum(self.parts.values())

    @property
    def parts(self) -> Mapping[str, float]:
        """Parts by name, in the order of the record."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def joules_per(self, rate_per_s: float) -> Mapping[str, float]:
        """Joules of each part for every one of ``rate_per_s`` requests, tokens or whatever is served."""
        above_zero("rate_per_s", rate_per_s)
        return {name: watts / rate_per_s for name, watts in self.parts.items()}


def draw(
    *, n: float, busy_frac: float, mean_w: float, idle_w: float, host_w: float, pue: float, idle_n: float = 0.0
) -> Draw:
    """Power of ``n`` serving accelerators that draw ``mean_w`` on average, and of ``idle_n`` that stand by.

    ``busy_frac`` is the share of time in which a request is in the replica; of the mean draw, ``idle_w`` over the rest
    of the time is idle. ``host_w`` is each accelerator's share of the host.

    >>> draw(n=2, busy_frac=0.5, mean_w=400.0, idle_w=100.0, host_w=250.0, pue=1.5).parts
    {'active': 700.0, 'idle': 100.0, 'host': 500.0, 'facility': 650.0}
    """
    for name, value in (("n", n), ("busy_frac", busy_frac), ("mean_w", mean_w), ("idle_w", idle_w), ("host_w", host_w),
                        ("idle_n", idle_n)):  # fmt: skip
        at_least_zero(name, value)
    if busy_frac > 1:
        raise BadInputError(f"busy_frac must be a share from 0 to 1, not {busy_frac:g}.")
    pue_of(pue)
    waiting = min((1.0 - busy_frac) * idle_w, mean_w)
    active, idle = n * (mean_w - waiting), n * waiting + idle_n * idle_w
    host = (n + idle_n) * host_w
    return Draw(active, idle, host, (pue - 1.0) * (active + idle + host))


def carbon_g_per(fleet: Draw, rate_per_s: float, g_per_kwh: float) -> float:
    """Grams of CO2 equivalent for every one of ``rate_per_s``."""
    return carbon_g(sum(fleet.joules_per(rate_per_s).values()), g_per_kwh)


def per_day(fleet: Draw, g_per_kwh: float | None = None) -> dict[str, float | None]:
    """Energy of a day in joules, and its carbon in grams where the grid is known."""
    joules = fleet.total * _SECONDS_PER_DAY
    return {"joules": joules, "carbon_g": None if g_per_kwh is None else carbon_g(joules, g_per_kwh)}


def tokens_per_megawatt(tokens_per_s: float, watts: float) -> float:
    """Tokens per second for each megawatt at the meter; over 1e6 it is tokens per joule.

    >>> tokens_per_megawatt(3000.0, 6000.0)
    500000.0
    """
    at_least_zero("tokens_per_s", tokens_per_s)
    above_zero("watts", watts)
    return tokens_per_s / watts * 1e6
