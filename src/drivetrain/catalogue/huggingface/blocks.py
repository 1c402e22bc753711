"""The few shapes that most decoder families share; a family module only states where it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.model import Attention, Dense, FeedForward, LatentAttention, LayerGroup, Mixer, MoE

GATED = ("silu", "swiglu", "swish")


@dataclass(frozen=True)
class Built:
    """What a family makes of a configuration; the import adds names, precision and provenance."""

    hidden: int
    vocab: int
    layers: tuple[LayerGroup, ...]
    tied: bool
    max_context: int
    norm: int
    embedding_params: int = 0
    mtp: tuple[LayerGroup, ...] = ()
    mtp_extra: int = 0
    active: Literal["all", "head", "none"] = "all"
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Shape:
    """The sizes that nearly every layer needs."""

    hidden: int
    layers: int
    heads: int
    kv: int
    head_dim: int


LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "n_embed", "model_dim", "dim")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
CONTEXT = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx",
    "max_sequence_length", "max_seq_length", "model_max_length")  # fmt: skip
INNER = ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "ffn_hidden_dim")


def shape(f: Fields, *, kv_default: int | None = None) -> Shape:
    """Hidden size, layers and heads; heads must divide what they share."""
    hidden, layers, heads = f.size(*HIDDEN), f.size(*LAYERS), f.size(*HEADS)
    names = ("num_key_value_heads", "n_kv_heads", "num_kv_heads", "n_head_kv")
    given_as_null = any(name in f.raw for name in names) and not f.has(*names)
    kv = heads if given_as_null else f.size(*names, default=kv_default or heads)
    head_dim = f.maybe("head_dim", "kv_channels", "attention_head_dim", "head_size") or divide(f, hidden, heads)
    if heads % kv:
        raise f.bad(f"{heads} attention heads cannot share {kv} key/value heads evenly. Check both fields.")
    return Shape(hidden, layers, heads, kv, head_dim)


def divide(f: Fields, hidden: int, heads: int) -> int:
    """Head dimension where the configuration gives none."""
    if hidden % heads:
        raise f.bad(f"hidden size {hidden} is no multiple of {heads} attention heads and no head_dim is given.")
    return hidden // heads


def gqa(s: Shape, **options: Any) -> Attention:  # noqa: ANN401 - fields of Attention
    """Grouped-query attention of the given shape."""
    return replace(Attention(s.heads, s.kv, s.head_dim, s.head_dim), **options)


def layer(
    mixer: Mixer | None,
    ffn: FeedForward | None,
    norm: int,
    label: str = "",
    *,
    extra: int = 0,
    parallel: Mixer | None = None,
) -> LayerGroup:
    """One layer."""
    return LayerGroup(1, mixer, ffn, norm, extra, parallel, label)


def stack(layers: Iterable[LayerGroup]) -> tuple[LayerGroup, ...]:
    """Put identical layers into one group each and write in its label which layers they are.

    >>> a, b = LayerGroup(1, None, Dense(8)), LayerGroup(1, None, Dense(16), label="wide")
    >>> [(g.count, g.label) for g in stack([a, b, a, b, a])]
    [(3, 'layers 0-4 by 2'), (2, 'wide, layers 1, 3')]
    """
    where: dict[LayerGroup, list[int]] = {}
    index = 0
    for one in layers:
        where.setdefault(replace(one, count=1), []).extend(range(index, index + one.count))
        index += one.count
    return tuple(
        replace(one, count=len(at), label=", ".join(filter(None, (one.label, _positions(at, index)))))
        for one, at in where.items()
    )


def _positions(at: list[int], total: int) -> str:
    if len(at) == total:
        return ""
    step = at[1] - at[0] if len(at) > 1 else 1
    if len(at) > 2 and at == list(range(at[0], at[-1] + 1, step)):
        return f"layers {at[0]}-{at[-1]}" + (f" by {step}" if step > 1 else "")
    runs: list[list[int]] = []
    for i in at:
        if runs and runs[-1][1] == i - 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    return "layers " + ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def decoder(f: Fields, s: Shape, make: Callable[[int], LayerGroup], **options: Any) -> Built:  # noqa: ANN401
    """A whole model from ``make(i)``, the layer at position ``i``; ``options`` are fields of :class:`Built`."""
    built = Built(
        hidden=s.hidden,
        vocab=f.size("vocab_size", "padded_vocab_size"),
        layers=stack(make(i) for i in range(s.layers)),
        tied=tied(f, default=False),
        max_context=context(f),
        norm=s.hidden,
    )
    return replace(built, **options)


def tied(f: Fields, *, default: bool) -> bool:
    """Whether the output head is the embedding table; a wrapper's own word counts where the inner one is silent."""
    if f.has("tie_word_embeddings"):
        return f.flag("tie_word_embeddings")
    if isinstance(f.outer.get("tie_word_embeddings"), bool):
        return bool(f.outer["tie_word_embeddings"])
    return f.flag("tie_word_embeddings", default=default)


