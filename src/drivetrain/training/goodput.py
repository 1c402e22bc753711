r"""What failures and checkpoints take of a long run, and how often to write a checkpoint.

Failures come at random at a constant rate ``lambda = n * failures per accelerator-hour / 3600``; ``M = 1 / lambda`` is
the mean time between them. Training goes in segments of ``tau`` seconds; after each it stands still for ``delta``
seconds: the whole write when that blocks, the copy to host memory when the write runs on beside training for ``w``
seconds (``w = 0`` when blocking). A failure loses what no finished checkpoint holds; detection and restart take ``R``,
and failures strike then too. Expected seconds per segment, exactly (Daly 2006, with ``w`` added here)::

    E = M exp((R + w) / M) (exp((tau + delta) / M) - 1)

A failure goes back to the last *finished* write: from a restart, ``tau + delta + w`` seconds without failure finish the
next one, after that ``tau + delta`` each, and the two combine to the factor ``exp(w / M)``. The share of time that
trains is ``tau / E``. Its best ``tau`` depends on ``delta`` alone::

    exp(-(tau + delta) / M) = 1 - tau / M     tau = M (1 + W(-exp(-1 - delta / M)))     (Lambert's W, main branch)

which is Young's ``sqrt(2 delta M)`` for small ``delta``; an asynchronous write must end before the next begins, so
``tau + delta >= w``. Without a spare at hand a restart also waits for a repair; the parts in repair are Poisson with
mean ``lambda * repair``, and a wait is on average ``repair / (spares + 1)`` (an approximation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.errors import BadInputError

SECONDS_PER_HOUR = 3600.0
# Llama 3 405B: 419 unexpected interruptions in 54 days on 16,384 H100 (arXiv:2407.21783): one in 50,700 hours.
FAILURES_PER_HOUR = 1.0 / 50_700.0
DETECTION_S = 60.0
RESTART_S = 600.0
REPAIR_S = 24 * SECONDS_PER_HOUR
CHECKPOINT_BYTES_PER_PARAM = 14.0  # 16-bit weight, fp32 weight and two moments
MOST_EXPONENT = 600.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often one accelerator stops the job and how long that takes.

    ``spares`` parts stand by; None: there is always one.
    """

    failures_per_hour: float = FAILURES_PER_HOUR
    detection_s: float = DETECTION_S
    restart_s: float = RESTART_S
    repair_s: float = REPAIR_S
    spares: int | None = None

    def __post_init__(self) -> None:
        values = (self.failures_per_hour, self.detection_s, self.restart_s, self.repair_s, float(self.spares or 0))
        if not all(math.isfinite(v) and v >= 0.0 for v in values):
            raise BadInputError("failure rate, detection, restart, repair and spares must be numbers from 0 up.")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint: seconds that training stands still for it, and seconds its write runs on beside training."""

    pause_s: float
    write_s: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v >= 0.0 for v in (self.pause_s, self.write_s)):
            raise BadInputError("checkpoint pause and write must be seconds from 0 up.")


@dataclass(frozen=True, slots=True)
class Goodput:
    """``effective_time_frac`` of the time trains; what the rest goes to, as shares that sum with it to 1.

    ``interval_s``: training between checkpoints. ``lost_frac``: work done twice; ``recovery_frac``: detection, restart
    and waiting for repair; ``checkpoint_frac``: standing still for checkpoints.
    """

    effective_time_frac: float
    interval_s: float
    mtbf_s: float
    checkpoint_frac: float
    lost_frac: float
    recovery_frac: float
    optimal: bool


def checkpoint_of(
    params: float, n: int, *, store_bytes_per_s: float, host_bytes_per_s: float = 25e9, blocking: bool = False
) -> Checkpoint:
    """The checkpoint of a model of ``params`` weights: 14 bytes each, to a store shared by all ``n`` accelerators.

    Asynchronous: each accelerator first copies its share to host memory at ``host_bytes_per_s``.

    >>> checkpoint_of(1e9, 8, store_bytes_per_s=1.4e9, blocking=True)
    Checkpoint(pause_s=10.0, write_s=0.0)
    """
    if not (params > 0 and n >= 1 and store_bytes_per_s > 0 and host_bytes_per_s > 0):
        raise BadInputError("a checkpoint needs weights, accelerators and rates above 0.")
    size = CHECKPOINT_BYTES_PER_PARAM * params
    written = size / store_bytes_per_s
    return Checkpoint(written) if blocking else Checkpoint(size / n / host_bytes_per_s, written)


def best_interval_s(mtbf_s: float, checkpoint: Checkpoint) -> float:
    """Training seconds between checkpoints that lose least: the exact optimum, at least as long as the write.

    >>> round(best_interval_s(1e6, Checkpoint(1.0)))  # Young: sqrt(2e6) = 1414
    1414
    """
    if not mtbf_s > 0:
        raise BadInputError("the mean time between failures must be above 0.")
    if math.isinf(mtbf_s):
        return math.inf
    x = checkpoint.pause_s / mtbf_s
    return max(mtbf_s * _root(x), checkpoint.write_s - checkpoint.pause_s, 0.0)


def goodput(
    n: int, checkpoint: Checkpoint, reliability: Reliability = Reliability(), interval_s: float | None = None
) -> Goodput:
    """Share of time that trains on ``n`` accelerators, at the best interval or at ``interval_s``."""
    if n < 1:
        raise BadInputError(f"a job needs at least 1 accelerator, not {n}.")
    rate = n * reliability.failures_per_hour / SECONDS_PER_HOUR
    if rate == 0.0:
        frac = 1.0 if interval_s is None else interval_s / (interval_s + checkpoint.pause_s)
        return Goodput(frac, interval_s or math.inf, math.inf, 1.0 - frac, 0.0, 0.0, interval_s is None)
    mtbf = 1.0 / rate
    tau = best_interval_s(mtbf, checkpoint) if interval_s is None else interval_s
    if not (math.isfinite(tau) and tau >= 0) or tau + checkpoint.pause_s < checkpoint.write_s - 1e-9:
        raise BadInputError(
            f"a checkpoint every {tau:g} s is not possible: its write takes {checkpoint.write_s:g} s. "
            "Write less often or to a faster store."
        )
    recovery = reliability.detection_s + reliability.restart_s + waiting_s(rate, reliability)
    exponent = (recovery + checkpoint.write_s + tau + checkpoint.pause_s) * rate
    if exponent > MOST_EXPONENT or tau == 0.0:
        return Goodput(0.0, tau, mtbf, 0.0, 0.0, 1.0, interval_s is None)
    per_segment = _segment_s(mtbf, tau, recovery, checkpoint)
    useful, paused = tau / per_segment, checkpoint.pause_s / per_segment
    # every failure costs the time of recovery with the failures in it
    failures = per_segment / mtbf * math.exp(-recovery * rate)
    recovering = failures * mtbf * math.expm1(recovery * rate) / per_segment
    lost = max(0.0, 1.0 - useful - paused - recovering)
    return Goodput(useful, tau, mtbf, paused, lost, recovering, interval_s is None)


def waiting_s(rate_per_s: float, reliability: Reliability) -> float:
    """Mean wait of a restart for a repaired part, 0 where there is always a spare.

    >>> waiting_s(1e-5, Reliability()), waiting_s(1e-5, Reliability(spares=0, repair_s=7200.0))
    (0.0, 7200.0)
    """
    if reliability.spares is None:
        return 0.0
    busy = rate_per_s * reliability.repair_s
    term, below = math.exp(-busy), 0.0
    for k in range(reliability.spares):
        below += term
        term *= busy / (k + 1)
    return max(0.0, 1.0 - below) * reliability.repair_s / (reliability.spares + 1)


def _segment_s(mtbf: float, tau: float, recovery: float, checkpoint: Checkpoint) -> float:
    beyond = math.exp((recovery + checkpoint.write_s) / mtbf)
    return mtbf * beyond * math.expm1((tau + checkpoint.pause_s) / mtbf)


def _root(x: float) -> float:
    """``1 + W(-exp(-1 - x))``: the root u of ``exp(-(u + x)) = 1 - u`` in [0, 1), by Newton from Young's value."""
    u = min(math.sqrt(2.0 * x), 1.0 - math.exp(-1.0 - x) / 2.0)
    for _ in range(50):
        value = -math.expm1(-(u + x)) - u  # falls through 0 at the root
        slope = math.exp(-(u + x)) - 1.0
        step = value / slope if slope else 0.0
        u = min(max(u - step, 0.0), 1.0)
        if abs(step) < 1e-15:
            break
    return u
