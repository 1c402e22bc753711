"""Why a closed loop of the closed form differs from the simulator's: causes taken out one after another.

Each stage changes what both sides are asked, so that one thing that the closed form does not follow is no longer
there; what was taken out before stays out. The cause of a loop that differs by more than 3 % in TPOT or throughput is
the stage from which on it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from closed_form.draw import Configuration
from closed_form.truth import Truth, loop_of
from drivetrain.serving import kernel, steady
from drivetrain.serving.deployment import contexts
from drivetrain.serving.loop_flow import circulate
from drivetrain.serving.sim.records import Cache, Fleet, Requests

LIMIT = 0.03
_STRATA = 24  # lengths of answers that end at random, of equal probability
_DRAWS = 10_000  # for the mean of each


@dataclass(frozen=True, slots=True)
class Case:
    """A loop as both sides are asked about it. ``end`` is the chance that an answer ends with a token, 0: as drawn."""

    one: Configuration
    prepared: steady.Prepared
    fleet: Fleet
    concurrency: int
    end: float = 0.0

    def requests(self, n: int) -> Requests:
        """``n`` requests, alike from stage to stage in their prompts."""
        rng = np.random.default_rng([self.one.seed, n])
        sent = self.one.requests(n, 1.0, rng, self.concurrency)
        return sent if self.end == 0.0 else replace(sent, osl=1 + rng.geometric(self.end, n))


@dataclass(frozen=True, slots=True)
class Stage:
    """Something taken out: ``what`` of it the tables say, and how."""

    what: str
    without: Callable[[Case], Case]


@dataclass(frozen=True, slots=True)
class Explained:
    """A loop's ratios of closed form to simulator (TPOT, throughput), stage by stage, and what each truth is worth."""

    one: Configuration
    concurrency: int
    ratios: tuple[tuple[float, float], ...]
    widths: tuple[float, ...]

    @property
    def cause(self) -> int:
        """0 where nothing is to be explained, else the first stage from which on both are within the limit.

        The number of stages where none is.
        """
        within = [_within(pair) for pair in self.ratios]
        return next((k for k in range(len(within)) if within[k] and (k == 0 or all(within[k:]))), len(within))

    @property
    def line(self) -> str:
        """For the log."""
        one = self.one
        known = f"{one.seed} {one.model} {one.accelerator} {one.engine} {one.layout} {one.lengths_kind}"
        ratios = "; ".join(f"{tpot:.3f} {rate:.3f}" for tpot, rate in self.ratios)
        return (
            f"{known} loop of {self.concurrency}: {ratios}; interval within {max(self.widths):.1%}, stage {self.cause}"
        )


def explain(one: Configuration, concurrency: int) -> Explained:
    """Take out one cause after another."""
    case = Case(one, one.prepared, one.fleet(), concurrency)
    ratios, widths = [], []
    for stage in STAGES:
        case = stage.without(case)
        flow, truth = circulate(case.prepared, case.concurrency, in_step=True), _truth(case)
        ratios.append((flow.tpot_s / truth.values["tpot_mean"], flow.rate / truth.values["rate"]))
        widths.append(max(truth.widths.values()))
    return Explained(one, concurrency, tuple(ratios), tuple(widths))


def explained_table(found: Sequence[Explained]) -> str:
    """By stage: shares within the limit, and the loops that it is the cause of."""
    heads = ("taken out", "TPOT within 3 %", "throughput within 3 %", "both within 3 %", "both within 10 %", "cause of",
             "TPOT off by", "throughput off by")  # fmt: skip
    rows = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for k, stage in enumerate(STAGES):
        off = np.abs(np.array([e.ratios[k] for e in found]) - 1.0)
        near, close = off <= LIMIT, off <= 0.1
        shares = [near[:, 0], near[:, 1], near.all(axis=1), close.all(axis=1)]
        settled = [e for e in found if e.cause == k]
        sizes = [_sizes([abs(e.ratios[0][i] - 1.0) for e in settled]) if settled and k else "" for i in range(2)]
        cells = [stage.what, *(f"{share.mean():.1%}" for share in shares), str(len(settled)), *sizes]
        rows.append(f"| {' | '.join(cells)} |")
    left = [e for e in found if e.cause == len(STAGES)]
    rows += [f"\n{len(left)} without a cause:", *(e.line for e in left)] if left else ["\nNone is without a cause."]
    return "\n".join(rows)


def _sizes(off: Sequence[float]) -> str:
    return f"{np.median(off):.0%} (up to {max(off):.0%})"


def _within(pair: tuple[float, float]) -> bool:
    return all(abs(ratio - 1.0) <= LIMIT for ratio in pair)


def _truth(case: Case) -> Truth:
    return loop_of(case.fleet, case.requests, case.concurrency)


