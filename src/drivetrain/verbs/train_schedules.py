"""Pipeline schedules: which a search takes up by itself, who has the others, and what each would give.

A plan takes what its training software ships. Megatron-LM has 1F1B and its interleaved form (zero-bubble is a fork of
it, a port of DualPipe was not merged: NVIDIA/Megatron-LM pull request 5254); ``torch.distributed.pipelining``, on which
FSDP stacks build, has zero-bubble schedules too. DualPipe is DeepSeek's own and holds two copies of a stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError, LayoutError
from drivetrain.training.layout import SCHEDULES, Schedule, TrainingLayout
from drivetrain.training.predict import Prediction, predict
from drivetrain.training.search import search

if TYPE_CHECKING:
    from drivetrain.verbs.train_run import Run

USUAL: tuple[Schedule, ...] = ("1f1b", "interleaved")
SHIPPED: Mapping[str, tuple[Schedule, ...]] = {"fsdp": (*USUAL, "zero-bubble")}
WHERE: Mapping[Schedule, str] = {
    "1f1b": "all",
    "interleaved": "Megatron, PyTorch",
    "zero-bubble": "PyTorch, a Megatron fork",
    "dualpipe": "DeepSeek's library",
}


def schedules_for(framework: str, chosen: str = "") -> tuple[Schedule, ...]:
    """What a search tries: the schedule asked for, else what the training software ships.

    >>> schedules_for("megatron"), schedules_for("fsdp")[-1], schedules_for("megatron", "dualpipe")
    (('1f1b', 'interleaved'), 'zero-bubble', ('dualpipe',))
    """
    asked_for = tuple(word for word in SCHEDULES if word == chosen)
    return asked_for or SHIPPED.get(framework, USUAL)


def check_schedule(layout: TrainingLayout, chosen: str) -> None:
    """Refuse a schedule that a layout contradicts."""
    if not chosen:
        return
    if layout.pp == 1:
        raise BadInputError(f"--schedule {chosen} is of a pipeline, and '{layout}' has one stage. Add pp, or drop it.")
    if chosen == "interleaved" and layout.vp == 1:
        raise BadInputError(f"--schedule interleaved needs chunks, and '{layout}' has none. Add vp2 to the layout.")
    if chosen != "interleaved" and layout.vp > 1:
        raise BadInputError(f"--schedule {chosen} has no chunks, and '{layout}' has vp{layout.vp}. Drop one of them.")


def schedule_rows(run: Run, known: Mapping[str, int]) -> list[dict[str, Any]]:
    """The run under every schedule, each with its best layout (where one was given, that one), fastest first.

    ``faster_frac`` is against the run; ``searched`` whether a plan takes the schedule up unasked. Empty where no
    schedule but the run's has a layout.
    """
    shipped = SHIPPED.get(run.part.framework, USUAL)
    rows: list[dict[str, Any]] = []
    for schedule in SCHEDULES:
        step = run.step if schedule == run.step.layout.schedule else _under(run, schedule, known)
        if step is None:
            continue
        rows.append({
            "schedule": schedule, "layout": str(step.layout), "recompute": step.layout.recompute,
            "step_time_s": step.step_s, "mfu": step.mfu, "memory_bytes": sum(step.memory.values()),
            "bubble_frac": step.parts["bubble"] / step.step_s, "faster_frac": run.step.step_s / step.step_s - 1.0,
            "chosen": schedule == run.step.layout.schedule, "searched": schedule in shipped, "where": WHERE[schedule],
        })  # fmt: skip
    rows.sort(key=lambda row: row["step_time_s"])
    return rows if len(rows) > 1 else []


def schedule_note(rows: list[dict[str, Any]], worth: float = 0.02) -> str:
    """Which schedule that was not searched would be faster by a share worth telling; empty where none is."""
    for row in rows:
        if not row["chosen"] and not row["searched"] and row["faster_frac"] >= worth:
            return (
                f"--schedule {row['schedule']} would be {row['faster_frac']:.0%} faster, where the software has it "
                f"({row['where']})"
            )
    return ""


def _under(run: Run, schedule: Schedule, known: Mapping[str, int]) -> Prediction | None:
    """The step of a run under another schedule; ``None`` where nothing divides or fits."""
    part = run.part
    try:
        layout = _changed(run.step.layout, schedule) if run.searched is None else _best(run, schedule, known)
        if layout is None or (schedule != "1f1b" and layout.pp == 1):
            return None
        return predict(run.needs, run.job, run.cluster, layout, framework=part.framework)
    except (DoesNotFitError, InfeasibleError, LayoutError):
        return None


def _best(run: Run, schedule: Schedule, known: Mapping[str, int]) -> TrainingLayout:
    """The best layout under a schedule, from the search that was done where it is among its best."""
    best = run.searched.best if run.searched else ()
    for found in best:
        if found.layout.schedule == schedule:
            return found.layout
    alone = search(run.needs, run.job, run.cluster, run.part.rates, known=known, schedules=(schedule,), most=1)
    return alone.best[0].layout


def _changed(layout: TrainingLayout, schedule: Schedule) -> TrainingLayout | None:
    """A given layout under another schedule: without chunks, and only where there is a pipeline."""
    if layout.pp == 1 or schedule == "interleaved":
        return None
    return replace(layout, schedule=schedule, vp=1)
