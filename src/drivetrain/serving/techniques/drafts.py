"""What drafts: the model's own multi-token-prediction layer, an EAGLE layer or a smaller model (n-grams cost nothing).

The first pass of a draft runs all tokens that the model verified (and the prompts), each further one a token for each
sequence; every pass reads the draft's weights. Its weights and its cache are resident beside the model's. A draft is
cut by the model's tensor parallelism where its heads allow, else it runs whole on every rank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.arch.memory import CacheTerm, Resident, resident
from drivetrain.arch.operators import Op, merge, operators
from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.step import HIT, ONE, vector
from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Attention, Checkpoint, Dense, LatentAttention, LayerGroup, Model, MoE
from drivetrain.serving.techniques.speculation import Speculation, repeated, verifying

_LOGITS = ("output head", "gather logits")
_EAGLE_INPUTS = 3  # hidden states of an early, a middle and a late layer


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafting model beside the one served.

    ``modules`` copies of its layers are resident (each pass runs one); ``fusion`` elements join the target's hidden
    state to a token's embedding. ``shares_ends``: embedding (and with ``shares_head`` the head) are the target's.
    """

    model: Model
    checkpoint: Checkpoint
    modules: int = 1
    fusion: float = 0.0
    shares_ends: bool = False
    shares_head: bool = False


def mtp_draft(model: Model, checkpoint: Checkpoint, drafts: int) -> Draft:
    """The model's own multi-token-prediction module; where it ships several, one for each token ahead."""
    shipped = min(group.count for group in model.mtp)
    layers = tuple(replace(group, count=group.count // shipped) for group in model.mtp)
    module = replace(model, name=f"{model.name} MTP", layers=layers, mtp=())
    return Draft(module, checkpoint, min(shipped, max(drafts, 1)), model.mtp_extra_params / shipped, True, True)


def eagle_draft(model: Model) -> Draft:
    """One dense decoder layer shaped as the target's, its own head over a reduced vocabulary, in 16 bit.

    The feed-forward part of a mixture is as wide as what one token uses. The layer reads the token's embedding beside
    the hidden state, three of which are joined first (EAGLE-3, arXiv 2503.01840).
    """
    group = eagle_layer(model)
    assert group is not None
    mixer, ffn = group.mixer, group.ffn
    assert isinstance(mixer, (Attention, LatentAttention))
    if isinstance(ffn, MoE):
        ffn = Dense(ffn.top_k * ffn.intermediate + ffn.shared_intermediate, ffn.gated)
    beside = mixer.n_heads * mixer.head_dim + mixer.n_kv_heads * (mixer.head_dim + mixer.v_head_dim) if isinstance(
        mixer, Attention) else 0  # fmt: skip
    plain = replace(mixer, window=None, indexer=None)
    if isinstance(plain, Attention):
        plain = replace(plain, compress=1, reuses_kv=False)
    layer = LayerGroup(1, plain, ffn or Dense(4 * model.hidden), norm_params=4 * model.hidden)
    vocab = min(model.vocab, round(loader.techniques()["eagle_vocab"].mid.value))
    draft = replace(model, name=f"{model.name} EAGLE", layers=(layer,), mtp=(), tied_embeddings=False, vocab=vocab,
                    embedding_params=0)  # fmt: skip
    fusion = float(model.hidden * (_EAGLE_INPUTS * model.hidden + beside))
    return Draft(draft, Checkpoint("eagle", "bf16", {}), 1, fusion, shares_ends=True)


def eagle_layer(model: Model) -> LayerGroup | None:
    """The layer an EAGLE draft is shaped as: the last one with attention over a cache of its own."""
    attending = [g for g in model.layers if isinstance(g.mixer, (Attention, LatentAttention))]
    return attending[-1] if attending else None


def draft_layout(draft: Draft, layout: Layout) -> Layout:
    """How the draft is cut beside a target cut by ``layout``: mixtures alike, dense drafts by tp alone."""
    same = replace(layout, pp=1)
    dense = Layout(tp=layout.tp)
    return next((one for one in (same, dense) if not layout_problem(draft.model, one)), Layout())


def draft_ops(draft: Draft, speculation: Speculation, layout: Layout, kv_dtype: str) -> tuple[Op, ...]:
    """Operators that drafting adds to a step."""
    once = _pass_ops(draft, layout, kv_dtype)
    more = speculation.drafts - 1
    # logits are needed of the last verified token alone
    ops = [op if op.name in _LOGITS else verifying(op, speculation.drafts) for op in once]
    again = [repeated(op, more, speculation.verified, layout.dp) for op in once] if more else []
    return tuple(replace(op, name=f"draft {op.name}") for op in merge([*ops, *again]))


def draft_resident(draft: Draft, layout: Layout, kv_dtype: str) -> Resident:
    """Bytes of the draft on one accelerator: weights, and cache and state of each running sequence."""
    cut = draft_layout(draft, layout)
    ops = _pass_ops(draft, layout, kv_dtype)
    own = resident(draft.model, draft.checkpoint, cut, ops)
    if draft.shares_ends:
        skipped = (*_LOGITS, "embedding") if draft.shares_head else ("embedding",)
        weights = sum(op.weights[ONE] + op.experts_local * op.weights[HIT] for op in ops if op.name not in skipped)
        own = replace(own, weights_bytes=weights)
    return replace(
        own,
        weights_bytes=draft.modules * own.weights_bytes,
        cache=tuple(replace(term, bytes_per_token=draft.modules * term.bytes_per_token) for term in own.cache),
        state_bytes=draft.modules * own.state_bytes,
    )


def with_draft(target: Resident, draft: Resident) -> Resident:
    """A target's residency and its draft's together."""
    cache = {term.span: term.bytes_per_token for term in target.cache}
    for term in draft.cache:
        cache[term.span] = cache.get(term.span, 0.0) + term.bytes_per_token
    return replace(
        target,
        weights_bytes=target.weights_bytes + draft.weights_bytes,
        cache=tuple(CacheTerm(per_token, span) for span, per_token in cache.items()),
        state_bytes=target.state_bytes + draft.state_bytes,
    )


def looking_ahead(target: Resident, drafts: int) -> Resident:
    """``target`` with room in each sequence for drafted tokens: cache slots, and a recurrent state after each."""
    slots = sum(term.bytes_per_token for term in target.cache if term.span is None)
    return replace(
        target,
        state_bytes=target.state_bytes * (drafts + 1) + drafts * slots,
        logits_bytes_per_row=target.logits_bytes_per_row * (drafts + 1),
    )


def _pass_ops(draft: Draft, layout: Layout, kv_dtype: str) -> tuple[Op, ...]:
    """One pass of the draft: its layers, its ends, and what joins hidden states and embeddings."""
    ops = list(operators(draft.model, draft.checkpoint, draft_layout(draft, layout), kv_dtype))
    if draft.fusion:
        dtype = draft.checkpoint.dtype_of("attention")
        ops.append(Op("fusion", "gemm", dtype, flops=vector(tokens=2 * draft.fusion), kernels=1,
                      weights=vector(one=draft.fusion * bytes_per_weight(dtype)),
                      activations=vector(tokens=2.0 * 4 * draft.model.hidden)))  # fmt: skip
    return tuple(ops)