# ---------------------------------------------------------------- what is taken out


def _nothing(case: Case) -> Case:
    return case


def _blocks(case: Case) -> Case:
    """As many requests run as the closed form says that fit, whatever they hold."""
    return replace(case, fleet=_roomy(case, int((case.one.prepared.lengths.isl + case.one.prepared.lengths.osl).max())))


def _known_ends(case: Case) -> Case:
    """Answers end at random, each token with the same chance: no request marches with those that began beside it."""
    known = case.prepared.lengths
    gaps = max(float(known.weight @ np.maximum(known.osl - 1.0, 0.0)), 1.0)
    drawn = np.sort(np.random.default_rng(7).geometric(1.0 / gaps, _STRATA * _DRAWS)).reshape(_STRATA, _DRAWS)
    each, strata = len(known.weight), drawn.mean(axis=1)
    lengths = replace(
        known, weight=np.repeat(known.weight, _STRATA) / _STRATA, isl=np.repeat(known.isl, _STRATA),
        computed=np.repeat(known.computed, _STRATA), osl=1.0 + np.tile(strata, each),
    )  # fmt: skip
    spans = case.prepared.deployment.coefficients.spans
    prepared = replace(case.prepared, lengths=lengths, contexts=contexts(spans, lengths))
    longest = int(known.isl.max() + 20.0 * gaps)
    changed = replace(case, prepared=prepared, end=1.0 / gaps)
    return replace(changed, fleet=_roomy(changed, longest))


def _front_end(case: Case) -> Case:
    """The next request is at the engine when an answer ends."""
    (pool,) = case.fleet.pools
    fleet = replace(case.fleet, pools=(replace(pool, frontend_s=0.0),))
    return replace(case, fleet=fleet, prepared=_with(case.prepared, {kernel.REQUEST_S: 0.0}))


def _budget(case: Case) -> Case:
    """A step takes every prompt that waits, whole."""
    (pool,) = case.fleet.pools
    all_of_them = case.concurrency * (int(case.one.prepared.lengths.isl.max()) + 1)
    budget = float(max(all_of_them, pool.rules.token_budget))
    fleet = replace(case.fleet, pools=(replace(pool, rules=replace(pool.rules, token_budget=int(budget))),))
    return replace(case, fleet=fleet, prepared=replace(_with(case.prepared, {kernel.BUDGET: budget}), budget=budget))


def _others(case: Case) -> Case:
    """One rank of one lane by itself, with its share of the requests and of the slots."""
    (pool,) = case.fleet.pools
    cores = pool.pp * pool.dp
    slots = max(int(case.prepared.max_seqs / cores), 1)
    prepared = _with(case.prepared, {kernel.LANES: 1.0, kernel.DP: 1.0, kernel.MAX_SEQS: float(slots)})
    fleet = replace(case.fleet, pools=(replace(pool, pp=1, dp=1),))
    concurrency = max(round(case.concurrency / cores), 1)
    return replace(case, fleet=fleet, prepared=replace(prepared, max_seqs=slots), concurrency=concurrency)


STAGES = (
    Stage("nothing", _nothing),
    Stage("cache in blocks, admission by what is free", _blocks),
    Stage("answers whose length decides when they end", _known_ends),
    Stage("time from an answer to the next request", _front_end),
    Stage("prompts that a step's budget cuts or keeps waiting", _budget),
    Stage("other ranks and lanes", _others),
)


def _with(prepared: steady.Prepared, numbers: dict[int, float]) -> steady.Prepared:
    scalars = prepared.scalars.copy()
    for at, value in numbers.items():
        scalars[at] = value
    return replace(prepared, scalars=scalars)


def _roomy(case: Case, longest: int) -> Fleet:
    """The fleet with blocks for all requests of ``longest`` tokens that may run."""
    (pool,) = case.fleet.pools
    cores = pool.pp * pool.dp
    slots = max(int(case.one.prepared.max_seqs / cores), 1)
    running = min(slots, case.concurrency) + 2
    rules = replace(pool.rules, max_num_seqs=slots, watermark_frac=0.0, reserve_output_frac=0.0)
    cache = replace(pool.cache, blocks=max(running * _blocks_of(pool.cache, longest), pool.cache.blocks))
    return replace(case.fleet, pools=(replace(pool, rules=rules, cache=cache),))


def _blocks_of(cache: Cache, longest: int) -> int:
    """Blocks of the longest sequence, its prefix left in the cache included."""
    tokens = 2 * (longest // cache.block_tokens + 2) if cache.block_tokens else 0
    windows = sum(b * s for b, s in zip(cache.window_blocks, cache.window_spans, strict=True))
    return tokens + int(cache.state_blocks + windows) + 2
