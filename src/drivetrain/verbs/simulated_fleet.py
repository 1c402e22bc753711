"""A fleet for the simulator from what people choose (pools, regions, network, faults), and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.disaggregation import Handover
from drivetrain.catalogue.wan import Place, egress_usd_per_gb, place
from drivetrain.errors import BadInputError, LayoutError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.search import Offer
from drivetrain.serving.sim.build import Setup, pool_of, prefix_problem
from drivetrain.serving.sim.build_start import cold_start_s
from drivetrain.serving.sim.build_transfer import Line, transfer_of
from drivetrain.serving.sim.records import BOTH, DECODE, PREFILL, Fleet, Policies, Pool, Transfer
from drivetrain.serving.transfer import Via, share_a_domain
from drivetrain.units import SECONDS_PER_HOUR
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.simulated_faults import controls_of, read_faults
from drivetrain.verbs.simulated_network import network_of
from drivetrain.verbs.simulated_notes import pool_notes, transfer_notes
from drivetrain.verbs.simulated_pools import Chosen, asked_pools, between, chosen_pools

Floats = NDArray[np.float64]
ROLE_NAMES = ("both", "prefill", "decode")
_BETWEEN_MODELS = ("by-difficulty", "cascade")
_CACHES = (None, "none", "lru")
_OF_TRAFFIC = (
    "workload",
    "mean input, output tokens",
    "arrival_cv",
    "prefix_cache_hit_frac",
    "peak_to_mean",
    "headroom",
)
"""Assumptions of a steady state that a simulation replaces by its requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChoices:
    """The fleet beside the scenario of its main pool.

    ``replicas`` of the main pool at the start, of at most ``max_replicas``; ``pools`` are others as text. ``network``
    states one-way delays; ``origins`` are regions that users are in besides those of the pools. ``cache`` is ``none``,
    ``lru`` or ``None`` (the engine's default), with ``host_bytes`` of host memory per accelerator; prefixes are named
    in pieces of ``hash_tokens`` tokens (0: not at all). Faults and reclaims are drawn by ``seed`` until ``horizon_s``.
    """

    replicas: int = 1
    max_replicas: int | None = None
    pools: tuple[str, ...] = ()
    network: str = ""
    origins: tuple[str, ...] = ()
    cache: str | None = None
    host_bytes: float | None = None
    hash_tokens: int = 0
    policies: Policies = field(default_factory=Policies)
    scrape_s: float = 0.0
    event_lag_s: float = 0.0
    retry_s: float = 1.0
    max_retries: int = 2
    faults: str = ""
    spot: str = ""
    slow: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    horizon_s: float = math.inf
    seed: int = 1

    def __post_init__(self) -> None:
        if self.cache not in _CACHES:
            raise BadInputError(f"cache is none or lru, not '{self.cache}'.")
        if self.replicas < 1 or (self.max_replicas is not None and self.max_replicas < self.replicas):
            raise BadInputError("there is at least one replica, and max-replicas is not below replicas.")


@dataclass(frozen=True, slots=True, eq=False)
class PoolFacts:
    """What a report says of a pool; one for each of ``Fleet.pools``.

    ``kv_tokens`` is what the cache blocks of one replica hold (0: no layer keeps all tokens). ``host_w`` is the mean
    draw of the host for each accelerator, to which PUE applies as to the accelerator. ``prefix_reason`` says why
    prefixes are not cached.
    """

    name: str
    service: str
    region: str
    role: str
    model: str
    max_context: int
    accelerator: str
    n_accelerators: int
    layout: str
    engine: str
    weights: str
    kv_dtype: str
    replicas: int
    max_replicas: int
    kv_tokens: int
    usd_per_accelerator_hour: float
    price_basis: str
    price_source: str
    price_unverified: bool
    host_w: float
    pue: float
    carbon_g_per_kwh: float | None
    prefix_cache: bool
    prefix_reason: str
    deployment: Deployment
    offer: Offer


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFleet:
    """A fleet with what is known about it.

    ``resolved`` are the questions of its models in order of ``fleet.services``. ``origins`` names what
    ``Requests.origin`` counts, the same as ``fleet.regions``. ``egress_usd_per_gb[from, to]`` is of decimal gigabytes.
    """

    fleet: Fleet
    pools: tuple[PoolFacts, ...]
    resolved: tuple[Resolved, ...]
    assumptions: tuple[Assumption, ...]
    sources: tuple[str, ...]
    origins: tuple[str, ...]
    egress_usd_per_gb: Floats


