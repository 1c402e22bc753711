"""A workload reduced to the lengths that serving costs depend on.

For request classes with weight w, input s, output o, a share h of the input already in a prefix cache, and an operator
that sees at most S tokens back, with G(x) = integral of min(k, S) from 0 to x::

    decode context  = sum w [G(s + o) - G(s)] / sum w o          (each decoded token weighs the same)
    prefill context = [G(s) - G(h s)] / (s - h s)                (mean over the prompt's computed tokens)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.workload import Workload

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Request classes as arrays; ``computed`` is the input not found in a prefix cache (at least one token).

    ``kept`` is the share of a prompt whose cache stays for decoding. Where the prefix cache is finite, ``reusable`` is
    the input an unlimited one would find, and ``host_frac`` the share of all input found in host memory.
    """

    weight: Floats
    isl: Floats
    osl: Floats
    computed: Floats
    arrival_cv2: float
    kept: float = 1.0
    reusable: Floats | None = None
    host_frac: float = 0.0

    @property
    def one_length(self) -> bool:
        """Whether all requests are alike."""
        return bool(np.ptp(self.osl) == 0.0 and np.ptp(self.computed) == 0.0)

    @property
    def isl_mean(self) -> float:
        """Mean input tokens of a request."""
        return float(self.weight @ self.isl)

    @property
    def osl_mean(self) -> float:
        """Mean output tokens of a request."""
        return float(self.weight @ self.osl)


def lengths_of(workload: Workload, prefix_hit_frac: float = 0.0) -> Lengths:
    """Arrays of ``workload`` with a share ``prefix_hit_frac`` of every input served from a prefix cache."""
    isl = np.array([c.isl for c in workload.classes])
    weight = np.array([c.weight for c in workload.classes])
    return Lengths(
        weight=weight / weight.sum(),
        isl=isl,
        osl=np.array([c.osl for c in workload.classes]),
        computed=np.maximum(isl * (1.0 - prefix_hit_frac), 1.0),
        arrival_cv2=workload.arrival_cv**2,
    )


def decode_context(lengths: Lengths, span: float = math.inf) -> float:
    """Mean cached tokens that one decoded token attends to, at most ``span`` back."""
    start = lengths.isl * lengths.kept
    area = integral_of_min(start + lengths.osl, span) - integral_of_min(start, span)
    return float(lengths.weight @ area / (lengths.weight @ lengths.osl))


def prefill_context(lengths: Lengths, span: float = math.inf) -> Floats:
    """By class: mean tokens that one computed prompt token attends to, at most ``span`` back."""
    cached = lengths.isl - lengths.computed
    area = integral_of_min(lengths.isl, span) - integral_of_min(cached, span)
    return np.asarray(area / lengths.computed)


def integral_of_min(x: Floats, span: float) -> Floats:
    """Integral of min(k, span) over k from 0 to x.

    >>> float(integral_of_min(np.array([4.0]), 2.0)[0])
    6.0
    """
    if math.isinf(span):
        return np.asarray(x * x / 2)
    return np.asarray(np.where(x <= span, x * x / 2, span * x - span * span / 2))
