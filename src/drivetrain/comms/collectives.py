"""Seconds a collective takes, as the best of a few affine regimes in its bytes.

Every function returns a :class:`CollectiveTime`, ``t(bytes) = min_i(alpha_i + beta_i * bytes)``. ``n`` ranks
are laid out densely: ``n_inner = min(n, domain)`` in a scale-up domain, ``n / n_inner`` domains joined by
NICs. Errors of the fitted coefficients stand in ``cost/calibration/collectives.toml``.

A group that spans domains is hierarchical (reduce-scatter inside, all-reduce across, all-gather inside). Its
tiers run as a pipeline over chunks, so latencies add and the slower tier sets the rate: four nodes of eight
B200 on 50 GB/s NICs reach 0.74 of the NIC rate with nothing left for the inner tier (public EFA run).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.comms.assumed import DATASHEET
from drivetrain.comms.calibrated import coefficients_from
from drivetrain.comms.coefficients import NETWORK, Coefficients, Op, Regime
from drivetrain.comms.topology import Topology

__all__ = [
    "DATASHEET",
    "Coefficients",
    "CollectiveTime",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "coefficients_from",
    "distinct_places",
    "reduce_scatter",
    "send_recv",
]

Lines = list[tuple[float, float]]
_TREE_FROM = 8


@dataclass(frozen=True, slots=True)
class CollectiveTime:
    """``t(bytes) = min_i(alpha_i + beta_i * bytes)``: 1 to 3 regimes of (seconds, seconds per byte).

    >>> CollectiveTime(((1e-6, 1e-9), (4e-6, 2e-12))).seconds(1e6)
    6e-06
    """

    regimes: tuple[tuple[float, float], ...]

    def seconds(self, n_bytes: float) -> float:
        """Time for ``n_bytes``, counted as the function that made this says."""
        return min(alpha + beta * n_bytes for alpha, beta in self.regimes)


def all_reduce(
    n: int, topology: Topology, coefficients: Coefficients = DATASHEET, *, n_inner: int | None = None
) -> CollectiveTime:
    """Sum a tensor over ``n`` ranks, result on all. ``bytes``: the tensor on one rank.

    Crossing each rank's links: ``n - 1`` tensors one-shot, ``2(n-1)/n`` ring and two-shot, ``(n+1)/n`` with
    reduction in the switch.
    """
    return _collective("all_reduce", n, topology, coefficients, n_inner)


def all_gather(
    n: int, topology: Topology, coefficients: Coefficients = DATASHEET, *, n_inner: int | None = None
) -> CollectiveTime:
    """Collect all ranks' shards on all. ``bytes``: the output on one rank; ``(n-1)/n`` of it crosses."""
    return _collective("all_gather", n, topology, coefficients, n_inner)


def reduce_scatter(
    n: int, topology: Topology, coefficients: Coefficients = DATASHEET, *, n_inner: int | None = None
) -> CollectiveTime:
    """Sum a tensor, a shard to each rank. ``bytes``: the input on one rank; ``(n-1)/n`` of it crosses."""
    return _collective("reduce_scatter", n, topology, coefficients, n_inner)


def all_to_all(
    n: int,
    topology: Topology,
    coefficients: Coefficients = DATASHEET,
    *,
    n_inner: int | None = None,
    merged: float = 1.0,
) -> CollectiveTime:
    """Send a different part to each rank. ``bytes``: what one rank sends, its own ``1/n`` included.

    ``(n-1)/n`` of it leaves the rank; ``(n - n_inner)/n`` leaves the domain, through the NIC. Bulk expert
    dispatch sends a token once per domain and copies it inside: ``merged`` >= 1 is how many copies one such
    message stands for. With top-k routing over ``n`` ranks ``bytes`` is tokens x ``distinct_places(n, k)`` x
    token bytes, and ``merged`` is ``distinct_places(n, k) / distinct_places(n / n_inner, k)``.
    """
    return _collective("all_to_all", n, topology, coefficients, n_inner, max(1.0, merged))


def send_recv(
    n: int, topology: Topology, coefficients: Coefficients = DATASHEET, *, n_inner: int | None = None
) -> CollectiveTime:
    """Send ``bytes`` from each rank to the next in a chain of ``n``: the NIC hop if it spans domains."""
    return _collective("send_recv", n, topology, coefficients, n_inner)


def distinct_places(places: int, draws: float) -> float:
    """Return the mean number of places that ``draws`` uniform draws hit: ``m (1 - (1 - 1/m)^k)``.

    >>> round(distinct_places(8, 8), 2)
    5.25
    """
    return places * (1.0 - math.pow(1.0 - 1.0 / places, draws))


