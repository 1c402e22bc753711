"""Recorded runs of a server, replayed request by request: arrivals and lengths in, latencies compared.

Latencies are the client's: ``ttft_s`` from arrival to first token, ``tpot_s = (e2e_s - ttft_s) / (n_out - 1)``.
:mod:`drivetrain.measure.recorded_read` reads the folder, :mod:`drivetrain.measure.recorded_link` says how the cards of
a run reach each other. A run was measured, so it did fit: where our margins leave no room for cache, it gets what the
accelerator's memory leaves beside the weights, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Model
from drivetrain.cost.efficiency import Efficiency, collective_coefficients, efficiency
from drivetrain.errors import DoesNotFitError
from drivetrain.measure.recorded_link import Links, hardware_with
from drivetrain.measure.serving import cut_of
from drivetrain.serving.deployment import Deployment, deploy
from drivetrain.serving.sim.build import Setup, pool_of
from drivetrain.serving.sim.records import Fleet, Options, Outcome, Policies, Policy, Pool
from drivetrain.serving.sim.run import simulate
from drivetrain.serving.traffic.records import requests_of

Floats = NDArray[np.float64]

LATENCIES = ("ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One run: what was served how, its requests, and their measured latencies (nan where not recorded).

    ``chunked`` says whether prompts were cut into chunks (None: as the engine does); ``tight``: without margins of
    memory; ``pace`` multiplies the accelerator's rates of compute and memory (1 but in a range). ``notes`` say what was
    derived or read loosely.
    """

    run: str
    model: Model
    accelerator: Accelerator
    engine: Engine
    released: str
    weight_dtype: str
    kv_dtype: str
    layout: Layout
    replicas: int
    budget: float
    max_num_seqs: float
    kv_tokens: float
    chunked: bool | None
    links: Links
    tight: bool
    arrival_s: Floats
    isl: Floats
    osl: Floats
    measured: Mapping[str, Floats]
    notes: tuple[str, ...]
    pace: float = 1.0

    @property
    def family(self) -> str:
        """The engine's family."""
        return self.engine.family


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """Latencies of a run's requests as simulated, in the order of :class:`Recorded`, and when the last one ended."""

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    end_s: float

    def of(self, metric: str) -> Floats:
        """One of :data:`LATENCIES`."""
        found: Floats = getattr(self, metric)
        return found


def fitted_in(recorded: Recorded) -> Recorded:
    """The run as it can be held: without our margins where they leave no cache, as it did run.

    Raises :class:`~drivetrain.errors.DoesNotFitError` where the weights alone do not fit.
    """
    try:
        _pool(recorded)
    except DoesNotFitError:
        whole = replace(recorded, engine=replace(recorded.engine, memory_frac=1.0), tight=True)
        _pool(whole)
        note = "our margins of memory leave no cache, and it did run: all that the weights leave is taken"
        return replace(whole, notes=(*recorded.notes, note))
    return recorded


def replay(recorded: Recorded, eff: Efficiency | None = None, seed: int = 1) -> tuple[Replayed, Outcome]:
    """Play the run's requests through the simulator, with other coefficients where ``eff`` is given."""
    pool = _pool(recorded, eff)
    fleet = Fleet(pools=(pool,), policies=Policies(route=Policy("least-loaded")))
    requests = requests_of(recorded.isl, recorded.osl, arrival_s=recorded.arrival_s)
    outcome = simulate(fleet, requests, Options(seed=seed))
    ttft, e2e = outcome.first_s - outcome.sent_s, outcome.finish_s - outcome.sent_s
    with np.errstate(divide="ignore", invalid="ignore"):
        tpot = np.where(recorded.osl > 1, (e2e - ttft) / (recorded.osl - 1.0), np.nan)
    return Replayed(ttft, tpot, e2e, float(np.nanmax(outcome.finish_s))), outcome


def deployment_of(recorded: Recorded, eff: Efficiency | None = None) -> Deployment:
    """What served the run."""
    hardware = hardware_with(recorded.accelerator, recorded.layout, recorded.links.factor)
    if recorded.pace != 1.0:
        hardware = hardware.scaled(flops=recorded.pace, hbm_bytes_per_s=recorded.pace)
    known = eff or own_efficiency(recorded)
    if recorded.tight:
        known = replace(known, overhead_bytes=0.0)
    piece = cut_of(recorded.model.name, recorded.weight_dtype, recorded.layout, recorded.kv_dtype)
    return deploy(piece, hardware, recorded.engine, known, collective_coefficients(recorded.links.library))


def own_efficiency(recorded: Recorded) -> Efficiency:
    """The calibration in force for the run's engine, generation and release."""
    return efficiency(recorded.family, recorded.accelerator.generation, recorded.released)


def _pool(recorded: Recorded, eff: Efficiency | None = None) -> Pool:
    """What the simulator plays, with the cache that was recorded where it was."""
    pool = pool_of(deployment_of(recorded, eff), recorded.budget, recorded.max_num_seqs,
                   Setup(name=recorded.run, replicas=recorded.replicas, chunked=recorded.chunked))  # fmt: skip
    if recorded.kv_tokens > 0 and pool.cache.block_tokens > 0:
        blocks = int(recorded.kv_tokens // (pool.cache.block_tokens * pool.dp * pool.pp))
        pool = replace(pool, cache=replace(pool.cache, blocks=blocks))
    return pool
