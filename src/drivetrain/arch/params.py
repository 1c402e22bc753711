"""Parameter counts and memory of a model, exactly, by part.

Everything follows from the record in :mod:`drivetrain.catalogue.model`; nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.arch.precision import bytes_per_kv, bytes_per_weight
from drivetrain.catalogue.model import (
    WEIGHT_PARTS,
    Attention,
    Checkpoint,
    Dense,
    FeedForward,
    Indexer,
    LatentAttention,
    LayerGroup,
    Mixer,
    Model,
    Recurrent,
)

_CONV_STATE_BYTES = 2.0  # short convolutions keep their inputs in the activation type


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Parameters of the language model.

    ``parts`` and ``active_parts`` are keyed by WEIGHT_PARTS and sum to
    ``total`` and ``active``; ``mtp`` is counted apart and in neither.
    """

    total: int
    active: int
    parts: Mapping[str, int]
    active_parts: Mapping[str, int]
    mtp: int

    @property
    def embedding(self) -> int:
        """Input embeddings, learned positions and per-layer embeddings."""
        return self.parts["embedding"]

    @property
    def non_embedding(self) -> int:
        """Everything but input embeddings and the head."""
        return self.total - self.parts["embedding"] - self.parts["lm_head"]


def count(model: Model) -> ParameterCounts:
    """Count the parameters of ``model``, all of them and those that one token touches.

    total = embeddings + head (0 if tied) + sum over layers (mixer + feed-forward + norms) + final norm;
    active = total - (experts not chosen), and without the tables that ``model.active_embeddings`` leaves out.

    >>> from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model
    >>> layer = LayerGroup(2, Attention(4, 2, 8, 8), Dense(64), norm_params=64)
    >>> m = Model("toy", (), "llama", 32, 100, (layer,), False, 128, (), norm_params=32)
    >>> count(m).total  # 2*3200 + 2*(1024+512+512+1024 + 3*32*64 + 64) + 32
    24992
    """
    parts, active = dict.fromkeys(WEIGHT_PARTS, 0), dict.fromkeys(WEIGHT_PARTS, 0)
    table = model.vocab * model.hidden
    parts["embedding"] = table + model.embedding_params
    parts["lm_head"] = 0 if model.tied_embeddings else model.vocab * model.hidden
    parts["norm"] = model.norm_params
    active.update({name: parts[name] for name in ("embedding", "lm_head", "norm")})
    if model.active_embeddings == "none":
        active["embedding"] = active["lm_head"] = 0
    elif model.active_embeddings == "head":
        active["embedding"] = table if model.tied_embeddings else 0
    for group in model.layers:
        _add(parts, group_params(group, model.hidden), group.count)
        _add(active, group_params(group, model.hidden, active=True), group.count)
    mtp = sum(group.count * sum(group_params(group, model.hidden).values()) for group in model.mtp)
    return ParameterCounts(
        total=sum(parts.values()),
        active=sum(active.values()),
        parts=parts,
        active_parts=active,
        mtp=mtp + model.mtp_extra_params,
    )


def group_params(group: LayerGroup, hidden: int, *, active: bool = False) -> dict[str, int]:
    """Parameters of one layer of ``group`` by part; with ``active`` those one token touches."""
    parts = dict.fromkeys(WEIGHT_PARTS, 0)
    for mixer in (group.mixer, group.parallel_mixer):
        if mixer is not None:
            name = "recurrent" if isinstance(mixer, Recurrent) else "attention"
            parts[name] += mixer_params(mixer, hidden)
    if group.ffn is not None:
        _add(parts, ffn_params(group.ffn, hidden, active=active), 1)
    parts["norm"] += group.norm_params + group.extra_params
    return parts


def mixer_params(mixer: Mixer, hidden: int) -> int:
    """Parameters of one attention or recurrence, norms not included (see its class for the projections)."""
    if isinstance(mixer, Recurrent):
        return mixer.proj_in + mixer.proj_out + mixer.extra_params
    if isinstance(mixer, LatentAttention):
        return _latent_params(mixer, hidden)
    return _attention_params(mixer, hidden)


def _attention_params(a: Attention, hidden: int) -> int:
    q_out = a.n_heads * a.head_dim * (2 if a.output_gate else 1)
    total = hidden * a.q_lora_rank + a.q_lora_rank * q_out if a.q_lora_rank else hidden * q_out
    total += q_out if a.q_bias else 0
    if not a.reuses_kv:
        values = 0 if a.k_eq_v else a.n_kv_heads * a.v_head_dim
        total += (hidden + (1 if a.kv_bias else 0)) * (a.n_kv_heads * a.head_dim + values)
    o_in = a.n_heads * a.v_head_dim
    total += o_in * a.o_lora_rank + a.o_groups * a.o_lora_rank * hidden if a.o_lora_rank else o_in * hidden
    total += hidden if a.o_bias else 0
    total += a.n_heads if a.sinks else 0
    return total + _indexer_params(a.indexer, hidden, a.q_lora_rank) + a.extra_params