def crossing(op: Op, one_shot: bool, n: int) -> float:
    """Share of ``bytes`` that crosses one rank's links one way.

    >>> crossing("all_reduce", True, 4), crossing("all_reduce", False, 4), crossing("all_gather", False, 4)
    (3.0, 1.5, 0.75)
    """
    if op == "send_recv":
        return 1.0
    if op == "all_reduce":
        return float(n - 1) if one_shot else 2 * (n - 1) / n
    return (n - 1) / n


def hops(n: int) -> float:
    """Latency steps: ``n - 1`` up to 8 ranks, then two per doubling (a tree takes over; assumed).

    >>> hops(2), hops(8), hops(64)
    (1.0, 7.0, 13.0)
    """
    return float(n - 1) if n <= _TREE_FROM else _TREE_FROM - 1 + 2 * math.log2(n / _TREE_FROM)


_known: dict[tuple[object, ...], tuple[Coefficients, CollectiveTime]] = {}
_MOST_KNOWN = 1 << 16


def _collective(
    op: Op, n: int, topology: Topology, coefficients: Coefficients, n_inner: int | None, merged: float = 1.0
) -> CollectiveTime:
    """The same question is asked for every model and precision: answers are kept, by identity of the coefficients."""
    key = (op, n, topology, id(coefficients), n_inner, merged)
    if key not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = coefficients, _regimes(op, n, topology, coefficients, n_inner, merged)
    return _known[key][1]


def _regimes(
    op: Op, n: int, topology: Topology, coefficients: Coefficients, n_inner: int | None, merged: float
) -> CollectiveTime:
    inner = topology.inner_ranks(n, n_inner)
    if n == 1:
        return CollectiveTime(((0.0, 0.0),))
    if op == "send_recv":
        pair = _inner(op, 2, topology, coefficients)
        if n > inner:
            pair = _outer(op, 2, 1, topology, coefficients, 1.0)
        return CollectiveTime(_best(pair))
    if inner == n:
        return CollectiveTime(_best(_inner(op, n, topology, coefficients)))
    outer = _outer(op, n // inner, inner, topology, coefficients, merged)
    if inner == 1:
        return CollectiveTime(_best(outer))
    first = _inner(op, inner, topology, coefficients)
    # quickest with quickest, then bulk inside, then bulk in both: at most three whatever the rates
    pairs = ((first[0], outer[0]), (first[-1], outer[0]), (first[-1], outer[-1]))
    return CollectiveTime(_best([(a + c, max(b, d)) for (a, b), (c, d) in pairs]))


def _inner(op: Op, n: int, topology: Topology, coefficients: Coefficients) -> Lines:
    """Regimes among ``n`` ranks of one domain, quickest first."""
    fit = coefficients.fit(op, topology.kind, topology.fabric)
    rate = topology.group_bytes_per_s(n)
    if op == "send_recv" and topology.kind in ("mesh", "torus"):
        rate = topology.link_bytes_per_s
    rate /= max(1.0, (n / 2) ** fit.sharing) * (topology.relays(n) if op == "all_to_all" else 1.0)
    return sorted(_line(op, regime, n, rate) for regime in fit.regimes)


def _outer(op: Op, n: int, inner: int, topology: Topology, coefficients: Coefficients, merged: float) -> Lines:
    """Regimes among ``n`` domains, quickest first.

    After the inner reduce-scatter, or before the inner all-gather, a NIC carries ``1/inner`` of the tensor.
    """
    lines = []
    for regime in coefficients.fit(op, NETWORK, topology.scaleout_fabric).regimes:
        share = 1.0 / inner
        if op == "all_to_all":
            share = 1.0 if regime.algorithm == "one_shot" else 1.0 / merged
        alpha, beta = _line(op, regime, n, topology.nic_bytes_per_s)
        lines.append((alpha, beta * share))
    return sorted(lines)


def _line(op: Op, regime: Regime, n: int, rate: float) -> tuple[float, float]:
    passes = crossing(op, regime.algorithm == "one_shot", n) / regime.efficiency + regime.local
    if op == "all_reduce" and regime.in_switch > 0:
        passes = min(passes, (n + 1) / n / regime.in_switch)
    return regime.launch_s + regime.hop_s * hops(n), passes / rate


def _best(lines: Lines) -> tuple[tuple[float, float], ...]:
    """Drop lines that another beats everywhere."""
    kept: Lines = []
    for alpha, beta in sorted(lines):
        if not kept or beta < kept[-1][1]:
            kept.append((alpha, beta))
    return tuple(kept)
