"""List prices of models by the token: facts of ``api_prices*.toml``, the user's laid over the shipped ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.table import Table

_STEM = "api_prices"


@dataclass(frozen=True, slots=True)
class ApiOffer:
    """What one provider asks for a model, USD per million tokens.

    ``cached`` is input found in the provider's prefix cache; ``None`` where that costs as much as other input.
    """

    model: str
    provider: str
    input: Fact
    output: Fact
    cached: Fact | None


def offers(model: str) -> tuple[ApiOffer, ...]:
    """Offers for ``model`` (a catalogue name), cheapest output first; a later file replaces a provider's price."""
    found = [offer for offer in _offers(user_folder()) if offer.model == model]
    return tuple(sorted(found, key=lambda offer: (offer.output.value, offer.provider)))


def models() -> tuple[str, ...]:
    """Models that have a list price."""
    return tuple(dict.fromkeys(offer.model for offer in _offers(user_folder())))


def facts() -> Iterator[tuple[str, Fact]]:
    """Every fact with where it stands."""
    for offer in _offers(user_folder()):
        for name in ("input", "cached", "output"):
            fact = getattr(offer, name)
            if fact is not None:
                yield f"{offer.model}.{offer.provider}.{name}", fact


@cache
def _offers(user: str) -> tuple[ApiOffer, ...]:
    found: dict[tuple[str, str], ApiOffer] = {}
    for path, raw in overlaid(_STEM, user):
        table = Table(raw, str(path))
        for entry in table.tables("offers"):
            offer = ApiOffer(
                model=entry.text("model"),
                provider=entry.text("provider"),
                input=entry.fact("input", "USD"),
                output=entry.fact("output", "USD"),
                cached=entry.optional_fact("cached", "USD"),
            )
            entry.done()
            found[offer.model, offer.provider] = offer
        table.done()
    return tuple(found.values())
