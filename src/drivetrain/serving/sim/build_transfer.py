"""How a prompt's cache gets from a prefill to a decode pool in the simulator: ``fixed_s + s_per_token * tokens``.

The times are those of :mod:`drivetrain.serving.transfer`, whose links have regimes and whose layers may keep a window,
both of which bend the line. It is drawn through the prompts of the workload by least squares, weighted as they come
(one length: the tangent there), and how far it is off at most is kept beside it. Between regions the whole cache
crosses the wide-area network once, over many flows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.disaggregation import Handover
from drivetrain.catalogue.wan import Place, transfer_s
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.sim.records import Transfer
from drivetrain.serving.transfer import Via, transfer

Floats = NDArray[np.float64]
_NEAR = 0.01  # of a prompt: where the tangent is taken


@dataclass(frozen=True, slots=True)
class Line:
    """A :class:`Transfer` and the largest share by which it misses a prompt of the workload."""

    transfer: Transfer
    error_frac: float


def transfer_of(
    prefill: Deployment, decode: Deployment, via: Via | tuple[Place, Place], lengths: Lengths, handover: Handover,
    budget: float,
) -> Line:  # fmt: skip
    """The transfer between two pools of a service over a domain, a network or between two places.

    ``budget`` is the prefill pool's, in whose chunks some engines send. Raises LayoutError where no network joins them.
    """

    def seconds(isl: Floats) -> Floats:
        prompts = _prompts(lengths, isl)
        if isinstance(via, str):
            return transfer(prefill, decode, prompts, via).seconds
        sent = transfer(prefill, decode, prompts, "domain").kv_bytes
        return np.array([transfer_s(float(n), *via) for n in sent])

    fixed, slope, error = _line(seconds, lengths.isl, lengths.weight)
    return Line(
        Transfer(
            fixed_s=fixed,
            s_per_token=slope,
            pieces=_pieces(handover, decode, lengths, budget),
            first_token_by_decode=handover.first_token == "decode",
            shown_by_decode=True,  # the decode server answers the client, whoever computed the token
        ),
        error,
    )


def _line(seconds: Callable[[Floats], Floats], isl: Floats, weight: Floats) -> tuple[float, float, float]:
    """Intercept and slope, neither negative, and the largest relative error over ``isl``."""
    distinct = np.unique(isl)
    if distinct.size == 1:
        here = float(distinct[0])
        low, middle, high = seconds(np.array([here * (1.0 - _NEAR), here, here * (1.0 + _NEAR)]))
        slope = min(max(float(high - low) / (2.0 * _NEAR * here), 0.0), float(middle) / here)
        return float(middle) - slope * here, slope, 0.0
    taken = seconds(isl)
    mean_x, mean_y = float(weight @ isl), float(weight @ taken)
    slope = float(weight @ ((isl - mean_x) * (taken - mean_y)) / (weight @ (isl - mean_x) ** 2))
    slope = min(max(slope, 0.0), mean_y / mean_x)
    fixed = mean_y - slope * mean_x
    busy = taken > 0.0
    missed = np.abs(fixed + slope * isl[busy] - taken[busy]) / taken[busy]
    return fixed, slope, float(missed.max()) if missed.size else 0.0


def _pieces(handover: Handover, decode: Deployment, lengths: Lengths, budget: float) -> int:
    """In how many parts the cache of a mean prompt is sent while the prompt is computed."""
    if handover.sends == "layer":
        return decode.cut.model.n_layers
    if handover.sends == "chunk":
        return max(math.ceil(float(lengths.weight @ lengths.computed) / budget), 1)
    return 1


def _prompts(lengths: Lengths, isl: Floats) -> Lengths:
    """Prompts of ``isl`` tokens, all of whose cache is handed over."""
    even = np.full(isl.shape, 1.0 / isl.size)
    return Lengths(weight=even, isl=isl, osl=np.ones_like(isl), computed=isl, arrival_cv2=lengths.arrival_cv2)
