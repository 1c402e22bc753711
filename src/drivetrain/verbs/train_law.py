"""What the scaling law says around a run: the best use of its compute, what ten times as much would give, the floor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.training.scaling.optimum import marginal_return, optimum
from drivetrain.training.scaling.uncertainty import Estimate, estimated_optimum
from drivetrain.verbs.train_resolve import Asked
from drivetrain.verbs.train_run import Run


def law_of(asked: Asked, run: Run) -> dict[str, Any] | None:
    """The law's own answer to the run's FLOPs, tokens seen once; ``None`` of adapters, of which laws say nothing.

    ``irreducible_loss``: no budget gets below. ``tokens_per_param`` of the optimum with 80 % ranges, ``wide_…`` with
    what the form of the law gets wrong outside its runs. ``ten_times_loss`` and ``excess_kept_frac``: what ten times
    the compute, spent at its best, leaves.
    """
    if run.job.lora_rank:
        return None
    law, entry = asked.law, scaling.law(asked.scenario.law)
    best, more = optimum(law, run.flops), marginal_return(law, run.flops)
    ratio = Estimate(float(best.tokens_per_param), None, None, None, None)
    if entry.form != MIXTURE and asked.gain.value == 1.0:
        ratio = estimated_optimum(run.flops, entry.name).tokens_per_param
    return {
        "law": entry.name, "irreducible_loss": float(law.e), "optimal_params": float(best.params),
        "optimal_tokens": float(best.tokens), "optimal_loss": float(best.loss), "tokens_per_param": asdict(ratio),
        "ten_times_loss": float(optimum(law, 10.0 * run.flops).loss), "excess_kept_frac": float(more.excess_kept),
    }  # fmt: skip
