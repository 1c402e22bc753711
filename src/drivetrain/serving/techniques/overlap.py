"""Two-batch overlap: the messages of one half of the batch travel while the other half computes.

Each half is a step of its own: it reads all weights, launches all kernels and sends its own messages. With c and n the
seconds of computing and of messages of a half, and h the share of the shorter that hides::

    t = 2 c + 2 n - 2 h min(c, n)             (2 max(c, n) where all of it hides)

A step that gains nothing is not split (engines have thresholds for it), so that overlap never slows a step. It hides
the exchange of tokens with experts between data-parallel ranks; tensor-parallel layouts have no use for it. The machine
code of :mod:`drivetrain.serving.kernel` computes the same. Source: vLLM documentation, design of dual batch overlap.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.arch.layout import Layout
from drivetrain.arch.step import Step
from drivetrain.catalogue import loader
from drivetrain.cost.roofline import PARTS, OpTime, StepTime
from drivetrain.techniques import Techniques


def hidden_frac(techniques: Techniques, layout: Layout) -> float:
    """Share of the shorter of computing and messages that hides under ``layout``; 0 where nothing overlaps."""
    if not techniques.two_batch_overlap or layout.dp == 1:
        return 0.0
    return loader.techniques()["overlap_hidden"].mid.value


def half(step: Step) -> Step:
    """Half the sequences and half the prompt tokens of ``step``."""
    tokens = None if step.expert_tokens is None else 0.5 * step.expert_tokens
    return replace(
        step, decode=0.5 * step.decode, prefill=0.5 * step.prefill, chunks=0.5 * step.chunks, expert_tokens=tokens
    )


def overlapped(whole: StepTime, halved: StepTime, hidden: float) -> StepTime:
    """The quicker of ``whole`` and two of ``halved`` of which ``hidden`` overlaps."""
    network = halved.parts["network"]
    saved = hidden * min(halved.seconds - network, network)
    seconds = 2.0 * (halved.seconds - saved)
    if seconds >= whole.seconds:
        return whole
    exposed = 1.0 - saved / network if network else 1.0
    ops = tuple(_twice(op, exposed) for op in halved.ops)
    return StepTime(
        seconds=seconds,
        joules=2.0 * halved.joules,
        flops=2.0 * halved.flops,
        bytes_moved=2.0 * halved.bytes_moved,
        parts={part: sum(op.parts.get(part, 0.0) for op in ops) for part in PARTS},
        ops=ops,
    )


def _twice(op: OpTime, exposed: float) -> OpTime:
    factor = 2.0 * exposed if op.kind == "collective" else 2.0
    return replace(
        op,
        seconds=factor * op.seconds,
        flops=2.0 * op.flops,
        bytes_moved=2.0 * op.bytes_moved,
        joules=2.0 * op.joules,
        parts={part: factor * seconds for part, seconds in op.parts.items()},
    )


def one_after_another(first: StepTime, second: StepTime) -> StepTime:
    """Two steps as one: what a prompt run by itself adds to the decode step that waits for it."""
    return StepTime(
        seconds=first.seconds + second.seconds,
        joules=first.joules + second.joules,
        flops=first.flops + second.flops,
        bytes_moved=first.bytes_moved + second.bytes_moved,
        parts={part: first.parts[part] + second.parts[part] for part in PARTS},
        ops=first.ops + second.ops,
    )
