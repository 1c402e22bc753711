"""One deployment at one load as the figures everybody asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from drivetrain.cost.roofline import PARTS, StepTime
from drivetrain.serving.steady import Prepared, SteadyState, steps

_BOTTLENECK = {"weights": "hbm_bandwidth", "kv": "hbm_bandwidth", "activations": "hbm_bandwidth", "compute": "compute",
               "network": "network", "overhead": "overhead"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Where a step's time goes, averaged over plain and mixed steps.

    ``breakdown_s`` sums to the mean TPOT, with prompts as output tokens meet them. ``mbu`` and ``mfu`` are over all
    steps: bytes and FLOPs over what the datasheet could move and compute in that time (dense rate of the weights'
    precision).
    """

    breakdown_s: dict[str, float]
    mbu: float
    mfu: float
    bottleneck: str
    decode: StepTime
    mixed: StepTime


def utilisation(prepared: Prepared, state: SteadyState) -> Utilisation:
    """Explain ``state`` from the readable operators."""
    decode, mixed = steps(prepared, state)
    u = state.mixed_frac
    mean = (1.0 - u) * decode.seconds + u * mixed.seconds
    speculation = prepared.deployment.cut.techniques.speculation
    tokens = speculation.tokens_per_step if speculation else 1.0  # of one sequence in a step
    behind = state.tpot.mean * tokens - state.step_s  # a request sees the prompts behind its own besides
    met = u + (behind / (mixed.seconds - decode.seconds) if behind > 0.0 else 0.0)
    scale = state.tpot.mean / ((1.0 - met) * decode.seconds + met * mixed.seconds)  # a loop's steps vary around these
    parts = {part: ((1.0 - met) * decode.parts[part] + met * mixed.parts[part]) * scale for part in PARTS}
    hardware, cut = prepared.deployment.hardware, prepared.deployment.cut
    bytes_moved = (1.0 - u) * decode.bytes_moved + u * mixed.bytes_moved
    flops = (1.0 - u) * decode.flops + u * mixed.flops
    peak = hardware.flops[hardware.compute_dtype(cut.checkpoint.weight_dtype)]
    by_resource: dict[str, float] = {}
    for part, seconds in parts.items():
        by_resource[_BOTTLENECK[part]] = by_resource.get(_BOTTLENECK[part], 0.0) + seconds
    bottleneck = max(by_resource, key=lambda name: by_resource[name])
    if state.in_system > 0.97 * prepared.max_seqs and prepared.max_seqs >= prepared.memory.fits:
        bottleneck = "kv_capacity"
    return Utilisation(
        breakdown_s=parts,
        mbu=bytes_moved / mean / hardware.hbm_bytes_per_s,
        mfu=flops / mean / peak,
        bottleneck=bottleneck,
        decode=decode,
        mixed=mixed,
    )


def memory_bytes(prepared: Prepared, state: SteadyState) -> dict[str, float]:
    """Memory of one accelerator by part: what is used sums with ``free`` to ``usable``."""
    m, layout = prepared.memory, prepared.deployment.cut.layout
    kv = min(m.sequence_bytes * state.in_system / layout.dp, m.cache)
    used = m.weights + m.workspace + m.overhead + kv
    return {
        "weights": m.weights,
        "kv_cache": kv,
        "activations": m.workspace,
        "overhead": m.overhead,
        "free": m.physical - used,
        "usable": m.physical,
    }


def kv_occupancy(prepared: Prepared, state: SteadyState) -> float:
    """Share of the cache that running sequences hold."""
    m = prepared.memory
    return (
        min(m.sequence_bytes * state.in_system / prepared.deployment.cut.layout.dp / m.cache, 1.0) if m.cache else 0.0
    )


def operator_rows(step: StepTime) -> list[dict[str, Any]]:
    """A step's operators as table rows, slowest first."""
    rows = [{k: v for k, v in asdict(op).items() if k != "parts"} for op in step.ops]
    return sorted(rows, key=lambda row: -row["seconds"])
