"""Recurrent mixers: what each kind of state-space model or linear attention has in parameters, state and work.

FLOPs per token count the recurrence and the small matrices inside it (2 per multiply-add),
not the projections from and to
the hidden size. A state of n elements costs about 5 n for decay, outer product, sum and read-out,
7 n with a delta rule.
"""

from __future__ import annotations

from drivetrain.catalogue.model import Recurrent


def mamba1(hidden: int, inner: int, state: int, kernel: int, rank: int, *, conv_bias: bool = True,
    bias: bool = False, norms: bool = False) -> Recurrent:  # fmt: skip
    """Mamba: in ``hidden x 2 inner``, then B, C and the step's rank from ``inner``, A and D by element."""
    small = inner * (rank + 2 * state) + rank * inner
    extra = small + inner + inner * state + inner + inner * (kernel + conv_bias)
    extra += (rank + 2 * state if norms else 0) + (2 * inner + hidden if bias else 0)
    return Recurrent(
        "mamba1", inner, hidden * 2 * inner, inner * hidden, inner * state, inner * (kernel - 1),
        2.0 * small + 6.0 * inner * state + 2.0 * inner * kernel, extra_params=extra,
    )  # fmt: skip


def mamba2(
    hidden: int, heads: int, head_dim: int, groups: int, state: int, kernel: int, *,
    conv_bias: bool = True, bias: bool = False, gated_norm: bool = True,
) -> Recurrent:  # fmt: skip
    """Mamba 2: one projection to gate, values, B, C and steps; convolution over values, B and C."""
    inner = heads * head_dim
    conv = inner + 2 * groups * state
    width = inner + conv + heads
    extra = conv * (kernel + conv_bias) + 3 * heads + (inner if gated_norm else 0) + (width + hidden if bias else 0)
    return Recurrent(
        "mamba2", heads, hidden * width, inner * hidden, inner * state, conv * (kernel - 1),
        5.0 * inner * state + 2.0 * conv * kernel, extra_params=extra,
    )  # fmt: skip


def gated_delta(hidden: int, k_heads: int, k_dim: int, v_heads: int, v_dim: int, kernel: int) -> Recurrent:
    """Gated DeltaNet (Qwen 3 Next, OLMo Hybrid).

    Queries, keys, values, gate, two scalars per head, convolution, head norm.
    """
    keys, values = k_heads * k_dim, v_heads * v_dim
    conv = 2 * keys + values
    extra = conv * kernel + 2 * v_heads + v_dim
    return Recurrent(
        "gated_delta", v_heads, hidden * (conv + values + 2 * v_heads), values * hidden, v_heads * k_dim * v_dim,
        conv * (kernel - 1), 7.0 * v_heads * k_dim * v_dim + 2.0 * conv * kernel, extra_params=extra,
    )  # fmt: skip


def kimi_delta(hidden: int, heads: int, dim: int, kernel: int, *, low_rank: bool = True) -> Recurrent:
    """Kimi Delta Attention: a decay per channel and an output gate, both low-rank (or full in Ling's hybrids)."""
    width = heads * dim
    gates = 2 * (hidden * dim + dim * width) if low_rank else 2 * hidden * width
    extra = 3 * width * kernel + width + heads + dim
    return Recurrent(
        "kimi_delta", heads, hidden * (3 * width + heads) + gates, width * hidden, heads * dim * dim,
        3 * width * (kernel - 1),
        7.0 * heads * dim * dim + 6.0 * width * kernel, extra_params=extra,
    )  # fmt: skip


def lightning(hidden: int, heads: int, dim: int, *, norm: int, bias: int = 0) -> Recurrent:
    """Lightning attention (MiniMax, Ling linear): queries, keys, values, output gate, a fixed decay per head."""
    width = heads * dim
    return Recurrent(
        "lightning", heads, hidden * 4 * width, width * hidden, heads * dim * dim, 0, 5.0 * heads * dim * dim,
        extra_params=norm + bias,
    )  # fmt: skip


def short_conv(hidden: int, kernel: int, *, bias: bool = False) -> Recurrent:
    """Gated short convolution (LFM 2)."""
    extra = hidden * kernel + (hidden + 3 * hidden + hidden if bias else 0)
    return Recurrent(
        "short_conv", hidden, 3 * hidden * hidden, hidden * hidden, 0, hidden * (kernel - 1),
        2.0 * hidden * (kernel + 2),
        extra_params=extra,
    )  # fmt: skip


def rg_lru(hidden: int, width: int, heads: int, kernel: int) -> Recurrent:
    """The gated recurrence of Griffin: two branches in, convolution, two block-diagonal gates, biases."""
    block = width // heads
    gates = 2 * heads * block * block
    extra = 2 * width + hidden + width * (kernel + 1) + width + gates + 2 * width
    return Recurrent(
        "rg_lru", heads, hidden * 2 * width, width * hidden, width, width * (kernel - 1),
        2.0 * gates + 10.0 * width + 2.0 * width * kernel, extra_params=extra,
    )  # fmt: skip


def rwkv4(hidden: int, width: int) -> Recurrent:
    """RWKV 4's time mixing: key, value and receptance in, three running sums per channel."""
    return Recurrent(
        "rwkv",
        width,
        3 * hidden * width,
        width * hidden,
        4 * width,
        hidden,
        12.0 * width,
        extra_params=2 * width + 3 * hidden,
    )
