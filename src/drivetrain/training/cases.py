"""Many (model, job, machine, layout) cases as arrays, so that one evaluation serves a search, a fit or one question.

Every field is an array over cases (or of length one, which broadcasts); ``(n, 7)`` arrays are by kind of product
(:data:`drivetrain.arch.training.KINDS`). Rates are bytes/s and FLOP/s of one accelerator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.training import HEAD, KINDS, ROUTER, TrainingCounts
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.training.coefficients import Coefficients
from drivetrain.training.layout import Layouts
from drivetrain.training.links import Links, links

Floats = NDArray[np.float64]
# Parts whose recipes keep activations in host memory: hosts on a link of hundreds of GB/s, and TPUs, whose public
# recipes offload layers' inputs and projections ("remat_policy: custom").
COHERENT_HOSTS = ("gb", "gh", "rubin", "tpu")
OFFLOADED = 0.4  # of the activations: NVIDIA's recipes offload 30-40 of 80 layers (from memory)
_OF_JOB = ("global_batch", "lora_rank", "evaluation", "evaluation_sequences")
_WIDE = (ROUTER, HEAD)  # kept in 16 bit whatever the precision


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained: global batch in sequences, the precision of its products, all weights or adapters (LoRA).

    ``evaluation`` is further forward work as a share of a training step's forward work. It is dealt out in whole
    sequences: where one evaluation has ``evaluation_sequences`` of them, data ranks without one wait (0: unknown).
    ``gradient_bytes`` of one gradient, as it is summed and sent: 2, 4 (Megatron-LM's default with ``--bf16``), or 0
    for what the software's recipes do (its coefficient ``grad_bytes``).
    """

    global_batch: int
    precision: str = "bf16"
    lora_rank: int = 0
    evaluation: float = 0.0
    evaluation_sequences: int = 0
    gradient_bytes: int = 0

    def __post_init__(self) -> None:
        if self.global_batch < 1:
            raise BadInputError(f"the global batch must be at least 1 sequence, not {self.global_batch}.")
        if self.lora_rank < 0 or not 0.0 <= self.evaluation < 100.0 or self.evaluation_sequences < 0:
            raise BadInputError("the LoRA rank and the share of evaluation must not be negative.")
        if self.gradient_bytes not in (0, 2, 4):
            raise BadInputError(
                f"a gradient has 2 or 4 bytes (0: as its software sums them), not {self.gradient_bytes}."
            )


