"""One question played once per seed: traffic, fleet, runs, and what they come to together."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import fields as fields_in
from functools import partial
from typing import Any

import numpy as np

from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError
from drivetrain.serving.policies import KINDS, cache_choice, is_custom, load_file, parse
from drivetrain.serving.sim.finished import Finished, finished
from drivetrain.serving.sim.records import UNFINISHED, Fleet, Ints, Options, Outcome, Policies, Requests
from drivetrain.serving.sim.replications import replicated
from drivetrain.serving.sim.results import fields_of, summary
from drivetrain.serving.sim.run import simulate
from drivetrain.serving.slo import Target, parse_slo
from drivetrain.verbs.simulate_choices import Question
from drivetrain.verbs.simulate_stream import SAMPLES_PER_PART, Counted, Parts, is_streamed, played_in_parts
from drivetrain.verbs.simulate_traffic import Asked, among, traffic_of
from drivetrain.verbs.simulated_fleet import FleetChoices, SimulatedFleet, fleet_of

Tell = Callable[[str, int, int], object]
Take = Callable[[int, Fleet, Ints, Finished], object]
"""Hears of requests that were sent: number of the run, its fleet, their rows, what happened to them."""

_SAMPLES = 480  # over the time in which requests come; four to each row of an answer's series
_SEED_STEP = 1_000_003  # between replications, far from what people choose
STREAMED_BYTES = 250.0  # of one output token as a streamed event: JSON around some characters of text
_GB = 1e9
_warm: list[bool] = []


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run: which seed, what was asked of what, what happened, in how many seconds of real time, up to when.

    Of a run in parts the requests are not kept, and the outcome has totals only.
    """

    seed: int
    requests: Requests | None
    fleet: Fleet
    outcome: Outcome
    wall_s: float
    horizon_s: float

    @property
    def partial(self) -> bool:
        """Whether it was interrupted: something is unfinished although the horizon was not reached."""
        return bool((self.outcome.status == UNFINISHED).any()) and self.outcome.end_s < self.horizon_s


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """A question's runs and their common result. ``asked`` and ``simulated`` are those of the first."""

    question: Question
    asked: Asked
    simulated: SimulatedFleet
    runs: tuple[Run, ...]
    fields: dict[str, Any]
    partial: bool
    wall_s: float


def play(
    question: Question, *, tell: Tell = lambda *_: None, what: str = "simulating", log_steps: int = 0,
    known: dict[object, Asked] | None = None, take: Take | None = None,
) -> Played:  # fmt: skip
    """Play ``question`` with each of its seeds. Interrupted runs count where nothing else is there.

    ``known`` keeps traffic between questions: those that ask for the same get the same requests. ``take`` gets the
    requests of each run that counts.
    """
    own = question.own
    if own.policy_file:
        load_file(own.policy_file)
    policies = policies_of(question)
    slo = parse_slo(str(question.serve.get("slo") or ""))
    context = question.context(loader.load("models", str(question.serve["model"])).max_context)
    if known is None and not log_steps and is_streamed(question, policies):
        return _play_in_parts(question, policies, slo, context, _progress(tell, what), take)
    known = {} if known is None else known
    runs: list[Run] = []
    summaries: list[dict[str, Any]] = []
    first: tuple[Asked, SimulatedFleet] | None = None
    is_partial = False
    for k in range(own.replications):
        label = f"{what}, run {k + 1} of {own.replications}" if own.replications > 1 else what
        seed = own.seed + k * _SEED_STEP
        try:
            asked = _traffic(question, context, seed, known)
            deployed = question.scenario(asked.isl_mean, asked.osl_mean)
            simulated = fleet_of(deployed, _choices(question, policies, asked, seed))
            run = _run(question, asked, simulated, seed, log_steps, _progress(tell, label))
        except KeyboardInterrupt:
            if not runs:
                raise
            is_partial = True
            break
        is_partial = run.partial
        if is_partial and runs:
            break
        first = first or (asked, simulated)
        runs.append(run)
        summaries.append(_summary(run, simulated, slo))
        if is_partial:
            break
    assert first is not None
    if take is not None:
        give(runs, take)
    fields = replicated(summaries, [run.seed for run in runs])
    return Played(question, *first, tuple(runs), fields, is_partial, sum(run.wall_s for run in runs))


def give(runs: Sequence[Run], take: Take) -> None:
    """Give the requests of ``runs``, which hold them, to ``take``."""
    for k, run in enumerate(runs):
        assert run.requests is not None
        sent = np.flatnonzero(np.isfinite(run.outcome.sent_s))
        take(k, run.fleet, sent, finished(run.outcome, run.requests))


