"""From which use on owning costs less than renting or buying tokens.

An owned fleet costs the same whether used or not; rented accelerators are paid while they are used, tokens as they
are served. With c the owned fleet's USD per hour::

    own against rent:  u* = c_own / c_rent             share of its hours above which owning costs less
    own against API:   u* = c_own / (API bill for an hour at the fleet's capacity)

Above 1 owning never pays. A rented fleet that runs all day compares with the API as an owned one does.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.econ.numbers import at_least_zero


@dataclass(frozen=True, slots=True)
class ApiPrice:
    """List price of a model, USD per million tokens; ``cached`` is input found in the provider's prefix cache."""

    input_usd: float
    output_usd: float
    cached_usd: float

    def __post_init__(self) -> None:
        for name in ("input_usd", "output_usd", "cached_usd"):
            at_least_zero(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class TokenFlow:
    """Tokens per second: input that is computed, input found in a prefix cache, output."""

    input: float
    cached: float
    output: float

    def __post_init__(self) -> None:
        for name in ("input", "cached", "output"):
            at_least_zero(name, getattr(self, name))

    def scaled(self, factor: float) -> TokenFlow:
        """The same mix at another rate."""
        return TokenFlow(self.input * factor, self.cached * factor, self.output * factor)


def utilisation(fixed_usd_per_hour: float, used_usd_per_hour: float) -> float | None:
    """Share of the hours above which paying ``fixed`` for all costs less than ``used`` for those used.

    ``None`` where what is paid by use costs nothing.

    >>> utilisation(1.3, 2.6)
    0.5
    """
    at_least_zero("fixed_usd_per_hour", fixed_usd_per_hour)
    at_least_zero("used_usd_per_hour", used_usd_per_hour)
    return fixed_usd_per_hour / used_usd_per_hour if used_usd_per_hour > 0 else None


def api_usd_per_hour(price: ApiPrice, flow: TokenFlow) -> float:
    """What an hour of ``flow`` costs at a list price.

    >>> api_usd_per_hour(ApiPrice(1.0, 2.0, 0.1), TokenFlow(input=500.0, cached=0.0, output=250.0))
    3.6
    """
    per_s = price.input_usd * flow.input + price.cached_usd * flow.cached + price.output_usd * flow.output
    return per_s * 3600.0 / 1e6