def _latent_params(a: LatentAttention, hidden: int) -> int:
    q_out = a.n_heads * (a.nope_head_dim + a.rope_head_dim)
    total = hidden * a.q_lora_rank + a.q_lora_rank * q_out if a.q_lora_rank else hidden * q_out
    total += hidden * (a.kv_lora_rank + a.rope_head_dim)
    total += a.kv_lora_rank * a.n_heads * (a.nope_head_dim + a.v_head_dim)
    total += a.n_heads * a.v_head_dim * hidden
    return total + _indexer_params(a.indexer, hidden, a.q_lora_rank) + a.extra_params


def _indexer_params(indexer: Indexer | None, hidden: int, q_rank: int | None) -> int:
    if indexer is None:
        return 0
    queries = (q_rank or hidden) * indexer.n_heads * indexer.head_dim
    return queries + hidden * indexer.head_dim + hidden * indexer.n_heads


def ffn_params(ffn: FeedForward, hidden: int, *, active: bool = False) -> dict[str, int]:
    """Parameters of one feed-forward part: ``ffn`` when dense, else ``experts``, ``shared_experts``, ``router``.

    With ``active`` a mixture counts ``top_k`` experts; where some experts are identities (``zero_experts``) the
    expected number of real ones under a uniform choice, top_k * n_experts / (n_experts + zero_experts).
    """
    if isinstance(ffn, Dense):
        return {"ffn": _mlp(hidden, ffn.intermediate, ffn.gated, ffn.bias)}
    width = ffn.latent_hidden or hidden
    chosen = ffn.n_experts
    if active:
        chosen = round(ffn.top_k * ffn.n_experts / (ffn.n_experts + ffn.zero_experts))
    router = hidden * (ffn.n_experts + ffn.zero_experts)
    router += ffn.n_experts + ffn.zero_experts if ffn.router_bias else 0
    router += hidden if ffn.shared_gate else 0
    shared = _mlp(hidden, ffn.shared_intermediate, ffn.shared_gated, False) if ffn.shared_intermediate else 0
    shared += 2 * hidden * ffn.latent_hidden if ffn.latent_hidden else 0
    experts = min(chosen, ffn.n_experts) * _mlp(width, ffn.intermediate, ffn.gated, ffn.bias)
    return {"experts": experts, "shared_experts": shared, "router": router}


def _mlp(hidden: int, intermediate: int, gated: bool, bias: bool) -> int:
    n_in = 2 if gated else 1
    return (n_in + 1) * hidden * intermediate + (n_in * intermediate + hidden if bias else 0)


def weight_bytes(model: Model, checkpoint: Checkpoint) -> float:
    """Bytes of all weights as ``checkpoint`` stores them: sum over parts of count * bytes per weight (MTP apart)."""
    parts = count(model).parts
    return sum(n * bytes_per_weight(checkpoint.dtype_of(part)) for part, n in parts.items())


def kv_elements_per_token(mixer: Mixer | None) -> float:
    """Cache elements one layer adds per token at full context beyond any window.

    Grouped heads: n_kv_heads * (head_dim + v_head_dim) / compress, once only where keys and values are one vector;
    latent: kv_lora_rank + rope_head_dim; an indexer adds its key (per compressed entry). A windowed layer without
    compression, a layer that reuses another's cache and a recurrence add nothing.
    """
    if mixer is None or isinstance(mixer, Recurrent):
        return 0.0
    index = float(mixer.indexer.head_dim) if mixer.indexer else 0.0
    if isinstance(mixer, LatentAttention):
        return 0.0 if mixer.window else mixer.kv_lora_rank + mixer.rope_head_dim + index
    if mixer.reuses_kv or (mixer.window and mixer.compress == 1):
        return 0.0
    values = 0 if mixer.kv_tied else mixer.v_head_dim
    return (mixer.n_kv_heads * (mixer.head_dim + values) + index) / mixer.compress


def kv_bytes_per_token(model: Model, checkpoint: Checkpoint) -> float:
    """Whole-model cache bytes per token at full context, in the checkpoint's KV precision (MTP layers apart)."""
    elements = sum(
        group.count * (kv_elements_per_token(group.mixer) + kv_elements_per_token(group.parallel_mixer))
        for group in model.layers
    )
    return elements * bytes_per_kv(checkpoint.kv_dtype)


def state_bytes_per_sequence(model: Model) -> float:
    """Bytes of recurrent state that every running sequence keeps, whatever its length (convolution state included)."""
    total = 0.0
    for group in model.layers:
        for mixer in (group.mixer, group.parallel_mixer):
            if isinstance(mixer, Recurrent):
                state = mixer.state * bytes_per_weight(mixer.state_dtype)
                total += group.count * (state + mixer.conv_state * _CONV_STATE_BYTES)
    return total


def _add(into: dict[str, int], parts: Mapping[str, int], times: int) -> None:
    for name, value in parts.items():
        into[name] += times * value
