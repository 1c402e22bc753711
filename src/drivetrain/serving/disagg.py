"""Disaggregated serving: prompts in one pool of replicas, answers in another, the cache sent between them.

A request waits and is computed in a prefill replica, its cache travels, it is admitted to the batch of a decode
replica and decoded there::

    TTFT = prefill (wait + prompt) + exposed transfer + wait for the link + admission to the decode batch
    e2e  = TTFT + (osl - 1) t          TPOT = t, the decode pool's step: no prompt shares it

Admission is the wait for room and for the step under way; where the decode side computes the first token itself, also
that step. Pools know each other only through the rate, the link and the time a cache is held on either side. The mean
is a sum of means. Percentiles: what depends on the prompt's length adds as it stands, the rest as independent parts,
by the squares of their distances from the mean. Method: docs/method/disaggregation.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.disaggregation import Handover
from drivetrain.errors import BadInputError
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.latencies import independent, of_link, shifted, together
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.pools import (
    Prefiller,
    decode_at,
    decode_lengths,
    decoder,
    prefill_at,
    prefiller,
)
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import Latency, Prepared, SteadyState
from drivetrain.serving.transfer import Transfer, Via, exposed_s, transfer

Floats = NDArray[np.float64]
_BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class Pool:
    """One side as chosen: a deployment, its batch limits and how many replicas of it there are."""

    deployment: Deployment
    budget: float
    max_seqs: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Disaggregated:
    """Two pools joined by a link, ready to evaluate. ``decoded_frac`` is the share of requests that is decoded."""

    lengths: Lengths
    handover: Handover
    prefill: Prefiller
    decode: Prepared
    decoded_frac: float
    transfer: Transfer
    prefill_replicas: int
    decode_replicas: int

    @property
    def prefill_accelerators(self) -> int:
        """Accelerators of the prefill pool."""
        return self.prefill_replicas * self.prefill.prepared.deployment.cut.layout.n_accelerators

    @property
    def decode_accelerators(self) -> int:
        """Accelerators of the decode pool."""
        return self.decode_replicas * self.decode.deployment.cut.layout.n_accelerators

    @property
    def n_accelerators(self) -> int:
        """Accelerators of all replicas of both pools."""
        return self.prefill_accelerators + self.decode_accelerators

    def sized(self, prefill_replicas: int, decode_replicas: int) -> Disaggregated:
        """The same replicas in other numbers."""
        return replace(self, prefill_replicas=prefill_replicas, decode_replicas=decode_replicas)


@dataclass(frozen=True, slots=True)
class DisaggState:
    """The whole deployment at one load. ``prefill`` and ``decode`` are one replica of each pool.

    ``transfer_s`` is what a request waits for its cache beyond the prompt's computation, ``link_wait_s`` included;
    ``link_use_frac`` is that of the busier end. Unstable loads have no latencies (NaN).
    """

    stable: bool
    rate: float
    prefill: SteadyState
    decode: SteadyState
    transfer_s: float
    link_wait_s: float
    link_use_frac: float
    admission_s: float
    queue_s: float
    in_system: float
    ttft: Latency
    tpot: Latency
    itl: Latency
    e2e: Latency

    def latency(self, metric: str) -> Latency:
        """``ttft``, ``tpot``, ``itl`` or ``e2e``."""
        found: Latency = getattr(self, metric)
        return found


def disaggregated(prefill: Pool, decode: Pool, lengths: Lengths, handover: Handover, via: Via) -> Disaggregated:
    """Bring two pools and a workload together; raises LayoutError where no link joins them."""
    return Disaggregated(
        lengths=lengths,
        handover=handover,
        prefill=prefiller(prefill.deployment, lengths, prefill.budget, prefill.max_seqs),
        decode=decoder(decode.deployment, lengths, handover.first_token, decode.budget, decode.max_seqs),
        decoded_frac=decode_lengths(lengths, handover.first_token)[1],
        transfer=transfer(prefill.deployment, decode.deployment, lengths, via),
        prefill_replicas=prefill.replicas,
        decode_replicas=decode.replicas,
    )


def at_rate(d: Disaggregated, rate: float, others: float = 1.0) -> DisaggState:
    """Open stream of ``rate`` requests/s into the whole deployment, shared evenly by the replicas of each pool."""
    weight, layout = d.lengths.weight, d.prefill.prepared.deployment.cut.layout
    rate_in = rate / d.prefill_replicas
    rate_out = rate * d.decoded_frac / d.decode_replicas
    own = d.prefill.own_s * d.lengths.computed / float(weight @ d.lengths.computed)
    exposed = exposed_s(d.transfer.seconds, _pieces(d), own)
    mean_exposed = float(weight @ exposed)
    # a prompt's room is free again when its cache has left
    first = prefill_at(d.prefill, rate_in, mean_exposed, others)
    use = max(d.transfer.use(others * rate_in * d.decoded_frac, others * rate_out, weight))
    beside = others * rate_in * first.tpot.mean / (layout.pp * layout.dp) if first.stable else 0.0
    wait = d.transfer.wait_s(use, beside, weight)
    # the decode side holds room for a cache on its way, for some engines from before the prompt is computed
    held = mean_exposed + wait + (first.ttft.mean if d.handover.reserves == "prefill" and first.stable else 0.0)
    then = decode_at(d.decode, rate_out, held if math.isfinite(held) else 0.0, others)
    if not (first.stable and then.stable and math.isfinite(wait)):
        return _overloaded(rate, first, then, max(use, 0.0))
    admission = then.ttft.mean - (then.step_s if d.handover.first_token == "prefill" else 0.0)
    share = d.decoded_frac
    link = of_link(exposed, wait, weight)
    ttft = independent(together(first.ttft, link, share), shifted(then.ttft, admission), share)
    gaps = float(weight @ np.maximum(d.lengths.osl - 1.0, 0.0))
    rest = shifted(then.e2e, admission * share + gaps * then.tpot.mean)
    e2e = independent(together(first.ttft, link, share), rest, 1.0)
    return DisaggState(
        stable=True,
        rate=rate,
        prefill=first,
        decode=then,
        transfer_s=share * (mean_exposed + wait),
        link_wait_s=share * wait,
        link_use_frac=use,
        admission_s=share * admission,
        queue_s=first.queue_s + share * (wait + then.queue_s),
        in_system=rate * e2e.mean,
        ttft=ttft,
        tpot=then.tpot,
        itl=then.itl,
        e2e=e2e,
    )


def at_concurrency(d: Disaggregated, concurrency: float) -> DisaggState:
    """Closed loop: ``concurrency`` requests circulate over the whole deployment, the next sent when one ends.

    The rate solves ``rate * e2e(rate) = concurrency``; what finds no room waits, which adds to TTFT.
    """
    if not concurrency >= 1:
        raise BadInputError(f"concurrency must be at least 1, not {concurrency}.")
    others = (concurrency - 1.0) / concurrency
    loop = _smooth(d)

    def inside(rate: float) -> bool:
        state = at_rate(loop, rate, others)
        return state.stable and state.in_system <= concurrency

    alone = at_rate(loop, 1e-9, 0.0)
    if not alone.stable:
        raise BadInputError("no sequence fits in the memory of a replica.")
    state = at_rate(loop, _largest(inside, concurrency / alone.e2e.mean), others)
    missing = concurrency - state.in_system
    if missing <= 1e-3 * concurrency:
        return state
    extra = missing / state.rate
    return replace(
        state,
        ttft=shifted(state.ttft, state.ttft.mean + extra),
        e2e=shifted(state.e2e, state.e2e.mean + extra),
        queue_s=state.queue_s + extra,
        in_system=concurrency,
    )


def max_rate(d: Disaggregated, targets: tuple[Target, ...] = ()) -> float:
    """Largest open rate that is stable and within all ``targets``, requests/s; 0 where none is."""

    def good(rate: float) -> bool:
        state = at_rate(d, rate)
        return state.stable and violation(state, targets) <= 1.0

    low = 1e-6
    if not good(low):
        return 0.0
    high = 1e-3
    while good(high) and high < 1e9:
        low, high = high, high * 4
    return _largest(good, high, low)


def violation(state: DisaggState, targets: tuple[Target, ...]) -> float:
    """Largest ratio of latency reached to its limit over ``targets``; infinite where unstable, 0 without targets."""
    if not state.stable:
        return math.inf
    return max((getattr(state.latency(t.metric), t.statistic) / t.limit_s for t in targets), default=0.0)


def _largest(good: Callable[[float], bool], high: float, low: float = 0.0) -> float:
    """Largest rate up to ``high`` that is good, those below all being good."""
    if good(high):
        return high
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if good(middle) else (low, middle)
        if high - low < 1e-6 * high:
            break
    return low


def _smooth(d: Disaggregated) -> Disaggregated:
    """The deployment under a loop's arrivals, which are no burstier than a Poisson stream."""

    def poisson(p: Prepared) -> Prepared:
        return replace(p, lengths=replace(p.lengths, arrival_cv2=1.0))

    return replace(d, prefill=replace(d.prefill, prepared=poisson(d.prefill.prepared)), decode=poisson(d.decode))


def _pieces(d: Disaggregated) -> Floats:
    """In how many parts each class's cache is sent while its prompt is computed."""
    if d.handover.sends == "layer":
        return np.full(len(d.lengths.isl), float(d.decode.deployment.cut.model.n_layers))
    if d.handover.sends == "chunk":
        return np.asarray(np.maximum(np.ceil(d.lengths.computed / d.prefill.prepared.budget), 1.0))
    return np.ones(len(d.lengths.isl))


def _overloaded(rate: float, first: SteadyState, then: SteadyState, use: float) -> DisaggState:
    none = Latency(*(math.nan,) * 5)
    return DisaggState(
        stable=False, rate=rate, prefill=first, decode=then, transfer_s=math.nan, link_wait_s=math.nan,
        link_use_frac=use, admission_s=math.nan, queue_s=math.nan, in_system=math.nan,
        ttft=none, tpot=none, itl=none, e2e=none,
    )  # fmt: skip
