"""Why a model cannot be trained under a layout: what does not divide, and what would.

Sequence parallelism goes with tensor parallelism, so a context rank's tokens, ``seq / cp``, divide over ``tp``
(Megatron-LM asserts it); where parts hang together in a torus the compiler pads uneven shards. DualPipe feeds
micro-batches from both ends of the pipeline: ``pp`` and their number are even, and there are at least ``2 pp`` of them
(asserted in github.com/deepseek-ai/DualPipe, dualpipe/dualpipe.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from drivetrain.arch.training import TrainingCounts
from drivetrain.errors import LayoutError
from drivetrain.training.layout import TrainingLayout

ENDS = 2  # embedding and head can be chunks of their own


def layout_problem(model: TrainingCounts, layout: TrainingLayout, global_batch: int, pads: bool = False) -> str:
    """Why a model cannot be trained this way at this batch, or an empty string; the text says what would work.

    ``pads``: a sequence that does not divide is padded.
    """
    of_sequence = iter(()) if pads else _of_sequence(model, layout)
    problems = (_of_model(model, layout), of_sequence, _of_batch(layout, global_batch))
    return next((text for found in problems for text in found), "")


def check_layout(model: TrainingCounts, layout: TrainingLayout, global_batch: int, pads: bool = False) -> None:
    """Raise :class:`LayoutError` with :func:`layout_problem`."""
    problem = layout_problem(model, layout, global_batch, pads)
    if problem:
        raise LayoutError(f"{model.name} cannot be trained as {layout}: {problem}")


def multiples(value: float, step: int) -> str:
    """The multiples of ``step`` on either side of a value that is not one.

    >>> multiples(33, 32), multiples(5, 8)
    ('32 or 64', '8')
    """
    below = int(value // step) * step
    return f"{below} or {below + step}" if below else str(step)


def _of_model(model: TrainingCounts, layout: TrainingLayout) -> Iterator[str]:
    if layout.pp > model.n_layers or layout.pp * layout.vp > model.n_layers + ENDS:
        yield (
            f"{layout.pp} stages of {layout.vp} chunks are more than the {model.n_layers:.0f} layers; "
            f"use at most {model.n_layers:.0f} in all."
        )
    if model.heads % layout.tp:
        yield f"{model.heads:.0f} heads do not divide over tp{layout.tp}; use tp{_largest(layout.tp, model.heads)}."
    if layout.ep > 1 and not model.n_experts:
        yield f"it has no experts to spread over ep{layout.ep}."
    if layout.ep > 1 and model.n_experts % layout.ep:
        most = _largest(layout.ep, model.n_experts)
        yield f"{model.n_experts:.0f} experts do not divide over ep{layout.ep}; use ep{most}."


def _of_sequence(model: TrainingCounts, layout: TrainingLayout) -> Iterator[str]:
    near = multiples(model.seq, layout.tp * layout.cp)
    if model.seq % layout.cp:
        yield f"a sequence of {model.seq:.0f} tokens does not divide over cp{layout.cp}; use {near} tokens."
    elif layout.tp > 1 and model.seq % (layout.cp * layout.tp):
        each = model.seq / layout.cp
        of_them = f" on each of cp{layout.cp}" if layout.cp > 1 else ""
        yield (
            f"sequence parallelism divides {each:.0f} tokens{of_them} over tp{layout.tp}; "
            f"use sequences of {near} tokens or tp{_largest(layout.tp, each, model.heads)}."
        )


def _of_batch(layout: TrainingLayout, global_batch: int) -> Iterator[str]:
    per_pass = layout.dp * layout.micro_batch
    if global_batch < per_pass:
        at_most = global_batch // layout.micro_batch
        fewer = f"use at most dp{at_most} or" if at_most else "use"
        yield (
            f"a batch of {global_batch} sequences is smaller than dp{layout.dp} x {layout.micro_batch}; "
            f"{fewer} a batch of {per_pass}."
        )
    elif global_batch % per_pass:
        yield (
            f"a batch of {global_batch} sequences does not divide over dp{layout.dp} x {layout.micro_batch}; "
            f"use a batch of {multiples(global_batch, per_pass)}."
        )
    elif layout.schedule == "dualpipe":
        yield from _of_dualpipe(layout, global_batch)


def _of_dualpipe(layout: TrainingLayout, global_batch: int) -> Iterator[str]:
    if layout.pp % 2:
        yield f"dualpipe runs from both ends of an even number of stages, not of {layout.pp}; use pp{layout.pp + 1}."
        return
    per_pass = layout.dp * layout.micro_batch
    passes = global_batch // per_pass
    if passes % 2 or passes < 2 * layout.pp:
        enough = max(2 * layout.pp, passes + passes % 2) * per_pass
        yield (
            f"dualpipe needs an even number of micro-batches, at least {2 * layout.pp} for pp{layout.pp}, and a batch "
            f"of {global_batch} has {passes}; use a batch of {enough} or another schedule."
        )


def _largest(most: int, *numbers: float) -> int:
    """The largest degree up to ``most`` that divides every number."""
    return next(d for d in range(most, 0, -1) if not any(number % d for number in numbers))