def fleet_of(scenario: ServeScenario, choices: FleetChoices | None = None) -> SimulatedFleet:
    """Resolve every pool of ``scenario`` and ``choices`` and put the fleet together.

    The same choices give the same fleet. Errors name the pool and what to do.
    """
    choices = choices or FleetChoices()
    chosen = [one for asked in asked_pools(scenario, choices.replicas, choices.max_replicas, choices.pools)
              for one in chosen_pools(asked)]  # fmt: skip
    services = tuple(dict.fromkeys(_service(one) for one in chosen))
    if len(services) == 1 and choices.policies.select.name in _BETWEEN_MODELS:
        raise BadInputError(
            f"--select {choices.policies.select.name} chooses between models, and the fleet has one. Add another: "
            '--pool "big: model=llama-3.1-70b".'
        )
    places = _places(chosen, choices.origins)
    pools = [_pool(one, services.index(_service(one)), places.index(one.asked.at), choices) for one in chosen]
    handed = [_transfer(name, [one for one in chosen if _service(one) == name]) for name in services]
    network, network_notes = network_of(places, choices.network)
    faults, fault_notes = read_faults(choices.faults, choices.spot)
    fleet = Fleet(
        pools=tuple(pools), services=services, regions=tuple(one.name for one in places), network_s=network,
        transfers=tuple(found[0].transfer if found else Transfer() for found in handed), policies=choices.policies,
        controls=controls_of(pools, places, faults, choices.slow, choices.partition, choices.horizon_s, choices.seed),
        scrape_s=choices.scrape_s, event_lag_s=choices.event_lag_s, retry_s=choices.retry_s,
        max_retries=choices.max_retries,
    )  # fmt: skip
    fails = faults.failures_per_s > 0.0 or faults.reclaims_per_s > 0.0
    resolved = tuple(next(one.resolved for one in chosen if _service(one) == name) for name in services)
    notes = [
        *(a for one in resolved for a in one.assumptions if a.what not in _OF_TRAFFIC),
        *(a for one, pool in zip(chosen, pools, strict=True)
          for a in pool_notes(one, pool, _setup(one, choices), fails or pool.max_replicas > pool.replicas,
                              f" of pool {pool.name}" if len(chosen) > 1 else "")),
        *(a for name, found in zip(services, handed, strict=True) if found for a in transfer_notes(name, *found)),
        *network_notes, *fault_notes,
    ]  # fmt: skip
    return SimulatedFleet(
        fleet=fleet,
        pools=tuple(_facts(one, pool, choices) for one, pool in zip(chosen, pools, strict=True)),
        resolved=resolved,
        assumptions=_distinct(notes),
        sources=tuple(dict.fromkeys(source for one in chosen for source in one.resolved.sources)),
        origins=fleet.regions,
        egress_usd_per_gb=np.array([[egress_usd_per_gb(a, b) for b in places] for a in places]),
    )


def _service(one: Chosen) -> str:
    return one.asked.service or one.resolved.model.name


def _places(chosen: Sequence[Chosen], origins: Iterable[str]) -> list[Place]:
    """Where pools are, in their order, then where users are besides."""
    return list(dict.fromkeys((*(one.asked.at for one in chosen), *(place(name) for name in origins))))


def _setup(one: Chosen, choices: FleetChoices) -> Setup:
    """What a pool's cache and rules depend on."""
    return Setup(
        role=one.role, chunked=one.chunked, by_priority=choices.policies.schedule.name == "priority",
        prefix_cache=None if choices.cache is None else choices.cache == "lru", host_bytes=choices.host_bytes,
        hash_tokens=choices.hash_tokens, isl=max(one.resolved.lengths.isl_mean, 1.0),
    )  # fmt: skip


