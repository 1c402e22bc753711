"""What training needs per token: matrix products, attention, memory traffic and stored activations, by part.

Everything is of the *forward* pass, per token, summed over all layers, whole (uncut); 2 FLOPs per multiply-add. The
backward pass does every matrix product twice more (gradient of the input, gradient of the weights) and attention
:data:`ATTENTION_BACKWARD` times.

**Causal attention is halved, here and nowhere else**: a token attends to the mean of what precedes it, ``s / 2``
without a window. Model FLOPs (:attr:`TrainingCounts.model_flops`) are ``3 x forward`` with attention so halved and
nothing recomputed: MFU divides them by time and dense peak rate; HFU adds what is recomputed.

The seven kinds of product differ in how a layout cuts them:

* ``attention``, ``ffn``, ``shared``, ``recurrent``, ``head``: over ``tp``;
* ``router``: not cut, sequence parallelism shares its tokens;
* ``experts``: over ``ep`` and ``etp``; ``elements`` counts the chosen ones, ``stored`` all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.params import count, group_params
from drivetrain.catalogue.model import (
    Attention,
    Dense,
    LatentAttention,
    LayerGroup,
    Mixer,
    Model,
    MoE,
    Recurrent,
)

Floats = NDArray[np.float64]
KINDS = ("attention", "ffn", "shared", "recurrent", "router", "head", "experts")
ATTENTION, FFN, SHARED, RECURRENT, ROUTER, HEAD, EXPERTS = range(7)
ATTENTION_BACKWARD = 2.5  # fused kernels recompute the scores: five products against two (FlashAttention-2)
ACTIVATION_BYTES = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCounts:
    """Needs of one token on its way forward through a model at one sequence length.

    By kind (:data:`KINDS`): ``elements`` multiplied, ``stored`` weights, ``full`` and ``cut`` activation elements that
    products read and write (``full`` stays whole under tensor parallelism). ``attention_flops``
    is causal; ``attention_rows`` times a span is what attention over that span costs (:func:`mean_context` doubled);
    ``score_elements`` what an unfused kernel writes. ``moved_*`` elements go through memory in kernels
    between the products: whole (norms, residuals), cut by ``tp``, and of routed tokens; ``kept_*`` elements are stored
    for the backward pass. ``routed`` elements of one token travel to experts and back, ``routed_width`` wide each;
    ``kv_width`` elements of keys and values go round a context-parallel group.
    """

    name: str
    seq: float
    n_layers: float
    n_moe_layers: float
    hidden: float
    vocab: float
    heads: float
    n_experts: float
    top_k: float
    elements: Floats
    stored: Floats
    full: Floats
    cut: Floats
    attention_flops: float
    attention_rows: float
    score_elements: float
    scan_flops: float
    moved_full: float
    moved_cut: float
    moved_routed: float
    kept_full: float
    kept_cut: float
    kept_routed: float
    routed_width: float
    kv_width: float
    embedding: float
    small_params: float

    @property
    def forward_flops(self) -> float:
        """FLOPs of one token forward: products, attention (causal), recurrences."""
        return 2.0 * float(self.elements.sum()) + self.attention_flops + self.scan_flops

    @property
    def model_flops(self) -> float:
        """FLOPs of one token by the definition of MFU: three times the forward pass."""
        return 3.0 * self.forward_flops

    @property
    def params(self) -> float:
        """All parameters held."""
        return float(self.stored.sum()) + self.embedding + self.small_params


def mean_context(seq: float, span: float | None = None) -> float:
    """Tokens a causal token attends to on average, at most ``span`` back: ``s/2``, or ``w - w^2/(2 s)``.

    >>> mean_context(4096), mean_context(4096, 1024), mean_context(1024, 4096)
    (2048.0, 896.0, 512.0)
    """
    if span is None or span >= seq:
        return seq / 2.0
    return span - span * span / (2.0 * seq)


_known: dict[tuple[int, int, bool], tuple[Model, TrainingCounts]] = {}
_MOST_KNOWN = 1024


def counts(model: Model, seq: int, *, mtp: bool = False) -> TrainingCounts:
    """Count ``model`` at sequences of ``seq`` tokens; with ``mtp`` its multi-token-prediction layers train along."""
    key = (id(model), seq, mtp)  # a model holds mappings and cannot be hashed; it is kept, so its identity is too
    if key not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = model, _counted(model, seq, mtp)
    return _known[key][1]


def _counted(model: Model, seq: int, mtp: bool) -> TrainingCounts:
    tally = _Tally(seq)
    groups = (*model.layers, *(model.mtp if mtp else ()))
    for group in groups:
        tally.add(group, model.hidden)
    heads = 1 + (sum(g.count for g in model.mtp) if mtp else 0)
    tally.elements[HEAD] = heads * model.hidden * model.vocab
    tally.stored[HEAD] = 0.0 if model.tied_embeddings else float(model.hidden * model.vocab)
    tally.full[HEAD] = heads * model.hidden
    tally.cut[HEAD] = heads * model.vocab
    total = count(model).total + (count(model).mtp if mtp else 0)
    table = float(model.vocab * model.hidden)
    first = next(iter(_mixers(model.layers)), None)
    moe = next((g.ffn for g in model.layers if isinstance(g.ffn, MoE)), None)
    return TrainingCounts(
        name=model.name, seq=float(seq), n_layers=float(sum(g.count for g in groups)),
        n_moe_layers=float(sum(g.count for g in groups if isinstance(g.ffn, MoE))),
        hidden=float(model.hidden), vocab=float(model.vocab),
        heads=float(getattr(first, "n_heads", 1)),
        n_experts=float(moe.n_experts) if moe else 0.0, top_k=float(moe.top_k) if moe else 0.0,
        elements=tally.elements, stored=tally.stored, full=tally.full, cut=tally.cut,
        attention_flops=tally.attention, attention_rows=tally.rows, score_elements=tally.scores, scan_flops=tally.scan,
        moved_full=tally.moved_full, moved_cut=tally.moved_cut, moved_routed=tally.moved_routed,
        kept_full=tally.kept_full, kept_cut=tally.kept_cut, kept_routed=tally.kept_routed,
        kv_width=tally.kv, routed_width=float((moe.latent_hidden or model.hidden) if moe else 0.0),
        embedding=table, small_params=max(0.0, total - float(tally.stored.sum()) - table),
    )  # fmt: skip


def _mixers(groups: tuple[LayerGroup, ...]) -> Iterator[Attention | LatentAttention]:
    for group in groups:
        if isinstance(group.mixer, (Attention, LatentAttention)):
            yield group.mixer


class _Tally:
    """Sums over layers."""

    def __init__(self, seq: int) -> None:
        self.seq = float(seq)
        self.elements, self.stored, self.full, self.cut = (np.zeros(len(KINDS)) for _ in range(4))
        self.attention = self.rows = self.scores = self.scan = 0.0
        self.moved_full = self.moved_cut = self.moved_routed = 0.0
        self.kept_full = self.kept_cut = self.kept_routed = self.kv = 0.0

    def add(self, group: LayerGroup, hidden: int) -> None:
        n, h = float(group.count), float(hidden)
        for mixer in (group.mixer, group.parallel_mixer):
            if mixer is not None:
                self._mixer(mixer, n, h, group)
        if isinstance(group.ffn, Dense):
            width = group.ffn.intermediate * (2.0 if group.ffn.gated else 1.0)
            self._product(FFN, n, float(group_params(group, hidden)["ffn"]), 2 * h, width + group.ffn.intermediate)
            self._between(n, h, width, group.ffn.intermediate)
        elif isinstance(group.ffn, MoE):
            self._experts(group.ffn, n, h, group, hidden)

    def _mixer(self, mixer: Mixer, n: float, h: float, group: LayerGroup) -> None:
        whole = {name: float(value) for name, value in group_params(group, int(h)).items()}
        if isinstance(mixer, Recurrent):
            width_in, width_out = mixer.proj_in / h, mixer.proj_out / h
            self._product(RECURRENT, n, float(mixer.proj_in + mixer.proj_out), 2 * h, width_in + width_out)
            self.scan += n * mixer.flops_per_token
            self.moved_full += n * 4 * h
            self.moved_cut += n * 12 * width_in  # convolution, chunk states in fp32, scan, gated norm: reads and writes
            self.kept_full += n * 2 * h
            self.kept_cut += n * (2 * width_in + width_out)
            return
        q, kv, out = _widths(mixer)
        self._product(ATTENTION, n, whole["attention"], 2 * h, q + kv + out)
        self.attention += n * _core_flops(mixer, self.seq)
        self.rows += n * _row_flops(mixer)
        self.kv += n * kv
        self.scores += n * mixer.n_heads * self.seq
        self.moved_full += n * 4 * h
        self.moved_cut += n * 2 * (q + kv)  # positions are turned, head norms
        self.kept_full += n * 2 * h
        self.kept_cut += n * (q + kv + out)

    def _experts(self, moe: MoE, n: float, h: float, group: LayerGroup, hidden: int) -> None:
        active, stored = group_params(group, hidden, active=True), group_params(group, hidden)
        width = float(moe.latent_hidden or hidden)
        inner = moe.intermediate * (2.0 if moe.gated else 1.0)
        self._product(EXPERTS, n, float(active["experts"]), moe.top_k * 2 * width,
                      moe.top_k * (inner + moe.intermediate), float(stored["experts"]))  # fmt: skip
        self._product(ROUTER, n, float(active["router"]), h, float(moe.n_experts))
        if active["shared_experts"]:
            shared = moe.shared_intermediate * (2.0 if moe.shared_gated else 1.0)
            self._product(SHARED, n, float(active["shared_experts"]), 2 * h, shared + moe.shared_intermediate)
            self.moved_cut += n * (shared + moe.shared_intermediate)
            self.kept_cut += n * (shared + moe.shared_intermediate)
        self.moved_full += n * 4 * h
        self.kept_full += n * 2 * h
        # staged for the exchange, gathered by expert and put back (read and written each), activation in between
        self.moved_routed += n * moe.top_k * (6 * width + inner + moe.intermediate)
        if moe.bias:  # grouped kernels take no bias: added apart, and the activation around it is not fused
            self.moved_routed += n * moe.top_k * (2 * (inner + width) + 4 * inner)
        self.kept_routed += n * moe.top_k * (width + inner + moe.intermediate)

    def _product(
        self, kind: int, n: float, elements: float, full: float, cut: float, stored: float | None = None
    ) -> None:
        self.elements[kind] += n * elements
        self.stored[kind] += n * (elements if stored is None else stored)
        self.full[kind] += n * full
        self.cut[kind] += n * cut

    def _between(self, n: float, h: float, width: float, inner: float) -> None:
        self.moved_full += n * 4 * h
        self.moved_cut += n * (width + inner)
        self.kept_full += n * 2 * h
        self.kept_cut += n * (width + inner)


def _widths(mixer: Attention | LatentAttention) -> tuple[float, float, float]:
    """Elements of queries, of keys and values, and of the output of one token."""
    if isinstance(mixer, LatentAttention):
        q = mixer.n_heads * (mixer.nope_head_dim + mixer.rope_head_dim)
        kv = mixer.n_heads * (mixer.nope_head_dim + mixer.rope_head_dim + mixer.v_head_dim)  # expanded for training
        return float(q), float(kv), float(mixer.n_heads * mixer.v_head_dim)
    q = mixer.n_heads * mixer.head_dim * (2 if mixer.output_gate else 1)
    kv = 0 if mixer.reuses_kv else mixer.n_kv_heads * (mixer.head_dim + (0 if mixer.k_eq_v else mixer.v_head_dim))
    return float(q), float(kv), float(mixer.n_heads * mixer.v_head_dim)


def _row_flops(mixer: Attention | LatentAttention) -> float:
    """FLOPs of one token in one layer per token of its span: attention's FLOPs over twice the mean context."""
    if isinstance(mixer, LatentAttention):
        return float(mixer.n_heads * (mixer.nope_head_dim + mixer.rope_head_dim + mixer.v_head_dim))
    return float(mixer.n_heads * (mixer.head_dim + mixer.v_head_dim))


def _core_flops(mixer: Attention | LatentAttention, seq: float) -> float:
    """FLOPs of scores and values of one token in one layer, causal, within the window or the chosen tokens."""
    if isinstance(mixer, LatentAttention):
        per_token = 2.0 * mixer.n_heads * (mixer.nope_head_dim + mixer.rope_head_dim + mixer.v_head_dim)
        compress = 1
    else:
        per_token = 2.0 * mixer.n_heads * (mixer.head_dim + mixer.v_head_dim)
        compress = mixer.compress
    index = mixer.indexer
    selecting = 2.0 * index.n_heads * index.head_dim * mean_context(seq) / compress if index else 0.0
    if compress == 1:
        return per_token * mean_context(seq, index.top_k if index else mixer.window) + selecting
    near = mean_context(seq, mixer.window) if mixer.window else 0.0
    far = mean_context(seq, index.top_k * compress if index else None) / compress
    return per_token * (near + far) + selecting
