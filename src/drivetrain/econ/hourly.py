"""What one accelerator costs an hour when owned, from the price of its chip, server or cluster share.

The equation of :mod:`drivetrain.econ.tco` on ``P = P_chip * o_server / (1 - f_network)``, without residual value or
staff of their own: what ``--pricing own`` is.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.econ.tco import Hardware, Terms, capital_recovery_factor, hourly

__all__ = ["Ownership", "capital_recovery_factor", "owned_usd_per_hour"]


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
    servers = o.chip_usd * o.server_multiplier
    network = servers * o.network_frac / (1.0 - o.network_frac)
    terms = Terms(
        discount_rate_frac=o.discount_rate, server_years=o.server_years, maintenance_frac=o.maintenance_frac,
        facility_usd_per_kw=o.facility_usd_per_kw, facility_years=o.facility_years, load_frac=o.load_frac, pue=o.pue,
        usd_per_kwh=o.usd_per_kwh,
    )  # fmt: skip
    return hourly(Hardware(o.chip_usd, servers - o.chip_usd, network, o.kw), terms).total