def _play_in_parts(
    question: Question, policies: Policies, slo: tuple[Target, ...], context: int,
    progress: Callable[[int, int, float], None], take: Take | None,
) -> Played:  # fmt: skip
    """Play a trace in parts, once."""
    own = question.own
    if (own.faults or own.spot) and own.horizon_s is None:
        raise BadInputError("failures are drawn until the end, which a trace in parts does not tell: give --horizon.")
    parts = Parts(question, context, own.seed)
    simulated = fleet_of(question.scenario(parts.asked.isl_mean, parts.asked.osl_mean),
                         _choices(question, policies, parts.asked, own.seed))  # fmt: skip
    fleet, horizon = simulated.fleet, own.horizon_s or math.inf
    expected = min(_expected_s(parts.asked, own.replicas), horizon)
    options = Options(seed=own.seed, sample_s=own.sample_s or _rounded(expected / SAMPLES_PER_PART),
                      horizon_s=horizon)  # fmt: skip
    counted = Counted(fleet, slo, None if take is None else partial(take, 0, fleet))
    _warm_up(fleet, parts.first)
    totals, wall_s = played_in_parts(parts, fleet, simulated.origins, options, counted, progress)
    assert counted.sums is not None
    left = not parts.is_read or counted.sums.by_status[UNFINISHED] > 0
    fields = fields_of(counted.sums, counted.latency, totals, fleet, parts.n_read, slo, **_prices(simulated))
    return Played(question, parts.about(), simulated, (Run(own.seed, None, fleet, totals, wall_s, horizon),),
                  replicated([fields], [own.seed]), bool(left and totals.end_s < horizon), wall_s)  # fmt: skip


def policies_of(question: Question) -> Policies:
    """The five policies by their texts."""
    own = question.own
    return Policies(
        route=parse("route", own.route), admit=parse("admit", own.admit), schedule=parse("schedule", own.schedule),
        select=parse("select", own.select), scale=parse("scale", own.scale), scale_s=own.scale_every_s,
    )  # fmt: skip


def _progress(tell: Tell, label: str) -> Callable[[int, int, float], None]:
    def progress(done: int, total: int, _time_s: float) -> None:
        tell(label, done, total)

    return progress


def _traffic(question: Question, context: int, seed: int, known: dict[object, Asked]) -> Asked:
    """The requests for ``seed``, made once for all questions that ask for the same."""
    key = (seed, context, *question.traffic())
    if key not in known:
        known[key] = traffic_of(question, context, seed)
    return known[key]


def _choices(question: Question, policies: Policies, asked: Asked, seed: int) -> FleetChoices:
    own = question.own
    kind, host_bytes = (None, None) if own.cache is None else cache_choice(own.cache)
    return FleetChoices(
        replicas=own.replicas, max_replicas=own.max_replicas, pools=own.pools, network=own.network,
        origins=asked.origins, cache=kind,
        host_bytes=host_bytes or None, hash_tokens=asked.requests.hash_tokens, policies=policies,
        scrape_s=own.scrape_s, event_lag_s=own.event_lag_s, retry_s=own.retry_s, max_retries=own.max_retries,
        faults=own.faults, spot=own.spot, slow=own.slow, partition=own.partition,
        horizon_s=own.horizon_s or 2.0 * _expected_s(asked, own.replicas) + 600.0, seed=seed,
    )  # fmt: skip


def _run(
    question: Question, asked: Asked, simulated: SimulatedFleet, seed: int, log_steps: int,
    progress: Callable[[int, int, float], None],
) -> Run:  # fmt: skip
    own, fleet = question.own, simulated.fleet
    requests = among(asked, simulated.origins)
    horizon = own.horizon_s or math.inf
    expected = min(_expected_s(asked, own.replicas), horizon)
    options = Options(seed=seed, sample_s=own.sample_s or _rounded(expected / _SAMPLES), log_steps=log_steps,
                      horizon_s=horizon)  # fmt: skip
    _warm_up(fleet, requests)
    started = time.perf_counter()
    outcome = simulate(fleet, requests, options, progress)
    return Run(seed, requests, fleet, outcome, time.perf_counter() - started, horizon)


def _warm_up(fleet: Fleet, requests: Requests) -> None:
    """Have machine code loaded before the clock starts, by one request; plain Python of a custom policy needs none."""
    if _warm or any(is_custom(kind, getattr(fleet.policies, kind).name) for kind in KINDS):
        return
    _warm.append(True)
    columns = {field.name: getattr(requests, field.name)[:1] for field in fields_in(Requests)
               if field.name not in ("hashes", "hash_tokens", "concurrency")}  # fmt: skip
    one = replace(requests, **columns, concurrency=0)
    with _interrupts_kept():
        simulate(fleet, replace(one, arrival_s=np.zeros(1), after=np.full(1, -1)), Options())


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Keep a first Ctrl-C until the block is through; machine code that is loaded by half is compiled again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def keep(number: int, _frame: object) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _summary(run: Run, simulated: SimulatedFleet, slo: tuple[Target, ...]) -> dict[str, Any]:
    assert run.requests is not None
    return summary(run.outcome, run.fleet, run.requests, slo, **_prices(simulated))


def _prices(simulated: SimulatedFleet) -> dict[str, Any]:
    """What turns accelerators' joules into those of the wall, and tokens that leave a region into dollars."""
    return {"pue": [facts.pue for facts in simulated.pools],
            "usd_per_token": simulated.egress_usd_per_gb * STREAMED_BYTES / _GB}  # fmt: skip


def _expected_s(asked: Asked, replicas: int) -> float:
    """About how long the run takes in simulated time: of a closed loop or a burst a guess, to space its samples by."""
    if asked.span_s > 0:
        return asked.span_s
    requests = asked.requests
    at_once = min(requests.concurrency or len(requests), 256 * replicas)
    return max(len(requests) * (0.2 + 0.02 * asked.osl_mean) / at_once, 1.0)


def _rounded(seconds: float) -> float:
    """Two significant figures, so that times of samples read well."""
    return float(f"{seconds:.1e}")
