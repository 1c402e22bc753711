"""The collectives of a training step over arrays of layouts: ``t = min over regimes of alpha + beta * bytes``.

Coefficients come from :mod:`drivetrain.comms.collectives`, asked once per distinct group. A group of ``n`` ranks that
lie ``stride`` apart has ``largest divisor of n up to domain / stride`` ranks in one scale-up domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.comms import collectives
from drivetrain.comms.coefficients import MAX_REGIMES, Coefficients
from drivetrain.comms.collectives import CollectiveTime
from drivetrain.cost.efficiency import collective_coefficients
from drivetrain.cost.hardware import Hardware
from drivetrain.training.layout import Layouts

Floats = NDArray[np.float64]
LIBRARY = "nccl"
# One hop of a ring under NCCL's bulk protocol, inside a node and between nodes (constants of its tuner).
INNER_HOP_S, OUTER_HOP_S = 3.4e-6, 14e-6
MEASURED_ON = "ib-ndr"  # whose hop latency the fitted network regimes hold already


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Regimes of one collective per case, ``(n, MAX_REGIMES)``; unused ones are infinite."""

    alpha: Floats
    beta: Floats

    def seconds(self, n_bytes: Floats) -> Floats:
        """Time of one call that moves ``n_bytes``, counted as :mod:`drivetrain.comms.collectives` says."""
        found: Floats = (self.alpha + self.beta * n_bytes[:, None]).min(axis=1)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """One :class:`Lines` per collective of a step.

    Tensor parallelism gathers and scatters; experts exchange all-to-all, context ranks pass keys and values round;
    stages hand over; ``data_*`` is over the ranks that share weights' gradients (``shard_*`` over those that share
    weights, ``replica`` sums between shard groups), ``expert_*`` the same for experts' weights.
    """

    tp_gather: Lines
    tp_scatter: Lines
    cp_gather: Lines
    ep_exchange: Lines
    pp_send: Lines
    shard_gather: Lines
    shard_scatter: Lines
    replica: Lines
    expert_gather: Lines
    expert_scatter: Lines


def links(layouts: Layouts, hardware: Hardware, domain: int) -> Links:
    """The collectives of ``layouts`` on one kind of accelerator."""
    one = np.ones_like(layouts.tp)
    stage = layouts.tp * layouts.cp * layouts.dp
    data = layouts.dp * layouts.cp
    shard = np.where(layouts.shard > 0, layouts.shard, data)
    slices = layouts.ep * layouts.etp
    ask = _Asked(hardware, domain)
    return Links(
        tp_gather=ask(collectives.all_gather, layouts.tp, one),
        tp_scatter=ask(collectives.reduce_scatter, layouts.tp, one),
        cp_gather=ask(collectives.all_gather, layouts.cp, layouts.tp),
        ep_exchange=ask(collectives.all_to_all, layouts.ep, layouts.etp),
        pp_send=ask(collectives.send_recv, np.where(layouts.pp > 1, 2.0, 1.0), stage),
        shard_gather=ask(collectives.all_gather, shard, layouts.tp),
        shard_scatter=ask(collectives.reduce_scatter, shard, layouts.tp),
        replica=ask(collectives.all_reduce, data / shard, layouts.tp * shard),
        expert_gather=ask(collectives.all_gather, stage / slices, slices),
        expert_scatter=ask(collectives.reduce_scatter, stage / slices, slices),
    )


def inner_ranks(n: int, stride: int, domain: int) -> int:
    """Ranks of a group of ``n``, ``stride`` apart, that share a domain.

    >>> inner_ranks(8, 1, 8), inner_ranks(16, 4, 8), inner_ranks(4, 16, 8)
    (8, 2, 1)
    """
    room = max(1, domain // stride)
    return next(d for d in range(min(n, room), 0, -1) if n % d == 0)


def ring_latency_s(ranks: int, inner: int) -> float:
    """Seconds that a first byte needs round a ring: gathers and scatters have no tree (NCCL up to 2.22).

    >>> round(ring_latency_s(16, 8) * 1e6, 1)  # 14 hops inside two nodes, one between them
    61.6
    """
    domains = ranks // inner
    return (ranks - domains) * INNER_HOP_S + (domains - 1) * OUTER_HOP_S


def slower_hop_s(fabric: str) -> float:
    """What a hop over ``fabric`` takes longer than over InfiniBand, as the catalogue states both; 0 where unnamed.

    >>> round(slower_hop_s("efa-v2") * 1e6, 1), slower_hop_s("ib-xdr"), slower_hop_s("")
    (12.3, 0.0, 0.0)
    """
    if not fabric:
        return 0.0
    stated = loader.load("fabrics", fabric).latency_s - loader.load("fabrics", MEASURED_ON).latency_s
    return max(0.0, float(stated))


_RINGS = (collectives.all_gather, collectives.reduce_scatter)
_KNOWN: dict[tuple[object, ...], Floats] = {}
_MOST_KNOWN = 1 << 14


class _Asked:
    """Regimes of distinct groups, looked up once."""

    def __init__(self, hardware: Hardware, domain: int) -> None:
        self.topology, self.domain = hardware.topology, domain
        self.coefficients: Coefficients = collective_coefficients(LIBRARY)

    def __call__(self, function: Callable[..., CollectiveTime], n: Floats, stride: Floats) -> Lines:
        if n.size == 1:
            one = self._lines(function, int(n[0]), int(stride[0]))
            return Lines(one[0][None], one[1][None])
        keys = n * 1e7 + stride
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        table = np.empty((2, first.size, MAX_REGIMES))
        for row, i in enumerate(first):
            table[:, row] = self._lines(function, int(n[i]), int(stride[i]))
        return Lines(table[0][inverse], table[1][inverse])

    def _lines(self, function: Callable[..., CollectiveTime], ranks: int, stride: int) -> Floats:
        key = (function.__name__, ranks, stride, self.domain, self.topology, id(self.coefficients))
        if key not in _KNOWN:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            inner = inner_ranks(ranks, stride, self.domain)
            found = _padded(function(ranks, self.topology, self.coefficients, n_inner=inner))
            if function in _RINGS and ranks > inner and self.topology.kind != "torus":
                found[0] += ring_latency_s(ranks, inner)
            if ranks > inner:
                found[0] += slower_hop_s(self.topology.scaleout_fabric) * _hops(function, ranks // inner)
            _KNOWN[key] = found
        return _KNOWN[key]


def _hops(function: Callable[..., CollectiveTime], domains: int) -> float:
    """Hops between domains that follow one another: round a ring, or as a tree does; one where all send at once."""
    if function in _RINGS:
        return float(domains - 1)
    return 2.0 * collectives.hops(domains) if function is collectives.all_reduce else 1.0


def _padded(found: CollectiveTime) -> Floats:
    out = np.full((2, MAX_REGIMES), np.inf)
    out[1] = 0.0
    for i, (alpha, beta) in enumerate(found.regimes):
        out[:, i] = alpha, beta
    return out
