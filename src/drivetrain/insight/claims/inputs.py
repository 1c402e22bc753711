"""Inputs of checks from where their numbers are kept: facts, spreads, choices and what an essay says."""

from __future__ import annotations

from drivetrain.catalogue import ceilings, loader
from drivetrain.catalogue.fact import Fact
from drivetrain.insight.claims.check import Input


def of_fact(fact: Fact, unit: str = "", low: float | None = None, high: float | None = None) -> Input:
    """A catalogue fact with its source and month; the range is that of sources that disagree where none is given."""
    stated_too = [fact.value, *(other.value for other in fact.also)]
    ends = (min(stated_too), max(stated_too)) if fact.also and low is None and high is None else (low, high)
    return Input(fact.value, unit or fact.dimension, f"{fact.source}, {fact.seen}", *ends)


def of_economic(name: str, unit: str = "") -> Input:
    """A quantity of ``economics.toml`` with its range."""
    found = loader.economics()[name]
    low, high = (None if fact is None else fact.value for fact in (found.low, found.high))
    return of_fact(found.mid, unit, low, high)


def of_spread(name: str, unit: str = "") -> Input:
    """A quantity of ``ceilings.toml`` with its range."""
    found = ceilings.spread(name)
    told = f"{found.stated.source}, {found.stated.seen}"
    return Input(found.mid, unit or found.dimension, told, found.low, found.high)


def stated(value: float, unit: str, source: str, low: float | None = None, high: float | None = None) -> Input:
    """A number that a source of the catalogue states, by the source's id.

    >>> stated(3e11, "tokens", "gpt-3-paper").source
    'gpt-3-paper'
    """
    return Input(value, unit, source, low, high)


def choice(value: float, unit: str, why: str, low: float | None = None, high: float | None = None) -> Input:
    """A number that is ours to choose, with what it stands for.

    >>> choice(8, "sequences", "a chat service at low load").source
    'choice: a chat service at low load'
    """
    return Input(value, unit, f"choice: {why}", low, high)


def claimed(value: float, unit: str, essay: str = "000") -> Input:
    """A number that an essay gives, or that its words come to.

    >>> claimed(20.0, "tokens per parameter").source
    'essay 000'
    """
    return Input(value, unit, f"essay {essay}")
