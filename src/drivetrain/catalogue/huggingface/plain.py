"""The common dense decoder: attention and one feed-forward part in every layer, told apart by a :class:`Style`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from drivetrain.catalogue.huggingface.blocks import INNER, Built, Shape, decoder, gqa, layer
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.model import Dense, FeedForward, LayerGroup

QkNorm = Literal["none", "head", "full"]


@dataclass(frozen=True)
class Style:
    """What tells dense decoders apart: biases, normalisations (``norms`` per layer), gating."""

    q_bias: bool = False
    kv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    gated: bool = True
    norms: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    qk_norm: QkNorm = "none"
    sinks: bool = False
    output_gate: bool = False

    def norm(self, hidden: int) -> int:
        """Elements of one normalisation."""
        return hidden * (2 if self.norm_bias else 1)

    def layer_norm(self, s: Shape) -> int:
        """Elements of all normalisations of a layer."""
        return self.norms * self.norm(s.hidden) + qk_norm_params(s, self.qk_norm)


def qk_norm_params(s: Shape, kind: QkNorm) -> int:
    """Elements of the query and key norms."""
    return {"none": 0, "head": 2 * s.head_dim, "full": (s.heads + s.kv) * s.head_dim}[kind]


def qkv(bias: bool, *, o: bool = False, **options: Any) -> Style:  # noqa: ANN401 - fields of Style
    """A style with or without biases on queries, keys and values."""
    return Style(q_bias=bias, kv_bias=bias, o_bias=o, **options)


def all_bias(bias: bool = True, **options: Any) -> Style:  # noqa: ANN401
    """A style with biases on every linear layer and norm, as the GPT-2 generation had them."""
    return Style(bias, bias, bias, bias, norm_bias=True, **options)


def plain(
    f: Fields,
    s: Shape,
    style: Style,
    *,
    windows: Sequence[int | None] | None = None,
    ffn: Callable[[int], FeedForward] | None = None,
    **options: Any,  # noqa: ANN401 - fields of Built
) -> Built:
    """The whole model; ``ffn(i)`` replaces the dense part of ``intermediate_size``."""
    attention = gqa(
        s,
        q_bias=style.q_bias,
        kv_bias=style.kv_bias,
        o_bias=style.o_bias,
        qk_norm=style.qk_norm,
        sinks=style.sinks,
        output_gate=style.output_gate,
    )
    one = Dense(f.size(*INNER), style.gated, style.mlp_bias) if ffn is None else None

    def make(i: int) -> LayerGroup:
        span = windows[i] if windows else None
        part = one if ffn is None else ffn(i)
        return layer(replace(attention, window=span), part, style.layer_norm(s), "sliding window" if span else "")

    options.setdefault("norm", style.norm(s.hidden) if style.final_norm else 0)
    return decoder(f, s, make, **options)
