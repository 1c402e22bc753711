"""TOML tables of prices, regions, engines and economics -> records."""

from __future__ import annotations

import re
from typing import Any, cast, get_args

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.hardware import PRECISIONS
from drivetrain.catalogue.market import Economic, Engine, EngineLimits, Price, PriceKind, Region
from drivetrain.catalogue.scheduler import read_scheduler
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError

_PRICE_DIMENSION = {"rental": "USD/h", "tco": "USD/h", "purchase": "USD"}


def read_prices(raw: dict[str, Any], where: str) -> list[Price]:
    """Read all prices of one accelerator: a file holds ``accelerator`` and a list of ``[[prices]]``."""
    table = Table(raw, where)
    accelerator = table.text("accelerator")
    prices = [_price(entry, accelerator) for entry in table.tables("prices")]
    table.done()
    names = [price.name for price in prices]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise FileError(f"{where}: two prices are called '{doubled[0]}'. Give one of them other terms or a name.")
    return prices


def _price(table: Table, accelerator: str) -> Price:
    kind = cast(PriceKind, table.text("kind", among=get_args(PriceKind)))
    terms = table.text("terms", "on demand" if kind == "rental" else "")
    dimension = _PRICE_DIMENSION[kind]
    price = Price(
        name=table.text("name", price_name(accelerator, kind, terms)),
        aliases=table.texts("aliases", ()),
        accelerator=accelerator,
        kind=kind,
        terms=terms,
        usd=table.fact("usd", dimension),
        usd_low=table.optional_fact("usd_low", dimension),
        usd_high=table.optional_fact("usd_high", dimension),
    )
    table.done()
    low, high = price.usd_low or price.usd, price.usd_high or price.usd
    if not low.value <= price.usd.value <= high.value:
        raise FileError(f"{table.where}: usd_low <= usd <= usd_high does not hold. Check the three values.")
    return price


def price_name(accelerator: str, kind: str, terms: str) -> str:
    """Name a price that has none of its own.

    >>> price_name("h100-sxm-80gb", "tco", "neocloud"), price_name("h100-sxm-80gb", "rental", "on demand")
    ('h100-sxm-80gb-tco-neocloud', 'h100-sxm-80gb-rental')
    """
    words = re.sub(r"[^a-z0-9]+", "-", terms.lower()).strip("-")
    suffix = "" if words in ("", "on-demand") else f"-{words}"
    return f"{accelerator}-{kind}{suffix}"


def read_region(raw: dict[str, Any], where: str) -> Region:
    """Build a :class:`Region`; electricity and carbon are each optional."""
    table = Table(raw, where)
    electricity = table.optional_fact("electricity", "USD/kWh")
    carbon = table.optional_fact("carbon", "gCO2e/kWh")
    record = Region(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        title=table.text("title"),
        usd_per_kwh=electricity.value if electricity else None,
        carbon_g_per_kwh=carbon.value if carbon else None,
        facts=_present(usd_per_kwh=electricity, carbon_g_per_kwh=carbon),
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def read_engine(raw: dict[str, Any], where: str) -> Engine:
    """Build an :class:`Engine` from its TOML table."""
    table = Table(raw, where)
    tokens, seqs = table.count_fact("max_batched_tokens"), table.count_fact("max_num_seqs")
    memory, block = table.fact("memory_frac", "1"), table.count_fact("block_tokens")
    if memory.value > 1:
        raise FileError(f"{table.field('memory_frac')} is {memory.text}. Write a share of at most 1, such as 0.9.")
    dtypes = table.texts("weight_dtypes")
    unknown = [dtype for dtype in dtypes if dtype not in PRECISIONS]
    if unknown:
        raise FileError(f"{table.field('weight_dtypes')}: '{unknown[0]}' is not one of {', '.join(PRECISIONS)}.")
    scheduler = read_scheduler(table.table("scheduler"))
    record = Engine(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        family=table.text("family"),
        version=table.text("version"),
        released=table.text("released"),
        chunked_prefill=table.flag("chunked_prefill"),
        max_batched_tokens=int(tokens.value),
        max_num_seqs=int(seqs.value),
        memory_frac=memory.value,
        block_tokens=int(block.value),
        vendors=table.texts("vendors"),
        weight_dtypes=dtypes,
        facts={
            "max_batched_tokens": tokens,
            "max_num_seqs": seqs,
            "memory_frac": memory,
            "block_tokens": block,
            **{f"scheduler.{name}": fact for name, fact in scheduler.facts.items()},
        },
        notes=table.text("notes", ""),
        limits=tuple(_limits(rule) for rule in (table.tables("limits") if "limits" in table else ())),
        scheduler=scheduler,
    )
    table.done()
    return record


def _limits(table: Table) -> EngineLimits:
    below = table.take("below", None)
    rule = EngineLimits(
        below_bytes=0.0 if below is None else table.quantity("below", "bytes"),
        accelerators=table.texts("accelerators", ()),
        max_batched_tokens=table.count("max_batched_tokens"),
        max_num_seqs=table.count("max_num_seqs"),
    )
    table.done()
    return rule


def read_economics(raw: dict[str, Any], where: str) -> dict[str, Economic]:
    """Read ``economics.toml``: one table per quantity with title, unit, mid and perhaps low and high."""
    table = Table(raw, where)
    return {name: _economic(table.table(name), name) for name in table}


def _economic(table: Table, name: str) -> Economic:
    dimension = table.text("unit")
    record = Economic(
        name=name,
        title=table.text("title"),
        low=table.optional_fact("low", dimension),
        mid=table.fact("mid", dimension),
        high=table.optional_fact("high", dimension),
        notes=table.text("notes", ""),
    )
    table.done()
    return record


def _present(**facts: Fact | None) -> dict[str, Fact]:
    return {name: fact for name, fact in facts.items() if fact}
