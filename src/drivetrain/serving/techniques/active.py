"""The chosen techniques for one model, resolved once, and their transformations in the order they are applied."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drivetrain.arch.layout import Layout
from drivetrain.arch.memory import Resident, resident
from drivetrain.arch.operators import Op, operators
from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Checkpoint, Model, MoE
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import LayoutError, UnsupportedError
from drivetrain.serving.techniques.adapters import adapter_ops
from drivetrain.serving.techniques.drafts import (
    Draft,
    draft_ops,
    draft_resident,
    eagle_draft,
    eagle_layer,
    looking_ahead,
    mtp_draft,
    with_draft,
)
from drivetrain.serving.techniques.experts import touches_experts, with_experts
from drivetrain.serving.techniques.sparsity import sparse, sparse_gain
from drivetrain.serving.techniques.speculation import Speculation, speculation_of, verifying
from drivetrain.techniques import Techniques

_SAME_VOCABULARY = 0.01  # padding to round numbers apart


@dataclass(frozen=True, slots=True)
class Active:
    """Techniques with what they need looked up.

    ``smaller`` is the model that drafts where one is named; ``gain`` the speed of sparse over dense matrix products on
    the hardware at hand (``None``: weights stay dense).
    """

    choice: Techniques = field(default_factory=Techniques)
    speculation: Speculation | None = None
    smaller: tuple[Model, Checkpoint] | None = None
    gain: float | None = None

    @property
    def verified(self) -> int:
        """Tokens the model runs per decoding sequence and step."""
        return self.speculation.verified if self.speculation else 1

    def on(self, hardware: Hardware) -> Active:
        """The same on ``hardware``: without sparse units 2:4 weights are kept and run dense."""
        return replace(self, gain=sparse_gain(hardware)) if self.choice.sparsity == "2:4" else self


OFF = Active()
"""No technique at all."""


def activate(techniques: Techniques, model: Model) -> Active:
    """Resolve ``techniques`` for ``model``.

    Raises :class:`~drivetrain.errors.UnsupportedError` for what the model has no use for or what is not modelled.
    """
    method = techniques.speculative.partition(":")[0]
    if method == "mtp" and not model.mtp:
        raise UnsupportedError(
            f"{model.name} has no multi-token-prediction layers. Use speculative=eagle, draft:NAME or ngram."
        )
    if method == "eagle" and eagle_layer(model) is None:
        raise UnsupportedError(
            f"{model.name} has no attention layer to shape an EAGLE draft on. Use draft:NAME or ngram."
        )
    mixture = any(isinstance(group.ffn, MoE) for group in model.layers)
    if not mixture and (touches_experts(techniques) or techniques.two_batch_overlap):
        raise UnsupportedError(
            f"{model.name} has no experts: expert-imbalance, expert-skew, redundant-experts and two-batch-overlap are "
            "for mixtures of experts. Leave them out."
        )
    smaller = _smaller(model, techniques.draft_model) if method == "draft" else None
    return Active(techniques, speculation_of(techniques), smaller)


def layout_problem(active: Active, model: Model, layout: Layout) -> str:
    """Why the techniques cannot run under ``layout``, or an empty string."""
    if active.speculation and layout.pp > 1:
        return "engines do not draft across pipeline stages; use tp, or leave speculative out."
    copies = active.choice.redundant_experts
    if copies and layout.ep > 1:
        for n in {g.ffn.n_experts for g in model.layers if isinstance(g.ffn, MoE)}:
            if (n + copies) % layout.ep:
                return f"{n} experts and {copies} copies do not divide over ep{layout.ep}; use a multiple of it."
            if copies > n * (layout.ep - 1):
                return f"{copies} copies are more than one of each expert on every rank."
    return ""


def cut_ops(
    active: Active, model: Model, checkpoint: Checkpoint, layout: Layout, kv_dtype: str
) -> tuple[tuple[Op, ...], Resident]:
    """Operators and residency of ``model`` under ``layout`` with the techniques applied.

    Raises :class:`~drivetrain.errors.LayoutError` where layout and techniques do not go together.
    """
    ops = _plain_ops(model, checkpoint, layout, kv_dtype)
    if active == OFF:
        return ops, resident(model, checkpoint, layout, ops)
    problem = layout_problem(active, model, layout)
    if problem:
        raise LayoutError(f"{model.name} cannot run as {layout} so: {problem}")
    choice = active.choice
    if active.gain is not None:
        ops = tuple(sparse(op, active.gain) for op in ops)
    if touches_experts(choice):
        ops = tuple(one for op in ops for one in with_experts(op, choice, layout))
    ops = (*ops, *adapter_ops(model, layout, choice.lora_adapters, choice.lora_rank, active.verified))
    held = resident(model, checkpoint, layout, ops)
    return _speculating(active, model, checkpoint, layout, kv_dtype, ops, held)


_plain: dict[tuple[int, int, Layout, str], tuple[Model, Checkpoint, tuple[Op, ...]]] = {}
_MOST_PLAIN = 512


def _plain_ops(model: Model, checkpoint: Checkpoint, layout: Layout, kv_dtype: str) -> tuple[Op, ...]:
    """Operators without techniques, kept for the next technique that starts from them."""
    key = (id(model), id(checkpoint), layout, kv_dtype)
    if key not in _plain:
        if len(_plain) >= _MOST_PLAIN:
            _plain.clear()
        _plain[key] = model, checkpoint, operators(model, checkpoint, layout, kv_dtype)
    return _plain[key][2]


def _speculating(
    active: Active, model: Model, checkpoint: Checkpoint, layout: Layout, kv_dtype: str, ops: tuple[Op, ...],
    held: Resident,
) -> tuple[tuple[Op, ...], Resident]:  # fmt: skip
    speculation = active.speculation
    if speculation is None:
        return ops, held
    held = looking_ahead(held, speculation.drafts)
    ops = tuple(verifying(op, speculation.drafts) for op in ops)
    draft = _draft(active, model, checkpoint)
    if draft is None:
        return ops, held
    return (
        (*ops, *draft_ops(draft, speculation, layout, kv_dtype)),
        with_draft(held, draft_resident(draft, layout, kv_dtype)),
    )


def _draft(active: Active, model: Model, checkpoint: Checkpoint) -> Draft | None:
    assert active.speculation is not None
    if active.smaller is not None:
        return Draft(*active.smaller)
    if active.speculation.method == "mtp":
        return mtp_draft(model, checkpoint, active.speculation.drafts)
    return eagle_draft(model) if active.speculation.method == "eagle" else None


def _smaller(model: Model, name: str) -> tuple[Model, Checkpoint]:
    draft: Model = loader.load("models", name)
    if abs(draft.vocab / model.vocab - 1.0) > _SAME_VOCABULARY:
        raise UnsupportedError(
            f"{draft.name} cannot draft for {model.name}: vocabularies of {draft.vocab:,} and {model.vocab:,} tokens. "
            "Name a model of the same family."
        )
    if count(draft).active >= count(model).active:
        raise UnsupportedError(f"{draft.name} is no smaller than {model.name}, so that drafting gains nothing.")
    return draft, draft.checkpoints[0]
