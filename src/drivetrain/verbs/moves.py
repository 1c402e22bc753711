"""What the errors of step time do to capacity, fleet and flow of a configuration.

Time has no scale of its own: with every step f times as long, a replica at rate r / f is the same replica seen f times
as slowly. So at either end of the range the largest rate within the targets is that of the replica as predicted within
targets f times as short (each latency's own factor: ``f_ttft`` for TTFT, ``f_tpot`` for TPOT and ITL), divided by
``f_tpot``; exact, and no latency is assumed proportional to load. Both factors are taken at the same end: conservative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivetrain.catalogue.market import Engine
from drivetrain.measure.uncertainty import Setting, Uncertainty, uncertainty
from drivetrain.serving import disagg
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.disagg import DisaggState
from drivetrain.serving.disagg_fleet import Fleet, needs
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.pool_purchase import bill
from drivetrain.serving.purchase import Packing
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import Prepared, SteadyState, max_rate
from drivetrain.verbs.ranges import SURE, Ends, Moves, lognormal, stretched

_SLACK = 1e-4  # rates are found by bisection
_MEASURED_TECHNIQUES = frozenset({"chunked_prefill"})  # engines that chunk prompts and that do not are both in the fit
NO_LOAD = "at the slow end no load keeps the targets"
NO_END = f"{NO_LOAD}: capacity from 0, no upper end of cost"
Capacity = Callable[[tuple[Target, ...]], float]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a plan is sized for: its peak in requests/s within ``targets``."""

    peak_rate: float
    targets: tuple[Target, ...]


def uncertainty_of(d: Deployment, lengths: Lengths, concurrency: float, supported: bool, *, pools: bool = False
                   ) -> Uncertainty:  # fmt: skip
    """How uncertain a deployment's predictions are with ``concurrency`` requests in a replica."""
    engine: Engine = d.engine
    setting = Setting(
        model=d.cut.model.name,
        accelerator=d.hardware.name,
        generation=d.hardware.generation,
        engine=engine.family,
        fitted=d.efficiency.tier == "calibrated",
        released=engine.released,
        weights=d.cut.checkpoint.weight_dtype,
        concurrency=concurrency if math.isfinite(concurrency) else 1.0,
        input_tokens=lengths.isl_mean,
        output_tokens=lengths.osl_mean,
        accelerators_per_replica=d.cut.layout.n_accelerators,
    )
    chosen = sorted(set(d.cut.techniques.choice.chosen) - _MEASURED_TECHNIQUES)
    assumed = [f"{name.replace('_', ' ')}: not among the measured settings" for name in chosen]
    assumed += ["prefill and decode pools: not among the measured settings"] if pools else []
    assumed += [] if supported else ["not known to start: nothing like it was measured"]
    return uncertainty(setting, assumed)


def uncertainty_of_pools(fleet: Fleet, supported: bool) -> Uncertainty:
    """How uncertain the predictions of two pools are: the wider of both, with the requests of a decode replica."""
    d = fleet.deployment
    concurrency = fleet.state.in_system / d.decode_replicas
    one, other = (
        uncertainty_of(part.deployment, d.lengths, concurrency, supported, pools=True)
        for part in (d.prefill.prepared, d.decode)
    )
    return Uncertainty(
        "assumed", max(one.tpot, other.tpot), max(one.ttft, other.ttft), max(one.power, other.power),
        max(one.distance, other.distance), tuple(dict.fromkeys((*one.new, *other.new))),
        tuple(dict.fromkeys((*one.outside, *other.outside))),
    )  # fmt: skip


def planned(prepared: Prepared, state: SteadyState, packing: Packing, replicas: int, capacity: float, demand: Demand,
            u: Uncertainty, price: Ends) -> Moves:  # fmt: skip
    """A fleet that is sized to its traffic: more replicas where steps are slower than predicted.

    ``capacity`` is a replica's, requests/s. A fleet that misses its targets stays as it is; so does one larger than
    its traffic needs, except that it grows where even it would not do.
    """
    if not capacity > 0:
        return Moves(price=price)
    slow, fast = _capacities(lambda targets: max_rate(prepared, targets), demand.targets, state, u)

    def needed(rate: float) -> int:
        return max(1, math.ceil(demand.peak_rate / rate * (1.0 - _SLACK)))

    spare = replicas > needed(capacity)
    few = replicas if spare else min(replicas, needed(max(fast, capacity)))
    bought = packing.accelerators(replicas)
    most = packing.accelerators(max(replicas, needed(slow))) / bought if slow > 0 else math.inf
    fleet = Ends(packing.accelerators(few) / bought, most)
    return Moves(_around(capacity, slow, fast), fleet, price=price, notes=() if slow > 0 else (NO_END,))


def predicted(prepared: Prepared, state: SteadyState, targets: tuple[Target, ...], u: Uncertainty, price: Ends, *,
              closed: bool) -> Moves:  # fmt: skip
    """One replica as it stands, in a ``closed`` loop or under a stream of ``state.rate``."""
    return _standing(lambda wanted: max_rate(prepared, wanted), state, targets, u, price, closed=closed)


