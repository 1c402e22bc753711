"""What limits the largest training run, each as a spread with its source. Facts of ``ceilings.toml``.

How a spread is written and read: :mod:`drivetrain.catalogue.spreads`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drivetrain.catalogue import spreads as reader
from drivetrain.catalogue.spreads import Spread
from drivetrain.catalogue.stated import Stated

__all__ = ["STEM", "Spread", "facts", "spread", "spreads"]

STEM = "ceilings"


def spread(name: str) -> Spread:
    """The spread called ``name``.

    >>> spread("chips.stock").mid, spread("chips.stock").stated.source
    (15000000.0, 'epoch-chip-stock')
    """
    return reader.spread(STEM, name, "limit of training runs")


def spreads() -> Mapping[str, Spread]:
    """Every spread by ``group.name``, those of the user's folder over the shipped ones."""
    return reader.spreads(STEM)


def facts() -> Iterator[tuple[str, Stated]]:
    """Where every spread is written, for the check of the catalogue."""
    return reader.facts(STEM)
