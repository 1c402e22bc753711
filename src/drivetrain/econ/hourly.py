"""What one accelerator costs an hour: rented at a price list, or owned.

Owned (capital recovery factor ``CRF(r, L) = r / (1 - (1 + r)^-L)``, accelerator share of server and network)::

    capital  = P_chip * o_server / (1 - f_network) * (CRF(r, L_server) + m)
    facility = k_dc * kW * CRF(r, L_dc)
    USD/h    = (capital + facility) / 8760 + kW * load * PUE * p_electricity

Source: the total-cost-of-ownership form of AI cloud cost models; check against InferenceX's published hyperscaler
figure for H100 in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.units import HOURS_PER_YEAR


def capital_recovery_factor(rate: float, years: float) -> float:
    """Yearly payment per dollar borrowed at ``rate`` over ``years``.

    >>> round(capital_recovery_factor(0.10, 5), 4), capital_recovery_factor(0.0, 4)
    (0.2638, 0.25)
    """
    return 1.0 / years if rate == 0 else rate / -math.expm1(-years * math.log1p(rate))


@dataclass(frozen=True, slots=True)
class Ownership:
    """What owning takes. USD, kW, years, shares; ``kw`` is provisioned power per accelerator, without PUE."""

    chip_usd: float
    server_multiplier: float
    network_frac: float
    maintenance_frac: float
    discount_rate: float
    server_years: float
    facility_usd_per_kw: float
    facility_years: float
    kw: float
    load_frac: float
    pue: float
    usd_per_kwh: float


def owned_usd_per_hour(o: Ownership) -> float:
    """All-in USD per accelerator-hour of ownership."""
    server = o.chip_usd * o.server_multiplier / (1.0 - o.network_frac)
    capital = server * (capital_recovery_factor(o.discount_rate, o.server_years) + o.maintenance_frac)
    facility = o.facility_usd_per_kw * o.kw * capital_recovery_factor(o.discount_rate, o.facility_years)
    return (capital + facility) / HOURS_PER_YEAR + o.kw * o.load_frac * o.pue * o.usd_per_kwh
