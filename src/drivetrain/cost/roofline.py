"""A roofline per operator, with overlap inside the operator: the readable form of the step time.

For an operator with FLOPs F, bytes M on an accelerator of rate R and bandwidth W::

    c = F / (compute efficiency * R)          m = M / (bandwidth efficiency * W)
    t = max(c, m) + exposed * min(c, m)

so nothing beats its roofline and a step stays piecewise affine in tokens and context. Collectives take the time
of :mod:`drivetrain.comms`; every kernel, step and sequence adds its overhead. Units: seconds, joules, bytes, FLOP.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import EXPERT_KERNELS, Op
from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.step import (
    CTX_CHUNK,
    CTX_DECODE,
    CTX_PREFILL,
    EXPERT_TOKENS,
    HIT,
    N_FEATURES,
    ONE,
    ROWS,
    TOKENS,
    Step,
    Vector,
)
from drivetrain.comms import collectives
from drivetrain.comms.collectives import Coefficients, CollectiveTime
from drivetrain.cost.efficiency import Efficiency
from drivetrain.cost.hardware import Hardware

Parts = dict[str, float]
FOUR_BIT = ("nvfp4", "mxfp4")
NARROW = ("fp8", "fp8_block", "mxfp8", "int8", "nvfp4", "mxfp4")
# Power at the full rate of 8- or 4-bit units over that of 16-bit ones: twice the FLOPs, each about as dear.
NARROW_DRAW = 2.0
PARTS = ("weights", "kv", "activations", "compute", "network", "overhead")


@dataclass(frozen=True, slots=True)
class OpTime:
    """One operator's share of a step: ``seconds`` is split over :data:`PARTS` by ``parts``."""

    name: str
    kind: str
    seconds: float
    flops: float
    bytes_moved: float
    joules: float
    bound: str
    parts: Parts


@dataclass(frozen=True, slots=True)
class StepTime:
    """A step on one rank: ``parts`` and ``ops`` both sum to ``seconds``; ``joules`` is above idle, per accelerator."""

    seconds: float
    joules: float
    flops: float
    bytes_moved: float
    parts: Parts
    ops: tuple[OpTime, ...]

    @property
    def bound(self) -> str:
        """The largest part."""
        return max(self.parts, key=lambda part: self.parts[part])


def step_time(
    ops: tuple[Op, ...],
    step: Step,
    hardware: Hardware,
    layout: Layout,
    eff: Efficiency,
    links: Coefficients,
) -> StepTime:
    """Time one step operator by operator. ``layout`` sets the sizes of communication groups."""
    prefilling = step.chunks > 0
    timed = [
        _time(op, features(op, step), hardware, layout, eff, links, launch_s(op, hardware, eff, prefilling))
        for op in ops
    ]
    overhead = eff.step_s + eff.sequence_s * (step.decode + step.chunks)
    timed.append(OpTime("engine overhead", "overhead", overhead, 0.0, 0.0, 0.0, "overhead", {"overhead": overhead}))
    parts = {part: sum(t.parts.get(part, 0.0) for t in timed) for part in PARTS}
    return StepTime(
        seconds=sum(t.seconds for t in timed),
        joules=sum(t.joules for t in timed),
        flops=sum(t.flops for t in timed),
        bytes_moved=sum(t.bytes_moved for t in timed),
        parts=parts,
        ops=tuple(timed),
    )


def features(op: Op, step: Step) -> Vector:
    """The step's features as this operator sees them: contexts within its span, experts hit on this rank."""
    decode, prefill, chunk = step.contexts(math.inf if op.span is None else float(op.span))
    expert_tokens = step.tokens if step.expert_tokens is None else step.expert_tokens
    x = [0.0] * N_FEATURES
    x[ONE] = 1.0
    x[TOKENS] = step.tokens
    x[ROWS] = step.decode + step.chunks
    x[CTX_DECODE] = step.decode * decode
    x[CTX_PREFILL] = step.prefill * prefill
    x[CTX_CHUNK] = step.chunks * chunk
    x[EXPERT_TOKENS] = expert_tokens
    x[HIT] = experts_hit(op.experts_local, op.expert_share, expert_tokens)
    return tuple(x)  # type: ignore[return-value]


def experts_hit(local: float, share: float, tokens: float) -> float:
    """Expected experts of this rank that at least one of ``tokens`` chose: ``local * (1 - (1 - share)^tokens)``.

    Uniform, independent routing; ``share`` is top_k over all experts.
    """
    if local == 0.0 or share == 0.0 or tokens == 0.0:
        return 0.0
    return local if share >= 1.0 else -local * math.expm1(tokens * math.log1p(-share))


