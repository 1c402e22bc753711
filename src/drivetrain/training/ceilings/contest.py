r"""Architecture against infrastructure: two pairs of architecture and cluster under the same money or power.

A cluster turns a dollar, or a joule, into so many FLOPs of the model (peak times MFU, times the share of time that
trains, over price or power); an architecture turns FLOPs into loss. With ``k`` FLOPs per unit of budget B and the
architecture's law::

    C = k B          L = L*(C)                            each pair at its compute optimum
    tie: C_t with L*(C_t) = the other's loss              C_t / C: how much better the cluster would have to be

An architecture may also be told by its *compute gain* g over a law: it reaches with C what the law reaches with g C.
Then the better pair is simply the one with the larger ``g k``: an architecture's gain is undone by a cluster that is
worse by the same factor. Losses of different data are not comparable; such pairs are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import mixture, parametric
from drivetrain.training.scaling.law import Law, positive
from drivetrain.training.scaling.optimum import flops_for_loss, optimum
from drivetrain.training.scaling.uncertainty import draws, estimated_loss, notes

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """FLOPs of the model that a dollar and a joule buy; all that is paid for counted (host, network, cooling)."""

    name: str
    flops_per_usd: float
    flops_per_joule: float

    def __post_init__(self) -> None:
        positive(f"FLOP per dollar of {self.name}", self.flops_per_usd)
        positive(f"FLOP per joule of {self.name}", self.flops_per_joule)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A law of the catalogue, with ``n_experts`` where that is one of mixtures, and a compute gain over it."""

    name: str
    law: str = scaling.DEFAULT
    n_experts: float = 1.0
    compute_gain: float = 1.0

    def __post_init__(self) -> None:
        positive(f"the compute gain of {self.name}", self.compute_gain)


@dataclass(frozen=True, slots=True)
class Pair:
    """An architecture on a cluster."""

    architecture: Architecture
    cluster: Cluster


@dataclass(frozen=True, slots=True)
class Reached:
    """What a pair reaches: FLOPs, the compute-optimal model they pay for, its loss and range (None where unknown)."""

    pair: Pair
    flops: float
    params: float
    tokens: float
    loss: float
    loss_p10: float | None
    loss_p90: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contest:
    """Both pairs and which one wins.

    ``lead`` is the loss of the second less that of the first, ``lead_p10`` and ``lead_p90`` over draws of a shared law;
    ``to_tie`` the factor on the loser's FLOPs per unit of budget that would draw level (1: a tie; infinite: none does).
    """

    first: Reached
    second: Reached
    winner: str
    lead: float
    lead_p10: float | None
    lead_p90: float | None
    to_tie: float


def cluster(
    name: str, *, peak_flops_per_s: float, mfu: float, usd_per_hour: float, power_w: float,
    effective_time_frac: float = 1.0,
) -> Cluster:  # fmt: skip
    """A cluster from what one accelerator of it does, costs and draws (its share of host, network and cooling too).

    >>> cluster("x", peak_flops_per_s=1e15, mfu=0.36, usd_per_hour=2.0, power_w=1000.0).flops_per_usd
    6.48e+17
    """
    for label, share in (("mfu", mfu), ("effective_time_frac", effective_time_frac)):
        if not 0 < share <= 1:
            raise BadInputError(f"{label} of {name} is {share}; it must be above 0 and at most 1.")
    rate = positive(f"peak FLOP/s of {name}", peak_flops_per_s) * mfu * effective_time_frac
    hourly = positive(f"price of {name}", usd_per_hour)
    return Cluster(name, rate * _SECONDS_PER_HOUR / hourly, rate / positive(f"power of {name}", power_w))


def contest(first: Pair, second: Pair, *, usd: float | None = None, energy_j: float | None = None) -> Contest:
    """Which pair reaches the lower loss for the same ``usd``, or the same energy (power times time).

    >>> plain = Pair(Architecture("plain"), Cluster("built well", 1e18, 1e12))
    >>> starved = Pair(Architecture("frontier", compute_gain=3.0), Cluster("starved", 2e17, 2e11))
    >>> found = contest(plain, starved, usd=1e6)
    >>> found.winner, round(found.to_tie, 3)
    ('plain on built well', 1.667)
    """
    if (usd is None) == (energy_j is None):
        raise BadInputError("give the budget of the contest once: usd or energy_j.")
    texts = {scaling.law(pair.architecture.law).data for pair in (first, second)}
    if len(texts) > 1:
        raise BadInputError(f"losses on {' and '.join(sorted(texts))} are not comparable; use laws of the same data.")
    reached = [_reached(pair, _flops(pair, usd, energy_j)) for pair in (first, second)]
    better, worse = sorted(reached, key=lambda one: one.loss)
    many = [_losses(one) for one in reached]
    p10 = p90 = None
    if many[0] is not None and many[1] is not None and first.architecture.law == second.architecture.law:
        p10, p90 = (float(q) for q in np.quantile(many[1] - many[0], (0.1, 0.9)))
    return Contest(
        first=reached[0],
        second=reached[1],
        winner="a tie" if math.isclose(better.loss, worse.loss, rel_tol=1e-12) else _called(better.pair),
        lead=reached[1].loss - reached[0].loss,
        lead_p10=p10,
        lead_p90=p90,
        to_tie=_to_tie(worse, better.loss),
    )


def law_of(architecture: Architecture) -> Law:
    """The law of an architecture, its compute gain left aside."""
    entry = scaling.law(architecture.law)
    if entry.form == MIXTURE:
        return mixture(entry.name).at(architecture.n_experts)
    if architecture.n_experts != 1.0:
        raise BadInputError(f"the law '{entry.name}' knows no experts; use one of mixtures, or a compute gain.")
    return parametric(entry.name)


def _flops(pair: Pair, usd: float | None, energy_j: float | None) -> float:
    if usd is not None:
        return positive("the budget in dollars", usd) * pair.cluster.flops_per_usd
    assert energy_j is not None  # exactly one of them is given
    return positive("the budget in joules", energy_j) * pair.cluster.flops_per_joule


def _reached(pair: Pair, flops: float) -> Reached:
    """A gain g is as g times the FLOPs; the model that is trained costs the FLOPs there are, at the same ratio."""
    architecture = pair.architecture
    best = optimum(law_of(architecture), flops * architecture.compute_gain)
    shrink = math.sqrt(architecture.compute_gain)
    low = high = None
    entry = scaling.law(architecture.law)
    if entry.draws is not None:
        estimate = estimated_loss(float(best.params), float(best.tokens), entry.name)
        low, high = estimate.wide_p10, estimate.wide_p90
    told = notes(entry, float(best.params), float(best.tokens))
    return Reached(pair, flops, float(best.params) / shrink, float(best.tokens) / shrink, float(best.loss), low, high,
                   told)  # fmt: skip


def _losses(one: Reached) -> NDArray[np.float64] | None:
    """The loss at the compute optimum in every draw of the law."""
    many = draws(one.pair.architecture.law)
    if many is None:
        return None
    found: NDArray[np.float64] = optimum(many, one.flops * one.pair.architecture.compute_gain).loss
    return found


def _to_tie(worse: Reached, loss: float) -> float:
    law = law_of(worse.pair.architecture)
    if loss <= law.e:
        return math.inf
    return float(flops_for_loss(law, loss)) / (worse.flops * worse.pair.architecture.compute_gain)


def _called(pair: Pair) -> str:
    return f"{pair.architecture.name} on {pair.cluster.name}"
