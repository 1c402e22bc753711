"""Bytes per element of each precision, scale factors included: the one table of them.

A quantised weight carries its scales: ``fp8_block`` one fp32 per 128 x 128 block, ``int4`` one fp16 per group of 128
(symmetric; zero points would add 0.004), ``nvfp4`` one fp8 per 16, ``mxfp4`` and ``mxfp8`` one 8-bit exponent per 32.
Per-tensor and per-channel scales (``fp8``, ``int8``) are too few to count.
"""

from __future__ import annotations

from drivetrain.errors import UnsupportedError
from drivetrain.registry import suggest

BYTES_PER_WEIGHT: dict[str, float] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "fp8_block": 1.0 + 4.0 / (128 * 128),
    "mxfp8": 1.0 + 1.0 / 32,
    "int8": 1.0,
    "mxfp6": 0.75 + 1.0 / 32,
    "int4": 0.5 + 2.0 / 128,
    "nvfp4": 0.5 + 1.0 / 16,
    "mxfp4": 0.5 + 1.0 / 32,
    "int3": 0.375 + 2.0 / 128,
    "int2": 0.25 + 2.0 / 128,
}

# A cache has no block structure worth counting but the micro-scaled four- and eight-bit forms.
BYTES_PER_KV: dict[str, float] = {**BYTES_PER_WEIGHT, "fp8_block": 1.0}


def bytes_per_weight(dtype: str) -> float:
    """Bytes of one stored weight, its share of scale factors included.

    >>> bytes_per_weight("bf16"), bytes_per_weight("nvfp4"), bytes_per_weight("mxfp4")
    (2.0, 0.5625, 0.53125)
    """
    return _look_up(BYTES_PER_WEIGHT, dtype)


def bytes_per_kv(dtype: str) -> float:
    """Bytes of one cached key or value element.

    >>> bytes_per_kv("fp8"), bytes_per_kv("bf16")
    (1.0, 2.0)
    """
    return _look_up(BYTES_PER_KV, dtype)


def _look_up(table: dict[str, float], dtype: str) -> float:
    try:
        return table[dtype]
    except KeyError:
        close = suggest(dtype, table)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnsupportedError(f"unknown precision '{dtype}'.{hint} Known: {', '.join(table)}.") from None