@dataclass(frozen=True, slots=True)
class Cluster:
    """``n`` accelerators of one kind; groups lie densely, as many ranks in a domain as divide the job evenly."""

    hardware: Hardware
    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise BadInputError(f"a cluster needs at least 1 accelerator, not {self.n}.")

    @property
    def pads(self) -> bool:
        """Whether shards that do not divide are padded, as the compiler of torus machines (XLA) does."""
        return self.hardware.topology.kind == "torus"

    @property
    def domain(self) -> int:
        """Accelerators of one scale-up domain that the job fills: the largest divisor of ``n`` up to the domain."""
        return next(d for d in range(min(self.n, self.hardware.topology.domain), 0, -1) if self.n % d == 0)


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """:class:`~drivetrain.arch.training.TrainingCounts` and :class:`Job` as arrays."""

    seq: Floats
    n_layers: Floats
    n_moe_layers: Floats
    hidden: Floats
    vocab: Floats
    top_k: Floats
    n_experts: Floats
    elements: Floats
    stored: Floats
    full: Floats
    cut: Floats
    attention_flops: Floats
    attention_rows: Floats
    score_elements: Floats
    scan_flops: Floats
    moved_full: Floats
    moved_cut: Floats
    moved_routed: Floats
    kept_full: Floats
    kept_cut: Floats
    kept_routed: Floats
    routed_width: Floats
    kv_width: Floats
    embedding: Floats
    small_params: Floats
    global_batch: Floats
    lora_rank: Floats
    evaluation: Floats
    evaluation_sequences: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Machines:
    """One accelerator and the precision of each kind of product: dense peaks, bytes of a weight and of an operand."""

    n: Floats
    domain: Floats
    peak_wide: Floats
    peak: Floats
    weight_bytes: Floats
    operand_bytes: Floats
    narrow: Floats
    four_bit: Floats
    hbm_bytes_per_s: Floats
    memory_bytes: Floats
    offloaded: Floats
    inputs_on_host: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Everything that timing and memory need."""

    needs: Needs
    machines: Machines
    layouts: Layouts
    rates: Coefficients
    links: Links


def lay_out(model: TrainingCounts, job: Job, cluster: Cluster, layouts: Layouts, rates: Coefficients) -> Cases:
    """Cases of one job on one cluster under many layouts."""
    needs = {f.name: _array(getattr(model, f.name)) for f in fields(Needs) if hasattr(model, f.name)}
    needs |= {name: _array(getattr(job, name)) for name in _OF_JOB}
    machines = _machines(job, cluster)
    if job.gradient_bytes:
        rates = replace(rates, grad_bytes=float(job.gradient_bytes))
    return Cases(Needs(**needs), machines, layouts, rates.arrays(), links(layouts, cluster.hardware, cluster.domain))


def _machines(job: Job, cluster: Cluster) -> Machines:
    hardware = cluster.hardware
    wide = hardware.compute_dtype("bf16")
    narrow = job.precision not in ("bf16", "fp16")
    four = job.precision in ("nvfp4", "mxfp4")
    dtype = hardware.compute_dtype(job.precision)
    if narrow and dtype in ("bf16", "fp16", "fp32", "tf32"):
        raise UnsupportedError(
            f"{hardware.name} has no {job.precision} units; train in bf16 or choose from {', '.join(hardware.flops)}."
        )
    stored = bytes_per_weight(job.precision)
    values = (hardware.flops[dtype], stored, (stored + 2.0) / 2.0)  # operands come in narrow, results leave in 16 bit
    peak, weight, operand = (np.full((1, len(KINDS)), value) for value in values)
    for kind in _WIDE:
        peak[0, kind], weight[0, kind], operand[0, kind] = hardware.flops[wide], 2.0, 2.0
    is_narrow = np.full((1, len(KINDS)), float(narrow and not four))
    is_four = np.full((1, len(KINDS)), float(four))
    is_narrow[0, _WIDE], is_four[0, _WIDE] = 0.0, 0.0
    return Machines(
        n=_array(cluster.n), domain=_array(cluster.domain), peak_wide=_array(hardware.flops[wide]), peak=peak,
        weight_bytes=weight, operand_bytes=operand, narrow=is_narrow, four_bit=is_four,
        hbm_bytes_per_s=_array(hardware.hbm_bytes_per_s), memory_bytes=_array(hardware.memory_bytes),
        offloaded=_array(OFFLOADED if hardware.name.startswith(COHERENT_HOSTS) else 0.0),
        inputs_on_host=_array(1.0 if hardware.name.startswith("tpu") else 0.0),
    )  # fmt: skip


def _array(value: float | Floats) -> Floats:
    found = np.asarray(value, dtype=float)
    return found.reshape(1, -1) if found.ndim == 1 else found.reshape(1)


T = TypeVar("T")


def stack(cases: Sequence[Cases]) -> Cases:
    """Cases of different jobs one after another."""
    sizes = [c.layouts.n for c in cases]
    return Cases(*(_stacked([getattr(c, f.name) for c in cases], sizes) for f in fields(Cases)))


def _stacked(records: Sequence[T], sizes: Sequence[int]) -> T:
    columns = {}
    for f in fields(records[0]):  # type: ignore[arg-type]
        values = [getattr(record, f.name) for record in records]
        if not isinstance(values[0], np.ndarray):
            columns[f.name] = _stacked(values, sizes)
            continue
        columns[f.name] = np.concatenate([
            np.broadcast_to(v, (n, *v.shape[1:])) for v, n in zip(values, sizes, strict=True)])  # fmt: skip
    return type(records[0])(**columns)
