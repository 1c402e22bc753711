r"""What an architecture is worth in compute: it reaches with C what a dense model reaches with ``g C``.

Of a mixture of experts, ``g`` is what the joint law of mixtures (:mod:`mixture`) finds at the largest compute-optimal
run it was fitted on, where ``L_mix(N, D; E) = L_mix*(g C; 1)``; beyond those runs it is held, although the law's own
extrapolation lets it grow. Applied to a law of dense models it scales both terms::

    L = e + a (N sqrt(g))^-alpha + b (D sqrt(g))^-beta

so that every closed form of :mod:`optimum` and :mod:`lifetime` holds, and losses stay on one text. ``E`` is how many
times its active feed-forward weights a mixture stores; more than the law's runs had count as its most.

The range is assumed: 80 % between ``g^0.5`` and ``g^1.25``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from drivetrain.catalogue import scaling
from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import mixture
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law
from drivetrain.training.scaling.mixture import compute_gain
from drivetrain.training.scaling.optimum import balance

MIXTURE_LAW = "ludziejewski-2025"
MOST_EXPERTS = 32.0  # of the law's runs
LOW, HIGH = 0.5, 1.25  # exponents of the assumed 80 % range


@dataclass(frozen=True, slots=True)
class Gain:
    """Times the compute of a dense model; ``p10`` and ``p90`` bound 80 %; ``experts`` is E, ``note`` what to tell."""

    value: float = 1.0
    p10: float = 1.0
    p90: float = 1.0
    experts: float = 1.0
    note: str = ""


def gain_of(experts: float) -> Gain:
    """The gain of a mixture that stores ``experts`` times its active feed-forward weights; 1 of a dense model.

    >>> gain_of(1.0).value, 2.0 < gain_of(8.0).value < gain_of(32.0).value < 6.0
    (1.0, True)
    >>> gain_of(64.0).value == gain_of(32.0).value
    True
    """
    if experts <= 1.0:
        return Gain()
    value = _at_edge(min(experts, MOST_EXPERTS))
    entry = scaling.law(MIXTURE_LAW)
    edge = entry.fitted.params[1] if entry.fitted and entry.fitted.params else math.inf
    capped = f", taken as {MOST_EXPERTS:g}" if experts > MOST_EXPERTS else ""
    note = (
        f"experts of {experts:.3g} times the active size{capped} count as {value:.2g} times the compute "
        f"({value**LOW:.2g} to {value**HIGH:.2g}): '{entry.name}', fitted to {edge / 1e9:.2g}B active parameters, "
        "unverified and held beyond them"
    )
    return Gain(value, value**LOW, value**HIGH, experts, note)


def chosen_gain(value: float) -> Gain:
    """A gain that somebody states: no range of ours."""
    if not (math.isfinite(value) and value > 0):
        raise BadInputError(f"the compute gain is {value}; it must be a finite number above 0 (1: as a dense model).")
    return Gain(value, value, value, 1.0, f"{value:g} times the compute of a dense model by your choice")


def with_gain(law: Law, gain: float) -> Law:
    """``law`` of an architecture that is worth ``gain`` times the compute.

    >>> dense = Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5)
    >>> with_gain(dense, 16.0).loss(16.0, 16.0) == dense.loss(64.0, 64.0)
    True
    """
    return replace(law, a=law.a * gain ** (-law.alpha / 2.0), b=law.b * gain ** (-law.beta / 2.0))


@lru_cache(maxsize=64)
def _at_edge(experts: float) -> float:
    """The gain at the compute-optimal run whose active size is the largest of the fit."""
    entry, law = scaling.law(MIXTURE_LAW), mixture(MIXTURE_LAW)
    assert entry.fitted is not None
    assert entry.fitted.params
    at = law.at(experts)
    product = (entry.fitted.params[1] / balance(at)) ** ((at.alpha + at.beta) / at.beta)
    return compute_gain(law, experts, float(FLOPS_PER_PARAM_TOKEN * product))
