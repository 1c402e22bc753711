"""What one more unit of each resource would give a deployment: its capacity with that resource a tenth better."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.serving.deployment import on
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import Prepared, max_rate, prepare

STEP = 0.1
RESOURCES = {
    "hbm_bandwidth": "hbm_bytes_per_s",
    "compute": "flops",
    "network": "links",
    "hbm_capacity": "memory_bytes",
}


@dataclass(frozen=True, slots=True)
class Marginal:
    """``capacity_gain_frac``: relative gain in requests/s within the targets for a tenth more of ``resource``."""

    resource: str
    capacity_gain_frac: float


def marginals(prepared: Prepared, targets: tuple[Target, ...], capacity: float) -> list[Marginal]:
    """Gains of a tenth more of each resource (and a tenth less engine overhead), largest first."""
    if capacity <= 0:
        return []
    d = prepared.deployment
    found = []
    for resource, field in RESOURCES.items():
        better = on(d, d.hardware.scaled(**{field: 1 + STEP}))
        found.append((resource, better))
    lean = replace(d.efficiency, kernel_s=d.efficiency.kernel_s * (1 - STEP), step_s=d.efficiency.step_s * (1 - STEP),
                   sequence_s=d.efficiency.sequence_s * (1 - STEP))  # fmt: skip
    found.append(("engine_overhead", on(d, eff=lean)))
    cap = prepared.max_seqs if prepared.max_seqs < prepared.memory.fits else float("inf")
    gains = [
        Marginal(name, max_rate(ready, targets) / capacity - 1.0)
        for name, ready in (
            (name, prepare(better, prepared.lengths, prepared.budget, cap, targets)) for name, better in found
        )
    ]
    return sorted(gains, key=lambda m: -m.capacity_gain_frac)
