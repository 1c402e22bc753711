"""A dense model of any size, or a mixture of experts: what a plan trains when the size is free.

The shape follows Llama 3: heads of 128, eight key/value heads, a gated feed-forward part 3.5 times as wide as the
hidden size. With ``12.75 h^2`` parameters a layer (at 64 heads) and ``h / L`` about :data:`ASPECT`, as in Llama 3 8B,
70B and 405B (128, 102, 130), a model of N parameters has ``h = (N ASPECT / 12.75)^(1/3)``. ``h`` and the number of
layers are rounded to what divides over tensor and pipeline ranks, then the feed-forward width takes up the rest.

A mixture of ``E`` times the active size has that shape with every feed-forward part cut into :data:`TOP_K` experts of
which ``E TOP_K`` are stored: as fine-grained as DeepSeek-V3 (8 of 256). A token passes about N parameters.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.arch.params import count
from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model, MoE
from drivetrain.errors import BadInputError
from drivetrain.units import show

ASPECT = 110.0
HEAD = 128
KV_HEADS = 8
FFN_RATIO = 3.5
LARGE_VOCAB, SMALL_VOCAB = 128_256, 32_000
TOP_K = 8  # experts of a token
MOST_EXPANSION = 64
SMALL = 4e9  # below it a large vocabulary would be most of the model
LEAST, MOST = 3e7, 1e14
_PER_LAYER = 12.75  # h^2
_FFN_STEP = 128
_EXPERT_STEP = 64
_MAX_CONTEXT = 1 << 20


def dense_model(params: float) -> Model:
    """A dense model of about ``params`` parameters, embeddings counted.

    >>> model = dense_model(70e9)
    >>> model.hidden, model.n_layers, round(count(model).total / 1e9)
    (8192, 80, 70)
    """
    if not LEAST <= params <= MOST:
        raise BadInputError(
            f"a model of {params:.3g} parameters is outside what can be planned ({LEAST:.0g} to {MOST:.0g}); "
            "change the budget, or name a --model."
        )
    vocab, tied = (SMALL_VOCAB, True) if params < SMALL else (LARGE_VOCAB, False)
    ideal = (params * ASPECT / _PER_LAYER) ** (1.0 / 3.0)
    hidden = _rounded(ideal, 1024 if ideal > 3000 else 256, 256)
    body = params - vocab * hidden * (1 if tied else 2)
    layers = _rounded(body / (_PER_LAYER * hidden**2), 8 if body > 2e10 else 4, 4)
    heads = hidden // HEAD
    kv = min(KV_HEADS, heads)
    attention = hidden * hidden * 2 + 2 * hidden * kv * HEAD
    width = _rounded((body / layers - attention) / (3 * hidden), _FFN_STEP, _FFN_STEP)
    group = LayerGroup(layers, Attention(heads, kv, HEAD, HEAD), Dense(width), norm_params=2 * hidden)
    model = Model(
        "", (), "dense", hidden, vocab, (group,), tied, _MAX_CONTEXT, (), norm_params=hidden,
        source="shape of Llama 3 scaled", seen="2026-11",
    )  # fmt: skip
    return _named(model)


def mixture_model(active: float, expansion: int) -> Model:
    """A mixture of experts of about ``active`` parameters a token, ``expansion`` times the active experts stored.

    >>> model = mixture_model(37e9, 32)
    >>> model.layers[0].ffn.n_experts, model.layers[0].ffn.top_k, round(count(model).active / 1e9)
    (256, 8, 37)
    """
    if expansion == 1:
        return dense_model(active)
    if not 1 <= expansion <= MOST_EXPANSION or expansion != int(expansion):
        raise BadInputError(
            f"experts of {expansion:g} times the active size: give a whole number from 1 (dense) to {MOST_EXPANSION}."
        )
    dense = dense_model(active)
    group = dense.layers[0]
    assert isinstance(group.ffn, Dense)
    width = _rounded(group.ffn.intermediate / TOP_K, _EXPERT_STEP, _EXPERT_STEP)
    experts = MoE(TOP_K * int(expansion), TOP_K, width)
    model = replace(dense, family="moe", layers=(replace(group, ffn=experts),))
    found = count(model)
    name = f"moe-{show(found.total, 'params', 3).lower()}-a{show(found.active, 'params', 3).lower()}"
    return replace(model, name=name)


def _named(model: Model) -> Model:
    total = count(model).total
    return replace(model, name=f"dense-{show(total, 'params', 3).lower()}")


def _rounded(value: float, step: int, least: int) -> int:
    return max(least, round(value / step) * step)
