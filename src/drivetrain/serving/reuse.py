"""A prefix cache that is finite: what is found on the device, what in host memory, and what loading it takes.

A cache that keeps the last used entries holds what was used within its retention time, its size over the rate at which
new entries come::

    T = bytes of cache / (requests/s * new tokens a request * bytes a token)

The rate is the most that the replica takes within the targets, with the prefixes that it finds at that rate: a fixed
point, and the only one, as a higher rate finds less and takes more time. Without targets it is that of full load with
an unlimited cache. Below that rate a cache keeps longer.

With times between uses of a prefix exponential of mean tau, the share of the input found is that of an unlimited cache
times ``1 - exp(-T / tau)``; T with device memory alone gives what is found there, the rest comes from the host at the
rate of its link. tau is measured on one trace of conversations and assumed for other workloads. Caches bounded by a
window and recurrent states are left out: they cannot serve a prefix of any length. All per accelerator; requests that
share a prefix are sent to the same rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.cost.hardware import Hardware
from drivetrain.cost.kernel import step
from drivetrain.serving import kernel
from drivetrain.serving.deployment import Deployment, contexts, memory, scalars, sequence_bytes
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.slo import Target, limit_arrays

Floats = NDArray[np.float64]

_MOST = 0.999  # at least the last token of a prompt is computed
_IDLE = 1e-4  # of full load: at less than that nothing is worth planning
_PRECISION = 0.01


@dataclass(frozen=True, slots=True)
class Work:
    """Batch limits that a replica runs with, and the targets that limit its rate."""

    budget: float
    max_seqs: float
    targets: tuple[Target, ...]


def cache_is_finite(deployment: Deployment) -> bool:
    """Whether what the prefix cache keeps depends on the rate."""
    choice = deployment.cut.techniques.choice
    return choice.kv_offload_bytes is not None and choice.host_hit is None and _bytes_per_token(deployment) > 0.0


def lengths_on(deployment: Deployment, lengths: Lengths, work: Work | None = None) -> Lengths:
    """``lengths`` as ``deployment`` meets them: the cache it keeps of a prompt, the prefixes it finds and where.

    A finite cache is filled at the most that the replica takes at ``work``; without targets, at full load.
    """
    choice = deployment.cut.techniques.choice
    if choice.kv_compression < 1.0:
        lengths = replace(lengths, kept=choice.kv_compression)
    if choice.kv_offload_bytes is None:
        return lengths
    reusable = lengths.isl - lengths.computed if lengths.reusable is None else lengths.reusable
    if choice.host_hit is not None:
        found = np.minimum(reusable + choice.host_hit * lengths.isl, _MOST * lengths.isl)
        return _finding(lengths, reusable, found, choice.host_hit)
    if not cache_is_finite(deployment):  # nothing that grows with the prompt is kept
        return _finding(lengths, reusable, reusable, 0.0)
    budget, seqs = deployment.engine.limits_on(deployment.hardware.name, deployment.hardware.memory_bytes)
    own = Work(float(budget), float(seqs * deployment.cut.layout.dp) if seqs else math.inf, ())
    return _kept_at_work(deployment, lengths, reusable, work if work and work.targets else own)


def host_seconds(deployment: Deployment, lengths: Lengths) -> float:
    """Seconds per input token spent on loading cache from host memory, on each accelerator at once."""
    if lengths.host_frac == 0.0:
        return 0.0
    return lengths.host_frac * _bytes_per_token(deployment) / host_bytes_per_s(deployment.hardware)


def host_bytes_per_s(hardware: Hardware) -> float:
    """Rate at which cache comes from host memory: the accelerator's link, the generation's, or the usual one."""
    known = loader.techniques()
    keys = (f"host_link_{hardware.name}", f"host_link_{hardware.generation}", "host_link")
    link = next(known[key] for key in keys if key in known)
    return link.mid.value * known["host_link_frac"].mid.value


def _kept_at_work(deployment: Deployment, lengths: Lengths, reusable: Floats, work: Work) -> Lengths:
    """``lengths`` with what a finite cache still holds at the most that the replica takes at ``work``."""
    choice, dp, hardware = deployment.cut.techniques.choice, deployment.cut.layout.dp, deployment.hardware
    one = sequence_bytes(deployment.cut, lengths)
    room = memory(deployment.cut, hardware, deployment.engine, deployment.efficiency, one, work.budget)
    if room.fits < 1:
        return _finding(lengths, reusable, np.zeros_like(lengths.isl), 0.0)
    interval = loader.techniques()["reuse_interval"].mid.value
    host_bytes = choice.kv_offload_bytes or 0.0
    slots = min(room.fits, work.max_seqs)
    unlimited = replace(lengths, computed=np.maximum(lengths.isl - reusable, 1.0))
    new_bytes = float(lengths.weight @ (unlimited.computed + lengths.osl)) * _bytes_per_token(deployment)

    def kept(rate: float) -> Lengths:
        per_s = rate / dp * new_bytes
        device, both = (-math.expm1(-size / per_s / interval) for size in (room.cache, room.cache + host_bytes))
        host = (both - device) * float(lengths.weight @ reusable) / lengths.isl_mean
        return _finding(lengths, reusable, both * reusable, host)

    full = _full_load(deployment, unlimited, work.budget, slots)
    if not work.targets:
        return kept(full)
    return kept(_most(full, lambda rate: _within(deployment, kept(rate), rate, replace(work, max_seqs=slots))))


def _finding(lengths: Lengths, reusable: Floats, found: Floats, host: float) -> Lengths:
    """``lengths`` where ``found`` tokens are not computed, a share ``host`` of all input found in host memory."""
    return replace(lengths, reusable=reusable, computed=np.maximum(lengths.isl - found, 1.0), host_frac=max(host, 0.0))


def _most(full: float, good: Callable[[float], bool]) -> float:
    """The largest rate up to ``full`` that is ``good``; ``full`` where none is, so that little is found."""
    if good(full):
        return full
    low, high = full / 2.0, full
    while not good(low):
        low, high = low / 2.0, low
        if low < _IDLE * full:
            return full
    while high > low * (1.0 + _PRECISION):
        rate = math.sqrt(low * high)
        low, high = (rate, high) if good(rate) else (low, rate)
    return low


def _within(deployment: Deployment, lengths: Lengths, rate: float, work: Work) -> bool:
    """Whether a replica that finds what ``lengths`` say keeps the targets at ``rate``."""
    c = deployment.coefficients
    limits, want = limit_arrays(work.targets)
    seen = contexts(c.spans, lengths)
    out = np.empty(kernel.N_OUT)
    kernel.solve(
        c.ops, c.collectives, scalars(deployment, work.budget, work.max_seqs, host_seconds(deployment, lengths)),
        seen.spans, lengths.weight, lengths.isl, lengths.osl, lengths.computed, seen.decode, seen.prefill,
        rate, lengths.arrival_cv2, 1.0, want, out,
    )  # fmt: skip
    if out[kernel.STABLE] != 1.0 or 2.0 * out[kernel.QUEUE_S] > out[kernel.LATENCY + 5 * kernel.E2E]:
        return False  # as in capacity: requests do not wait for longer than they are served
    reached = out[kernel.LATENCY : kernel.LATENCY + limits.size].reshape(limits.shape)
    return bool((reached[want] <= limits[want]).all())


def _full_load(deployment: Deployment, lengths: Lengths, budget: float, slots: float) -> float:
    """Requests/s at which all slots decode and prompts fill what steps have room for."""
    c, layout = deployment.coefficients, deployment.cut.layout
    seen = contexts(c.spans, lengths)
    d = scalars(deployment, budget, slots)
    tokens = float(lengths.weight @ lengths.computed)
    share = lengths.weight * lengths.computed / tokens
    prefill, chunk = seen.prefill @ share, np.minimum(lengths.isl_mean, np.array(c.spans))
    none = np.zeros(len(c.spans))
    lane = max(slots / layout.pp, 1.0)
    rank, verified = max(lane / layout.dp, 1.0), deployment.cut.techniques.verified
    alone = step(c.ops, c.collectives, d, rank, 0.0, 0.0, verified * lane, seen.decode, none, none)[0]
    full = budget * layout.dp
    filled = step(c.ops, c.collectives, d, rank, budget, 1.0, verified * lane + full, seen.decode, prefill, chunk)[0]
    steps = max(lengths.osl_mean - 1.0, 1.0) / tokens_per_step(deployment)
    return float(layout.pp) / float(steps * alone / lane + tokens / full * max(filled - alone, 0.0))


def tokens_per_step(deployment: Deployment) -> float:
    """Tokens a decoding sequence gains a step."""
    speculation = deployment.cut.techniques.speculation
    return speculation.tokens_per_step if speculation else 1.0


def _bytes_per_token(deployment: Deployment) -> float:
    """Bytes on one accelerator of a cached token, in layers that keep all of them."""
    return sum(term.bytes_per_token for term in deployment.cut.resident.cache if term.span is None)