def planned_pools(fleet: Fleet, capacity: float, demand: Demand, u: Uncertainty, price: Ends, spares: int) -> Moves:
    """Two pools that are sized to their traffic, each as its own limit asks."""
    d = fleet.deployment
    if not capacity > 0:
        return Moves(price=price)
    slow, fast = _capacities(lambda targets: disagg.max_rate(d, targets), demand.targets, fleet.state, u)
    stretch = dict(zip(("fast", "slow"), _stretches(fleet.state, u), strict=True))
    sizes = {"now": _pool_sizes(fleet, demand, {})} | {
        end: _pool_sizes(fleet, demand, by_metric) for end, by_metric in stretch.items()
    }
    bought: dict[str, float] = {}
    for end in stretch:
        grown = [size - now for size, now in zip(sizes[end], sizes["now"], strict=True)]
        if not all(map(math.isfinite, grown)):
            bought[end] = math.inf
            continue
        prefill, decode = (max(1, n + int(more)) for n, more in zip(
            (d.prefill_replicas, d.decode_replicas), grown, strict=True))  # fmt: skip
        bought[end] = sum(line.n_accelerators for line in bill(fleet.prefill, prefill, fleet.decode, decode, spares))
    n = fleet.n_accelerators
    sized = Ends(min(1.0, bought["fast"] / n), max(1.0, bought["slow"] / n))
    notes = (NO_END,) if math.isinf(sized.high) else ()
    return Moves(_around(capacity, slow, fast), sized, price=price, notes=notes)


def predicted_pools(d: disagg.Disaggregated, state: DisaggState, targets: tuple[Target, ...], u: Uncertainty,
                    price: Ends, *, closed: bool) -> Moves:  # fmt: skip
    """One deployment of two pools as it stands."""
    return _standing(lambda wanted: disagg.max_rate(d, wanted), state, targets, u, price, closed=closed)


def bill_ends(fleet: Fleet, ends: Mapping[str, Ends]) -> Ends:
    """The price range of a bill of one or two lines, by the offer's name; both lines at the same end."""
    usd = fleet.usd_per_hour
    if not usd > 0:  # also where a price is unknown
        return SURE
    shares = [(line.usd_per_hour / usd, ends.get(line.job.offer.name, SURE)) for line in fleet.lines]
    return Ends(sum(s * e.low for s, e in shares), sum(s * e.high for s, e in shares))


def _standing(most: Capacity, state: SteadyState | DisaggState, targets: tuple[Target, ...], u: Uncertainty,
              price: Ends, *, closed: bool) -> Moves:  # fmt: skip
    kept = targets if most(targets) > 0 else ()
    slow, fast = _capacities(most, kept, state, u)
    capacity = _around(most(kept), slow, fast)
    if closed:
        own = state.ttft.mean - min(state.queue_s, state.ttft.mean)  # a wait for others' steps is as long as those are
        flow = stretched(own, state.e2e.mean, lognormal(u.ttft), lognormal(u.tpot)).inverse
    else:
        flow = Ends(min(1.0, most(()) / lognormal(u.tpot).high / state.rate), 1.0)
    notes = () if slow > 0 else (NO_LOAD,)
    return Moves(capacity, flow=flow, price=price, notes=notes)


def _capacities(most: Capacity, targets: tuple[Target, ...], state: SteadyState | DisaggState, u: Uncertainty
                ) -> tuple[float, float]:  # fmt: skip
    """Largest rate within ``targets`` at the slow and at the fast end of the range."""
    fast, slow = _stretches(state, u)
    return most(_shorter(targets, slow)) / slow["tpot"], most(_shorter(targets, fast)) / fast["tpot"]


def _stretches(state: SteadyState | DisaggState, u: Uncertainty) -> tuple[dict[str, float], dict[str, float]]:
    """How much longer each latency is at the fast and at the slow end."""
    first, step = lognormal(u.ttft), lognormal(u.tpot)
    whole = stretched(state.ttft.mean, state.e2e.mean, first, step)
    by_metric = {"ttft": first, "tpot": step, "itl": step, "e2e": whole}
    return {m: e.low for m, e in by_metric.items()}, {m: e.high for m, e in by_metric.items()}


def _shorter(targets: tuple[Target, ...], stretch: Mapping[str, float]) -> tuple[Target, ...]:
    return tuple(Target(t.metric, t.statistic, t.limit_s / stretch[t.metric]) for t in targets)


def _pool_sizes(fleet: Fleet, demand: Demand, stretch: Mapping[str, float]) -> tuple[float, float]:
    """Replicas that each pool needs at the peak."""
    d = fleet.deployment
    wanted = _shorter(demand.targets, stretch) if stretch else demand.targets
    per = d.prefill_accelerators / d.prefill_replicas, d.decode_accelerators / d.decode_replicas
    found = []
    for need, one in zip(needs(d, wanted), per, strict=True):
        size = demand.peak_rate * stretch.get("tpot", 1.0) * need / one
        found.append(float(math.ceil(size * (1.0 - _SLACK))) if math.isfinite(size) else math.inf)
    return found[0], found[1]


def _around(capacity: float, slow: float, fast: float) -> Ends:
    return Ends(min(1.0, slow / capacity), max(1.0, fast / capacity)) if capacity > 0 else SURE
