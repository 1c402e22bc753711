"""Quarters added up to years, by draw: flows are sums, stocks those of the end, prices means over what is bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.demand.limits import LIMITS
from drivetrain.demand.outlook import Quarter
from drivetrain.demand.world import QUARTER, Floats
from drivetrain.units import HOURS_PER_YEAR, SECONDS_PER_HOUR

_SECONDS = HOURS_PER_YEAR * SECONDS_PER_HOUR * QUARTER


@dataclass(frozen=True, slots=True)
class Year:
    """One year. ``compute_flop`` is accelerator-time at work times its dense bf16 peak, by purpose.

    ``tokens`` by class (classes, draws); ``accelerators`` and ``bought`` (vintages, draws); ``rent_usd_per_hour`` of an
    effective unit (one H100); ``binding_frac`` the share of draws and quarters in which each limit held supply back.
    """

    year: int
    tokens: Floats
    spent_on_tokens_usd: Floats
    compute_flop: Mapping[str, Floats]
    units: Mapping[str, Floats]
    accelerators: Floats
    bought: Floats
    idle_frac: Floats
    power_w: Floats
    hbm_bytes: Floats
    hbm_bought_bytes: Floats
    capital_usd: Mapping[str, Floats]
    rent_usd: Mapping[str, Floats]
    rent_usd_per_hour: Floats
    efficiency: Floats
    binding_frac: Mapping[str, float]
    shadow_usd: Mapping[str, Floats]

    @property
    def price_usd_per_token(self) -> Floats:
        """What a token cost on average."""
        return np.asarray(self.spent_on_tokens_usd / self.tokens.sum(axis=0))

    @property
    def total_flop(self) -> Floats:
        """Training and inference."""
        return np.asarray(sum(self.compute_flop.values(), np.zeros(1)))

    @property
    def capex_usd(self) -> Floats:
        """All that was bought."""
        return np.asarray(sum(self.capital_usd.values(), np.zeros(1)))

    @property
    def spend_usd(self) -> Floats:
        """All rent: units at work at the market's rent, those that their owners use included."""
        return np.asarray(sum(self.rent_usd.values(), np.zeros(1)))

    @property
    def cost_usd(self) -> Floats:
        """What it costs the owners: capital in level payments, electricity, upkeep; rent without their margin."""
        return np.asarray(self.spend_usd - self.rent_usd["margin"])

    @property
    def inference_frac(self) -> Floats:
        """Share of compute that serves."""
        return np.asarray(self.compute_flop["inference"] / self.total_flop)


def years_of(quarters: Sequence[Quarter]) -> list[Year]:
    """Calendar years in order; the last may hold fewer than four quarters."""
    by_year: dict[int, list[Quarter]] = {}
    for one in quarters:
        by_year.setdefault(int(one.year + 1e-9), []).append(one)
    return [_year(year, rows) for year, rows in by_year.items()]


def _year(year: int, rows: Sequence[Quarter]) -> Year:
    def mean(values: Sequence[Floats]) -> Floats:
        return np.asarray(np.mean(values, axis=0))

    def ledger(name: str) -> dict[str, Floats]:
        return {part: np.asarray(np.sum([getattr(one, name)[part] for one in rows], axis=0))
                for part in getattr(rows[0], name)}  # fmt: skip

    last, n = rows[-1], rows[0].rent_usd_per_unit_year.size
    flops = {name: np.asarray(np.sum([one.peak_flops[name] * _SECONDS for one in rows], axis=0))
             for name in rows[0].peak_flops}  # fmt: skip
    there = np.asarray(np.sum([one.fleet.sum(axis=0) for one in rows], axis=0))
    index = np.stack([np.broadcast_to(one.binding, n) for one in rows])
    return Year(
        year,
        np.asarray(np.sum([one.asked.tokens * QUARTER for one in rows], axis=0)),
        np.asarray(np.sum([(one.asked.tokens * one.asked.prices).sum(axis=0) * QUARTER for one in rows], axis=0)),
        flops,
        {"inference": mean([one.asked.serving for one in rows]),
         "training": mean([one.asked.training for one in rows])},
        last.fleet,
        np.asarray(np.sum([one.bought for one in rows], axis=0)),
        np.asarray(np.sum([one.idle.sum(axis=0) for one in rows], axis=0) / np.maximum(there, 1e-300)),
        last.power_w, last.hbm_bytes, np.asarray(np.sum([one.hbm_bought_bytes for one in rows], axis=0)),
        ledger("capital_usd"), ledger("rent_usd"),
        mean([one.rent_usd_per_unit_year for one in rows]) / HOURS_PER_YEAR, last.efficiency,
        {name: float((index == k).mean()) for k, name in enumerate(LIMITS)},
        {name: mean([one.shadow_usd[name] for one in rows]) for name in LIMITS},
    )  # fmt: skip
