"""Models whose layers an architecture search chose one by one."""

from __future__ import annotations

from typing import Any

from drivetrain.catalogue.huggingface.blocks import HEADS, HIDDEN, LAYERS, Built, Shape, decoder, divide, gqa, layer
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.model import Attention, Dense, LayerGroup


def searched(f: Fields) -> Built:
    """Read ``block_configs`` (heads per group, ffn_mult, no_op) or DeciLM's ``num_key_value_heads_per_layer``."""
    hidden, n, heads = f.size(*HIDDEN), f.size(*LAYERS), f.size(*HEADS)
    s = Shape(hidden, n, heads, heads, f.maybe("head_dim") or divide(f, hidden, heads))
    per_layer = f.items("num_key_value_heads_per_layer", length=n)
    if per_layer is not None:
        inner = Dense(f.size("intermediate_size"))
        return decoder(f, s, lambda i: layer(gqa(s, n_kv_heads=int(per_layer[i])), inner, 2 * hidden))
    blocks = f.items("block_configs", length=n)
    if blocks is None:
        raise f.missing("block_configs", "num_key_value_heads_per_layer")
    return decoder(f, s, lambda i: _block(f, s, blocks[i], i))


def _block(f: Fields, s: Shape, block: Any, i: int) -> LayerGroup:  # noqa: ANN401 - straight from JSON
    if (
        not isinstance(block, dict)
        or not isinstance(block.get("attention"), dict)
        or not isinstance(block.get("ffn"), dict)
    ):
        raise f.bad(f"block_configs[{i}] needs objects 'attention' and 'ffn'.")
    a, b = block["attention"], block["ffn"]
    mixer, extra = _attention(f, s, a, i)
    ffn: Dense | None = None
    if b.get("replace_with_linear"):
        extra += s.hidden * s.hidden
    elif not b.get("no_op"):
        ffn = Dense(_width(f, s.hidden, b, i))
    norm = s.hidden * ((not a.get("no_op")) + (not b.get("no_op")))
    label = " ".join(w for w, off in (("no attention", mixer is None), ("no feed-forward", ffn is None)) if off)
    return layer(mixer, ffn, norm, label, extra=extra)


def _attention(f: Fields, s: Shape, a: dict[str, Any], i: int) -> tuple[Attention | None, int]:
    if a.get("replace_with_linear"):
        return None, s.hidden * s.hidden
    if a.get("no_op"):
        return None, 0
    group, kv = a.get("n_heads_in_group"), a.get("num_key_value_heads")
    if isinstance(group, int) and group > 0 and s.heads % group == 0:
        kv = s.heads // group
    if not isinstance(kv, int) or kv < 1:
        raise f.bad(f"block_configs[{i}].attention needs n_heads_in_group that divides {s.heads}.")
    span = a.get("window_length")
    return gqa(s, n_kv_heads=kv, window=span if isinstance(span, int) else None), 0


def _width(f: Fields, hidden: int, b: dict[str, Any], i: int) -> int:
    """Intermediate = 2/3 * ffn_mult * hidden, rounded up to a multiple of 256."""
    if isinstance(b.get("intermediate_size"), int):
        return int(b["intermediate_size"])
    mult = b.get("ffn_mult")
    if not isinstance(mult, (int, float)) or isinstance(mult, bool) or not 0 < mult < 1000:
        raise f.bad(f"block_configs[{i}].ffn needs ffn_mult or intermediate_size.")
    width = int(2 * mult * hidden / 3)
    return -(-width // 256) * 256
