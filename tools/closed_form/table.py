"""Ratios of the closed form to the simulator, and tables of how many are near one, by regime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from closed_form.draw import Configuration
from closed_form.truth import MOST_IN_LOOPS, Truth, closed_loop, open_loop
from drivetrain.serving import steady
from drivetrain.serving.loop_flow import circulate

Regime = tuple[str, Callable[["Comparison"], bool]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Closed form over simulator, by statistic (0 where the closed form finds no steady state)."""

    one: Configuration
    load: float
    truth: Truth
    ratios: dict[str, float]

    @property
    def line(self) -> str:
        """For the log."""
        one, width = self.one, max(self.truth.widths.values())
        kind = f"{one.seed} {one.model} {one.accelerator} {one.engine} {one.layout} {one.lengths_kind}"
        ratios = ", ".join(f"{name} {value:.3f}" for name, value in self.ratios.items())
        return f"{kind} cv {one.arrival_cv:.1f} load {self.load:.2f}: {ratios}; interval within {width:.1%}"


def stream(one: Configuration, most: int) -> Comparison:
    """An open stream at the configuration's share of its capacity."""
    rate = one.load * steady.max_rate(one.prepared)
    state, truth = steady.at_rate(one.prepared, rate), open_loop(one, rate, most=most)
    said = {"ttft_p95": state.ttft.p95, "tpot_p95": state.tpot.p95, "ttft_mean": state.ttft.mean}
    return Comparison(one, one.load, truth, {name: value / truth.values[name] for name, value in said.items()})


def loop(one: Configuration, most: int = MOST_IN_LOOPS) -> Comparison:
    """A closed loop of some requests, at most four times those that fit."""
    concurrency = loop_size(one)
    flow, truth = circulate(one.prepared, concurrency, in_step=True), closed_loop(one, concurrency, 3000, most)
    said = {"tpot_mean": flow.tpot_s, "rate": flow.rate}
    load = min(concurrency / one.prepared.max_seqs, 1.0)
    return Comparison(one, load, truth, {name: value / truth.values[name] for name, value in said.items()})


def loop_size(one: Configuration) -> int:
    """How many requests circulate: few or many, at most four times those that fit."""
    drawn = int(np.random.default_rng(one.seed).geometric(0.03))
    return int(min(1 + drawn, 4 * one.prepared.max_seqs, 512))


OPEN_REGIMES: tuple[Regime, ...] = (
    ("all", lambda c: bool(c.ratios)),
    ("prompts in steps with decodes", lambda c: c.one.mixed),
    ("prompts in steps of their own, cut", lambda c: not c.one.mixed and c.one.chunked),
    ("whole prompts in steps of their own", lambda c: not c.one.chunked),
    ("arrival CV up to 1.5", lambda c: c.one.arrival_cv <= 1.5),
    ("arrival CV 2", lambda c: 1.5 < c.one.arrival_cv < 2.5),
    ("arrival CV 3 to 4", lambda c: c.one.arrival_cv >= 2.5),
    ("load below 0.5", lambda c: c.load < 0.5),
    ("load 0.5 to 0.85", lambda c: c.load >= 0.5),
    ("one attention rank", lambda c: c.one.layout.dp == 1),
    ("several attention ranks", lambda c: c.one.layout.dp > 1),
    ("fixed lengths", lambda c: c.one.lengths_kind == "fixed"),
    ("lengths even over a range", lambda c: c.one.lengths_kind == "range"),
    ("profiles", lambda c: c.one.lengths_kind == "profile"),
    ("prefixes in cache", lambda c: c.one.hit_frac > 0.0),
)
CLOSED_REGIMES: tuple[Regime, ...] = (
    ("all", lambda c: bool(c.ratios)),
    ("fixed lengths", lambda c: c.one.lengths_kind == "fixed"),
    ("lengths even over a range", lambda c: c.one.lengths_kind == "range"),
    ("profiles", lambda c: c.one.lengths_kind == "profile"),
    ("one lane, one rank", lambda c: c.one.layout.dp == c.one.layout.pp == 1),
    ("several lanes or ranks", lambda c: c.one.layout.dp * c.one.layout.pp > 1),
)


def open_table(found: Sequence[Comparison]) -> str:
    """Shares within 20 %."""
    return _table(
        found, OPEN_REGIMES, {"ttft_p95": "TTFT p95", "tpot_p95": "TPOT p95", "ttft_mean": "mean TTFT"}, (0.2,)
    )


def closed_table(found: Sequence[Comparison]) -> str:
    """Shares within 3 and 10 %."""
    return _table(found, CLOSED_REGIMES, {"tpot_mean": "mean TPOT", "rate": "throughput"}, (0.03, 0.1))


def share_within(found: Sequence[Comparison], name: str, limit: float) -> float:
    """Share of configurations whose ratio is within ``limit`` of one."""
    return float(np.mean([abs(c.ratios[name] - 1.0) <= limit for c in found]))


def _table(
    found: Sequence[Comparison], regimes: Sequence[Regime], names: dict[str, str], limits: Sequence[float]
) -> str:
    heads = [f"{title} within {limit:.0%}" for title in names.values() for limit in limits]
    heads += [f"{title} at worst" for title in names.values()]
    rows = [f"| regime | n | {' | '.join(heads)} |", f"|---|---|{'---|' * len(heads)}"]
    for title, belongs in regimes:
        part = [c for c in found if belongs(c)]
        if not part:
            continue
        cells = [f"{share_within(part, name, limit):.0%}" for name in names for limit in limits]
        cells += [f"{_worst([c.ratios[name] for c in part]):.2f}" for name in names]
        rows.append(f"| {title} | {len(part)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _worst(ratios: Sequence[float]) -> float:
    """The ratio farthest from one, as a factor either way."""
    return max(ratios, key=lambda x: max(x, 1.0 / x) if x > 0.0 else np.inf)
