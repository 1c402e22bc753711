"""The surface that corrects percentiles, fitted: a least-squares network with one hidden layer, bound to rise.

Equations: :mod:`drivetrain.serving.correction`. Residuals are logarithms of the ratio to what the simulator found, with
weights by how well that is known; large ones count linearly (pseudo-Huber). All numbers are pulled to zero a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from closed_form.sample import Sample
from drivetrain.serving.correction import FIXED, OUTPUTS

Floats = NDArray[np.float64]
Tables = Mapping[str, Floats]

HIDDEN = (16, 16)  # a (with what rises with the rate), b (without)
_PULL = 1e-4
_KNEE = 0.1  # residuals up to it are squared
_NOISE = 0.06  # of a ratio, beside the simulation's own interval
_EDGES = (0.5, 99.5)  # percentiles of a feature; beyond them it is held
_BEND = 1.3  # as in the correction
_ITERATIONS = 2500
_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Features in units of their spread, logarithms of percentiles over their scale, weights."""

    fixed: Floats
    moving: Floats
    algebra: Floats
    found: Floats
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The fit in the features' own units, as the correction reads it."""

    tables: dict[str, Floats]

    def ratios(self, sample: Sample) -> Floats:
        """Corrected percentiles over those found, by run and output."""
        t = self.tables
        x = np.clip(sample.features, t["low"], t["high"])
        fixed, moving = x[:, : len(FIXED)], x[:, len(FIXED) :]
        a, b = _bent(moving @ t["W"] + fixed @ t["F"] + t["a0"]), _bent(fixed @ t["B"] + t["b0"])
        power = _BEND / (1.0 + np.exp(-(t["g0"] + b @ t["G"].T)))
        y = sample.scales * (sample.algebra / sample.scales) ** power * np.exp(t["c0"] + b @ t["C"].T + a @ t["V"].T)
        return np.asarray(y / sample.found)


def fit(sample: Sample) -> Surface:
    """The surface that fits ``sample``; the same for the same runs."""
    low, high = np.percentile(sample.features, _EDGES, axis=0)
    held = np.clip(sample.features, low, high)
    mean, spread = held.mean(axis=0), held.std(axis=0) + 1e-9
    x, n = (held - mean) / spread, len(FIXED)
    rows = _Rows(
        x[:, :n], x[:, n:], np.log(sample.algebra / sample.scales), np.log(sample.found / sample.scales),
        _NOISE**2 / (_NOISE**2 + sample.widths**2),
    )  # fmt: skip
    shapes = _shapes(n, x.shape[1] - n)
    found = minimize(
        _loss, _start(shapes), (rows, shapes), jac=True, method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "maxfun": 3 * _ITERATIONS, "maxcor": 30},
    )  # fmt: skip
    return Surface(_own_units(_unpacked(found.x, shapes), low, high, mean, spread))


def _shapes(n_fixed: int, n_moving: int) -> dict[str, tuple[int, ...]]:
    a, b, out = *HIDDEN, len(OUTPUTS)
    return {"w": (n_moving, a), "F": (n_fixed, a), "a0": (a,), "v": (out, a), "B": (n_fixed, b), "b0": (b,),
            "C": (out, b), "c0": (out,), "G": (out, b), "g0": (out,)}  # fmt: skip


def _start(shapes: Mapping[str, tuple[int, ...]]) -> Floats:
    """Small random weights; no correction but for what those make."""
    rng = np.random.default_rng(_SEED)
    around = {"w": (0.3, 0.2), "v": (0.15, 0.03), "g0": (1.2, 0.0), "F": (0.0, 0.3), "B": (0.0, 0.3), "C": (0.0, 0.3)}
    drawn = {k: rng.normal(*around.get(k, (0.0, 0.0)), s) for k, s in shapes.items()}
    return np.concatenate([np.ravel(np.abs(x) if k == "w" else x) for k, x in drawn.items()])


def _unpacked(numbers: Floats, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    ends = np.cumsum([int(np.prod(s)) for s in shapes.values()])[:-1]
    return {k: part.reshape(s) for (k, s), part in zip(shapes.items(), np.split(numbers, ends), strict=True)}


def _loss(numbers: Floats, rows: _Rows, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float, Floats]:
    """Mean loss over runs, and its gradient."""
    t, n = _unpacked(numbers, shapes), len(rows.fixed)
    into_a = rows.moving @ t["w"] ** 2 + rows.fixed @ t["F"] + t["a0"]
    into_b = rows.fixed @ t["B"] + t["b0"]
    a, b = _bent(into_a), _bent(into_b)
    power = _BEND / (1.0 + np.exp(-(t["g0"] + b @ t["G"].T)))
    off = power * rows.algebra + t["c0"] + b @ t["C"].T + a @ (t["v"] ** 2).T - rows.found
    curve = np.sqrt(1.0 + (off / _KNEE) ** 2)
    loss = float((rows.weight * _KNEE**2 * (curve - 1.0)).sum() / n + _PULL * numbers @ numbers)
    by_off = rows.weight * off / curve / n
    by_bend = by_off * rows.algebra * power * (1.0 - power / _BEND)
    by_a = (by_off @ t["v"] ** 2) * _slope(into_a)
    by_b = (by_off @ t["C"] + by_bend @ t["G"]) * _slope(into_b)
    gradient = {
        "w": 2.0 * t["w"] * (rows.moving.T @ by_a), "F": rows.fixed.T @ by_a, "a0": by_a.sum(axis=0),
        "v": 2.0 * t["v"] * (by_off.T @ a), "B": rows.fixed.T @ by_b, "b0": by_b.sum(axis=0),
        "C": by_off.T @ b, "c0": by_off.sum(axis=0), "G": by_bend.T @ b, "g0": by_bend.sum(axis=0),
    }  # fmt: skip
    return loss, np.concatenate([gradient[k].ravel() for k in shapes]) + 2.0 * _PULL * numbers


def _own_units(t: Tables, low: Floats, high: Floats, mean: Floats, spread: Floats) -> dict[str, Floats]:
    """Tables for features as they are."""
    n = len(FIXED)
    w, f, b = (t["w"] ** 2) / spread[n:, None], t["F"] / spread[:n, None], t["B"] / spread[:n, None]
    return {"low": low, "high": high, "W": w, "F": f, "a0": t["a0"] - mean[n:] @ w - mean[:n] @ f, "V": t["v"] ** 2,
            "B": b, "b0": t["b0"] - mean[:n] @ b, "C": t["C"], "c0": t["c0"], "G": t["G"], "g0": t["g0"]}  # fmt: skip


def _bent(x: Floats) -> Floats:
    return np.asarray(x / (1.0 + np.abs(x)))


def _slope(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.abs(x)) ** 2)
