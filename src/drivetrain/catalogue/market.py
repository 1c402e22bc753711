"""Prices, regions and serving engines: facts that change faster than hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.scheduler import Scheduler

PriceKind = Literal["rental", "tco", "purchase"]


@dataclass(frozen=True, slots=True)
class Price:
    """What one accelerator costs, as low / mid / high of a dated source.

    ``rental``: USD per accelerator-hour on the market (on demand unless ``terms`` says otherwise). ``tco``:
    all-in owner's cost per accelerator-hour for the buyer named in ``terms`` (hyperscaler, neocloud).
    ``purchase``: USD per accelerator (``terms`` says whether chip, server share or cluster share).
    """

    name: str
    aliases: tuple[str, ...]
    accelerator: str
    kind: PriceKind
    terms: str
    usd: Fact
    usd_low: Fact | None
    usd_high: Fact | None


@dataclass(frozen=True, slots=True)
class Region:
    """A place with a grid: industrial electricity price, carbon intensity (``grids`` and ``regions``)."""

    name: str
    aliases: tuple[str, ...]
    title: str
    usd_per_kwh: float | None
    carbon_g_per_kwh: float | None
    facts: Mapping[str, Fact]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Other defaults on some accelerators: those named, or with less than ``below_bytes`` usable memory."""

    below_bytes: float
    accelerators: tuple[str, ...]
    max_batched_tokens: int
    max_num_seqs: int


@dataclass(frozen=True, slots=True)
class Engine:
    """A serving engine at a version, with the defaults that decide how it batches.

    ``max_batched_tokens`` is the token budget of one step, ``max_num_seqs`` its sequence limit,
    ``memory_frac`` the share of usable memory it manages, ``block_tokens`` the KV page size. ``vendors`` are
    the accelerator vendors it runs on; ``weight_dtypes`` the checkpoint precisions it loads; ``limits`` rules
    for accelerators on which it picks other defaults; ``scheduler`` how it forms steps of prompts and decodes.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    version: str
    released: str
    chunked_prefill: bool
    max_batched_tokens: int
    max_num_seqs: int
    memory_frac: float
    block_tokens: int
    vendors: tuple[str, ...]
    weight_dtypes: tuple[str, ...]
    facts: Mapping[str, Fact]
    notes: str = ""
    limits: tuple[EngineLimits, ...] = ()
    scheduler: Scheduler = field(default_factory=Scheduler)

    def limits_on(self, accelerator: str, usable_bytes: float) -> tuple[int, int]:
        """Default (tokens per step, sequences) on an accelerator; the first rule that applies wins."""
        for rule in self.limits:
            if accelerator in rule.accelerators or usable_bytes < rule.below_bytes:
                return rule.max_batched_tokens, rule.max_num_seqs
        return self.max_batched_tokens, self.max_num_seqs


@dataclass(frozen=True, slots=True)
class Economic:
    """A sourced quantity of ``economics.toml`` that belongs to no single part: PUE, lifetimes, capital.

    ``mid`` is the one used; ``low`` and ``high`` bound it where sources give a range.
    """

    name: str
    title: str
    low: Fact | None
    mid: Fact
    high: Fact | None
    notes: str = ""
