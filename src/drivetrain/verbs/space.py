"""The space of a plan: which deployments are searched, and why none can run."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.model import Checkpoint
from drivetrain.errors import DoesNotFitError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.purchase import Limits
from drivetrain.serving.search import Job, Offer, Outcome, Traffic, candidates, search
from drivetrain.serving.slo import Target
from drivetrain.serving.techniques.active import Active
from drivetrain.units import show
from drivetrain.verbs.resolve import Resolved, resolve
from drivetrain.verbs.runnable import nothing_starts


def search_space(
    resolved: Resolved,
    traffic: Traffic,
    targets: tuple[Target, ...],
    *,
    offers: Sequence[Offer] = (),
    checkpoints: Sequence[Checkpoint] = (),
    only_layouts: Sequence[Layout] = (),
    kv_dtype: str | None = None,
    limits: Limits | None = None,
    techniques: Active | None = None,
) -> Outcome:
    """Search the resolved space, or a part of it, within its limits or those given."""
    jobs = jobs_of(
        resolved, offers=offers, checkpoints=checkpoints, only_layouts=only_layouts, kv_dtype=kv_dtype,
        techniques=techniques,
    )  # fmt: skip
    return search(
        jobs,
        traffic,
        targets,
        pue=resolved.pue,
        max_accelerators=(limits or resolved.limits).accelerators,
        mean_energy=resolved.scenario.objective in ("energy", "carbon"),
        limits=limits or resolved.limits,
    )


def jobs_of(
    resolved: Resolved,
    *,
    offers: Sequence[Offer] = (),
    checkpoints: Sequence[Checkpoint] = (),
    only_layouts: Sequence[Layout] = (),
    kv_dtype: str | None = None,
    techniques: Active | None = None,
) -> list[Job]:
    """Every deployment of the resolved space, or of a part of it, that can run; errors say why none can."""
    jobs, nearest = candidates(
        resolved.model,
        checkpoints or resolved.checkpoints,
        offers or resolved.offers,
        resolved.engines,
        resolved.lengths,
        kv_dtype=resolved.kv_dtype if kv_dtype is None else kv_dtype,
        only_layouts=only_layouts or resolved.layouts,
        budget=resolved.scenario.max_batched_tokens,
        max_seqs=resolved.scenario.max_num_seqs,
        techniques=techniques or resolved.techniques,
        allow_unverified=resolved.scenario.allow_unverified,
    )
    if jobs:
        return jobs
    if nearest is None:
        raise nothing_starts(resolved, offers, checkpoints, only_layouts, kv_dtype)
    raise _does_not_fit(resolved, *nearest)


def _does_not_fit(resolved: Resolved, short: float, job: Job) -> DoesNotFitError:
    """By how much the nearest deployment misses, and what does fit."""
    room, layout = job.memory, job.deployment.cut.layout
    return DoesNotFitError(
        f"{resolved.model.name} does not fit: weights {show(room.weights, 'bytes')} + one sequence "
        f"{show(room.sequence_bytes, 'bytes')} + workspace {show(room.workspace + room.overhead, 'bytes')} > "
        f"{show(room.capacity, 'bytes')} usable per accelerator on {job.offer.hardware.name} at {layout} "
        f"(short by {show(short, 'bytes')}). {_smallest_that_fits(resolved)}"
    )


def _smallest_that_fits(resolved: Resolved) -> str:
    """The smallest deployment that does fit, over the whole catalogue, as advice."""
    everything = resolve(
        ServeScenario(
            model=resolved.scenario.model, isl=resolved.lengths.isl_mean, osl=resolved.lengths.osl_mean, weights="any"
        )
    )
    same = [o for o in everything.offers if o.hardware.name in resolved.accelerators]
    for offers in (same, everything.offers):
        jobs, _ = (
            candidates(resolved.model, everything.checkpoints, offers, everything.engines, everything.lengths)
            if offers
            else ([], None)
        )
        if jobs:
            job = min(jobs, key=smallest_first)
            cut = job.deployment.cut
            return f"Smallest that fits: {cut.layout} on {job.offer.hardware.name} in {cut.checkpoint.weight_dtype}."
    return "Nothing in the catalogue holds it."


def smallest_first(job: Job) -> tuple[int, int, float]:
    """Order of deployments from the smallest: accelerators, pipeline stages, memory of one."""
    layout = job.deployment.cut.layout
    return layout.n_accelerators, layout.pp, job.offer.hardware.memory_bytes
