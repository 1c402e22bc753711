"""The steady state of one replica, explained: open stream (a rate) or closed loop (a concurrency)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.step import Step
from drivetrain.cost import jit
from drivetrain.cost.roofline import StepTime, step_time
from drivetrain.errors import BadInputError
from drivetrain.serving import kernel
from drivetrain.serving.deployment import (
    Contexts,
    Deployment,
    Memory,
    contexts,
    memory,
    scalars,
    sequence_bytes,
)
from drivetrain.serving.lengths import Lengths, decode_context, prefill_context
from drivetrain.serving.loop_flow import Flow, circulate
from drivetrain.serving.reuse import Work, host_seconds, lengths_on
from drivetrain.serving.slo import METRICS, STATISTICS, Target
from drivetrain.serving.techniques.overlap import half, hidden_frac, one_after_another, overlapped

Floats = NDArray[np.float64]
_ALL = np.ones((4, 5), dtype=np.bool_)
_BISECTIONS = 40
_SLOTS_TO_SPARE = 1e9


@dataclass(frozen=True, slots=True)
class Latency:
    """Mean and percentiles in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class SteadyState:
    """One replica at one load. Rates are per replica; ``power_w`` is the mean draw of one accelerator.

    ``mixed_frac`` is the share of steps with prompts; where prompts run in steps of their own, those per decode step.
    ``step_s`` is the mean step over time; requests see more prompts than that, those behind their own, so that
    ``tpot`` is longer.
    ``others`` is the share of the load that a request sees besides itself: 1 for a stream, (C-1)/C in a loop of C.
    """

    stable: bool
    rate: float
    others: float
    decoding: float
    in_system: float
    step_s: float
    mixed_frac: float
    prefill_tokens: float
    prefill_load: float
    queue_s: float
    busy: float
    power_w: float
    ttft: Latency
    tpot: Latency
    itl: Latency
    e2e: Latency

    def latency(self, metric: str) -> Latency:
        """``ttft``, ``tpot``, ``itl`` or ``e2e``."""
        found: Latency = getattr(self, metric)
        return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """A deployment and a workload brought together, so that many loads can be evaluated quickly."""

    deployment: Deployment
    lengths: Lengths
    budget: float
    max_seqs: float
    memory: Memory
    contexts: Contexts
    scalars: Floats


def prepare(
    deployment: Deployment, lengths: Lengths, budget: float, max_seqs: float = np.inf, targets: tuple[Target, ...] = ()
) -> Prepared:
    """Size the memory and reduce the workload for ``deployment``; ``max_seqs`` caps what memory would allow.

    A finite prefix cache finds what it does at the most that the replica takes within ``targets``.
    """
    jit.ready()
    lengths = lengths_on(deployment, lengths, Work(budget, max_seqs, targets))
    one = sequence_bytes(deployment.cut, lengths)
    room = memory(deployment.cut, deployment.hardware, deployment.engine, deployment.efficiency, one, budget)
    limit = min(max_seqs, room.fits)
    return Prepared(
        deployment, lengths, budget, limit, room,
        contexts(deployment.coefficients.spans, lengths),
        scalars(deployment, budget, limit, host_seconds(deployment, lengths)),
    )  # fmt: skip


def at_rate(prepared: Prepared, rate: float, others: float = 1.0) -> SteadyState:
    """Open stream: ``rate`` requests/s arrive at the replica, with the workload's burstiness.

    ``others`` below 1 makes the stream part of a loop: the share of the load that a request sees besides itself.
    """
    return _state(_solve(prepared, rate, prepared.lengths.arrival_cv2, others), others)


def at_concurrency(prepared: Prepared, concurrency: float, in_step: bool = False) -> SteadyState:
    """Closed loop: ``concurrency`` requests circulate; the next is sent when one ends.

    Rate and mean TPOT are those of :mod:`drivetrain.serving.loop_flow`, which follows completions and the prompts that
    replace them from step to step; ``rate * e2e = concurrency`` gives mean TTFT. Latencies spread around their means
    as they do in a stream of about the loop's rate. Requests beyond what fits wait for a slot, which adds to TTFT.
    ``in_step``: requests of one length have it to the token and march, as in a load test.
    """
    if not concurrency >= 1:
        raise BadInputError(f"concurrency must be at least 1, not {concurrency}.")
    inside = min(concurrency, prepared.max_seqs)
    if inside < 1:
        raise BadInputError("no sequence fits in memory.")
    spread = _circulate(prepared, inside, _open_capacity(prepared))
    flow = circulate(prepared, concurrency, in_step)
    return _state(_in_loop(spread, flow, prepared.lengths, concurrency), _others(inside))


