"""How techniques are called where their price in quality is looked up: one key each, from any spelling of it."""

from __future__ import annotations

from drivetrain.registry import slug

LOSSLESS = (
    "speculative", "prefix-cache", "chunked-prefill", "disaggregation", "kv-offload", "layout", "power-cap",
    "two-batch-overlap", "redundant-experts",
)  # fmt: skip
"""Equal outputs by construction; sums in another order still round otherwise."""
PLAIN = (*LOSSLESS, "speculative=relaxed", "pruned", "distilled", "sparsity=2:4", "sparsity=2:4-oneshot")
PRECISIONS = ("fp8", "fp8_block", "mxfp8", "int8", "int4", "nvfp4", "mxfp4")
SIBLING, COMPRESSION = "sibling=", "kv-compression="
USUAL_KEPT = 0.5  # what "kv-compression" alone means

_RELAXED = ("relaxed", "typical")
_HEADS = {"kv-dtype": "kv", "weight-dtype": "weights", "mtp": "speculative", "prefix": "prefix-cache"}


def canonical(technique: str) -> str:
    """Return the key of a technique from the spelling of a lever, an option or a person.

    >>> canonical("speculative=mtp"), canonical("chunked prefill"), canonical("kv_dtype=fp8")
    ('speculative', 'chunked-prefill', 'kv=fp8')
    >>> canonical("kv-compression")
    'kv-compression=0.5'
    """
    head, _, value = technique.strip().partition("=")
    head, value = slug(head), value.strip()
    head = _HEADS.get(head, head)
    if head == "speculative" and value in _RELAXED:
        return "speculative=relaxed"
    if head in LOSSLESS:
        return head
    if f"{head}=" == COMPRESSION and not value:
        value = str(USUAL_KEPT)
    return f"{head}={value}" if value else head


def is_known(key: str) -> bool:
    """Whether data may be filed under ``key``: a canonical key of a technique that exists.

    >>> is_known("weights=nvfp4"), is_known("weights=fp9"), is_known("kv-compression=0.3"), is_known("kv_dtype=fp8")
    (True, False, True, False)
    """
    head, _, value = key.partition("=")
    if key != canonical(key):
        return False
    if head in ("weights", "kv"):
        return value in PRECISIONS
    if f"{head}=" == COMPRESSION:
        return kept_share(key) is not None
    return key in PLAIN or (f"{head}=" == SIBLING and bool(value))


def kept_share(key: str) -> float | None:
    """Return the share of the KV cache that a key keeps; None where it is no KV compression.

    >>> kept_share("kv-compression=0.25"), kept_share("kv-compression=all"), kept_share("kv=fp8")
    (0.25, None, None)
    """
    if not key.startswith(COMPRESSION):
        return None
    try:
        share = float(key.removeprefix(COMPRESSION))
    except ValueError:
        return None
    return share if 0.0 < share <= 1.0 else None
