"""Choosing a deployment by prediction: how often the choice breaks its promise, and what it gives away.

A case is a model on an accelerator under an engine with given lengths, of which at least three configurations (layout,
precision, requests in flight) were measured, and a limit (SLO) on the mean TPOT. Chosen is the configuration that is
*predicted* to make most output tokens per second and accelerator while its predicted TPOT keeps the limit::

    tokens/s per accelerator = C osl / (ttft + tpot (osl - 1)) / n        C in flight, n accelerators (Little's law)

The choice *breaks* the limit where its measured TPOT is more than 5 % above it. Else its *regret* is the share of
measured tokens/s per accelerator that it lacks to the best configuration whose measured TPOT keeps the limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivetrain.measure.score import Pair
from drivetrain.measure.serving import read_query
from drivetrain.measure.table import Raw

SLOS_S = (0.015, 0.025, 0.040)
LEAST_CONFIGURATIONS = 3
TOLERANCE = 0.05  # a TPOT this share above the limit still counts as kept: about the noise of repeated runs


@dataclass(frozen=True, slots=True)
class Candidate:
    """One measured configuration of a case; ``tpot`` in seconds, ``rate`` in output tokens/s per accelerator."""

    case: tuple[str, ...]
    configuration: tuple[str, ...]
    tpot: Pair
    rate: Pair


@dataclass(frozen=True, slots=True)
class Choice:
    """``cases`` in which one is predicted to keep the limit; the share of choices that break it; regret of the others.

    A choice within the tolerance may outdo the best that keeps the limit itself: ``mean_regret`` counts that as no
    regret, ``mean_regret_net`` as a gain. ``missed`` counts cases apart in which none is predicted to keep the limit
    though one measured does; ``none_keeps`` those in which none does either way. Shares are None without a case.
    """

    cases: int
    broken_frac: float | None
    mean_regret: float | None
    mean_regret_net: float | None
    missed: int
    none_keeps: int


def choose(candidates: Iterable[Candidate], slos_s: Sequence[float] = SLOS_S) -> Choice:
    """Choose in every case of ``candidates``; cases with fewer than three configurations are left out."""
    by_case: dict[tuple[str, ...], list[Candidate]] = {}
    for one in candidates:
        by_case.setdefault(one.case, []).append(one)
    cases = broken = missed = none_keeps = 0
    regrets: list[float] = []
    for found in by_case.values():
        if len({one.configuration for one in found}) < LEAST_CONFIGURATIONS:
            continue
        for slo in slos_s:
            promised = [one for one in found if one.tpot.predicted <= slo]
            best = max((one.rate.measured for one in found if one.tpot.measured <= slo), default=None)
            if not promised:
                missed += best is not None
                none_keeps += best is None
                continue
            cases += 1
            chosen = max(promised, key=lambda one: one.rate.predicted)
            if chosen.tpot.measured > slo * (1.0 + TOLERANCE):
                broken += 1
            else:  # one within the tolerance, where none keeps the limit itself, has nothing to be compared with
                regrets.append(1.0 - chosen.rate.measured / (best or chosen.rate.measured))
    return Choice(
        cases=cases,
        broken_frac=round(broken / cases, 6) if cases else None,
        mean_regret=_mean([max(0.0, regret) for regret in regrets]),
        mean_regret_net=_mean(regrets),
        missed=missed,
        none_keeps=none_keeps,
    )


def candidate(raw: Raw, tpot_s: float, ttft_s: float) -> Candidate | None:
    """A measured row with its predicted TPOT and TTFT; None where it lacks a measurement or a token gap."""
    if not raw.text("tpot_s") or not raw.text("ttft_s") or not math.isfinite(tpot_s):
        return None
    query = read_query(raw, [])
    tpot, ttft = Pair(tpot_s, raw.need("tpot_s")), Pair(ttft_s, raw.need("ttft_s"))
    in_flight, n = raw.need("concurrency_requests"), raw.need("n_gpus")
    rate = Pair(*(
        tokens_per_s(in_flight, query.osl, getattr(ttft, side), getattr(tpot, side)) / n
        for side in ("predicted", "measured")
    ))  # fmt: skip
    placed = query.placed
    return Candidate(
        case=(query.model.name, query.accelerator.name, query.engine.family, f"{query.isl:g}", f"{query.osl:g}"),
        configuration=(f"{placed.layout} x{placed.replicas}", query.dtype, f"{in_flight:g}"),
        tpot=tpot,
        rate=rate,
    )


def tokens_per_s(in_flight: float, osl: float, ttft_s: float, tpot_s: float) -> float:
    """Output tokens per second of a closed loop.

    >>> tokens_per_s(10, 101, 1.0, 0.01)
    505.0
    """
    return in_flight * osl / (ttft_s + tpot_s * (osl - 1.0))


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None
