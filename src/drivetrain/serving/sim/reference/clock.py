"""How long a step of a lane takes, how long its decodes alone would, and the power it draws."""

from __future__ import annotations

import math
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.kernel import step
from drivetrain.serving.sim.records import Pool, StepModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """``size`` tokens of a prompt of which ``start`` are in cache."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Work:
    """What one core does in a step: a token for each of ``stored`` (tokens in cache), and prompt chunks."""

    stored: tuple[int, ...] = ()
    chunks: tuple[Chunk, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens computed."""
        return sum(chunk.size for chunk in self.chunks)

    def __bool__(self) -> bool:
        return bool(self.stored or self.chunks)


@dataclass(frozen=True, slots=True)
class Timed:
    """A step's ``seconds``, its decodes' ``pure_s`` and the ``watts`` of each accelerator meanwhile."""

    seconds: float
    pure_s: float
    watts: float


@dataclass(slots=True)
class Clock:
    """Step times of a pool's lanes."""

    pool: Pool
    _nothing: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._nothing = np.zeros(len(self.pool.step.spans))

    def time(self, works: Listed[Work], slowness: float) -> Timed:
        """A step in which the cores do ``works``: as long as the slowest takes."""
        model = self.pool.step
        decoding = model.verified * sum(len(work.stored) for work in works)
        tokens = decoding + sum(work.prompt_tokens for work in works)
        each = [self._core(work, float(tokens)) for work in works if work]
        seconds = slowness * max(t for t, _ in each)
        if tokens == decoding:
            pure = seconds
        else:
            alone = [Work(work.stored) for work in works if work.stored]
            pure = slowness * max((self._core(work, float(decoding))[0] for work in alone), default=0.0)
        joules = sum(j for _, j in each) / len(works)
        return Timed(seconds, pure, _watts(self.pool, joules / seconds))

    def _core(self, work: Work, expert_tokens: float) -> tuple[float, float]:
        """Seconds and joules above static power of one core."""
        model = self.pool.step
        decode = float(len(work.stored))
        tokens, chunks = float(work.prompt_tokens), float(len(work.chunks))
        ctx_decode = ctx_prefill = ctx_chunk = self._nothing
        if work.stored:
            ctx_decode = _means([sum(min(c, span) for c in work.stored) for span in model.spans], decode)
        if work.chunks:
            ctx_prefill = _means([sum(_attended(c, span) for c in work.chunks) for span in model.spans], tokens)
            ctx_chunk = _means(
                [sum(min(c.start + c.size, span + c.size) for c in work.chunks) for span in model.spans], chunks
            )
        contexts = ctx_decode, ctx_prefill, ctx_chunk
        whole: tuple[float, float] = step(
            model.ops, model.collectives, model.scalars, decode, tokens, chunks, expert_tokens, *contexts
        )
        if model.hidden_frac > 0.0:
            return _halved(model, whole, decode, tokens, chunks, expert_tokens, contexts)
        return whole


def _halved(
    model: StepModel,
    whole: tuple[float, float],
    decode: float,
    tokens: float,
    chunks: float,
    expert_tokens: float,
    contexts: tuple[Floats, Floats, Floats],
) -> tuple[float, float]:
    """The quicker of the whole step and two halves whose messages and computing overlap."""
    loads = 0.5 * decode, 0.5 * tokens, 0.5 * chunks, 0.5 * expert_tokens
    half, joules = step(model.ops, model.collectives, model.scalars, *loads, *contexts)
    computing = step(model.ops, model.collectives[:0], model.scalars, *loads, *contexts)[0]
    both = 2.0 * (half - model.hidden_frac * min(computing, half - computing))
    return (both, 2.0 * joules) if both < whole[0] else whole


def _means(sums: Listed[float], n: float) -> Floats:
    return np.array(sums, dtype=np.float64) / n


def _attended(chunk: Chunk, span: float) -> float:
    """Tokens attended to by all tokens of a chunk, each at most ``span`` back (as an integral)."""
    return _area(float(chunk.start + chunk.size), span) - _area(float(chunk.start), span)


def _area(x: float, span: float) -> float:
    """Integral of min(k, span) over k from 0 to x."""
    return 0.5 * x * x if x <= span else span * x - 0.5 * span * span


def _watts(pool: Pool, dynamic_w: float) -> float:
    """Static power and what operators draw, bent towards TDP; at least what an idle accelerator draws."""
    room = pool.tdp_w - pool.static_w
    drawn = pool.tdp_w if room <= 0.0 else pool.static_w - room * math.expm1(-dynamic_w / room)
    return max(drawn, pool.idle_w)