def _in_loop(spread: Floats, flow: Flow, lengths: Lengths, concurrency: float) -> Floats:
    """The solution ``spread`` of a stream with the means of a loop; percentiles move as their means do."""
    out = spread.copy()
    gaps = float(lengths.weight @ np.maximum(lengths.osl - 1.0, 0.0))
    e2e = concurrency / flow.rate
    ttft = max(e2e - gaps * flow.tpot_s, 0.0)
    means = {kernel.TTFT: ttft, kernel.TPOT: flow.tpot_s, kernel.ITL: flow.tpot_s, kernel.E2E: e2e}
    for metric, mean in means.items():
        start = kernel.LATENCY + 5 * metric
        out[start : start + 5] *= mean / spread[start]
    if concurrency > 1.0:  # one alone waits for nobody
        own = spread[kernel.LATENCY + 5 * kernel.TTFT] - spread[kernel.QUEUE_S]
        out[kernel.QUEUE_S] = max(ttft - own, 0.0)
    out[kernel.PREFILL_LOAD] *= flow.rate / spread[kernel.RATE]
    out[kernel.RATE] = flow.rate
    out[kernel.DECODING] = flow.decoding
    out[kernel.IN_SYSTEM] = concurrency
    out[kernel.T_STEP] = flow.step_s
    out[kernel.MIXED_FRAC] = flow.mixed_frac
    out[kernel.PREFILL_TOKENS] = flow.prefill_tokens
    return out


def _open_capacity(prepared: Prepared) -> float:
    """Largest rate of a smooth open stream with slots to spare: no loop does more work than that."""
    roomy = replace(prepared, scalars=prepared.scalars.copy())
    roomy.scalars[kernel.MAX_SEQS] = _SLOTS_TO_SPARE
    low, high = 0.0, 1e-3
    while _solve(roomy, high, 0.0, 1.0)[kernel.STABLE] and high < 1e9:
        low, high = high, high * 4
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _solve(roomy, middle, 0.0, 1.0)[kernel.STABLE] else (low, middle)
        if high - low < 1e-4 * high:
            break
    return high


def _others(inside: float) -> float:
    """Share of the load that one of ``inside`` circulating requests sees besides itself."""
    return (inside - 1.0) / inside


def _circulate(prepared: Prepared, inside: float, below: float) -> Floats:
    """The solution at the largest rate, at most ``below``, with no more than ``inside`` requests in the replica."""
    others = _others(inside)
    low, high = 0.0, min(inside / _solve(prepared, 1e-9, 1.0, others)[kernel.LATENCY + 5 * kernel.E2E], below)
    best = _solve(prepared, high * 1e-6, 1.0, others)
    for _ in range(_BISECTIONS):
        rate = 0.5 * (low + high)
        out = _solve(prepared, rate, 1.0, others)
        if out[kernel.STABLE] and out[kernel.IN_SYSTEM] <= inside:
            low, best = rate, out
        else:
            high = rate
        if high - low < 1e-6 * high:
            break
    return best


def max_rate(prepared: Prepared, targets: tuple[Target, ...] = ()) -> float:
    """Largest open rate that is stable and within all ``targets``, requests/s per replica; 0 where none is."""

    def good(rate: float) -> bool:
        out = _solve(prepared, rate, prepared.lengths.arrival_cv2, 1.0)
        return bool(out[kernel.STABLE]) and worst_violation(out, targets) <= 1.0

    low, high = 0.0, 1e-3
    if not good(high * 1e-3):
        return 0.0
    low = high * 1e-3
    while good(high) and high < 1e9:
        low, high = high, high * 2
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if good(middle) else (low, middle)
        if high - low < 1e-5 * high:
            break
    return low


