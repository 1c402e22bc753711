"""One training run worked out: a model, its tokens and a cluster become a layout, days, dollars and joules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.arch.params import count
from drivetrain.arch.training import HEAD, ROUTER, TrainingCounts, counts
from drivetrain.catalogue.model import Model
from drivetrain.econ.tokens import wall_power_w
from drivetrain.errors import DoesNotFitError, InfeasibleError, LayoutError
from drivetrain.training.batch import usual_batch
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.goodput import Goodput, goodput
from drivetrain.training.layout import RECOMPUTE, TrainingLayout, parse_layout
from drivetrain.training.predict import Prediction, predict
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN
from drivetrain.training.search import Searched, lightest_recompute, search
from drivetrain.units import SECONDS_PER_HOUR
from drivetrain.verbs.train_resolve import Asked, Part, active_params
from drivetrain.verbs.train_schedules import check_schedule, schedules_for

MOST_LAYOUTS = 8
_DOUBLINGS = 9
_MORE = "Use more accelerators"
LEAST_UPTIME = 0.001  # of the time: below it nobody trains


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run of ``tokens`` tokens on a cluster; ``searched`` is ``None`` where the layout was given."""

    part: Part
    model: Model
    needs: TrainingCounts
    tokens: float
    job: Job
    cluster: Cluster
    searched: Searched | None
    step: Prediction
    uptime: Goodput
    n_paid: int
    pue: float
    load_frac: float

    @property
    def n(self) -> int:
        """Accelerators that train."""
        return self.cluster.n

    @property
    def active(self) -> float:
        """Parameters that a token passes."""
        return active_params(self.model)

    @property
    def flops(self) -> float:
        """``6 N D``."""
        return FLOPS_PER_PARAM_TOKEN * self.active * self.tokens

    @property
    def seconds(self) -> float:
        """By the clock, failures and checkpoints in it."""
        frac = self.uptime.effective_time_frac
        return self.tokens / self.step.tokens_per_s / frac if frac > 0 else float("inf")

    @property
    def usd_per_hour(self) -> float | None:
        """All that is paid for, spares too."""
        return None if self.part.price is None else self.part.price.usd_per_hour * self.n_paid

    @property
    def usd(self) -> float | None:
        """Accelerator-hours at their price; ``None`` where none is known."""
        rate = self.usd_per_hour
        return None if rate is None else rate * self.seconds / SECONDS_PER_HOUR

    @property
    def power_w(self) -> float:
        """Mean draw at the meter."""
        part = self.part
        return self.load_frac * wall_power_w(self.n, part.accelerator.tdp_w, part.host_w, self.pue)

    @property
    def provisioned_w(self) -> float:
        """Nameplate of accelerators and hosts, without PUE: what a power limit is held against."""
        return self.n_paid * self.part.nameplate_w

    @property
    def energy_j(self) -> float:
        """At the meter over the whole run."""
        return self.power_w * self.seconds


def run_of(asked: Asked, part: Part, model: Model, tokens: float, n: int) -> Run:
    """The best run of ``model`` on ``n`` accelerators; raises where nothing divides or fits."""
    s = asked.scenario
    needs = counts(model, int(s.seq))
    batch = int(s.global_batch) if s.global_batch else usual_batch(tokens, int(s.seq), n)
    job = Job(batch, s.precision, int(s.lora_rank))
    cluster = part.cluster(n)
    searched = None
    whole = whole_layout(asked, n)
    if whole is None:
        searched = search(
            needs, job, cluster, part.rates, known=known_of(asked), most=MOST_LAYOUTS,
            schedules=schedules_for(part.framework, s.schedule),
        )  # fmt: skip
        layout = searched.best[0].layout
    else:
        layout = whole if s.recompute else lightest_recompute(needs, job, cluster, part.rates, whole)
    step = predict(needs, job, cluster, layout, framework=part.framework)
    return worked_out(asked, part, model, needs, tokens, job, cluster, searched, step)


