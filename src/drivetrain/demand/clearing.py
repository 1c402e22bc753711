r"""The price at which units offered are units asked for, draw by draw: bisection on the price, steps and power exact.

Offers rise with the price and demand falls, so there is one price; it is bracketed around a guess and halved in its
logarithm. Where the last two prices lie on either side of a step the step runs in part, so that the amounts are exact
however coarse the price is. Where power is short an interpolation of two optimal plans is itself one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drivetrain.demand.vintage import Floats
from drivetrain.errors import BadInputError, InfeasibleError
from drivetrain.units import number

Demand = Callable[[Floats], Floats]
Supply = Callable[..., tuple[Floats, Floats]]
HIGHEST_USD = 1e12
ALL = 1.0 - 1e-6
_FINEST = 1e-14  # relative: prices cannot be told apart much below it


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be had, by step and draw: units, USD per unit and year, watts per unit. The last is to be bought."""

    units: Floats
    usd_per_unit_year: Floats
    w_per_unit: Floats


@dataclass(frozen=True, slots=True)
class Cleared:
    """The price of a unit for a year, units rented, those of each step, what one more watt is worth a year."""

    price_usd_per_unit_year: Floats
    units: Floats
    active: Floats
    power_usd_per_w_year: Floats


class ShortError(InfeasibleError):
    """Units that are lacking, by draw, for a demand that falls at no price."""

    def __init__(self, units: Floats, highest_usd: float, limit: str = "") -> None:
        self.units, self.highest_usd = units, highest_usd
        super().__init__(
            f"supply is {number(float(units.max()))} units short of a demand that does not fall at any price below "
            f"{highest_usd:.0e} USD a year{limit}. Raise packaging, hbm, budget or power, or lower fixed demand."
        )


def clear(
    offers: Offers, power_w: Floats, demand: Demand, *, guess: Floats | None = None, tolerance: float = 1e-9
) -> Cleared:
    """The price at which ``demand`` (units at a price, falling) meets the offers, for each draw.

    >>> one = np.ones((2, 1))
    >>> two = Offers(one * 100.0, np.array([[1000.0], [3000.0]]), one)
    >>> found = clear(two, np.array([1e9]), lambda price: 3e5 / price)
    >>> found.price_usd_per_unit_year.round(3).tolist(), found.active.round(3).tolist()
    ([3000.0], [[100.0], [0.0]])
    """
    from drivetrain.demand.merit import offered

    shape = np.broadcast_shapes(offers.units.shape, offers.usd_per_unit_year.shape, offers.w_per_unit.shape)
    units, usd, watts = (np.ascontiguousarray(np.broadcast_to(array, shape), dtype=float)
                         for array in (offers.units, offers.usd_per_unit_year, offers.w_per_unit))  # fmt: skip
    power = np.ascontiguousarray(np.broadcast_to(power_w, shape[1:]), dtype=float)
    _check(units, usd, watts, power)

    def supply(price: Floats, active: Floats | None = None) -> tuple[Floats, Floats]:
        total, worth = np.empty(shape[1]), np.empty(shape[1])
        offered(price, units, usd, watts, power, total, worth, np.empty((0, 0)) if active is None else active)
        return total, worth

    start = np.median(np.where(usd > 0, usd, 1.0), axis=0) if guess is None else guess
    low, high, most = _bracket(np.maximum(start, 1e-9), demand, supply)
    while np.any(high > low * (1.0 + max(tolerance, _FINEST))):
        middle = np.sqrt(low * high)
        asked = demand(middle)
        short = asked > supply(middle)[0]
        low, high, most = np.where(short, middle, low), np.where(short, high, middle), np.where(short, asked, most)
    return _settled(low, high, most, supply, shape, power, watts)


def _bracket(guess: Floats, demand: Demand, supply: Supply) -> tuple[Floats, Floats, Floats]:
    """Prices with too much asked for and with too much offered, and what is asked for at the first."""
    low, high, factor = guess / 1.2, guess * 1.2, 1.5
    floor, ceiling = guess * 1e-12, np.maximum(guess * 1e6, HIGHEST_USD)
    most = demand(low)
    while True:
        dear = (most < supply(low)[0]) & (low > floor)
        if not dear.any():
            break
        low, high = np.where(dear, low / factor, low), np.where(dear, low, high)
        most, factor = demand(low), factor * 1.5
    factor, least = 1.5, demand(high)
    while True:
        offered = supply(high)[0]
        cheap = least > offered
        if not cheap.any():
            return low, high, most
        if np.any(high[cheap] >= ceiling[cheap]):
            raise ShortError(np.maximum(least - offered, 0.0), float(ceiling.min()))
        low, most = np.where(cheap, high, low), np.where(cheap, least, most)
        high = np.where(cheap, high * factor, high)
        least, factor = demand(high), factor * 1.5


def _settled(
    low: Floats, high: Floats, asked: Floats, supply: Supply, shape: tuple[int, ...], power: Floats, watts: Floats
) -> Cleared:
    """Between the last two prices: as much as both sides want, the step in between in part."""
    below, above = np.zeros(shape), np.zeros(shape)
    least, _ = supply(low, below)
    most, worth = supply(high, above)
    units = np.clip(np.minimum(most, asked), least, most)
    part = np.where(most > least, (units - least) / np.where(most > least, most - least, 1.0), 0.0)
    active = below + (above - below) * part
    used = (active * watts).sum(axis=0)
    return Cleared(np.sqrt(low * high), units, active, np.where(used >= power * ALL, worth, 0.0))


def _check(units: Floats, usd: Floats, watts: Floats, power: Floats) -> None:
    for name, values in (("units", units), ("costs", usd), ("watts", watts), ("the power", power)):
        if np.any(~np.isfinite(values)) or np.any(values < 0):
            raise BadInputError(
                f"{name} of the offers must be finite and not negative. Look at the spread they come from."
            )
