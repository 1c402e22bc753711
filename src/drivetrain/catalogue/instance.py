"""Instances: what a cloud rents by the hour, with its prices by terms and region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from drivetrain.catalogue.fact import Fact

Size = Literal["server", "slice", "rack"]
Terms = Literal[
    "on demand",
    "spot",
    "flex start",
    "capacity block",
    "1-year reserved",
    "3-year reserved",
]
SIZES: tuple[Size, ...] = get_args(Size)
TERMS: tuple[Terms, ...] = get_args(Terms)


@dataclass(frozen=True, slots=True)
class InstancePrice:
    """What one instance costs for one hour: ``usd`` in USD/h for the whole instance, not for one accelerator.

    ``region`` is a name of the catalogue's regions; the provider's own region code stands in the fact's note.
    """

    terms: Terms
    region: str
    usd: Fact


@dataclass(frozen=True, slots=True)
class Instance:
    """One thing on a cloud's price list that holds accelerators.

    ``size``: *server*, a whole server; *slice*, a part of a server or rack, so that the scale-up domain ends
    inside it; *rack*, several hosts in one scale-up domain (NVL72). ``nic_bytes_per_s`` is the one-way network
    rate per accelerator. An instance whose price is not public has no ``prices``.
    """

    name: str
    aliases: tuple[str, ...]
    provider: str
    accelerator: str
    n_accelerators: int
    size: Size
    nic_bytes_per_s: float
    host_memory_bytes: float | None
    vcpus: int | None
    prices: tuple[InstancePrice, ...]
    facts: Mapping[str, Fact]
    notes: str = ""

    def usd_per_hour(self, terms: str, region: str) -> Fact | None:
        """Return the price of one instance-hour, or None where the catalogue has none for both."""
        return next((price.usd for price in self.prices if (price.terms, price.region) == (terms, region)), None)
