"""Names of prefix blocks in traces: how many tokens one stands for, and fewer names for larger blocks."""

from __future__ import annotations

import numpy as np

from drivetrain.serving.sim.records import Ints
from drivetrain.serving.traffic.records import ragged
from drivetrain.serving.traffic.wrong import ChoiceError

MOONCAKE_TOKENS = 512
_POWERS = tuple(1 << k for k in range(3, 14))
_AGREE = 0.99
_MULTIPLY, _MOST = np.uint64(0x9E3779B97F4A7C15), np.uint64((1 << 62) - 1)


def block_tokens_of(isl: Ints, count: Ints) -> int:
    """Tokens that a name stands for: the power of two with which 99 % of prompts have as many names as blocks.

    The last block of a prompt may be named or not. 0 where no power of two explains the names.

    >>> block_tokens_of(np.array([6758, 7322, 2290]), np.array([14, 15, 5]))
    512
    """
    named = count > 0
    if not named.any():
        return 0
    isl, count = isl[named], count[named]
    for tokens in reversed(_POWERS):
        full = isl // tokens
        for blocks in (-(-isl // tokens), full):
            if np.mean(blocks == count) >= _AGREE and full.max() > 0:
                return tokens
    return 0


def merged(count: Ints, flat: Ints, into: int) -> tuple[Ints, Ints]:
    """Names of blocks ``into`` times as large: one for each run of so many, the same for the same run.

    A run that is not full is dropped: a cache keeps whole blocks.

    >>> merged(np.array([4, 3]), np.array([1, 2, 3, 4, 1, 2, 5]), 2)[0].tolist()
    [2, 1]
    """
    if into == 1:
        return count, flat
    ends = np.cumsum(count)
    kept = count // into
    runs = flat[ragged(ends - count, kept * into)].reshape(-1, into).astype(np.uint64)
    name = np.zeros(len(runs), dtype=np.uint64)
    for column in runs.T:
        name = (name ^ column) * _MULTIPLY
        name ^= name >> np.uint64(29)
    return kept, (name & _MOST).astype(np.int64)


def merge_factor(stated: int, wanted: int | None) -> int:
    """How many blocks of ``stated`` tokens make one of ``wanted``."""
    if wanted is None:
        return 1
    if stated <= 0 or wanted < stated or wanted % stated:
        raise ChoiceError(
            lambda say: (
                f"the trace names blocks of {stated} tokens; {say('hash_tokens')} is {wanted}. Give a multiple "
                f"of {max(stated, 1)}."
            )
        )
    return wanted // stated
