"""From a fleet's cost and draw to a token's.

    USD per million tokens = fleet USD/h * 1e6 / (3600 * tokens/s)
    J per token            = fleet wall power / (tokens/s),  wall = n * (accelerator + host share) * PUE

with tokens/s the mean over the day, so that idle hours are paid for by the tokens that were served.
"""

from __future__ import annotations

from drivetrain.units import JOULES_PER_KWH, MILLION, SECONDS_PER_HOUR


def usd_per_million(usd_per_hour: float, tokens_per_s: float) -> float:
    """USD per million tokens of a fleet.

    >>> usd_per_million(3.6, 1000.0)
    1.0
    """
    return usd_per_hour * MILLION / (SECONDS_PER_HOUR * tokens_per_s)


def wall_power_w(n: float, accelerator_w: float, host_w: float, pue: float) -> float:
    """Power at the meter for ``n`` accelerators with their share of the host, in watts."""
    return n * (accelerator_w + host_w) * pue


def carbon_g(joules: float, g_per_kwh: float) -> float:
    """Operational carbon of ``joules`` at a grid's intensity, in grams of CO2 equivalent.

    >>> carbon_g(3.6e6, 400.0)
    400.0
    """
    return joules / JOULES_PER_KWH * g_per_kwh
