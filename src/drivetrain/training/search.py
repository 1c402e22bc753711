"""Every valid layout of a job on a cluster, timed at once, fastest first.

Candidates are all combinations of tensor, pipeline, context, expert and data parallelism whose product is the
cluster, chunks per stage, micro-batches, ZeRO stage and recompute, less those that do not divide the model or the
batch. Tensor ranks talk in every layer, so their groups divide a scale-up domain (no tp3 on servers of 8), and
sequence parallelism, which goes with them, the tokens of a context rank (a torus pads). Degrees that the caller knows
are kept; ``passes`` among them fixes how many micro-batches a step has, whatever their size (compiled frameworks run
the whole batch in one). Only layouts that fit in memory are returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.training import TrainingCounts
from drivetrain.errors import DoesNotFitError, InfeasibleError
from drivetrain.training.cases import Cases, Cluster, Job, lay_out
from drivetrain.training.coefficients import Coefficients
from drivetrain.training.layout import (
    DUALPIPE,
    FULL,
    INTERLEAVED,
    NONE,
    RECOMPUTE,
    SCHEDULES,
    SELECTIVE,
    ZERO_BUBBLE,
    Layouts,
    Schedule,
    TrainingLayout,
    side_by_side,
)
from drivetrain.training.memory import RESERVED, fits, memory
from drivetrain.training.refusals import multiples
from drivetrain.training.timing import step_times

Floats = NDArray[np.float64]
MICRO_BATCHES = (1, 2, 4, 8, 16)
MOST_CHUNKS = 16
MOST_TENSOR = 64
MOST_CONTEXT = 64
LEAN = 1.15  # how much more than the leanest layout still counts as lean where nothing fits
SHORT_SEQUENCE = 1024  # tokens a context rank keeps at least, before another one is worth a candidate


@dataclass(frozen=True, slots=True)
class Found:
    """A layout that fits, its seconds per step and its memory in bytes."""

    layout: TrainingLayout
    step_s: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class Searched:
    """``best`` layouts, fastest first; how many candidates were valid and how many of them fit.

    ``front``: those that no other beats in both time and memory, least memory first.
    """

    best: tuple[Found, ...]
    front: tuple[Found, ...]
    n_valid: int
    n_fitting: int


def search(
    model: TrainingCounts,
    job: Job,
    cluster: Cluster,
    rates: Coefficients,
    *,
    known: Mapping[str, int] | None = None,
    schedules: Sequence[Schedule] = ("1f1b", "interleaved"),
    most: int = 10,
    must_fit: bool = True,
) -> Searched:
    """Time all valid layouts and return the fastest ``most`` that fit; ``known`` holds fields of a layout.

    Where nothing fits, raises, or without ``must_fit`` returns the leanest layouts.
    """
    layouts = candidates(model, job, cluster, known or {}, schedules)
    if not layouts.n:
        both_ends = " (dualpipe: even pp, an even number of micro-batches, at least 2 pp)"
        raise InfeasibleError(
            f"no layout of {model.name} divides {cluster.n} accelerators and a batch of {job.global_batch} sequences"
            f"{both_ends if tuple(schedules) == ('dualpipe',) else ''}. "
            "Change the batch or the number of accelerators to one with more divisors."
        )
    cases = lay_out(model, job, cluster, layouts, rates)
    used, good = _fitting(cases)
    if not good.any() and not must_fit:
        good = used <= LEAN * used.min()
    if not good.any():
        least = int(np.argmin(used))
        odd = model.seq % 2 and cluster.domain > 1 and "tp" not in (known or {})
        shorter = f", sequences of {multiples(model.seq, cluster.domain)} tokens, which tensor ranks divide" * bool(odd)
        raise DoesNotFitError(
            f"{model.name} does not fit {cluster.n} x {cluster.hardware.name}: the leanest layout "
            f"({layouts.layout(least)}, recompute {layouts.layout(least).recompute}) needs {used[least] / 1e9:.0f} GB "
            f"of the {RESERVED * cluster.hardware.memory_bytes / 1e9:.0f} GB that each has for it. "
            f"Use more accelerators, parts with more memory{shorter} or a smaller model."
        )
    seconds = np.where(good, step_times(cases).total, np.inf)
    order = np.argsort(seconds, kind="stable")[: min(most, int(good.sum()))]
    best, front = (
        tuple(Found(layouts.layout(int(i)), float(seconds[i]), float(used[i])) for i in chosen)
        for chosen in (order, _front(seconds, used, good))
    )
    return Searched(best, front, layouts.n, int(good.sum()))


def candidates(
    model: TrainingCounts,
    job: Job,
    cluster: Cluster,
    known: Mapping[str, int],
    schedules: Sequence[Schedule] = ("1f1b", "interleaved"),
) -> Layouts:
    """All valid layouts, as arrays."""
    n = cluster.n
    inside = [d for d in _divisors(cluster.domain, MOST_TENSOR) if n % d == 0 and model.heads % d == 0]
    tp = _degrees(known, "tp", inside)
    pp = _degrees(known, "pp", _divisors(n, int(model.n_layers)))
    longest = max(1, int(model.seq // SHORT_SEQUENCE))
    cp = _degrees(known, "cp", [d for d in _divisors(n, min(MOST_CONTEXT, longest)) if model.seq % d == 0])
    most_experts = int(model.n_experts) or 1
    ep = _degrees(known, "ep", [d for d in _divisors(n, most_experts) if most_experts % d == 0])
    axes = {
        "tp": tp, "pp": pp, "cp": cp, "ep": ep,
        "vp": _degrees(known, "vp", _chunks(int(model.n_layers))),
        "micro_batch": _degrees(known, "micro_batch", (1,) if "passes" in known else MICRO_BATCHES),
        "zero": _degrees(known, "zero", (1, 2, 3)), "recompute": _degrees(known, "recompute", (NONE, SELECTIVE, FULL)),
        "etp": _degrees(known, "etp", (1,)), "shard": _degrees(known, "shard", tuple(sorted({0, cluster.domain}))),
        "schedule": [SCHEDULES.index(word) for word in schedules],
    }  # fmt: skip
    grid = {name: values.ravel() for name, values in zip(
        axes, np.meshgrid(*(np.asarray(v, float) for v in axes.values()), indexing="ij"), strict=True)}  # fmt: skip
    cut = grid["tp"] * grid["pp"] * grid["cp"]
    dp = np.floor(n / cut)
    if "passes" in known:  # the whole batch in so many passes
        grid["micro_batch"] = np.maximum(1.0, np.floor(job.global_batch / np.maximum(dp * known["passes"], 1)))
    per_pass = dp * grid["micro_batch"]
    valid = (n % cut == 0) & (dp >= 1) & (dp == known.get("dp", dp))
    valid &= np.mod(job.global_batch, np.maximum(per_pass, 1)) == 0
    valid &= (grid["pp"] * grid["vp"] <= model.n_layers) & ((grid["vp"] == 1) | (grid["pp"] > 1))
    valid &= np.mod(grid["tp"] * grid["cp"] * dp, grid["ep"] * grid["etp"]) == 0
    if not cluster.pads:
        valid &= (grid["tp"] == 1) | (np.mod(model.seq, grid["tp"] * grid["cp"]) == 0)
    valid &= (grid["zero"] < 2) | (dp * grid["cp"] > 1)
    valid &= (grid["vp"] == 1) | (np.mod(job.global_batch / np.maximum(per_pass, 1), grid["pp"]) == 0)
    sharing = (grid["zero"] >= 2) & (dp * grid["cp"] > grid["shard"]) & (grid["shard"] * grid["tp"] >= cluster.domain)
    valid &= (grid["shard"] == 0) | (sharing & (np.mod(dp * grid["cp"], np.maximum(grid["shard"], 1)) == 0))
    valid &= (grid["vp"] > 1) == (grid["schedule"] == INTERLEAVED)
    valid &= (grid["schedule"] < ZERO_BUBBLE) | (grid["pp"] > 1)
    if DUALPIPE in axes["schedule"]:  # from both ends of the pipeline: even stages, even and enough micro-batches
        passes = job.global_batch / np.maximum(per_pass, 1)
        both_ends = (np.mod(grid["pp"], 2) == 0) & (np.mod(passes, 2) == 0) & (passes >= 2 * grid["pp"])
        valid &= (grid["schedule"] != DUALPIPE) | both_ends
    chosen = {name: values[valid] for name, values in (grid | {"dp": dp}).items()}
    return Layouts(**{f.name: chosen[f.name] for f in fields(Layouts)})


def lightest_recompute(
    model: TrainingCounts, job: Job, cluster: Cluster, rates: Coefficients, layout: TrainingLayout
) -> TrainingLayout:
    """``layout`` with as little recomputation as fits; with full recompute where nothing does."""
    options = [replace(layout, recompute=word) for word in RECOMPUTE]
    _, good = _fitting(lay_out(model, job, cluster, side_by_side(options), rates))
    return next((option for option, ok in zip(options, good, strict=True) if ok), options[-1])


def _front(seconds: Floats, used: Floats, good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cases that fit and that none beats in seconds and bytes, by rising bytes and falling seconds.

    >>> fit = np.array([True, True, True, False])
    >>> _front(np.array([3.0, 2.0, 5.0, 1.0]), np.array([1.0, 2.0, 2.0, 3.0]), fit).tolist()
    [0, 1]
    """
    order = np.lexsort((seconds, used))
    order = order[good[order]]
    least = np.minimum.accumulate(seconds[order])
    before = np.concatenate(([np.inf], least[:-1]))
    found: NDArray[np.int64] = order[seconds[order] < before]
    return found


def _fitting(cases: Cases) -> tuple[Floats, NDArray[np.bool_]]:
    used = memory(cases)
    return used.total, fits(cases, used)


def _degrees(known: Mapping[str, int], name: str, all_of: Sequence[int]) -> Sequence[int]:
    return (known[name],) if name in known else all_of


def _chunks(n_layers: int) -> list[int]:
    return [d for d in range(1, MOST_CHUNKS + 1) if n_layers % d == 0 or d in (2, 4, 8)]


def _divisors(n: int, most: int) -> list[int]:
    return [d for d in range(1, min(n, most) + 1) if n % d == 0]
