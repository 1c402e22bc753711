"""What owning one accelerator costs an hour, part by part.

With the capital recovery factor ``CRF(r, L) = r / (1 - (1 + r)^-L)`` and a residual value of a share ``f`` after ``L``
years, worth ``f (CRF - r)`` a year, a purchase price P costs ``P (CRF - f (CRF - r))`` a year; at ``r = 0`` that is
``P (1 - f) / L``. Per accelerator, with ``kw`` its share of critical IT power::

    accelerator, server, network = share of P * (CRF - f (CRF - r)) / 8760
    facility     = kw * (k CRF(r, L_dc) / 8760 + 12 c / 8760)     k bought per kW, or c rented per kW and month
    maintenance  = m P / 8760          staff = s / 8760
    electricity  = kw * load * PUE * p

All in USD per hour that the accelerator is there, used or not. Payments are at the end of each year. Source: the form
of public AI cloud cost models; ``docs/method/money-and-energy.md`` compares it with one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from drivetrain.econ.numbers import at_least_zero, pue_of
from drivetrain.errors import BadInputError
from drivetrain.units import HOURS_PER_YEAR

_SHARES = ("residual_frac", "maintenance_frac", "load_frac")
_LIVES = ("server_years", "facility_years")
_MOST_RATE = 2.0


@dataclass(frozen=True, slots=True)
class Hardware:
    """What is bought for one accelerator, USD: itself, its share of server and of network; ``kw`` critical IT power."""

    accelerator_usd: float
    server_usd: float
    network_usd: float
    kw: float

    def __post_init__(self) -> None:
        _check(self)

    @property
    def capital_usd(self) -> float:
        """All that is bought for one accelerator, the facility apart."""
        return self.accelerator_usd + self.server_usd + self.network_usd

    def at(self, capital_usd: float) -> Hardware:
        """The same in the same proportions at another total price."""
        if self.capital_usd == 0:
            return replace(self, accelerator_usd=capital_usd)
        factor = capital_usd / self.capital_usd
        return replace(self, accelerator_usd=self.accelerator_usd * factor, server_usd=self.server_usd * factor,
                       network_usd=self.network_usd * factor)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What owning takes. Rates and shares per year, lives in years.

    ``residual_frac`` of the price is had back at the end of ``server_years``. The facility is bought
    (``facility_usd_per_kw``) or rented (``colocation_usd_per_kw_month``) by critical power. ``load_frac`` is mean over
    nameplate power, ``staff_usd_per_year`` per accelerator.
    """

    discount_rate_frac: float
    server_years: float
    load_frac: float
    pue: float
    usd_per_kwh: float
    residual_frac: float = 0.0
    maintenance_frac: float = 0.0
    staff_usd_per_year: float = 0.0
    facility_usd_per_kw: float = 0.0
    facility_years: float = 20.0
    colocation_usd_per_kw_month: float = 0.0

    def __post_init__(self) -> None:
        _check(self)
        for name in _LIVES:
            if getattr(self, name) <= 0:
                raise BadInputError(f"{name} must be above zero years, not {getattr(self, name):g}.")
        for name in _SHARES:
            if getattr(self, name) > 1:
                raise BadInputError(f"{name} must be a share from 0 to 1, not {getattr(self, name):g}.")
        if self.discount_rate_frac > _MOST_RATE:
            raise BadInputError(f"discount_rate_frac is {self.discount_rate_frac:g} a year; write 0.1 for 10 %.")
        pue_of(self.pue)


@dataclass(frozen=True, slots=True)
class Hourly:
    """USD per accelerator-hour by part; the parts sum to ``total``."""

    accelerator: float
    server: float
    network: float
    facility: float
    electricity: float
    maintenance: float
    staff: float

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.parts.values())

    @property
    def parts(self) -> Mapping[str, float]:
        """Parts by name, in the order of the record."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def capital_recovery_factor(rate: float, years: float) -> float:
    """Yearly payment per dollar borrowed at ``rate`` over ``years``.

    >>> round(capital_recovery_factor(0.10, 5), 4), capital_recovery_factor(0.0, 4)
    (0.2638, 0.25)
    """
    return 1.0 / years if rate == 0 else rate / -math.expm1(-years * math.log1p(rate))


def yearly_capital(usd: float, rate: float, years: float, residual_frac: float = 0.0) -> float:
    """What a purchase of ``usd`` costs a year, residual value deducted.

    >>> yearly_capital(1000.0, 0.0, 4.0), yearly_capital(1000.0, 0.0, 4.0, 0.2)
    (250.0, 200.0)
    """
    factor = capital_recovery_factor(rate, years)
    return usd * (factor - residual_frac * (factor - rate))


def hourly(hardware: Hardware, terms: Terms) -> Hourly:
    """USD per accelerator-hour of ``hardware`` on ``terms``.

    >>> terms = Terms(discount_rate_frac=0.0, server_years=5.0, load_frac=0.5, pue=1.2, usd_per_kwh=0.1)
    >>> found = hourly(Hardware(21_900.0, 8_760.0, 4_380.0, kw=1.0), terms)
    >>> found.accelerator, found.server, found.network, found.electricity, round(found.total, 12)
    (0.5, 0.2, 0.1, 0.06, 0.86)
    """
    t = terms

    def capital(usd: float) -> float:
        return yearly_capital(usd, t.discount_rate_frac, t.server_years, t.residual_frac) / HOURS_PER_YEAR

    bought = t.facility_usd_per_kw * capital_recovery_factor(t.discount_rate_frac, t.facility_years)
    return Hourly(
        accelerator=capital(hardware.accelerator_usd),
        server=capital(hardware.server_usd),
        network=capital(hardware.network_usd),
        facility=hardware.kw * (bought + 12.0 * t.colocation_usd_per_kw_month) / HOURS_PER_YEAR,
        electricity=hardware.kw * t.load_frac * t.pue * t.usd_per_kwh,
        maintenance=t.maintenance_frac * hardware.capital_usd / HOURS_PER_YEAR,
        staff=t.staff_usd_per_year / HOURS_PER_YEAR,
    )


def capital_for(usd_per_hour: float, kw: float, terms: Terms) -> float:
    """The purchase price at which an hour costs ``usd_per_hour``: :func:`hourly` solved for capital.

    An error where the other parts alone cost more.
    """
    nothing = hourly(Hardware(0.0, 0.0, 0.0, kw), terms).total
    per_usd = hourly(Hardware(1.0, 0.0, 0.0, 0.0), replace(terms, staff_usd_per_year=0.0)).total
    if not (math.isfinite(usd_per_hour) and usd_per_hour > nothing):
        raise BadInputError(
            f"{usd_per_hour:g} USD/h leaves nothing for hardware: facility, electricity and staff cost {nothing:.3g}."
        )
    return (usd_per_hour - nothing) / per_usd


def _check(record: Hardware | Terms) -> None:
    for field in fields(record):
        at_least_zero(field.name, getattr(record, field.name))
