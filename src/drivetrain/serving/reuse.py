"""A prefix cache that is finite: what is found on the device, what in host memory, and what loading it takes.

A cache that keeps the last used entries holds what was used within its retention time, its size over the rate at which
new entries come, evaluated where the replica is fully loaded (below that it keeps longer)::

    T = bytes of cache / (requests/s at full load * new tokens a request * bytes a token)

With times between uses of a prefix exponential of mean tau, the share of the input found is that of an unlimited cache
times ``1 - exp(-T / tau)``; T with device memory alone gives what is found there, the rest comes from the host at the
rate of its link. tau is measured on one trace of conversations and assumed for other workloads. Caches bounded by a
window and recurrent states are left out: they cannot serve a prefix of any length. All per accelerator; requests that
share a prefix are sent to the same rank.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from drivetrain.catalogue import loader
from drivetrain.cost.hardware import Hardware
from drivetrain.cost.kernel import step
from drivetrain.serving.deployment import Deployment, contexts, memory, scalars, sequence_bytes
from drivetrain.serving.lengths import Lengths

_MOST = 0.999  # at least the last token of a prompt is computed


def lengths_on(deployment: Deployment, lengths: Lengths) -> Lengths:
    """``lengths`` as ``deployment`` meets them: the cache it keeps of a prompt, the prefixes it finds and where."""
    choice = deployment.cut.techniques.choice
    if choice.kv_compression < 1.0:
        lengths = replace(lengths, kept=choice.kv_compression)
    if choice.kv_offload_bytes is None:
        return lengths
    reusable = lengths.isl - lengths.computed if lengths.reusable is None else lengths.reusable
    if choice.host_hit is not None:
        device, host = 1.0, choice.host_hit
        found = np.minimum(reusable + host * lengths.isl, _MOST * lengths.isl)
    else:
        device = _reached(deployment, lengths, reusable, 0.0)
        both = _reached(deployment, lengths, reusable, choice.kv_offload_bytes)
        found = both * reusable
        host = (both - device) * float(lengths.weight @ reusable) / lengths.isl_mean
    return replace(lengths, reusable=reusable, computed=np.maximum(lengths.isl - found, 1.0), host_frac=max(host, 0.0))


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


def _reached(deployment: Deployment, lengths: Lengths, reusable: object, host_bytes: float) -> float:
    """Share of the reusable prefixes that device cache and ``host_bytes`` keep long enough."""
    per_token = _bytes_per_token(deployment)
    if per_token == 0.0:
        return 1.0
    engine, hardware, dp = deployment.engine, deployment.hardware, deployment.cut.layout.dp
    budget, seqs = engine.limits_on(hardware.name, hardware.memory_bytes)
    one = sequence_bytes(deployment.cut, lengths)
    room = memory(deployment.cut, hardware, engine, deployment.efficiency, one, float(budget))
    if room.fits < 1:
        return 0.0
    computed = np.maximum(lengths.isl - np.asarray(reusable), 1.0)
    slots = min(room.fits, float(seqs * dp) if seqs else math.inf)
    rate = _full_load(deployment, replace(lengths, computed=computed), float(budget), slots) / dp
    new_bytes = float(lengths.weight @ (computed + lengths.osl)) * per_token
    retention = (room.cache + host_bytes) / (rate * new_bytes)
    return -math.expm1(-retention / loader.techniques()["reuse_interval"].mid.value)


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
