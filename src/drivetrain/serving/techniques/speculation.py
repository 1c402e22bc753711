"""Speculative decoding: k drafted tokens are verified in one step of the model, and the first wrong one ends the run.

With acceptance ``a`` of each drafted token given that all before it were accepted, a step yields X tokens (the model's
own token after the last accepted one included), P(X >= j) = a^(j-1) for j = 1 ... k+1, so that::

    E[X] = (1 - a^(k+1)) / (1 - a)          E[X^2] = sum over j of (2 j - 1) a^(j-1)

Verification runs k+1 tokens a sequence: computing, activations, messages, logits and expert tokens grow by that factor,
weights and each sequence's cache are read once. Valid for chains of drafts (no trees) and rejection sampling, which
keeps the model's distribution. Source: Leviathan et al. 2022, arXiv 2211.17192.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.arch.operators import Op
from drivetrain.arch.step import CTX_CHUNK, CTX_DECODE, CTX_PREFILL, EXPERT_TOKENS, ROWS, TOKENS, Vector
from drivetrain.catalogue import loader
from drivetrain.techniques import Techniques


@dataclass(frozen=True, slots=True)
class Speculation:
    """``drafts`` tokens proposed a step, each accepted with probability ``acceptance`` after those before it."""

    method: str
    drafts: int
    acceptance: float

    @property
    def verified(self) -> int:
        """Tokens the model runs per sequence and step."""
        return self.drafts + 1

    @property
    def tokens_per_step(self) -> float:
        """Mean tokens a step yields per sequence."""
        return expected_tokens(self.acceptance, self.drafts)

    @property
    def variance(self) -> float:
        """Variance of the tokens that a step yields."""
        return variance_of_tokens(self.acceptance, self.drafts)


def speculation_of(techniques: Techniques) -> Speculation | None:
    """The chosen speculation, with sourced values where none are stated; ``None`` where it is off."""
    method = techniques.speculative.partition(":")[0]
    if method == "off":
        return None
    known = loader.techniques()
    drafts = techniques.draft_tokens or round(known[f"draft_tokens_{method}"].mid.value)
    stated = techniques.acceptance
    return Speculation(method, drafts, known[f"acceptance_{method}"].mid.value if stated is None else stated)


def expected_tokens(acceptance: float, drafts: int) -> float:
    """Mean tokens a step yields.

    >>> expected_tokens(0.5, 2), expected_tokens(1.0, 3), expected_tokens(0.85, 1)
    (1.75, 4.0, 1.85)
    """
    return sum(acceptance**j for j in range(drafts + 1))


def variance_of_tokens(acceptance: float, drafts: int) -> float:
    """Variance of the tokens a step yields.

    >>> variance_of_tokens(0.5, 1), variance_of_tokens(1.0, 3)
    (0.25, 0.0)
    """
    second = sum((2 * j + 1) * acceptance**j for j in range(drafts + 1))
    return second - expected_tokens(acceptance, drafts) ** 2


def verifying(op: Op, drafts: int) -> Op:
    """``op`` in steps that run ``drafts`` more tokens for each decoding sequence.

    A decoding sequence is one row, so what an operator does per token it does ``drafts`` times more per row. A row is
    also a chunk of a prompt, which so counts ``drafts`` tokens too many: nothing beside its hundreds. Expert tokens are
    counted by the solver. A recurrent state is read once and written after each token, so that it can be taken back.
    """
    if drafts == 0:
        return op
    per_row = 0.5 * drafts + 1.0 if op.kind == "scan" else 1.0
    return replace(
        op,
        flops=_with(_more_rows(op.flops, drafts, drafts + 1.0), CTX_DECODE, (drafts + 1.0) * op.flops[CTX_DECODE]),
        activations=_more_rows(op.activations, drafts, drafts + 1.0),
        kv=_more_rows(op.kv, drafts, per_row),
        message=_more_rows(op.message, drafts, drafts + 1.0),
    )


def repeated(op: Op, times: int, verified: int, ranks: int) -> Op:
    """``op`` of a draft run ``times`` more after its first pass, a token for each decoding sequence, no prompts.

    ``ranks`` data-parallel ranks share the experts. The solver counts ``verified`` expert tokens a sequence, of which
    these passes see one, so the chance of missing an expert is taken to the power 1/verified.
    """

    def decoding(v: Vector) -> Vector:
        out = [times * x for x in v]
        out[ROWS] += out[TOKENS] + ranks * out[EXPERT_TOKENS]
        out[TOKENS] = out[EXPERT_TOKENS] = out[CTX_PREFILL] = out[CTX_CHUNK] = 0.0
        return tuple(out)  # type: ignore[return-value]

    return replace(
        op,
        flops=decoding(op.flops),
        weights=tuple(times * x for x in op.weights),  # type: ignore[arg-type]
        kv=decoding(op.kv),
        activations=decoding(op.activations),
        message=_with(_with(op.message, ROWS, op.message[ROWS] + op.message[TOKENS]), TOKENS, 0.0),
        kernels=times * op.kernels,
        calls=times * op.calls,
        expert_share=1.0 - (1.0 - min(op.expert_share, 1.0)) ** (1.0 / verified),
    )


def _more_rows(v: Vector, tokens: float, rows: float) -> Vector:
    return _with(v, ROWS, rows * v[ROWS] + tokens * v[TOKENS])


def _with(v: Vector, index: int, value: float) -> Vector:
    return (*v[:index], value, *v[index + 1 :])  # type: ignore[return-value]
