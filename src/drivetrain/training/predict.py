"""One training layout, explained: step time with its parts, memory, MFU and HFU, and how sure that is.

``MFU = model FLOPs / (time x dense peak)``: model FLOPs are three forward passes (two with LoRA, whose frozen weights
need no gradient), attention causal (:mod:`drivetrain.arch.training`), the peak is of the precision that products run
in. ``HFU`` adds the FLOPs that recomputing repeats: it says how busy the units are, MFU how much of that is progress.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.arch.training import TrainingCounts
from drivetrain.cost.efficiency import Tier, calibration
from drivetrain.errors import DoesNotFitError, LayoutError
from drivetrain.training.cases import Cluster, Job, lay_out
from drivetrain.training.coefficients import coefficients
from drivetrain.training.layout import RECOMPUTE, TrainingLayout, side_by_side
from drivetrain.training.memory import RESERVED, fits, memory
from drivetrain.training.refusals import check_layout, layout_problem
from drivetrain.training.timing import step_times

FITTED_ACCELERATORS = 16_384  # jitter was seen up to here


@dataclass(frozen=True, slots=True)
class Prediction:
    """A step of one layout. ``parts`` (seconds) sum to ``step_s``, ``memory`` (bytes) to what one accelerator holds.

    ``p10`` and ``p90`` bound tokens per second and accelerator with 80 % probability, as left-out sources were missed.
    """

    layout: TrainingLayout
    step_s: float
    tokens_per_s: float
    tokens_per_s_per_accelerator: float
    p10: float
    p90: float
    mfu: float
    hfu: float
    parts: Mapping[str, float]
    memory: Mapping[str, float]
    tier: Tier
    notes: tuple[str, ...]


def predict(
    model: TrainingCounts,
    job: Job,
    cluster: Cluster,
    layout: TrainingLayout,
    *,
    framework: str = "",
    release: float = 0.0,
    must_fit: bool = True,
) -> Prediction:
    """Time one layout.

    Raises :class:`LayoutError` where it does not divide the model, the batch or the cluster, and
    :class:`DoesNotFitError`, with what would make it fit, where memory is short and ``must_fit``.
    """
    check_layout(model, layout, job.global_batch, cluster.pads)
    if layout.n_accelerators != cluster.n:
        raise LayoutError(
            f"layout '{layout}' is for {layout.n_accelerators} accelerators, the cluster has {cluster.n}. "
            f"Set dp{max(1, cluster.n // (layout.tp * layout.pp * layout.cp))} or change the cluster."
        )
    rates, tier = coefficients(framework, cluster.hardware.generation, release)
    cases = lay_out(model, job, cluster, side_by_side([layout]), rates)
    used, times = memory(cases), step_times(cases)
    notes: list[str] = []
    if not fits(cases, used)[0]:
        short = _short(model, job, cluster, layout, float(used.total[0]), framework, release)
        if must_fit:
            raise DoesNotFitError(short)
        notes.append(short)
    if cluster.n > FITTED_ACCELERATORS:
        notes.append(f"more than {FITTED_ACCELERATORS} accelerators: waiting for the slowest is extrapolated")
    seconds = float(times.total[0])
    tokens = job.global_batch * model.seq
    each = tokens / seconds / cluster.n
    wide = spread(model, layout_known=True, tier=tier, accelerator=cluster.hardware.name)
    passes = 2.0 if job.lora_rank else 3.0
    peak = float(cases.machines.peak[0, 0]) * cluster.n * seconds
    again = {"none": 0.0, "selective": 0.0, "full": model.forward_flops}[layout.recompute]
    return Prediction(
        layout=layout, step_s=seconds, tokens_per_s=tokens / seconds, tokens_per_s_per_accelerator=each,
        p10=each * math.exp(-wide), p90=each * math.exp(wide),
        mfu=passes * model.forward_flops * tokens / peak, hfu=(passes * model.forward_flops + again) * tokens / peak,
        parts=times.parts(), memory=used.parts(), tier=tier, notes=tuple(notes),
    )  # fmt: skip


def was_fitted(accelerator: str) -> bool:
    """Whether runs on this very accelerator were fitted; its generation's may have been where they were not.

    >>> was_fitted("h100-sxm-80gb"), was_fitted("h20")
    (True, False)
    """
    return accelerator in calibration("training").get("measured", {}).get("accelerators", ())


def spread(model: TrainingCounts, *, layout_known: bool, tier: Tier, accelerator: str) -> float:
    """Half the width of the 80 % interval of log throughput: wider for experts, unknown layouts, unseen hardware.

    What left-out sources were missed by and ``unmeasured``, the error where software or generation were never fitted,
    add in squares; of an accelerator never fitted, of a generation that was, half of that square.
    """
    table = calibration("training")["spread"]
    found = float(table["experts" if model.n_moe_layers else "dense"])
    if not layout_known:
        found = max(found, float(table["layout_unknown"]))
    share = 1.0 if tier != "calibrated" else 0.0 if was_fitted(accelerator) else 0.5
    return math.sqrt(found**2 + share * float(table["unmeasured"]) ** 2)


def _short(
    model: TrainingCounts,
    job: Job,
    cluster: Cluster,
    layout: TrainingLayout,
    used: float,
    framework: str,
    release: float,
) -> str:
    """The message for a layout that does not fit: by how much, and which single changes would make it fit."""
    ways = [option for option in _leaner(layout) if not layout_problem(model, option, job.global_batch, cluster.pads)]
    rates, _ = coefficients(framework, cluster.hardware.generation, release)
    good: list[str] = []
    if ways:
        cases = lay_out(model, job, cluster, side_by_side(ways), rates)
        good = [_change(layout, way) for way, ok in zip(ways, fits(cases, memory(cases)), strict=True) if ok]
    room = RESERVED * cluster.hardware.memory_bytes
    advice = f"It fits with {' or '.join(good[:3])}." if good else "Use more accelerators or parts with more memory."
    return (
        f"{model.name} as {layout} needs {used / 1e9:.0f} GB of the {room / 1e9:.0f} GB that one "
        f"{cluster.hardware.name} has for it. {advice}"
    )


def _leaner(layout: TrainingLayout) -> list[TrainingLayout]:
    """Single changes that need less memory; doubling one degree halves the data-parallel one."""
    changes: list[dict[str, Any]] = [{"recompute": w} for w in RECOMPUTE[RECOMPUTE.index(layout.recompute) + 1 :]]
    if layout.dp * layout.cp > 1:
        changes += [{"zero": stage} for stage in range(layout.zero + 1, 4)]
    if layout.micro_batch > 1:
        changes.append({"micro_batch": 1})
    if layout.dp % 2 == 0:
        half = {"dp": layout.dp // 2}
        changes += [half | {axis: 2 * getattr(layout, axis)} for axis in ("tp", "pp", "cp")]
        changes.append(half | {"tp": 2 * layout.tp, "recompute": "full"})
    ways = []
    for change in changes:
        with suppress(LayoutError):  # experts or shards may not divide what is left
            ways.append(replace(layout, **change))
    return ways


def _change(old: TrainingLayout, new: TrainingLayout) -> str:
    names = ("tp", "pp", "cp", "zero", "micro_batch", "recompute")
    parts = [f"{name} {getattr(new, name)}" for name in names if getattr(old, name) != getattr(new, name)]
    return " and ".join(parts)


def exposed_share(parts: Mapping[str, float]) -> float:
    """Share of a step in which accelerators wait for links: tp, ep, cp, pp and dp."""
    total = sum(parts.values())
    waiting = float(np.sum([parts[name] for name in ("tp", "ep", "cp", "pp", "dp")]))
    return waiting / total if total else 0.0
