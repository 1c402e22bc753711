"""A way to serve a model as a record that levers change, and what it is worth at full load.

At full load a fleet is so large that whole replicas hide nothing: cost is accelerators over the requests/s that a
replica takes within the targets, batch limits chosen for that. Replicas that do not fill what one buys pay for all
of it::

    accelerators per replica = units of a replica * accelerators of a unit / replicas in a unit
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.econ.tokens import usd_per_million, wall_power_w
from drivetrain.errors import LayoutError, UnsupportedError
from drivetrain.serving.capacity import capacities
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.search import Job, Offer, candidates
from drivetrain.serving.slo import Target
from drivetrain.serving.startable import features_of, starting_checkpoint, support
from drivetrain.serving.techniques.active import activate
from drivetrain.techniques import Techniques
from drivetrain.verbs.kept import changes_of
from drivetrain.verbs.resolve import Resolved

USD, JOULES, PROVISIONED = (
    "usd_per_million_tokens_full_load", "joules_per_output_token_full_load", "provisioned_joules_per_output_token",
)  # fmt: skip
"""What a lever makes smaller: money, energy at the meter, or provisioned watts for each token/s."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """All that decides what one kind of accelerator can do: model, precisions, techniques, engine, layout, requests.

    Empty ``layouts`` are all. ``stand_in`` is how quality data names ``model`` where it answers for the one asked.
    """

    model: Model
    checkpoint: Checkpoint
    kv_dtype: str
    techniques: Techniques
    engines: tuple[Engine, ...]
    layouts: tuple[Layout, ...]
    lengths: Lengths
    targets: tuple[Target, ...]
    stand_in: str = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What changes outputs against the model as shipped."""
        return changes_of(self.model.checkpoints[0], self.checkpoint, self.kv_dtype, self.techniques, self.stand_in)


@dataclass(frozen=True, slots=True, eq=False)
class Lever:
    """One thing that can be done otherwise.

    ``changes`` are fields of a :class:`Setting`, ``techniques`` of its techniques; ``option`` is how the command line
    asks for what is neither. Two of one ``kind`` exclude one another. ``frees_memory``: other layouts may become
    possible or better. ``pairs``: may be combined.
    """

    name: str
    kind: str
    option: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    techniques: Mapping[str, Any] = field(default_factory=dict)
    frees_memory: bool = False
    pairs: bool = True
    metric: str = ""
    note: str = ""

    def on(self, setting: Setting) -> Setting:
        """``setting`` with this lever pulled."""
        return replace(setting, **self.changes, techniques=replace(setting.techniques, **self.techniques))


@dataclass(frozen=True, slots=True)
class FullLoad:
    """A replica at its most: requests/s, and what an output token takes by metric."""

    job: Job
    rate: float
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a setting cannot be evaluated."""

    reason: str


@dataclass(slots=True)
class Counter:
    """Counts steady states solved."""

    n: int = 0


def at_full_load(
    resolved: Resolved, offer: Offer, setting: Setting, metric: str, counter: Counter, *, unverified: bool = False
) -> dict[Layout, FullLoad] | Missing:
    """The best batch limits of every layout of ``setting`` on ``offer``, or why there are none.

    Where no engine starts the setting's checkpoint there, another in its precision stands for it.
    """
    unverified = unverified or resolved.scenario.allow_unverified
    checkpoint = starting_checkpoint(setting.model, setting.checkpoint, offer.accelerator, setting.engines,
                                     setting.kv_dtype, setting.techniques, unverified)  # fmt: skip
    try:
        jobs, nearest = candidates(
            setting.model, (checkpoint,), (offer,), setting.engines, setting.lengths,
            kv_dtype=setting.kv_dtype, only_layouts=setting.layouts,
            budget=resolved.scenario.max_batched_tokens, max_seqs=resolved.scenario.max_num_seqs,
            techniques=activate(setting.techniques, setting.model),
            allow_unverified=unverified,
        )  # fmt: skip
    except (LayoutError, UnsupportedError) as error:
        return Missing(str(error.args[0]))
    jobs = [job for job in jobs if job.deployment.cut.layout.n_accelerators <= resolved.limits.accelerators]
    if not jobs:
        return Missing("does not fit in memory." if nearest else _unsupported(offer, setting))
    most = capacities(jobs, setting.lengths, setting.targets)
    counter.n += most.n_evaluated
    best: dict[Layout, FullLoad] = {}
    for job, rate, watts in zip(jobs, most.rate, most.power_w, strict=True):
        if rate <= 0.0:
            continue
        cost = _costs(resolved, job, float(rate), float(watts), setting.lengths.osl_mean)
        layout = job.deployment.cut.layout
        if layout not in best or cost[metric] < best[layout].cost[metric]:
            best[layout] = FullLoad(job, float(rate), cost)
    return best or Missing("no rate at all keeps the targets.")


def _costs(resolved: Resolved, job: Job, rate: float, watts: float, osl: float) -> dict[str, float]:
    """What an output token takes; where no price is known, money counts accelerators."""
    p, offer, hardware = job.packing(), job.offer, job.deployment.hardware
    n = job.deployment.cut.layout.n_accelerators
    bought = p.units_per_replica * p.unit / p.replicas_per_unit
    at_work = wall_power_w(n, watts, offer.host_w, resolved.pue)
    idle = wall_power_w(bought - n, hardware.idle_w, offer.host_w, resolved.pue)
    usd = 1.0 if math.isnan(offer.usd_per_hour) else offer.usd_per_hour
    tokens_per_s = rate * osl
    return {
        USD: usd_per_million(bought * usd, tokens_per_s),
        JOULES: (at_work + idle) / tokens_per_s,
        PROVISIONED: bought * job.part.provisioned_w / tokens_per_s,
    }


def _unsupported(offer: Offer, setting: Setting) -> str:
    """The first reason why none of the setting's engines starts it."""
    layout = setting.layouts[0] if setting.layouts else Layout()
    needs = features_of(layout, setting.techniques)
    answers = [
        support(engine, offer.accelerator, setting.model, setting.checkpoint, setting.kv_dtype, needs)
        for engine in setting.engines
    ]
    reasons: Sequence[str] = [reason for answer in answers for reason in answer.reasons]
    return reasons[0] if reasons else "no layout of it is possible there."