def run_on(asked: Asked, part: Part, model: Model, tokens: float, n: int) -> Run:
    """:func:`run_of` for a cluster that somebody chose: where the model does not fit, the message says on how many."""
    try:
        return run_of(asked, part, model, tokens, n)
    except DoesNotFitError as error:
        enough = _fits_on(asked, part, model, n)
        told = str(error.args[0])
        if enough:
            told = told.replace(_MORE, f"{_MORE} ({enough:,} hold it)", 1)
        raise DoesNotFitError(told) from None


def _fits_on(asked: Asked, part: Part, model: Model, n: int) -> int:
    """The first doubling of ``n`` on which some layout fits at one sequence a data rank; 0 where none does."""
    s = asked.scenario
    needs = counts(model, int(s.seq))
    for doubled in (n << k for k in range(1, _DOUBLINGS)):
        job = Job(doubled, s.precision, int(s.lora_rank))
        with suppress(DoesNotFitError, InfeasibleError):
            search(needs, job, part.cluster(doubled), part.rates, known={"micro_batch": 1}, most=1)
            return doubled
    return 0


def worked_out(
    asked: Asked, part: Part, model: Model, needs: TrainingCounts, tokens: float, job: Job, cluster: Cluster,
    searched: Searched | None, step: Prediction,
) -> Run:  # fmt: skip
    """The run around a predicted step."""
    saved = asked.checkpoint(
        float(count(model).total) if not job.lora_rank else adapter_params(needs, job.lora_rank), cluster.n
    )
    uptime = goodput(cluster.n, saved, asked.reliability, asked.scenario.checkpoint_every_s)
    if uptime.effective_time_frac < LEAST_UPTIME:
        raise InfeasibleError(
            f"{cluster.n:,} accelerators fail more often than a restart and a checkpoint take: next to nothing is "
            "trained. Raise --mtbf, shorten --restart, or write checkpoints to a faster --store."
        )
    spares = asked.reliability.spares or 0
    return Run(part, model, needs, tokens, job, cluster, searched, step, uptime, cluster.n + spares, asked.pue,
               asked.load_frac)  # fmt: skip


def adapter_params(needs: TrainingCounts, rank: int) -> float:
    """Weights of LoRA adapters on every product of the layers: ``rank x (in + out)`` of each, fused ones as one.

    Of mixtures those of the experts that one token passes are counted.

    >>> from drivetrain.catalogue import loader
    >>> round(adapter_params(counts(loader.load("models", "llama-2-70b"), 4096), 16) / 1e6)
    176
    """
    widths = np.delete(np.asarray(needs.full) + np.asarray(needs.cut), (HEAD, ROUTER))
    return float(rank * widths.sum())


def whole_layout(asked: Asked, n: int) -> TrainingLayout | None:
    """The layout that was asked for, data parallelism filled up to ``n``; ``None`` where it is to be found."""
    s = asked.scenario
    if not s.layout:
        return None
    words: dict[str, Any] = {"recompute": s.recompute or "none", "schedule": s.schedule or None}
    given = parse_layout(s.layout, **words)
    cut = given.tp * given.pp * given.cp
    if "dp" not in s.layout.lower() and n % cut == 0:
        given = parse_layout(f"{s.layout}dp{n // cut}", **words)
    check_schedule(given, s.schedule)
    if given.n_accelerators != n:
        raise LayoutError(
            f"layout '{s.layout}' is for {given.n_accelerators} accelerators, the cluster has {n}. Set "
            f"{'dp' + str(n // cut) if n % cut == 0 else '--n to a multiple of ' + str(cut)}, or leave out --layout."
        )
    return given


def known_of(asked: Asked) -> dict[str, int]:
    """What of a layout is not to be searched."""
    found = {}
    if asked.scenario.recompute:
        found["recompute"] = RECOMPUTE.index(asked.scenario.recompute)
    return found
