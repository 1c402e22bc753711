"""The space of a plan: which deployments are searched, and why none can run."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.model import Checkpoint
from drivetrain.errors import DoesNotFitError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.search import Job, Offer, Outcome, Traffic, candidates, search
from drivetrain.serving.slo import Target
from drivetrain.units import show
from drivetrain.verbs.resolve import Resolved, resolve


def search_space(
    resolved: Resolved,
    traffic: Traffic,
    targets: tuple[Target, ...],
    *,
    offers: Sequence[Offer] = (),
    checkpoints: Sequence[Checkpoint] = (),
    only_layouts: Sequence[Layout] = (),
    kv_dtype: str | None = None,
) -> Outcome:
    """Search the resolved space, or a part of it."""
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
    )
    if not jobs:
        explain_nothing(resolved, nearest)
    return search(
        jobs,
        traffic,
        targets,
        pue=resolved.pue,
        max_accelerators=resolved.scenario.max_accelerators,
        mean_energy=resolved.scenario.objective == "energy",
    )


def explain_nothing(resolved: Resolved, nearest: tuple[float, Job] | None) -> None:
    """Say why no deployment can run at all."""
    if nearest is None:
        raise UnsupportedError(
            f"no engine in the search runs {resolved.checkpoints[0].weight_dtype} weights on "
            f"{', '.join(sorted(resolved.accelerators)[:5])}. Name other --accelerators, --engines or --weights."
        )
    short, job = nearest
    room, layout = job.memory, job.deployment.cut.layout
    raise DoesNotFitError(
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
