"""Lengths of generated requests: a profile's classes as the closed form has them, its quantiles, or an even spread.

``classes`` draws the pairs of lengths of the workload's request classes by their shares, so that mean and mixed
moments are those of the closed form (:mod:`drivetrain.serving.lengths`). A length between two whole numbers is
rounded up as often as its fraction says, which keeps the mean.

``quantiles`` spreads each class over the part of the profile's quantile table that its rank covers: classes in order
of length cover [0, w1), [w1, w1 + w2), ... of the ranks, those of one length together. Both sides then have the
quantiles of the table, scaled to the profile's mean, and the ranks go together as they do between classes. Between
two quantiles the logarithm of the length is linear in the rank; below the lowest it goes on to half of it.
"""

from __future__ import annotations

import numpy as np

from drivetrain.catalogue.workload import Workload
from drivetrain.serving.sim.records import Floats, Ints
from drivetrain.serving.traffic.streams import LENGTHS, stream
from drivetrain.serving.traffic.wrong import ChoiceError, among

HOW = ("classes", "quantiles")
_GRID = 8192  # ranks on which the mean of a quantile table is taken
_LOWEST = 0.5  # of the lowest quantile
_MOST = 1e9  # tokens that no length reaches


def drawn(workload: Workload, n: int, how: str, seed: int) -> tuple[Ints, Ints]:
    """Input and output tokens of ``n`` requests of ``workload``."""
    among("lengths", how, HOW)
    generator = stream(seed, LENGTHS)
    weight = np.array([c.weight for c in workload.classes])
    edges = np.cumsum(weight / weight.sum())
    which = np.minimum(np.searchsorted(edges, generator.random(n), "right"), len(edges) - 1)
    sides = []
    for side, table, mean in (
        ("isl", workload.isl_quantiles, workload.isl_mean),
        ("osl", workload.osl_quantiles, workload.osl_mean),
    ):
        length = np.array([getattr(c, side) for c in workload.classes])
        if how == "quantiles":
            if not table:
                raise _no_quantiles(workload.name, side)
            low, high = _ranks(length, weight)
            rank = low[which] + (high - low)[which] * generator.random(n)
            values = _quantile(np.array(table), rank, mean)
        else:
            values = length[which]
        sides.append(whole(values, generator))
    return sides[0], sides[1]


def even(isl: float, osl: float, range_frac: float, n: int, seed: int) -> tuple[Ints, Ints]:
    """Lengths even over the whole numbers of [(1 - r) L, L], input and output independent."""
    for name, value in (("isl", isl), ("osl", osl)):
        check_length(name, value)
    if not 0 <= range_frac < 1:
        raise ChoiceError(lambda say: f"{say('range_frac')} is {range_frac:g}. Give a share of at least 0 and below 1.")
    generator = stream(seed, LENGTHS)
    if range_frac == 0:
        return whole(np.full(n, float(isl)), generator), whole(np.full(n, float(osl)), generator)
    sides = [
        generator.integers(max(round((1 - range_frac) * top), 1), round(top), n, endpoint=True) for top in (isl, osl)
    ]
    return sides[0], sides[1]


def check_length(name: str, value: float) -> None:
    """Refuse what is no length of a prompt or an answer."""
    if not 1 <= value < _MOST:
        raise ChoiceError(lambda say: f"{say(name)} is {value:g}. Give a length of 1 to {_MOST - 1:,.0f} tokens.")


def _no_quantiles(workload: str, side: str) -> ChoiceError:
    return ChoiceError(lambda _: f"the workload {workload} has no quantiles of {side}. Draw its classes instead.")


def whole(values: Floats, generator: np.random.Generator) -> Ints:
    """Whole numbers of at least 1 with the mean of ``values``: up with the probability of the fraction."""
    floor = np.floor(values)
    if np.array_equal(floor, values):
        return np.asarray(np.maximum(values, 1), dtype=np.int64)
    up = generator.random(len(values)) < values - floor
    return np.asarray(np.maximum(floor + up, 1), dtype=np.int64)


def _ranks(length: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The part of the ranks that each class covers; classes of one length cover theirs together."""
    _, group = np.unique(length, return_inverse=True)
    share = np.bincount(group, weight) / weight.sum()
    high = np.cumsum(share)
    return (high - share)[group], np.minimum(high[group], 1.0)


def _quantile(table: Floats, rank: Floats, mean: float) -> Floats:
    """Lengths at ``rank``, scaled so that all ranks together have ``mean``, not above the table's highest."""
    at = np.concatenate(([0.0], table[:, 0]))
    log = np.log(np.concatenate(([max(_LOWEST * table[0, 1], 1.0)], np.maximum(table[:, 1], 1.0))))
    grid, scale, top = np.exp(np.interp((np.arange(_GRID) + 0.5) / _GRID, at, log)), 1.0, float(table[-1, 1])
    for _ in range(30):  # the cut lowers the mean: raise the scale until it is back
        scale *= mean / np.clip(scale * grid, 1.0, top).mean()
    return np.asarray(np.clip(scale * np.exp(np.interp(rank, at, log)), 1.0, top))