def rates(op: Op, hardware: Hardware, eff: Efficiency) -> tuple[float, float, float, float]:
    """(FLOP/s, bytes/s reachable by ``op``; joules per FLOP, per byte above static power)."""
    if op.kind in ("gemm", "experts"):
        dtype = hardware.compute_dtype(op.dtype)
        share = eff.gemm_compute if op.kind == "gemm" else eff.experts_compute
        share *= eff.narrow_compute if dtype in NARROW else 1.0
        if dtype in FOUR_BIT:
            share *= eff.four_bit_compute if op.kind == "gemm" else eff.four_bit_experts
        share *= eff.expanded_compute if expanded(op, hardware) else 1.0
        if op.dtype == "fp8_block":
            share *= eff.block_scaled if op.kind == "gemm" else eff.block_experts
        bandwidth = eff.gemm_bandwidth
        bandwidth *= eff.block_bandwidth if op.dtype == "fp8_block" else 1.0
        bandwidth *= eff.four_bit_bandwidth if op.dtype == "nvfp4" else 1.0
        draw, moving = eff.compute_power * (NARROW_DRAW if dtype in NARROW else 1.0), eff.memory_power
    else:
        dtype = hardware.compute_dtype("bf16")
        share = eff.attention_compute if op.kind == "attention" else eff.scan_compute
        bandwidth = eff.cache_bandwidth if op.kind == "attention" else eff.other_bandwidth
        bandwidth = eff.routing_bandwidth if op.kind == "elementwise" and op.expert_share else bandwidth
        draw, moving = eff.compute_power, eff.cache_power
    peak = hardware.flops[dtype]
    return (
        share * peak,
        bandwidth * hardware.hbm_bytes_per_s,
        draw * hardware.tdp_w / peak,
        moving * hardware.tdp_w / hardware.hbm_bytes_per_s,
    )


def expanded(op: Op, hardware: Hardware) -> bool:
    """Whether weights are expanded to 16 bit on the way in, for want of units that multiply them as they are."""
    narrow = bytes_per_weight(op.dtype) < bytes_per_weight("bf16")
    return narrow and hardware.compute_dtype(op.dtype) not in NARROW


def collective_time(op: Op, hardware: Hardware, layout: Layout, links: Coefficients) -> CollectiveTime:
    """The collective of ``op`` over its group, ranks laid out with tensor parallelism innermost."""
    n = {"tp": layout.tp, "ep": layout.tp * layout.dp, "pp": 2}[op.group]
    function: Callable[..., CollectiveTime] = getattr(collectives, op.collective)
    if op.collective == "all_to_all":
        return collectives.all_to_all(n, hardware.topology, links, merged=_merged(op, n, hardware, layout))
    inner = None
    if op.group == "pp" and layout.n_accelerators > hardware.topology.domain:
        inner = 1  # neighbouring stages sit in different domains
    return function(n, hardware.topology, links, n_inner=inner)


def _merged(op: Op, n: int, hardware: Hardware, layout: Layout) -> float:
    """Copies that travel once between domains and are spread inside: distinct ranks over distinct domains visited."""
    domains = max(1, n // hardware.topology.domain)
    top_k = op.expert_share * op.experts_local * layout.ep
    return 1.0 if domains <= 1 else collectives.distinct_places(n, top_k) / collectives.distinct_places(domains, top_k)


def issued_flops(op: Op, eff: Efficiency) -> Vector:
    """FLOPs an operator occupies the units with: its own, and for experts the rows that pad their tiles.

    Each expert hit by few tokens still runs whole tiles; ``tile_tokens`` rows are wasted per expert on average.
    """
    if op.kind != "experts" or eff.tile_tokens == 0.0:
        return op.flops
    flops = list(op.flops)
    flops[HIT] += eff.tile_tokens * 2.0 * op.weights[HIT] / bytes_per_weight(op.dtype)
    return tuple(flops)  # type: ignore[return-value]


def launch_s(op: Op, hardware: Hardware, eff: Efficiency, prefilling: bool) -> float:
    """Seconds that launching ``op`` adds to a step, whatever its size."""
    per_kernel = eff.kernel_s + (eff.prefill_kernel_s if prefilling else 0.0)
    layers = op.kernels / EXPERT_KERNELS if op.kind == "experts" else 0.0
    per_layer = eff.experts_s + (eff.prefill_experts_s if prefilling else 0.0)
    per_layer += eff.expanded_s if layers and expanded(op, hardware) else 0.0
    per_layer += eff.block_s if op.dtype == "fp8_block" else 0.0
    return per_kernel * op.kernels + per_layer * layers


def _time(
    op: Op, x: Vector, hardware: Hardware, layout: Layout, eff: Efficiency, links: Coefficients, launch: float
) -> OpTime:
    if op.kind == "collective":
        per_call = collective_time(op, hardware, layout, links).seconds(dot(op.message, x))
        seconds = eff.network * op.calls * per_call
        return OpTime(op.name, op.kind, seconds, 0.0, 0.0, 0.0, "network", {"network": seconds})
    flop_rate, byte_rate, joules_per_flop, joules_per_byte = rates(op, hardware, eff)
    flops, moved = dot(op.flops, x), dot(op.bytes_moved, x)
    compute, memory = dot(issued_flops(op, eff), x) / flop_rate, moved / byte_rate
    low = eff.exposed * min(compute, memory)
    memory_part, compute_part = (memory, low) if memory >= compute else (low, compute)
    parts: Parts = {"compute": compute_part, "overhead": launch}
    for part, coefficients in (("weights", op.weights), ("kv", op.kv), ("activations", op.activations)):
        parts[part] = memory_part * dot(coefficients, x) / moved if moved else 0.0
    return OpTime(
        op.name, op.kind, memory_part + compute_part + launch, flops, moved,
        compute * flop_rate * joules_per_flop + moved * joules_per_byte,
        max(parts, key=lambda part: parts[part]), parts,
    )  # fmt: skip


def dot(a: Vector, b: Vector) -> float:
    """Sum of products of two feature vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))
