"""Runs of the simulator to learn from: features and percentiles of the algebra beside percentiles found.

Configurations are those of :mod:`closed_form.draw`, each at its own load and at another one; none is in the study's
seed. A row of the table: seed, load, squared CV of arrivals, then the features, the times that the algebra's
percentiles are taken in, the algebra's percentiles, those found, and the half-widths of their 95 % intervals as shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from closed_form.draw import Configuration, draw
from drivetrain.errors import DrivetrainError
from drivetrain.serving import kernel, steady
from drivetrain.serving.correction import FIXED, MOVING, OUTPUTS
from drivetrain.serving.sim.kernel import simulate
from drivetrain.serving.sim.records import Options

Floats = NDArray[np.float64]

_N_FEATURES = len(FIXED) + len(MOVING)
_N = len(OUTPUTS)
_LEAST, _MOST = 10_000, 40_000  # requests of a run
_PRECISION = 0.04
_BATCHES, _STUDENT, _WARM_UP = 20, 2.093, 0.15
_QUANTILES = (0.5, 0.9, 0.95, 0.99)
_LOADS = (0.05, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Columns of the table; one row a run."""

    seed: Floats
    load: Floats
    cv2: Floats
    features: Floats
    scales: Floats
    algebra: Floats
    found: Floats
    widths: Floats


def collect(seed: int, n: int, file: Path, say: int = 100) -> None:
    """Play ``n`` configurations of ``seed`` and keep them in ``file`` (.npy), every ``say`` of them."""
    rows: list[Floats] = []
    done = k = 0
    while done < n:
        one = draw(np.random.default_rng([seed, k]), seed * 1_000_000 + k)
        k += 1
        if one is None:
            continue
        other = float(np.random.default_rng([seed, k, 77]).uniform(*_LOADS))
        rows += [row for load in (one.load, other) if (row := _row(one, load)) is not None]
        done += 1
        if done % say == 0 or done == n:
            np.save(file, np.array(rows))
            print(f"{done} of {n} configurations, {len(rows)} runs", flush=True)


def read(files: list[Path]) -> Sample:
    """The runs of ``files`` one after another."""
    rows = np.concatenate([np.load(file) for file in files])
    at = np.cumsum([1, 1, 1, _N_FEATURES, _N, _N, _N])
    seed, load, cv2, features, scales, algebra, found, widths = np.split(rows, at, axis=1)
    return Sample(seed[:, 0], load[:, 0], cv2[:, 0], features, scales, algebra, found, widths)


def _row(one: Configuration, load: float) -> Floats | None:
    """One run, or None where it has no steady state or does not start."""
    rate = load * steady.max_rate(one.prepared)
    seen = _algebra(one, rate)
    if seen is None:
        return None
    try:
        found, widths = _found(one, rate)
    except DrivetrainError:
        return None
    row = np.concatenate([[float(one.seed), load, one.prepared.lengths.arrival_cv2], *seen, found, widths])
    return row if np.isfinite(row).all() else None


def _algebra(one: Configuration, rate: float) -> tuple[Floats, Floats, Floats] | None:
    """Features, scales and percentiles without a correction."""
    out = _solved(one, rate, 1.0)
    if out[kernel.STABLE] != 1.0:
        return None
    features = out[kernel.FEATURES :].copy()
    named = dict(zip((*FIXED, *MOVING), features, strict=True))
    mean = out[kernel.LATENCY + 5 * kernel.TTFT]
    unloaded = mean / math.exp(named["ttft"])
    step = unloaded / (1.0 + math.exp(named["prompt_step"] + named["prompt_steps"]))
    whole = unloaded + step * math.exp(named["answer"])
    plain = _solved(one, rate, 0.0)[kernel.LATENCY :]
    percentiles = [plain[5 * metric + 1 : 5 * metric + 5] for metric in (kernel.TTFT, kernel.TPOT, kernel.E2E)]
    return features, np.repeat([unloaded, step, whole], 4), np.concatenate(percentiles)


def _solved(one: Configuration, rate: float, corrected: float) -> Floats:
    c, n, p = one.prepared.deployment.coefficients, one.prepared.lengths, one.prepared
    numbers, out = p.scalars.copy(), np.empty(kernel.N_OUT)
    numbers[kernel.CORRECTED] = corrected
    kernel.solve(
        c.ops, c.collectives, numbers, p.contexts.spans, n.weight, n.isl, n.osl, n.computed, p.contexts.decode,
        p.contexts.prefill, rate, n.arrival_cv2, 1.0, np.ones((4, 5), dtype=np.bool_), out,
    )  # fmt: skip
    return out


def _found(one: Configuration, rate: float) -> tuple[Floats, Floats]:
    """Percentiles over requests and their intervals, by batches of requests; runs double until p95 is known well."""
    fleet, n = one.fleet(), _LEAST
    while True:
        sent = one.requests(n, rate, np.random.default_rng([one.seed, n]))
        seen = simulate(fleet, sent, Options())
        e2e = seen.finish_s - seen.sent_s
        last = sent.arrival_s[-1] - float(np.quantile(e2e, 0.99))
        start = min(sent.arrival_s[int(_WARM_UP * n)], 0.5 * last)
        rows = np.flatnonzero((seen.sent_s >= start) & (seen.sent_s <= last))
        tpot = np.where(sent.osl > 1, (seen.finish_s - seen.first_s) / np.maximum(sent.osl - 1, 1), math.nan)
        columns = np.stack([seen.first_s - seen.sent_s, tpot, e2e], axis=1)[rows]
        found = np.nanquantile(columns, _QUANTILES, axis=0).T.ravel()
        parts = np.array([
            np.nanquantile(part, _QUANTILES, axis=0).T.ravel() for part in np.array_split(columns, _BATCHES)
        ])  # fmt: skip
        widths = _STUDENT * parts.std(axis=0, ddof=1) / math.sqrt(_BATCHES) / found
        if max(widths[2], widths[6]) <= _PRECISION or 2 * n > _MOST:
            return found, widths
        n *= 2
