"""A request's cache on its way from a prefill to a decode replica.

Each rank of the decode replica receives what it will store; the ranks of the prefill replica that hold the request
send equal shares. With b the bytes one rank stores, n_d and n_p the ranks of a request on either side::

    T = max(t_send(n_d b / n_p), t_receive(b))        t(bytes) = alpha + beta * bytes of the link, at either end

over the links of a scale-up domain that holds both replicas, else over the network. Keys and values that every rank
of a side stores (latent attention, fewer heads than ranks) arrive once a rank, in parallel.

Sent in n pieces while the prompt is computed in p seconds, what remains after its end is (pipeline of two stages)::

    exposed = max(T / n, T - p (1 - 1/n))             n = 1: all of it;  n layers: the last layer's

A rank's link is busy ``use = rate T / dp`` of the time. Prompts of one step end together, x others on average, and
their caches wait for one another (M^X/G/1 with a Poisson stream of batches)::

    wait = T / (1 - use) * (use (1 + c_T^2) + x) / 2

Source of alpha and beta: the calibrated send_recv of :mod:`drivetrain.comms.collectives`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.comms.collectives import Coefficients, CollectiveTime, send_recv
from drivetrain.comms.topology import Topology
from drivetrain.serving.deployment import Cut, Deployment, cut
from drivetrain.serving.lengths import Lengths

Floats = NDArray[np.float64]
Via = Literal["domain", "network"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """The caches of a workload between two replicas; arrays are by request class.

    ``kv_bytes`` is the cache of the whole model once, ``seconds`` the time of one transfer alone on its links.
    ``senders`` and ``receivers`` count the groups of ranks that hold requests of their own (dp).
    """

    via: Via
    kv_bytes: Floats
    seconds: Floats
    senders: int
    receivers: int

    def mean_s(self, weight: Floats) -> float:
        """Mean time of one transfer alone."""
        return float(weight @ self.seconds)

    def use(self, rate_out: float, rate_in: float, weight: Floats) -> tuple[float, float]:
        """Share of the time that a link of the sending and of the receiving replica is busy, at rates per replica."""
        mean = self.mean_s(weight)
        return rate_out * mean / self.senders, rate_in * mean / self.receivers

    def wait_s(self, use: float, beside: float, weight: Floats) -> float:
        """Mean wait for a link that is busy a share ``use``, ``beside`` others starting at the same moment."""
        mean = self.mean_s(weight)
        if mean <= 0.0:
            return 0.0
        if use >= 1.0:
            return math.inf
        spread = float(weight @ self.seconds**2) / (mean * mean) - 1.0
        return mean / (1.0 - use) * (use * (1.0 + spread) + beside) / 2.0


def transfer(prefill: Deployment, decode: Deployment, lengths: Lengths, via: Via) -> Transfer:
    """Size the transfer between replicas; raises LayoutError where no network joins them."""
    kept = lengths.isl * min(lengths.kept, prefill.cut.techniques.choice.kv_compression)
    stored = _rank_bytes(decode.cut, kept)
    out = stored * _ranks(decode.cut.layout) / _ranks(prefill.cut.layout)
    ends = (
        (link(prefill.hardware.topology, prefill.links, via), out),
        (link(decode.hardware.topology, decode.links, via), stored),
    )
    p = prefill.cut
    whole = cut(p.model, p.checkpoint, Layout(), p.kv_dtype, p.techniques)
    return Transfer(
        via=via,
        kv_bytes=_rank_bytes(whole, kept),
        seconds=np.array([max(time.seconds(float(b[j])) for time, b in ends) for j in range(len(lengths.isl))]),
        senders=prefill.cut.layout.dp,
        receivers=decode.cut.layout.dp,
    )


def link(topology: Topology, coefficients: Coefficients, via: Via) -> CollectiveTime:
    """Time from one rank to one peer, within a domain or over the network."""
    return send_recv(2, topology, coefficients, n_inner=2 if via == "domain" else 1)


def exposed_s(seconds: Floats, pieces: Floats, prefill_s: Floats) -> Floats:
    """What of a transfer in ``pieces`` remains when the prompt's computation ends.

    >>> exposed_s(np.array([0.8, 0.8]), np.array([1.0, 80.0]), np.array([1.0, 1.0]))
    array([0.8 , 0.01])
    """
    return np.asarray(np.maximum(seconds / pieces, seconds - prefill_s * (1.0 - 1.0 / pieces)))


def share_a_domain(prefill: Deployment, decode: Deployment, prefill_replicas: int, decode_replicas: int) -> bool:
    """Whether the replicas can be placed so that each prefill replica has a decode replica in its scale-up domain.

    The fleet is cut into ``min(x, y)`` alike groups; each must fit into one domain.
    """
    if prefill.hardware.name != decode.hardware.name:
        return False
    groups = min(prefill_replicas, decode_replicas)
    size = (
        math.ceil(prefill_replicas / groups) * prefill.cut.layout.n_accelerators
        + math.ceil(decode_replicas / groups) * decode.cut.layout.n_accelerators
    )
    return size <= prefill.hardware.topology.domain


def _ranks(layout: Layout) -> int:
    """Accelerators that hold one request."""
    return layout.tp * layout.pp


def _rank_bytes(piece: Cut, context: Floats) -> Floats:
    """Cache and state of a prompt of ``context`` tokens on one accelerator."""
    return np.array([piece.resident.sequence_bytes(float(tokens)) for tokens in context])