def worst_violation(out: Floats, targets: tuple[Target, ...]) -> float:
    """Largest ratio of latency reached to its limit over ``targets`` (0 without targets)."""
    worst = 0.0
    for target in targets:
        index = kernel.LATENCY + 5 * METRICS.index(target.metric) + STATISTICS.index(target.statistic)
        worst = max(worst, float(out[index]) / target.limit_s)
    return worst


def steps(prepared: Prepared, state: SteadyState) -> tuple[StepTime, StepTime]:
    """The decode-only and the mixed step of ``state``, operator by operator (one lane, one rank).

    Where prompts run in steps of their own, the second is such a step after a decode step.
    """
    d, layout = prepared.deployment, prepared.deployment.cut.layout
    met = state.step_s / (state.tpot.mean * float(prepared.scalars[kernel.YIELD]))
    seen = 1.0 + state.others * state.decoding * met / layout.pp
    decode = max(seen / layout.dp, 1.0)
    lengths = prepared.lengths
    tokens = float(lengths.weight @ lengths.computed)
    chunk = tokens / float(lengths.weight @ np.maximum(1.0, lengths.computed / prepared.budget))
    per_rank = min(max(chunk, state.prefill_tokens / layout.dp), prepared.budget)
    share = lengths.weight * lengths.computed / tokens
    chunks = np.maximum(1.0, lengths.computed / prepared.budget)
    size = lengths.computed / chunks
    chunk_context = lengths.isl - lengths.computed + size * (chunks + 1.0) / 2.0

    def within(span: float) -> tuple[float, float, float]:
        return (
            decode_context(lengths, span),
            float(share @ prefill_context(lengths, span)),
            float(share @ np.minimum(chunk_context, span + size)),
        )

    verified = d.cut.techniques.verified
    apart = prepared.scalars[kernel.APART] > 0.0
    plain = Step(decode=decode, expert_tokens=verified * seen, within=within)
    mixed = Step(
        decode=0.0 if apart else decode, prefill=per_rank, chunks=per_rank / chunk, within=within,
        expert_tokens=(0.0 if apart else verified * seen) + state.prefill_tokens,
    )  # fmt: skip
    decoding, prompts = _step_time(d, plain), _step_time(d, mixed)
    return decoding, one_after_another(decoding, prompts) if apart else prompts


def _step_time(d: Deployment, step: Step) -> StepTime:
    """A step of ``d`` operator by operator, as two overlapping halves where that is chosen and quicker."""
    layout = d.cut.layout
    whole = step_time(d.cut.ops, step, d.hardware, layout, d.efficiency, d.links)
    hidden = hidden_frac(d.cut.techniques.choice, layout)
    if hidden == 0.0:
        return whole
    halved = step_time(d.cut.ops, half(step), d.hardware, layout, d.efficiency, d.links)
    return overlapped(whole, halved, hidden)


def _solve(p: Prepared, rate: float, arrival_cv2: float, others: float) -> Floats:
    out = np.empty(kernel.N_OUT)
    c, n = p.deployment.coefficients, p.lengths
    kernel.solve(
        c.ops, c.collectives, p.scalars, p.contexts.spans, n.weight, n.isl, n.osl, n.computed, p.contexts.decode,
        p.contexts.prefill, rate, arrival_cv2, others, _ALL, out,
    )  # fmt: skip
    return out


def _state(out: Floats, others: float) -> SteadyState:
    def latency(metric: int) -> Latency:
        start = kernel.LATENCY + 5 * metric
        return Latency(*(float(v) for v in out[start : start + 5]))

    return SteadyState(
        stable=bool(out[kernel.STABLE]),
        rate=float(out[kernel.RATE]),
        others=others,
        decoding=float(out[kernel.DECODING]),
        in_system=float(out[kernel.IN_SYSTEM]),
        step_s=float(out[kernel.T_STEP]),
        mixed_frac=float(out[kernel.MIXED_FRAC]),
        prefill_tokens=float(out[kernel.PREFILL_TOKENS]),
        prefill_load=float(out[kernel.PREFILL_LOAD]),
        queue_s=float(out[kernel.QUEUE_S]),
        busy=float(out[kernel.BUSY]),
        power_w=float(out[kernel.POWER_W]),
        ttft=latency(kernel.TTFT),
        tpot=latency(kernel.TPOT),
        itl=latency(kernel.ITL),
        e2e=latency(kernel.E2E),
    )
