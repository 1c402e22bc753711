"""Layouts that rows do not record: a table's own recipes first, then the best found, one recipe for a growing cluster.

Rows of one source, model, length, accelerator and precision are one job, whatever their number of accelerators. Where
the source records the degrees of some of them, the others run the recipe recorded nearest in size that divides their
cluster and batch, of their own accelerator or else of its generation. Where it records none, the smallest cluster gets
the best layout found and every larger one keeps it, scaled by data parallelism, unless another is faster by more than
:data:`WORTH_A_CHANGE`: less than that is within the error of a prediction, and engineers scale a recipe that works.
Without this, jumps between equally good layouts bend a scaling ladder. Speeds are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from drivetrain.errors import DrivetrainError
from drivetrain.measure.training_runs import Run
from drivetrain.training.coefficients import Coefficients
from drivetrain.training.layout import RECOMPUTE, Schedule, TrainingLayout
from drivetrain.training.search import Found, lightest_recompute, search

Rates = Callable[[Run], Coefficients]
WORTH_A_CHANGE = 1.05
_DEGREES = ("tp", "pp", "cp", "ep")
_RECIPE = (*_DEGREES, "vp", "etp", "zero")
_PASS = ("micro_batch", "recompute")


def settled(runs: Sequence[Run], rates: Rates) -> list[Run]:
    """Every run with a whole layout, in order, and a note where it was not recorded; without one where none is found.

    ``rates`` gives the coefficients of a run.
    """
    out = list(runs)
    jobs: dict[tuple[object, ...], list[int]] = {}
    recorded: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if {"tp", "pp"} <= set(run.known):
            recorded.setdefault(_family(run), []).append(run)
    for i, run in enumerate(runs):
        if run.layout is not None:
            out[i] = _with_recompute(run, rates(run))
            continue
        near = _recorded_nearby(run, recorded.get(_family(run), ()))
        held = dict(run.known) if near is None else _degrees(near) | dict(run.known)
        said = "best found" if near is None else f"degrees as this source records for {near.cluster.n}, best found"
        out[i] = replace(run, known=held, notes=(*run.notes, f"layout not recorded: {said}"))
        jobs.setdefault((_family(run), run.cluster.hardware.name, run.release, tuple(sorted(held.items()))), []).append(
            i
        )
    for same in jobs.values():
        for i, layout in _growing([(i, out[i]) for i in same], rates):
            note = f"{out[i].notes[-1]} {layout}, recompute {layout.recompute}"
            out[i] = replace(out[i], layout=layout, notes=(*out[i].notes[:-1], note))
    return out


def _family(run: Run) -> tuple[object, ...]:
    """What runs of one recipe share."""
    return (run.source, run.framework, run.generation, run.model.name, run.model.seq, run.model.n_layers,
            run.job.precision, run.job.lora_rank)  # fmt: skip


def _with_recompute(run: Run, rates: Coefficients) -> Run:
    """A recorded layout, with the lightest recompute that fits where that is not recorded."""
    if run.recompute_known or run.layout is None:
        return run
    try:
        layout = lightest_recompute(run.model, run.job, run.cluster, rates, run.layout)
    except DrivetrainError:
        return run  # whoever predicts it says why it cannot be
    return replace(run, layout=layout, notes=(*run.notes, f"recompute not recorded: {layout.recompute} fits"))


def _recorded_nearby(run: Run, recorded: Iterable[Run]) -> Run | None:
    """The recorded run whose degrees this one can take: of the same accelerator first, then nearest in size."""
    if {"tp", "pp"} <= set(run.known):
        return None

    def distance(other: Run) -> tuple[bool, float, int]:
        n = other.cluster.n
        return other.cluster.hardware.name != run.cluster.hardware.name, abs(math.log(n / run.cluster.n)), n

    for other in sorted(recorded, key=distance):
        degrees = _degrees(other) | dict(run.known)
        cut = degrees["tp"] * degrees["pp"] * degrees.get("cp", 1)
        dp = run.cluster.n // cut
        if run.cluster.n % cut == 0 and run.job.global_batch % dp == 0:
            return other
    return None


def _degrees(run: Run) -> dict[str, int]:
    return {name: run.known[name] for name in _DEGREES if name in run.known}


def _growing(same: Sequence[tuple[int, Run]], rates: Rates) -> list[tuple[int, TrainingLayout]]:
    """Layouts of runs of one job, smallest cluster first, each with the recipe of the one before where that is good."""
    out = []
    recipe: TrainingLayout | None = None
    found: dict[tuple[object, ...], TrainingLayout | None] = {}
    for i, run in sorted(same, key=lambda one: (one[1].cluster.n, one[1].job.global_batch)):
        key = (run.cluster.n, run.job.global_batch, run.cluster.hardware.topology)
        if key not in found:
            found[key] = _scaled(run, rates(run), recipe)
            recipe = found[key] or recipe
        layout = found[key]
        if layout is not None:
            out.append((i, layout))
    return out


def _scaled(run: Run, rates: Coefficients, recipe: TrainingLayout | None) -> TrainingLayout | None:
    best = _best(run, run.known, rates)
    if best is None:
        try:  # nothing fits: the leanest layout, and the prediction says that it does not fit
            lean = search(run.model, run.job, run.cluster, rates, known=run.known, most=1, must_fit=False)
        except DrivetrainError:
            return None
        return lean.best[0].layout
    for names in ((*_RECIPE, *_PASS), _RECIPE) if recipe is not None else ():
        assert recipe is not None
        held = {name: _number(recipe, name) for name in names} | dict(run.known)
        kept = _best(run, held, rates, recipe)
        if kept is not None and kept.step_s <= WORTH_A_CHANGE * best.step_s:
            return kept.layout
    return best.layout


def _best(run: Run, known: Mapping[str, int], rates: Coefficients, like: TrainingLayout | None = None) -> Found | None:
    """The fastest layout that fits, with the schedule of ``like``; None where none does."""
    schedules: tuple[Schedule, ...] = ("1f1b", "interleaved") if like is None else (like.schedule,)
    try:
        return search(run.model, run.job, run.cluster, rates, known=known, schedules=schedules, most=1).best[0]
    except DrivetrainError:
        return None  # whoever predicts the row says why


def _number(layout: TrainingLayout, name: str) -> int:
    value = getattr(layout, name)
    return RECOMPUTE.index(value) if name == "recompute" else int(value)
