"""The two kinds of replica of a disaggregated deployment, each on the steady solver.

A **prefill** replica serves requests of one output token. Its steps carry prompts only, which the solver of mixed
steps does not know: it has decode steps run where such a replica idles, and it adds the step under way to a queue
that already counts the prompt ahead. With u, t, t_d, t_m as in :mod:`drivetrain.serving.kernel` and phi the share of
a step's budget that the prompt under way fills (at most 1), the wait is less than the solver's by::

    (1 - u) t_d^2 / 2t  +  phi u t_m^2 / 2t

A **decode** replica computes one prompt token of each request: the token it is handed, or where the engine computes
the prompt's last token again, that one. Such a step is a decode step with one row more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.catalogue.disaggregation import FirstToken
from drivetrain.serving import kernel
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.steady import Latency, Prepared, SteadyState, at_rate, prepare
from drivetrain.serving.techniques.active import Active

_ALONE, _MANY = 1e-9, 1e12


@dataclass(frozen=True, slots=True)
class Prefiller:
    """A prefill replica. ``idle_step_s`` is the decode step of one sequence, ``own_s`` a prompt's time alone.

    ``fills`` is the share of a full step's budget that the prompt found under way takes.
    """

    prepared: Prepared
    idle_step_s: float
    own_s: float
    fills: float


def prefill_lengths(lengths: Lengths) -> Lengths:
    """The requests as a prefill pool sees them: their prompts, and one token out."""
    return replace(lengths, osl=np.ones_like(lengths.osl))


def decode_lengths(lengths: Lengths, first_token: FirstToken) -> tuple[Lengths, float]:
    """The requests as a decode pool sees them, and the share of requests that reaches it.

    Where the prefill side computes the first token, the decode side gets it as its only prompt token, has the whole
    prompt in cache and one token less to write; requests of one token end in the prefill pool.
    """
    handed = replace(lengths, computed=np.ones_like(lengths.isl), reusable=None, host_frac=0.0)
    if first_token == "decode":
        return handed, 1.0
    longer = lengths.osl > 1.0
    share = float(lengths.weight[longer].sum())
    if share <= 0.0:
        return handed, 0.0
    return (
        replace(
            handed,
            weight=lengths.weight[longer] / share,
            isl=lengths.isl[longer] + 1.0,
            osl=np.maximum(lengths.osl[longer] - 1.0, 1.0),
            computed=np.ones(int(longer.sum())),
        ),
        share,
    )


def prefiller(deployment: Deployment, lengths: Lengths, budget: float, max_seqs: float = np.inf) -> Prefiller:
    """Prepare a prefill replica for the prompts of ``lengths``."""
    prepared = _together(prepare(prefilling(deployment), prefill_lengths(lengths), budget, max_seqs))
    alone = at_rate(_sized(prepared, _MANY), _ALONE)
    tokens = float(lengths.weight @ lengths.computed)
    under_way = float(lengths.weight @ lengths.computed**2) / tokens
    request_s = float(prepared.scalars[kernel.REQUEST_S])
    return Prefiller(
        prepared=prepared,
        idle_step_s=alone.tpot.mean,
        own_s=alone.ttft.mean - alone.tpot.mean / 2.0 - request_s,
        fills=min(1.0, under_way / (budget * deployment.cut.layout.dp)),
    )


def prefill_at(replica: Prefiller, rate: float, held_s: float = 0.0, others: float = 1.0) -> SteadyState:
    """One prefill replica at ``rate``; ``held_s`` is how long a prompt's cache stays after it was computed."""
    prepared = _with_slots(replica.prepared, replica.prepared.memory.fits - rate * held_s)
    state = at_rate(prepared, rate, others)
    if not state.stable:
        return state
    u, t, idle = state.mixed_frac, state.tpot.mean, replica.idle_step_s
    mixed = max((t - (1.0 - u) * idle) / u, 0.0) if u > 0.0 else 0.0
    less = ((1.0 - u) * idle * idle + replica.fills * u * mixed * mixed) / (2.0 * t)
    ttft = sooner(state.ttft, less)
    return replace(state, ttft=ttft, e2e=ttft, in_system=rate * ttft.mean)


def prefilling(deployment: Deployment) -> Deployment:
    """A deployment as a prefill replica: what concerns decode steps, speculation and turns with prompts, is off."""
    active = deployment.cut.techniques
    choice = replace(active.choice, chunked_prefill=None)
    return _choosing(deployment, replace(active, speculation=None, choice=choice))


def decoding(deployment: Deployment) -> Deployment:
    """A deployment as a decode replica: no launches of prompts, the way in through the front is counted once.

    A finite prefix cache is the prefill side's.
    """
    active = deployment.cut.techniques
    choice = replace(active.choice, chunked_prefill=None, kv_offload_bytes=None, host_hit=None)
    lean = replace(
        deployment,
        efficiency=replace(
            deployment.efficiency, prefill_kernel_s=0.0, prefill_experts_s=0.0, request_s=0.0, reply_s=0.0
        ),
        coefficients=replace(deployment.coefficients, prefill_s=0.0, request_s=0.0),
    )
    return _choosing(lean, replace(active, choice=choice))


def decoder(
    deployment: Deployment, lengths: Lengths, first_token: FirstToken, budget: float, max_seqs: float = np.inf
) -> Prepared:
    """Prepare a decode replica for what ``lengths`` send it."""
    return _together(prepare(decoding(deployment), decode_lengths(lengths, first_token)[0], budget, max_seqs))


def decode_at(prepared: Prepared, rate: float, held_s: float = 0.0, others: float = 1.0) -> SteadyState:
    """One decode replica at ``rate``; ``held_s`` is how long a request's room is taken before it joins the batch."""
    return at_rate(_with_slots(prepared, prepared.memory.fits - rate * held_s), rate, others)


def sooner(latency: Latency, seconds: float) -> Latency:
    """``latency`` less a wait that is uniform around ``seconds``, as the solver spreads the step under way."""
    return Latency(
        mean=latency.mean - seconds,
        p50=latency.p50 - seconds,
        p90=latency.p90 - 1.8 * seconds,
        p95=latency.p95 - 1.9 * seconds,
        p99=latency.p99 - 1.98 * seconds,
    )


def _with_slots(prepared: Prepared, slots: float) -> Prepared:
    """``prepared`` with ``slots`` sequences where those are fewer."""
    return prepared if slots >= prepared.max_seqs else _sized(prepared, slots)


def _together(prepared: Prepared) -> Prepared:
    """``prepared`` without turns: a pool has no prompts beside decodes, whatever the engine's scheduler does.

    Nor are its percentiles corrected: that is known of replicas that do both.
    """
    scalars = prepared.scalars.copy()
    scalars[kernel.APART] = 0.0
    scalars[kernel.CORRECTED] = 0.0
    return replace(prepared, scalars=scalars)


def _sized(prepared: Prepared, slots: float) -> Prepared:
    scalars = prepared.scalars.copy()
    scalars[kernel.MAX_SEQS] = slots
    return replace(prepared, scalars=scalars)


def _choosing(deployment: Deployment, techniques: Active) -> Deployment:
    return replace(deployment, cut=replace(deployment.cut, techniques=techniques))