def context(f: Fields, default: int = 2048) -> int:
    """The longest context, of whichever name."""
    return f.size(*CONTEXT, default=default)


def window(f: Fields, *names: str, default: int | None = None) -> int | None:
    """A sliding window's length, None where null, zero, negative or no shorter than the context."""
    names = names or ("sliding_window",)
    f.used.update(names)
    value = next((f.raw[name] for name in names if name in f.raw), default)
    if value is None or value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise f.bad(f"{names[0]} must be a whole number, not {value!r}.")
    return int(value) if 0 < value < context(f) else None


def windows(f: Fields, n: int, span: int | None, sliding: Callable[[int], bool]) -> list[int | None]:
    """The window of each layer, from ``layer_types`` or by rule."""
    types = kinds(f, n, lambda i: "sliding_attention" if sliding(i) else "full_attention")
    for kind in types:
        if kind not in ("sliding_attention", "full_attention", "chunked_attention", "attention"):
            raise f.bad(f"layer_types has '{kind}', which this family does not know.")
    return [span if kind in ("sliding_attention", "chunked_attention") else None for kind in types]


def kinds(f: Fields, n: int, default: Callable[[int], str]) -> list[str]:
    """What each layer is, from ``layer_types`` or by rule."""
    given = f.items("layer_types", length=n)
    return [str(kind) for kind in given] if given is not None else [default(i) for i in range(n)]


def sparse(f: Fields, n: int, default: Callable[[int], bool]) -> list[bool]:
    """Which layers have experts, from ``mlp_layer_types`` or by rule."""
    given = f.items("mlp_layer_types", length=n)
    return [kind != "dense" for kind in given] if given is not None else [default(i) for i in range(n)]


def latent(f: Fields, heads: int) -> tuple[LatentAttention, int]:
    """Multi-head latent attention and its norm elements (query and key/value latents)."""
    rank = f.maybe("q_lora_rank")
    kv_rank = f.size("kv_lora_rank")
    rope = f.size("qk_rope_head_dim")
    mixer = LatentAttention(heads, rank, kv_rank, f.size("qk_nope_head_dim"), rope, f.size("v_head_dim"))
    if f.flag("attention_bias"):
        extra = (rank or 0) + kv_rank + rope + f.size(*HIDDEN)
        mixer = replace(mixer, extra_params=extra)
    return mixer, (rank or 0) + kv_rank


def moe(n: int, k: int, intermediate: int, **options: Any) -> MoE:  # noqa: ANN401 - fields of MoE
    """Routed experts."""
    return replace(MoE(n, k, intermediate), **options)


def dense(f: Fields, *, gated: bool = True, bias: bool = False) -> Dense:
    """The feed-forward part of ``intermediate_size``."""
    return Dense(f.size(*INNER), gated, bias)
