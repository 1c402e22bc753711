"""What the algebra of an open stream leaves of its percentiles, as the simulator has them, in machine code.

A percentile y0 of the algebra (:mod:`drivetrain.serving.kernel`) becomes::

    y = s (y0 / s)^g exp(c)        g = 1.3 sigmoid(g0 + G b)        c = c0 + C b + V² a
    b = q(B f + b0)                a = q(W² m + F f + a0)           q(x) = x / (1 + |x|)

with s a time of the unloaded replica, f what does not change with the rate (lengths, bursts, limits, layout) and m what
rises with it (utilisations, batches, waits). All that multiplies m or a is a square and g is positive, so that a
corrected percentile rises with the rate wherever the algebra's does. Valid within the ranges of the fit: features
beyond are held at its edges, answers of fewer than 16 tokens are not corrected. Nor are closed loops, means, gaps
between tokens, and pools that only take prompts or only decode.

The numbers are a fit to runs of our own simulator, no measurement: tools/fit_percentiles.py writes
``correction.json``. Method, errors on configurations left out: docs/method/closed-form-against-simulator.md.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit

Floats = NDArray[np.float64]

# Features that do not change with the rate, and those that rise with it, in the order of `features`.
FIXED = ("bursts", "regularity", "prompt_spread", "budgets", "prompt_steps", "slots", "slots_of_rank", "ranks", "lanes",
         "apart", "prompt_step", "answer", "answer_spread", "together", "front_end", "one_length",
         "budget", "cached", "remainder")  # fmt: skip
MOVING = ("headroom", "prompt_load", "free_slots", "slot_load", "step", "step_seen", "batch", "chunks_per_step",
          "arrivals_per_stay", "wait", "offered", "ttft")  # fmt: skip
N_FIXED, N_MOVING = len(FIXED), len(MOVING)
OUTPUTS = tuple(f"{metric}_{at}" for metric in ("ttft", "tpot", "e2e") for at in ("p50", "p90", "p95", "p99"))
LEAST_GAPS = 15.0  # gaps between tokens of an answer; shorter answers were not played
_MOST_BEND = 1.3
_SAME = 1e-9  # squared variation of lengths that are one
_SHORT = 1e-3  # of a request alone: shorter waits are alike

DATA = Path(__file__).with_suffix(".json")


def _read(name: str, *shape: int) -> Floats:
    """A table of the fit; zeros where none of that shape is there yet."""
    found = _FIT.get(name)
    array = np.zeros(shape) if found is None else np.array(found, dtype=float)
    return np.ascontiguousarray(array.reshape(shape))


_FIT = json.loads(DATA.read_text(encoding="utf-8")) if DATA.is_file() else {}
N_A, N_B = len(_FIT.get("a0", [0.0])), len(_FIT.get("b0", [0.0]))
_LOW, _HIGH = _read("low", N_FIXED + N_MOVING), _read("high", N_FIXED + N_MOVING)
_W, _F, _A0 = _read("W", N_MOVING, N_A), _read("F", N_FIXED, N_A), _read("a0", N_A)
_B, _B0 = _read("B", N_FIXED, N_B), _read("b0", N_B)
_V, _C, _C0 = _read("V", 12, N_A), _read("C", 12, N_B), _read("c0", 12)
_G, _G0 = _read("G", 12, N_B), _read("g0", 12)


@jit
def features(
    arrival_cv2: float, cv2: float, tokens: float, budget: float, n_steps: float, limit: float, dp: float,
    lanes: float, apart: float, t_prompt: float, t_alone: float, alone_s: float, gaps: float,
    gaps2: float, together: float, request_s: float, isl_mean: float, load: float, offered: float, calm: float,
    t: float, decoding: float, lane_rate: float, n_chunks: float, stay: float, wait: float, ttft: float, f: Floats,
) -> None:  # fmt: skip
    """Fill ``f`` with :data:`FIXED` and :data:`MOVING`; arguments are named as in the steady state's solver.

    ``t_alone`` and ``t_prompt`` are steps of one decode and of a prompt, ``alone_s`` both after one another without
    others, ``gaps2`` and ``together`` means of squared gaps and of gaps times
    prompt.
    """
    f[0] = math.log(max(arrival_cv2, 1e-3))
    f[1] = min(arrival_cv2, 1.0)
    f[2] = math.log1p(cv2)
    f[3] = math.log(tokens / budget)
    f[4] = math.log(n_steps)
    f[5] = math.log(limit)
    f[6] = math.log(limit / dp)
    f[7] = math.log(dp)
    f[8] = math.log(lanes)
    f[9] = apart
    f[10] = math.log(t_prompt / t_alone)
    f[11] = math.log(gaps)
    f[12] = math.log(gaps2 / (gaps * gaps))
    f[13] = together / (gaps * tokens) - 1.0
    f[14] = math.log1p(request_s / alone_s)
    f[15] = 1.0 if cv2 < _SAME and gaps2 < (1.0 + _SAME) * gaps * gaps else 0.0
    f[16] = math.log(budget)
    f[17] = 1.0 - tokens / isl_mean
    f[18] = math.log1p(tokens / budget - math.floor(tokens / budget))
    m = f[N_FIXED:]
    m[0] = -math.log(1.0 - load)
    m[1] = math.log(load)
    m[2] = -math.log(1.0 - offered / limit)
    m[3] = math.log(offered / limit)
    m[4] = math.log(calm / t_alone)
    m[5] = math.log(t / t_alone)
    m[6] = math.log1p(decoding)
    m[7] = math.log(lane_rate * n_chunks * calm)
    m[8] = math.log(lane_rate * stay)
    m[9] = math.log(wait / alone_s + _SHORT)
    m[10] = math.log(lane_rate * t_prompt * n_steps)
    m[11] = math.log(ttft / alone_s)


@jit
def hidden(f: Floats, a: Floats, b: Floats) -> None:
    """Fill ``a`` and ``b`` from the features."""
    a[:] = _A0
    b[:] = _B0
    for k in range(N_FIXED):
        x = min(max(f[k], _LOW[k]), _HIGH[k])
        for h in range(N_A):
            a[h] += x * _F[k, h]
        for h in range(N_B):
            b[h] += x * _B[k, h]
    for k in range(N_MOVING):
        x = min(max(f[N_FIXED + k], _LOW[N_FIXED + k]), _HIGH[N_FIXED + k])
        for h in range(N_A):
            a[h] += x * _W[k, h]
    for h in range(N_A):
        a[h] /= 1.0 + abs(a[h])
    for h in range(N_B):
        b[h] /= 1.0 + abs(b[h])


@jit
def corrected(output: int, y0: float, scale: float, a: Floats, b: Floats) -> float:
    """The percentile ``output`` (index in :data:`OUTPUTS`) that the algebra has at ``y0``, in its unit."""
    c, bend = _C0[output], _G0[output]
    for h in range(N_A):
        c += _V[output, h] * a[h]
    for h in range(N_B):
        c += _C[output, h] * b[h]
        bend += _G[output, h] * b[h]
    g = _MOST_BEND / (1.0 + math.exp(-bend))
    return float(scale * (y0 / scale) ** g * math.exp(c))
