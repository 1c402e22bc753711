"""Random numbers that depend on what they are for and on nothing else: same seed, same draw, in any order.

A draw is a hash of (seed, stream, index, k): ``stream`` says what is drawn, ``index`` for which request (or other
numbered thing), ``k`` which of its draws. 32-bit mixing steps of MurmurHash3 (Appleby 2011, public domain), written
so that machine code with 64-bit integers and plain Python agree bit for bit.
"""

from __future__ import annotations

from drivetrain.cost.jit import jit

# What is drawn. Route, admit and select get four draws each; a speculating step one per request.
ROUTE, ADMIT, SELECT, ACCEPT, DIFFICULTY = range(5)
N_DRAWS = 4


@jit
def _mixed(h: int) -> int:
    h ^= h >> 16
    h = (h * 0x85EBCA6B) & 0xFFFFFFFF
    h ^= h >> 13
    h = (h * 0xC2B2AE35) & 0xFFFFFFFF
    return h ^ (h >> 16)


@jit
def uniform(seed: int, stream: int, index: int, k: int) -> float:
    """A number in [0, 1) for draw ``k`` of ``index`` in ``stream`` under ``seed`` (all non-negative).

    >>> uniform(1, ROUTE, 7, 0) == uniform.py_func(1, ROUTE, 7, 0)
    True
    >>> 0.0 <= uniform(1, ROUTE, 7, 0) < 1.0
    True
    """
    h = _mixed(seed & 0xFFFFFFFF)
    h = _mixed(h ^ ((seed >> 32) & 0xFFFFFFFF) ^ 0x9E3779B9)
    h = _mixed(h ^ ((stream * 0x27D4EB2F) & 0xFFFFFFFF))
    h = _mixed(h ^ (index & 0xFFFFFFFF))
    h = _mixed(h ^ ((index >> 32) & 0xFFFFFFFF) ^ 0x165667B1)
    h = _mixed(h ^ ((k * 0x85EBCA77) & 0xFFFFFFFF))
    low = _mixed(h ^ 0xC2B2AE3D)
    return float(((h >> 5) * 67108864.0 + (low >> 6)) / 9007199254740992.0)
