"""The accelerators that are there: cohorts of one vintage and one moment of purchase, by draw.

A quarter changes the fleet by what is bought, by age (a cohort goes at the end of its vintage's life) and by economics:
of the accelerators that do not earn their running cost, a share is scrapped a year. Nothing else comes or goes::

    at the end = at the start + bought - retired - scrapped

The fleet of the start is the installed compute of ``supply.toml`` (H100 equivalents of peak 8-bit operations) split by
vintage, each bought evenly over the time it was on sale before the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.catalogue.spreads import choices
from drivetrain.demand.vintage import STEM, Floats, Vintage
from drivetrain.errors import BadInputError

_H100 = "h100-sxm-80gb"
_BIN_YEARS = 0.5


@dataclass(frozen=True, slots=True)
class Fleet:
    """Cohorts: which vintage, when bought, how many by draw."""

    vintage: NDArray[np.int64]
    bought_year: Floats
    count: Floats

    def by_vintage(self, n_vintages: int) -> Floats:
        """Accelerators of each vintage: (vintages, draws)."""
        found: Floats = np.zeros((n_vintages, self.count.shape[1]))
        for kind, count in zip(self.vintage.tolist(), self.count, strict=True):
            found[kind] += count
        return found


def start(at: Mapping[str, Floats], vintages: Sequence[Vintage], year: float = 2026.0) -> Fleet:
    """The fleet at the start of an outlook."""
    rows = choices(STEM)
    parts = {i: float(rows[f"{one.name}.start_frac"].value) for i, one in enumerate(vintages)
             if f"{one.name}.start_frac" in rows}  # fmt: skip
    if not parts:
        raise BadInputError("none of these vintages is in the fleet of the start. Take those of the catalogue first.")
    total = sum(parts.values())
    kinds: list[int] = []
    when: list[float] = []
    counts: list[Floats] = []
    for i, share in parts.items():
        one = vintages[i]
        n = at["fleet.h100e"] * share / total / _h100e(one.accelerator)
        first, last = float(one.from_year.mean()), min(float(one.until_year.mean()), year)
        bins = max(1, round((last - first) / _BIN_YEARS))
        edges = np.linspace(first, last, bins + 1)
        kinds += [i] * bins
        when += ((edges[1:] + edges[:-1]) / 2.0).tolist()
        counts += [n / bins] * bins
    return Fleet(np.array(kinds), np.array(when), np.stack(counts))


def retire(fleet: Fleet, vintages: Sequence[Vintage], year: float) -> tuple[Fleet, Floats]:
    """The fleet without what has reached its age at ``year``, and what went: (vintages, draws)."""
    life = np.stack([np.broadcast_to(one.life_years, fleet.count.shape[1:]) for one in vintages])
    old = (year - fleet.bought_year)[:, None] >= life[fleet.vintage] - 1e-9
    gone = Fleet(fleet.vintage, fleet.bought_year, np.where(old, fleet.count, 0.0)).by_vintage(len(vintages))
    left = np.where(old, 0.0, fleet.count)
    kept = left.any(axis=1)
    return Fleet(fleet.vintage[kept], fleet.bought_year[kept], left[kept]), gone


def buy(fleet: Fleet, bought: Floats, year: float) -> Fleet:
    """The fleet with what is bought at ``year``: (vintages, draws)."""
    if np.any(bought < 0):
        raise BadInputError("a purchase is negative. What leaves the fleet is retired or scrapped.")
    kinds = np.flatnonzero(bought.any(axis=1))
    return Fleet(
        np.concatenate([fleet.vintage, kinds]), np.concatenate([fleet.bought_year, np.full(len(kinds), year)]),
        np.concatenate([fleet.count, bought[kinds]]),
    )  # fmt: skip


def scrap(fleet: Fleet, idle: Floats, frac: Floats) -> tuple[Fleet, Floats]:
    """The fleet without the share ``frac`` of its ``idle`` accelerators (vintages, draws), and what went.

    All cohorts of a vintage lose the same share.
    """
    there = fleet.by_vintage(len(idle))
    gone = np.minimum(np.maximum(idle, 0.0) * frac, there)
    stays = 1.0 - np.where(there > 0, gone / np.where(there > 0, there, 1.0), 0.0)
    return Fleet(fleet.vintage, fleet.bought_year, fleet.count * stays[fleet.vintage]), gone


def _h100e(accelerator: str) -> float:
    """Peak 8-bit operations of an accelerator over those of an H100."""

    def peak(name: str) -> float:
        flops = loader.load("accelerators", name).flops
        return float(max((flops[key] for key in ("fp8", "int8") if key in flops), default=flops["bf16"]))

    return peak(accelerator) / peak(_H100)
