"""A session stays where it is."""
# ruff: noqa: ARG001 - every policy of a kind has the same signature

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.checks import require
from drivetrain.serving.policies.registry import register
from drivetrain.serving.policies.route.living import n_alive
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT, SESSION
from drivetrain.serving.sim.draws import uniform

Floats = NDArray[np.float64]

SEED, STREAM = 0, 1000  # the hash is the same in every run; no draw of a simulation uses this stream


@jit
def score(request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats) -> None:
    """A hash of session and endpoint; minus requests in flight without a session or above the bound."""
    session = int(request[SESSION])
    alive = n_alive(endpoints)
    total = 1.0  # this request counts
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] != 0.0:
            total += endpoints[i, INFLIGHT]
    for i in range(endpoints.shape[0]):
        if endpoints[i, ALIVE] == 0.0:
            scores[i] = -np.inf
        elif session < 0 or (options[0] > 0.0 and endpoints[i, INFLIGHT] + 1.0 > np.ceil(options[0] * total / alive)):
            scores[i] = -endpoints[i, INFLIGHT]
        else:
            scores[i] = 1.0 + uniform(SEED, STREAM, session, i)


@register("route", "session", score, reads=())
@dataclass(frozen=True, slots=True)
class Session:
    """The endpoint that a hash gives to the session; without a session the one with the fewest requests in flight.

    Equation: the largest hash(session, endpoint) over endpoints (rendezvous hashing, Thaler and Ravishankar 1998,
    IEEE/ACM ToN 6(1)): when an endpoint dies only its sessions move, and come back with it. With a bound, endpoints
    with bound times the mean requests in flight (rounded up, this one counted) are passed over (Mirrokni et al. 2018,
    SODA); bound 0 is off. Reads ``SESSION`` and ``INFLIGHT``. So do: vLLM production stack (``session``), SGLang
    gateway (``consistent_hashing``, ``bounded_consistent_hashing``), AIBrix (``session-affinity``).
    """

    bound: float = 0.0

    def __post_init__(self) -> None:
        require(
            self.bound == 0.0 or self.bound >= 1.0, "session", f"bound is 0 (off) or at least 1, not {self.bound:g}"
        )
