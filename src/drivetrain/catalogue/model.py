"""The record of a language model: enough architecture to count parameters, FLOPs, bytes and messages exactly.

A model is embeddings, a list of layer groups and a head. A layer has at most one *mixer* (what moves information
between tokens: attention, or a recurrence with constant state) and at most one *feed-forward* part. Identical layers
are one group with a ``count``. Sizes are in elements; linear layers are named ``in x out``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivetrain.catalogue.formats import usual_format

# Parts of a checkpoint that quantised releases treat differently.
WEIGHT_PARTS = ("attention", "ffn", "experts", "shared_experts", "recurrent", "embedding", "lm_head", "router", "norm")


@dataclass(frozen=True, slots=True)
class Indexer:
    """The light attention that selects ``top_k`` cached tokens for the real one (DeepSeek sparse attention).

    Parameters: ``q_rank x n_heads*head_dim`` (from the query latent), ``hidden x head_dim`` keys,
    ``hidden x n_heads`` weights. It caches one ``head_dim`` key per (compressed) token.
    """

    n_heads: int
    head_dim: int
    top_k: int


@dataclass(frozen=True, slots=True)
class Attention:
    """Softmax attention with grouped (or multi-, or single-) key/value heads.

    Projections: ``hidden x n_heads*head_dim`` (twice that with ``output_gate``), ``hidden x n_kv_heads*head_dim`` keys,
    ``hidden x n_kv_heads*v_head_dim`` values (none with ``k_eq_v``), ``n_heads*v_head_dim x hidden`` out. With
    ``q_lora_rank`` the query goes through ``hidden x q_lora_rank x n_heads*head_dim``; with ``o_lora_rank`` the
    output goes through ``o_groups`` blocks of rank ``o_lora_rank`` (DeepSeek V4). ``window`` bounds what a token can
    see (sliding
    window or chunk). ``compress`` keeps one cache entry per so many tokens, beside the ``window`` raw ones.
    ``reuses_kv`` reads the cache of an earlier layer (Gemma 3n), stores none and has no key or value projection.
    ``kv_tied`` caches one vector that is key and value at once (DeepSeek V4); with ``k_eq_v`` alone both are cached,
    since norms and positions differ (Gemma 4).
    """

    n_heads: int
    n_kv_heads: int
    head_dim: int
    v_head_dim: int
    window: int | None = None
    q_bias: bool = False
    kv_bias: bool = False
    o_bias: bool = False
    output_gate: bool = False
    qk_norm: Literal["none", "head", "full"] = "none"
    k_eq_v: bool = False
    reuses_kv: bool = False
    sinks: bool = False
    q_lora_rank: int | None = None
    o_lora_rank: int | None = None
    o_groups: int = 1
    compress: int = 1
    indexer: Indexer | None = None
    extra_params: int = 0
    kv_tied: bool = False


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek V2 and after).

    Projections: query ``hidden x q_lora_rank x n_heads*(nope+rope)`` (direct if no rank), down
    ``hidden x (kv_lora_rank + rope)``, up ``kv_lora_rank x n_heads*(nope + v)``, out ``n_heads*v x hidden``. The
    cache holds ``kv_lora_rank + rope`` elements a token, the same on every tensor-parallel rank.
    """

    n_heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    nope_head_dim: int
    rope_head_dim: int
    v_head_dim: int
    window: int | None = None
    indexer: Indexer | None = None
    extra_params: int = 0


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A mixer with a constant state per sequence: state-space model, linear attention, gated recurrence.

    ``proj_in`` and ``proj_out`` are elements of the projections from and to the hidden size (``hidden x ...`` summed);
    ``state`` elements are kept per sequence in ``state_dtype``, ``conv_state`` more for the short convolution in the
    activation type. ``flops_per_token`` counts the recurrence itself (2 per multiply-add), ``extra_params`` the
    convolution, decay, norm and bias parameters. ``n_heads`` bounds tensor parallelism.
    """

    kind: Literal[
        "mamba1", "mamba2", "gated_delta", "kimi_delta", "lightning", "short_conv", "rg_lru", "rwkv", "retention"
    ]
    n_heads: int
    proj_in: int
    proj_out: int
    state: int
    conv_state: int
    flops_per_token: float
    state_dtype: str = "fp32"
    extra_params: int = 0


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense feed-forward part: ``hidden x intermediate`` (twice when ``gated``) and back."""

    intermediate: int
    gated: bool = True
    bias: bool = False


