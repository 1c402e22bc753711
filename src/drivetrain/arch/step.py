"""What one step of a serving engine does, as the handful of numbers that every operator's cost is linear in.

A step mixes chunks of prompts being prefilled with sequences that each decode one token. On one rank it has these
features; an operator's FLOPs, bytes and messages are a dot product with them, so that a whole step is a few flops to
evaluate and its cost stays piecewise affine in tokens and context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Feature order of every coefficient vector in the package.
FEATURES = (
    "one",        # 1: read once a step, however many tokens (weights)
    "tokens",     # tokens this attention rank runs: decoding sequences + prefill chunk tokens
    "rows",       # sequences touched: those that decode, and those whose chunk is in the step
    "ctx_decode",  # sum over decoding sequences of cached tokens attended (within the operator's span)
    "ctx_prefill",  # sum over prefill tokens of tokens attended (within the span)
    "ctx_chunk",  # sum over chunks of cached tokens read to serve them (within the span)
    "hit",        # experts of this rank that at least one token chose
    "expert_tokens",  # tokens of all ranks that share the experts
)  # fmt: skip
ONE, TOKENS, ROWS, CTX_DECODE, CTX_PREFILL, CTX_CHUNK, HIT, EXPERT_TOKENS = range(8)
N_FEATURES = len(FEATURES)

Vector = tuple[float, float, float, float, float, float, float, float]
ZERO: Vector = (0.0,) * 8


def vector(**coefficients: float) -> Vector:
    """A coefficient vector from named features.

    >>> vector(one=2.0, tokens=3.0)
    (2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """
    return tuple(coefficients.get(name, 0.0) for name in FEATURES)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one rank.

    ``decode`` sequences produce a token each at mean context ``context`` (tokens in cache); ``prefill`` prompt tokens
    come in ``chunks`` chunks, attending to ``prefill_context`` tokens on average and reading ``chunk_context`` cached
    tokens per chunk. ``expert_tokens`` counts the tokens of all ranks that share the experts (``tokens`` where there
    is one
    rank). An operator that sees only ``span`` tokens back gets the smaller of span and context; where requests differ
    in
    length, ``within(span)`` gives the three means of the capped contexts instead.
    """

    decode: float = 0.0
    context: float = 0.0
    prefill: float = 0.0
    chunks: float = 0.0
    prefill_context: float = 0.0
    chunk_context: float = 0.0
    expert_tokens: float | None = None
    within: Callable[[float], tuple[float, float, float]] | None = None

    def contexts(self, span: float) -> tuple[float, float, float]:
        """Mean context per decoding sequence, per prefill token and per chunk, at most ``span`` back."""
        if self.within is not None:
            return self.within(span)
        size = self.prefill / self.chunks if self.chunks else 0.0
        return min(self.context, span), min(self.prefill_context, span), min(self.chunk_context, span + size)

    @property
    def tokens(self) -> float:
        """Tokens this rank runs."""
        return self.decode + self.prefill
