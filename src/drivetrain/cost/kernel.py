"""The compiled step time. Machine code by numba; the plain Python twin is ``step.py_func``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.step import (
    CTX_CHUNK,
    CTX_DECODE,
    CTX_PREFILL,
    EXPERT_TOKENS,
    HIT,
    N_FEATURES,
    ONE,
    ROWS,
    TOKENS,
)
from drivetrain.cost.compiled import LOCAL, LOG_MISS, SPAN, WATTS_COMPUTE, WATTS_MEMORY
from drivetrain.cost.jit import jit

Floats = NDArray[np.float64]


@jit
def step(
    ops: Floats,
    collectives: Floats,
    scalars: Floats,
    decode: float,
    prefill: float,
    chunks: float,
    expert_tokens: float,
    ctx_decode: Floats,
    ctx_prefill: Floats,
    ctx_chunk: Floats,
) -> tuple[float, float]:
    """Seconds of one step on one rank, and joules above static power per accelerator.

    ``scalars`` is (overhead_s, sequence_s, exposed, prefill_s).
    ``ctx_*`` give the mean attended context by span: per decoding
    sequence, per prefill token, per chunk.
    """
    tokens = decode + prefill
    rows = decode + chunks
    seconds = scalars[0] + scalars[1] * rows + (scalars[3] if chunks > 0.0 else 0.0)
    joules = 0.0
    for i in range(ops.shape[0]):
        row = ops[i]
        s = int(row[SPAN])
        ctx_d = decode * ctx_decode[s]
        ctx_p = prefill * ctx_prefill[s]
        ctx_c = chunks * ctx_chunk[s]
        hit = 0.0 if row[LOCAL] == 0.0 else -row[LOCAL] * math.expm1(expert_tokens * row[LOG_MISS])
        # two dot products over the features, written out: this is the innermost loop of every search
        c = (row[ONE] + row[TOKENS] * tokens + row[ROWS] * rows + row[CTX_DECODE] * ctx_d + row[CTX_PREFILL] * ctx_p
             + row[CTX_CHUNK] * ctx_c + row[HIT] * hit + row[EXPERT_TOKENS] * expert_tokens)  # fmt: skip
        m = (row[N_FEATURES + ONE] + row[N_FEATURES + TOKENS] * tokens + row[N_FEATURES + ROWS] * rows
             + row[N_FEATURES + CTX_DECODE] * ctx_d + row[N_FEATURES + CTX_PREFILL] * ctx_p
             + row[N_FEATURES + CTX_CHUNK] * ctx_c + row[N_FEATURES + HIT] * hit
             + row[N_FEATURES + EXPERT_TOKENS] * expert_tokens)  # fmt: skip
        seconds += max(c, m) + scalars[2] * min(c, m)
        joules += c * row[WATTS_COMPUTE] + m * row[WATTS_MEMORY]
    for i in range(collectives.shape[0]):
        row = collectives[i]
        message = row[1] * tokens + row[2] * rows + row[3] * expert_tokens
        seconds += row[0] * min(row[4] + row[5] * message, row[6] + row[7] * message, row[8] + row[9] * message)
    return seconds, joules


@jit
def step_by_class(
    ops: Floats,
    collectives: Floats,
    scalars: Floats,
    decode: float,
    prefill: Floats,
    chunks: Floats,
    expert_tokens: Floats,
    ctx_decode: Floats,
    ctx_prefill: Floats,
    ctx_chunk: Floats,
    seconds: Floats,
) -> None:
    """Seconds of a step like :func:`step` for each class of prompts, beside the same ``decode`` sequences.

    ``ctx_prefill`` and ``ctx_chunk`` are by span and class. What classes share is summed once for an operator; the
    rest is arithmetic over arrays.
    """
    for j in range(prefill.shape[0]):
        seconds[j] = scalars[0] + scalars[1] * (decode + chunks[j]) + (scalars[3] if chunks[j] > 0.0 else 0.0)
    for i in range(ops.shape[0]):
        row = ops[i]
        s = int(row[SPAN])
        ctx_d = decode * ctx_decode[s]
        c_all = row[ONE] + (row[TOKENS] + row[ROWS]) * decode + row[CTX_DECODE] * ctx_d
        m_all = (row[N_FEATURES + ONE] + (row[N_FEATURES + TOKENS] + row[N_FEATURES + ROWS]) * decode
                 + row[N_FEATURES + CTX_DECODE] * ctx_d)  # fmt: skip
        for j in range(prefill.shape[0]):
            ctx_p = row[TOKENS] + row[CTX_PREFILL] * ctx_prefill[s, j]
            ctx_c = row[ROWS] + row[CTX_CHUNK] * ctx_chunk[s, j]
            c = c_all + ctx_p * prefill[j] + ctx_c * chunks[j] + row[EXPERT_TOKENS] * expert_tokens[j]
            ctx_p = row[N_FEATURES + TOKENS] + row[N_FEATURES + CTX_PREFILL] * ctx_prefill[s, j]
            ctx_c = row[N_FEATURES + ROWS] + row[N_FEATURES + CTX_CHUNK] * ctx_chunk[s, j]
            m = m_all + ctx_p * prefill[j] + ctx_c * chunks[j] + row[N_FEATURES + EXPERT_TOKENS] * expert_tokens[j]
            if row[LOCAL] != 0.0:
                hit = -row[LOCAL] * math.expm1(expert_tokens[j] * row[LOG_MISS])
                c += row[HIT] * hit
                m += row[N_FEATURES + HIT] * hit
            seconds[j] += max(c, m) + scalars[2] * min(c, m)
    for i in range(collectives.shape[0]):
        row = collectives[i]
        for j in range(prefill.shape[0]):
            message = row[1] * (decode + prefill[j]) + row[2] * (decode + chunks[j]) + row[3] * expert_tokens[j]
            seconds[j] += row[0] * min(row[4] + row[5] * message, row[6] + row[7] * message, row[8] + row[9] * message)
