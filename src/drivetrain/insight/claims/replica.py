"""Replicas that claims are checked on: one model on one accelerator, evaluated by the serving model, and variants.

A variant changes rates of the hardware or coefficients of the software and sizes memory anew, as the planner's
marginals do, so that a claim about bandwidth, FLOPs, links or overhead is a difference of two predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drivetrain.scenario import scenario_of

if TYPE_CHECKING:
    from drivetrain.serving.report import Utilisation
    from drivetrain.serving.search import Offer
    from drivetrain.serving.steady import Prepared

ENGINE = "vllm-0.19"
_OVERHEADS = (
    "kernel_s", "prefill_kernel_s", "step_s", "sequence_s", "experts_s", "prefill_experts_s", "expanded_s", "block_s",
)  # fmt: skip


def replica(model: str, accelerator: str, layout: str, isl: float, osl: float, **choices: Any) -> Prepared:  # noqa: ANN401
    """A replica ready to evaluate; ``choices`` are fields of the serving scenario (engine, weights, ...)."""
    return offered(model, accelerator, layout, isl, osl, **choices)[1]


def offered(
    model: str, accelerator: str, layout: str, isl: float, osl: float, **choices: Any  # noqa: ANN401
) -> tuple[Offer, Prepared]:  # fmt: skip
    """The replica and what it is bought as, with its price per accelerator-hour."""
    named = {"engine": ENGINE, "model": model, "accelerator": accelerator, "layout": layout, "isl": isl, "osl": osl}
    return _offered(tuple(sorted((named | choices).items())))


def changed(
    prepared: Prepared, *, overhead: float = 1.0, shares: Mapping[str, float] | None = None, **rates: float
) -> Prepared:
    """``prepared`` with hardware ``rates`` (flops, hbm_bytes_per_s, memory_bytes, links) and overheads multiplied.

    ``shares`` replaces coefficients of the software by name.
    """
    from drivetrain.serving.deployment import on
    from drivetrain.serving.steady import prepare

    d = prepared.deployment
    lean = {name: getattr(d.efficiency, name) * overhead for name in _OVERHEADS}
    eff = replace(d.efficiency, **(lean | dict(shares or {})))
    cap = prepared.max_seqs if prepared.max_seqs < prepared.memory.fits else float("inf")
    return prepare(on(d, d.hardware.scaled(**rates), eff), prepared.lengths, prepared.budget, cap)


def tpot_s(prepared: Prepared, batch: float) -> float:
    """Mean seconds per output token with ``batch`` requests in flight."""
    from drivetrain.serving.steady import at_concurrency

    return at_concurrency(prepared, batch).tpot.mean


def explained(prepared: Prepared, batch: float) -> Utilisation:
    """Where the time of a token goes with ``batch`` requests in flight."""
    from drivetrain.serving.report import utilisation
    from drivetrain.serving.steady import at_concurrency

    return utilisation(prepared, at_concurrency(prepared, batch))


def memory_frac(used: Utilisation) -> float:
    """Share of a token's time in which memory is read or written."""
    parts = used.breakdown_s
    return (parts["weights"] + parts["kv"] + parts["activations"]) / sum(parts.values())


def full_rate(prepared: Prepared, slo: str) -> float:
    """Requests/s that a replica takes at most within ``slo``; 0 where no rate keeps it."""
    from drivetrain.serving.slo import parse_slo
    from drivetrain.serving.steady import max_rate

    return max_rate(prepared, parse_slo(slo))


def cost(
    model: str, accelerator: str, layout: str, isl: float, osl: float, slo: str, usd_per_hour: float, **choices: Any  # noqa: ANN401
) -> float:  # fmt: skip
    """USD per million output tokens of a replica at full load within ``slo``; infinite where no rate keeps it."""
    from drivetrain.econ.tokens import usd_per_million

    prepared = replica(model, accelerator, layout, isl, osl, **choices)
    rate = full_rate(prepared, slo)
    bought = usd_per_hour * prepared.deployment.cut.layout.n_accelerators
    return usd_per_million(bought, rate * prepared.lengths.osl_mean) if rate else math.inf


@lru_cache(maxsize=512)
def _offered(named: tuple[tuple[str, Any], ...]) -> tuple[Offer, Prepared]:
    from drivetrain.verbs.predict_serve import prepared_of
    from drivetrain.verbs.resolve import resolve

    return prepared_of(resolve(scenario_of(dict(named))))
