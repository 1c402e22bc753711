"""Rules for cloud instances: yields (name, field, message) for each that is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from drivetrain.catalogue.hardware import Accelerator, Server
from drivetrain.catalogue.instance import Instance
from drivetrain.catalogue.market import Price

Broken = tuple[str, str, str]

# An accelerator-hour on a price list lies this near to the rentals of the same part; beyond it a unit slipped
# (instance for accelerator, month for hour). Parts without a rental price are held to any price seen so far.
_BAND = (0.1, 10.0)
_ANY = (0.02, 200.0)


def check_instances(
    instances: Iterable[Instance],
    accelerators: Mapping[str, Accelerator],
    servers: Iterable[Server],
    prices: Iterable[Price],
    regions: Iterable[str],
) -> Iterator[Broken]:
    """Instances hold parts that exist, in counts one can rent, in places that exist, at prices that can be."""
    servers, prices, regions = tuple(servers), tuple(prices), frozenset(regions)
    for instance in instances:
        for price in instance.prices:
            if price.region not in regions:
                message = f"there is no region '{price.region}'. Use the name of its file."
                yield instance.name, "prices.region", message
        chip = accelerators.get(instance.accelerator)
        if chip is None:
            message = f"there is no accelerator '{instance.accelerator}'. Use the name of its file."
            yield instance.name, "accelerator", message
            continue
        yield from _size(instance, chip, sorted({s.n_accelerators for s in servers if s.accelerator == chip.name}))
        yield from _prices(instance, [p for p in prices if p.accelerator == chip.name and p.kind == "rental"])


def _size(instance: Instance, chip: Accelerator, held: list[int]) -> Iterator[Broken]:
    """A server or rack holds what servers of the part hold; a slice is an even part of the largest."""
    n, sizes = instance.n_accelerators, held or [chip.scaleup.domain]
    if instance.size == "slice":
        if n >= sizes[-1] or sizes[-1] % n:
            yield instance.name, "n_accelerators", f"{n} is no even part of {sizes[-1]}, the largest server with it."
    elif n not in sizes:
        known = " or ".join(str(size) for size in sizes)
        yield (instance.name, "n_accelerators", f"{n} is not what a {instance.size} with it holds: {known}. "
               "Mend the count, or size = 'slice'.")  # fmt: skip


def _prices(instance: Instance, rentals: list[Price]) -> Iterator[Broken]:
    facts = [fact for p in rentals for fact in (p.usd, p.usd_low, p.usd_high) if fact is not None]
    known = [fact.value for fact in facts]
    low, high = (_BAND[0] * min(known), _BAND[1] * max(known)) if known else _ANY
    for price in instance.prices:
        usd = price.usd.value / instance.n_accelerators
        if not low <= usd <= high:
            yield (instance.name, f"usd_per_h.{price.terms}.{price.region}",
                   f"{usd:.3g} USD per accelerator-hour is outside {low:.3g} to {high:.3g} of {instance.accelerator}. "
                   "Prices are of the whole instance for one hour.")  # fmt: skip