@dataclass(frozen=True, slots=True)
class MoE:
    """Routed experts, ``top_k`` of ``n_experts`` per token, with an always-on part beside them.

    ``intermediate`` is one routed expert's, ``shared_intermediate`` the sum over shared experts (or a dense branch in
    parallel). ``hidden`` differs from the model's where experts work in a latent space (``latent_proj`` elements then).
    ``zero_experts`` are identity experts that the router may choose (LongCat): ``top_k`` counts them.
    """

    n_experts: int
    top_k: int
    intermediate: int
    gated: bool = True
    bias: bool = False
    shared_intermediate: int = 0
    shared_gated: bool = True
    shared_gate: bool = False
    router_bias: bool = False
    latent_hidden: int | None = None
    zero_experts: int = 0


Mixer = Attention | LatentAttention | Recurrent
FeedForward = Dense | MoE


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """``count`` identical layers.

    ``norm_params`` counts all normalisation elements of one layer; ``extra_params`` what fits nowhere else (per-layer
    embeddings' gates, hyper-connections). A layer with both ``mixer`` and ``parallel_mixer`` runs them side by side
    (Falcon-H1, Hymba).
    """

    count: int
    mixer: Mixer | None
    ffn: FeedForward | None
    norm_params: int = 0
    extra_params: int = 0
    parallel_mixer: Mixer | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """Parameter counts as the authors state them, with the rounding of the statement (relative half-width)."""

    total: float | None = None
    active: float | None = None
    rounding: float = 0.01
    source: str = ""


_LOOSELY = {"fp8": ("fp8_block", "mxfp8"), "fp4": ("nvfp4", "mxfp4"), "bf16": ("fp16",), "fp16": ("bf16",)}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published set of weights: precision by part (``default`` for parts not named) and KV precision.

    ``format`` is one of :data:`drivetrain.catalogue.formats.FORMATS` where it is stated, see :attr:`written_as`.
    """

    name: str
    weight_dtype: str
    dtypes: Mapping[str, str]
    kv_dtype: str = "bf16"
    source: str = ""
    format: str = ""

    @property
    def written_as(self) -> str:
        """The format of the files: as stated, else as its publisher usually writes them, empty where unknown."""
        return self.format or usual_format(self.name, self.weight_dtype)

    def dtype_of(self, part: str) -> str:
        """Precision of one of :data:`WEIGHT_PARTS`."""
        return self.dtypes.get(part, self.dtypes.get("default", self.weight_dtype))

    def is_in(self, precision: str) -> bool:
        """Whether people would say this checkpoint is in ``precision``.

        ``fp8`` covers block scales, ``fp4`` both formats.
        """
        return precision in (self.name, self.weight_dtype) or self.weight_dtype in _LOOSELY.get(precision, ())


@dataclass(frozen=True, slots=True)
class Model:
    """A language model (of a multimodal model: the language part)."""

    name: str
    aliases: tuple[str, ...]
    family: str
    hidden: int
    vocab: int
    layers: tuple[LayerGroup, ...]
    tied_embeddings: bool
    max_context: int
    checkpoints: tuple[Checkpoint, ...]
    norm_params: int = 0
    embedding_params: int = 0  # learned positions, embedding projections, per-layer embeddings, biases of the head
    mtp: tuple[LayerGroup, ...] = ()
    mtp_extra_params: int = 0
    published: Published = field(default_factory=Published)
    convention: str = "embeddings counted; multi-token-prediction layers and vision or audio towers not"
    source: str = ""
    seen: str = ""
    notes: str = ""
    active_embeddings: Literal["all", "head", "none"] = "all"  # which tables the authors' active count includes
    other_inputs: tuple[str, ...] = ()  # beside text, read by encoders that are no part of this record: image, audio

    def alike(self, checkpoint: Checkpoint) -> tuple[Checkpoint, ...]:
        """``checkpoint``, then the other published ones in its precision."""
        if checkpoint not in self.checkpoints:
            return (checkpoint,)
        same = (c for c in self.checkpoints if c.weight_dtype == checkpoint.weight_dtype and c is not checkpoint)
        return (checkpoint, *same)

    @property
    def n_layers(self) -> int:
        """All layers, MTP not counted."""
        return sum(group.count for group in self.layers)
