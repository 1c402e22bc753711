"""What a tenth more of each resource, in both pools, would give a disaggregated fleet."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.serving.deployment import Deployment, on
from drivetrain.serving.disagg import Disaggregated, Pool, disaggregated
from drivetrain.serving.disagg_fleet import Fleet, balanced_rate
from drivetrain.serving.marginal import RESOURCES, STEP, Marginal
from drivetrain.serving.search import Job
from drivetrain.serving.slo import Target


def fleet_marginals(fleet: Fleet, targets: tuple[Target, ...]) -> list[Marginal]:
    """Gains in requests/s for each accelerator, pools in their best proportion, largest first."""
    base = balanced_rate(fleet.deployment, targets)
    if base <= 0.0:
        return []
    gains = [
        Marginal(resource, balanced_rate(_on(fleet, field), targets) / base - 1.0)
        for resource, field in (*RESOURCES.items(), ("engine_overhead", ""))
    ]
    return sorted(gains, key=lambda m: -m.capacity_gain_frac)


def _on(fleet: Fleet, field: str) -> Disaggregated:
    """The fleet with a tenth more of ``field``, or a tenth less engine overhead."""
    d = fleet.deployment
    return disaggregated(
        _pool(fleet.prefill, field, d.prefill_replicas), _pool(fleet.decode, field, d.decode_replicas),
        d.lengths, d.handover, d.transfer.via,
    )  # fmt: skip


def _pool(job: Job, field: str, replicas: int) -> Pool:
    seqs = job.max_seqs if job.max_seqs < job.memory.fits else float("inf")
    return Pool(_better(job.deployment, field), job.budget, seqs, replicas)


def _better(d: Deployment, field: str) -> Deployment:
    if field:
        return on(d, d.hardware.scaled(**{field: 1 + STEP}))
    e = d.efficiency
    less = {name: getattr(e, name) * (1 - STEP) for name in ("kernel_s", "step_s", "sequence_s")}
    return on(d, eff=replace(e, **less))
