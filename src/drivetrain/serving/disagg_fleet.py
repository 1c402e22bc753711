"""A disaggregated fleet under one traffic: what it reaches, what is bought for it, what it draws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from drivetrain.catalogue.model import Model
from drivetrain.serving.disagg import Disaggregated, DisaggState, at_rate, max_rate, violation
from drivetrain.serving.pool_purchase import Line, bill
from drivetrain.serving.purchase import UNLIMITED, Limits
from drivetrain.serving.search import Job, Traffic
from drivetrain.serving.slo import Target

_TYPICAL_TOKENS = 100.0
_AMPLE = 64  # replicas of the other pool, so that it is no limit


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """A disaggregated fleet as evaluated at the peak. ``violation`` is at most 1 where it meets the targets.

    ``wall_w`` is the mean power at the meter over a day.
    """

    prefill: Job
    decode: Job
    deployment: Disaggregated
    state: DisaggState
    lines: tuple[Line, ...]
    violation: float
    wall_w: float

    @property
    def meets(self) -> bool:
        """Whether the targets hold."""
        return self.violation <= 1.0

    @property
    def n_accelerators(self) -> int:
        """All accelerators bought."""
        return sum(line.n_accelerators for line in self.lines)

    @property
    def usd_per_hour(self) -> float:
        """Price of all that is bought (NaN where a price is unknown)."""
        return sum(line.usd_per_hour for line in self.lines)

    def score(self, objective: str) -> float:
        """What ``objective`` makes smallest."""
        if objective in ("energy", "carbon"):
            return self.wall_w
        if objective == "accelerators":
            return float(self.n_accelerators)
        if objective == "tokens-per-megawatt":
            return sum(line.n_accelerators * line.job.part.provisioned_w for line in self.lines)
        if objective == "latency":
            return self.state.ttft.mean + _TYPICAL_TOKENS * self.state.tpot.mean
        return self.usd_per_hour


@dataclass(frozen=True, slots=True)
class Question:
    """What fleets are searched for."""

    model: Model
    traffic: Traffic
    targets: tuple[Target, ...]
    pue: float
    limits: Limits = UNLIMITED
    objective: str = "cost"
    allow_unverified: bool = False


def evaluate(question: Question, prefill: Job, decode: Job, deployment: Disaggregated) -> Fleet:
    """A fleet of given size at the peak, priced; energy is at the mean rate."""
    q, d = question, deployment
    state = at_rate(d, q.traffic.peak_rate)
    lines = bill(prefill, d.prefill_replicas, decode, d.decode_replicas, q.limits.spares)
    mean = at_rate(d, q.traffic.mean_rate)
    return Fleet(prefill, decode, d, state, lines, miss(q, state), wall_w(d, mean, lines, prefill, decode, q.pue))


def wall_w(d: Disaggregated, state: DisaggState, lines: Iterable[Line], prefill: Job, decode: Job, pue: float) -> float:
    """Power at the meter: both pools at work, and what is bought beyond them idle in running hosts (NaN: unstable)."""
    if not state.stable:
        return math.nan
    watts = 0.0
    for job, replicas, power in (
        (prefill, d.prefill_replicas, state.prefill.power_w),
        (decode, d.decode_replicas, state.decode.power_w),
    ):
        watts += replicas * job.deployment.cut.layout.n_accelerators * (power + job.offer.host_w)
    for line in lines:
        watts += (line.idle + line.spare) * (line.job.deployment.hardware.idle_w + line.job.offer.host_w)
    return watts * pue


def miss(q: Question, state: DisaggState) -> float:
    """Largest ratio of a latency to its target; a queue that outlasts the service itself is no plan either."""
    if not state.stable:
        return math.inf
    queue = state.queue_s / (state.e2e.mean - state.queue_s)
    return max(violation(state, q.targets), queue if queue > 1.0 else 0.0)


def needs(d: Disaggregated, targets: tuple[Target, ...]) -> tuple[float, float]:
    """Accelerators of the prefill and of the decode pool for one request/s within the targets, each alone the limit."""
    found = []
    for one, accelerators in (
        (d.sized(1, _AMPLE), d.prefill_accelerators / d.prefill_replicas),
        (d.sized(_AMPLE, 1), d.decode_accelerators / d.decode_replicas),
    ):
        rate = max_rate(one, targets)
        found.append(accelerators / rate if rate > 0.0 else math.inf)
    return found[0], found[1]


def balanced_rate(d: Disaggregated, targets: tuple[Target, ...]) -> float:
    """Requests/s within the targets for each accelerator, pools in their best proportion; 0 where none is."""
    total = sum(needs(d, targets))
    return 1.0 / total if math.isfinite(total) else 0.0
