"""Which part of the weights a module name or pattern in a quantisation list means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from drivetrain.errors import FileError

LINEAR = ("attention", "ffn", "experts", "shared_experts", "recurrent")

# A few real module names of each part, to try regular expressions on.
_EXAMPLES = {
    "attention": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.qkv_proj",
                  "self_attn.q_a_proj", "self_attn.q_b_proj", "self_attn.kv_a_proj_with_mqa", "self_attn.kv_b_proj"),
    "ffn": ("mlp.gate_proj", "mlp.up_proj", "mlp.gate_up_proj", "mlp.down_proj", "feed_forward.gate_proj"),
    "experts": ("mlp.experts.0.gate_proj", "mlp.experts.0.up_proj", "mlp.experts.0.down_proj",
                "block_sparse_moe.experts.0.w1", "feed_forward.experts.gate_up_proj", "mlp.experts"),
    "shared_experts": ("mlp.shared_experts.gate_proj", "mlp.shared_expert.up_proj", "mlp.shared_experts.down_proj",
                       "feed_forward.shared_expert.down_proj", "mlp.shared_expert.gate_proj", "mlp.shared_experts"),
    "recurrent": ("linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv", "linear_attn.out_proj", "mamba.in_proj",
                  "mamba.out_proj", "mixer.in_proj", "mixer.out_proj", "linear_attn.in_proj_z"),
    "router": ("mlp.gate", "mlp.router", "block_sparse_moe.gate", "feed_forward.router"),
}  # fmt: skip
_TOP = {"lm_head": ("lm_head",), "embedding": ("model.embed_tokens",)}

# Keywords in the order they decide; a plain name is told by its last telling piece.
_KEYWORDS = (
    ("", r"vision|visual|vit\b|audio|image|multi_modal|mm_|^mtp|nextn|encoder|projector|patch_embed|model\.mtp"),
    ("lm_head", r"lm_head|^output$|embed_out"),
    ("embedding", r"embed|wte\b|wpe\b"),
    ("shared_experts", r"shared_expert|shared_mlp|share_expert"),
    ("router", r"router|(mlp|moe|feed_forward|mixer|ffn)\.gate\b(?!_)|^gate$|e_score|shared_expert_gate"),
    ("experts", r"experts?\b"),
    ("recurrent", r"linear_attn|mamba|ssm|in_proj|out_proj|conv1d|x_proj|dt_proj|recurrent"),
    (
        "attention",
        r"attn|attention|q_proj|k_proj|v_proj|o_proj|qkv|query_key_value|kv_[ab]|q_[ab]|c_attn|indexer|wq|wk|wo",
    ),
    ("norm", r"norm|ln_"),
    ("ffn", r"mlp|ffn|feed_forward|gate_proj|up_proj|down_proj|gate_up|fc1|fc2|dense_"),
)
_LAYER = re.compile(r"(?:layers|blocks|h)\.(\d+)\b")


def parts_of(pattern: str, where: str) -> tuple[str, ...]:
    """The parts that a module name, glob or ``re:`` pattern covers; none for what is not the language model."""
    if pattern in ("Linear", "linear"):
        return LINEAR
    if pattern.startswith("re:"):
        return _by_regex(pattern[3:], where)
    for part, words in _KEYWORDS:
        if re.search(words, pattern):
            return (part,) if part else ()
    return ()


def _by_regex(pattern: str, where: str) -> tuple[str, ...]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise FileError(f"{where}: bad pattern '{pattern}' in quantization_config: {error}. Mend it.") from None
    prefixes = ("model.layers.7.", "model.language_model.layers.7.", "language_model.model.layers.7.")
    names = {part: [p + n for p in prefixes for n in some] for part, some in _EXAMPLES.items()}
    names |= {part: list(some) for part, some in _TOP.items()}
    return tuple(part for part, some in names.items() if any(compiled.match(n) for n in some))


def covered(patterns: Iterable[str], n_layers: int, where: str) -> set[str]:
    """Parts that ``patterns`` cover in at least half of the layers (a pattern without a layer number covers all)."""
    whole: set[str] = set()
    layers: dict[str, set[str]] = {}
    for pattern in patterns:
        number = _LAYER.search(pattern)
        for part in parts_of(pattern, where):
            if number is None or pattern.startswith("re:"):
                whole.add(part)
            else:
                layers.setdefault(part, set()).add(number[1])
    return whole | {part for part, some in layers.items() if 2 * len(some) >= n_layers}