def _pool(one: Chosen, service: int, region: int, choices: FleetChoices) -> Pool:
    """One pool of the fleet; money is for all that is bought for its replicas, those left over in servers included."""
    job, asked = one.job, one.asked
    bought = job.packing(one.resolved.limits.spares).accelerators(one.replicas) / one.replicas
    name = asked.name if one.role == asked.role else f"{asked.name}-{ROLE_NAMES[one.role]}"
    setup = replace(
        _setup(one, choices), name=name, service=service, region=region, replicas=one.replicas,
        max_replicas=one.max_replicas, host_w=job.offer.host_w,
        usd_per_s=bought * job.offer.usd_per_hour / SECONDS_PER_HOUR,
        cold_start_s=cold_start_s(job.deployment.cut, job.offer.server_accelerators, asked.weights_from),
    )  # fmt: skip
    try:
        return pool_of(job.deployment, job.budget, one.max_num_seqs, setup)
    except BadInputError as error:
        raise type(error)(f"pool '{name}': {error.args[0]}") from None


def _transfer(service: str, pools: Sequence[Chosen]) -> tuple[Line, Handover, bool] | None:
    """How the service's prompts are handed over, between its first prefill and its first decode pool.

    The last says whether that is within scale-up domains.
    """
    prefill = [one for one in pools if one.role == PREFILL]
    decode = [one for one in pools if one.role == DECODE]
    if not prefill and not decode:
        return None
    whole = [one.asked.name for one in pools if one.role == BOTH]
    if whole or not (prefill and decode):
        missing = f"pool '{whole[0]}' serves both" if whole else f"it has no {'decode' if prefill else 'prefill'} pool"
        raise BadInputError(
            f"service '{service}' serves prompts and answers apart, but {missing}. Give all its pools a role."
        )
    first, then = prefill[0], decode[0]
    known, link = between(first, then), _link(first, then)
    line = transfer_of(first.job.deployment, then.job.deployment, link, first.resolved.lengths, known, first.job.budget)
    return line, known, link == "domain"


def _link(first: Chosen, then: Chosen) -> Via | tuple[Place, Place]:
    if first.asked.at != then.asked.at:
        return first.asked.at, then.asked.at
    a, b = first.job, then.job
    if a.offer.name == b.offer.name and share_a_domain(a.deployment, b.deployment, first.replicas, then.replicas):
        return "domain"
    if min(job.offer.hardware.topology.nic_bytes_per_s for job in (a, b)) <= 0:
        raise LayoutError(
            f"pools '{first.asked.name}' and '{then.asked.name}' do not fit into one scale-up domain, and no network "
            "joins them. Use fewer replicas."
        )
    return "network"


def _facts(one: Chosen, pool: Pool, choices: FleetChoices) -> PoolFacts:
    offer, d, resolved = one.job.offer, one.job.deployment, one.resolved
    price = resolved.prices.get(offer.name)
    setup = _setup(one, choices)
    return PoolFacts(
        name=pool.name, service=_service(one), region=one.asked.at.name, role=ROLE_NAMES[one.role],
        model=resolved.model.name, max_context=int(resolved.model.max_context), accelerator=offer.hardware.name,
        n_accelerators=pool.n_accelerators, layout=str(one.layout), engine=d.engine.name,
        weights=d.cut.checkpoint.weight_dtype, kv_dtype=d.cut.kv_dtype, replicas=pool.replicas,
        max_replicas=pool.max_replicas, kv_tokens=pool.cache.blocks * pool.cache.block_tokens * pool.dp * pool.pp,
        usd_per_accelerator_hour=offer.usd_per_hour, price_basis=price.basis if price else "",
        price_source=price.source if price else "", price_unverified=price.unverified if price else False,
        host_w=offer.host_w, pue=resolved.pue, carbon_g_per_kwh=resolved.carbon_g_per_kwh,
        prefix_cache=pool.cache.prefix, prefix_reason=prefix_problem(d, setup), deployment=d, offer=offer,
    )  # fmt: skip


def _distinct(notes: Iterable[Assumption]) -> tuple[Assumption, ...]:
    """Each thing said once; values may be unhashable."""
    found: dict[tuple[str, str, str], Assumption] = {}
    for note in notes:
        found.setdefault((note.what, str(note.value), note.source), note)
    return tuple(found.values())
