"""``plan serve``: the cheapest way to serve a model's traffic within its targets, and what limits it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain import __version__
from drivetrain.arch.layout import Layout
from drivetrain.catalogue.model import Checkpoint
from drivetrain.errors import DoesNotFitError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving import sweep as sw
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.marginal import STEP, marginals
from drivetrain.serving.search import Job, Offer, Outcome, Traffic, candidates, pareto, search
from drivetrain.serving.slo import Target, parse_slo
from drivetrain.serving.steady import Prepared, SteadyState, at_rate, max_rate, prepare
from drivetrain.units import number, show
from drivetrain.verbs.describe import describe
from drivetrain.verbs.resolve import Resolved, require_rate, resolve

CATALOGUE_DATE = "2026.11"
_OBJECTIVE_COLUMN = {"cost": sw.USD_PER_HOUR, "energy": sw.JOULES_PER_TOKEN, "accelerators": sw.ACCELERATORS}
_PARETO_POINTS = 24
_PARETO_FLOOR = 0.01
_AS_CLOSE = 1.1
_AS_FAST = 1.1
_TYPICAL_TOKENS = 100.0


def plan_serve(**choices: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of ServeScenario
    """Plan the serving of a model; keywords are the fields of :class:`~drivetrain.scenario.ServeScenario`.

    Returns the object of the contract: ``feasible``, ``verdict``, ``best``, ``by_accelerator``, ``pareto``,
    ``levers``, ``marginals``, ``closest_miss``, ``unpriced``, ``n_evaluated``, ``elapsed_s``, ``assumptions``,
    ``sources``, ``meta``.
    """
    return plan(ServeScenario(**choices))


def plan(scenario: ServeScenario) -> dict[str, Any]:
    """Answer one :class:`ServeScenario`."""
    started = time.perf_counter()
    mean_rate = require_rate(scenario)
    targets = parse_slo(scenario.slo)
    resolved = resolve(scenario)
    peak = mean_rate * resolved.workload.peak_to_mean * (1.0 + scenario.headroom)
    traffic = Traffic(resolved.lengths, mean_rate, peak)
    outcome = _search(resolved, traffic, targets)
    ranked = _rank(outcome, scenario.objective)
    answer: dict[str, Any] = {"feasible": bool(ranked), "verdict": "", "best": None}
    shown = ranked[0] if ranked else _closest(outcome)
    chosen = None if shown is None else _Chosen(resolved, outcome, shown, traffic, targets)
    levers: list[dict[str, Any]] = []
    if ranked and chosen:
        answer["best"] = chosen.fields
        levers = _levers(resolved, traffic, targets, chosen)
        answer["verdict"] = _verdict(scenario, chosen.fields)
    answer["offered_output_tokens_per_s"] = {
        "mean": mean_rate * resolved.lengths.osl_mean, "peak": peak * resolved.lengths.osl_mean,
        "rate_mean": mean_rate, "rate_peak": peak,
    }  # fmt: skip
    answer["by_accelerator"] = [_Chosen(resolved, outcome, row, traffic, targets).fields
                                for row in _best_by_accelerator(outcome, ranked)]  # fmt: skip
    answer["pareto"] = _pareto(outcome)
    answer["levers"] = levers
    answer["marginals"] = (
        [asdict(m) | {"step_frac": STEP} for m in marginals(chosen.prepared, targets, chosen.capacity)]
        if ranked and chosen
        else []
    )
    answer["closest_miss"] = None
    if not ranked and chosen is not None:
        answer["closest_miss"] = chosen.fields | {"violates": _violations(chosen.state, targets)}
        answer["verdict"] = _miss_verdict(answer["closest_miss"])
    if chosen is None:
        answer["verdict"] = (
            f"Nothing takes {number(peak)} req/s within {number(scenario.max_accelerators)} accelerators. "
            "Raise --max-accelerators, lower --rate or allow lighter weights (--weights any)."
        )
    answer["unpriced"] = [
        _Chosen(resolved, outcome, row, traffic, targets).fields
        for row in _best_by_accelerator(outcome, _unpriced(outcome))
        if row not in ranked[:1]
    ]
    answer["n_evaluated"] = outcome.n_evaluated
    answer["elapsed_s"] = time.perf_counter() - started
    answer["scenario"] = asdict(scenario)
    answer["assumptions"] = [asdict(a) for a in resolved.assumptions]
    answer["sources"] = list(resolved.sources)
    answer["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE,
                      "run": scenario.fingerprint(__version__, CATALOGUE_DATE)}  # fmt: skip
    return answer


def _search(
    resolved: Resolved,
    traffic: Traffic,
    targets: tuple[Target, ...],
    *,
    offers: Sequence[Offer] = (),
    checkpoints: Sequence[Checkpoint] = (),
    only_layouts: Sequence[Layout] = (),
    kv_dtype: str | None = None,
) -> Outcome:
    """Search the resolved space, or a part of it."""
    jobs, nearest = candidates(
        resolved.model,
        checkpoints or resolved.checkpoints,
        offers or resolved.offers,
        resolved.engines,
        resolved.lengths,
        kv_dtype=resolved.kv_dtype if kv_dtype is None else kv_dtype,
        only_layouts=only_layouts or resolved.layouts,
        budget=resolved.scenario.max_batched_tokens,
        max_seqs=resolved.scenario.max_num_seqs,
    )
    if not jobs:
        _explain_nothing(resolved, nearest)
    return search(
        jobs,
        traffic,
        targets,
        pue=resolved.pue,
        max_accelerators=resolved.scenario.max_accelerators,
        mean_energy=resolved.scenario.objective == "energy",
    )


def _explain_nothing(resolved: Resolved, nearest: tuple[float, Job] | None) -> None:
    """Say why no deployment can run at all."""
    if nearest is None:
        raise UnsupportedError(
            f"no engine in the search runs {resolved.checkpoints[0].weight_dtype} weights on "
            f"{', '.join(sorted(resolved.accelerators)[:5])}. Name other --accelerators, --engines or --weights."
        )
    short, job = nearest
    room, layout = job.memory, job.deployment.cut.layout
    raise DoesNotFitError(
        f"{resolved.model.name} does not fit: weights {show(room.weights, 'bytes')} + one sequence "
        f"{show(room.sequence_bytes, 'bytes')} + workspace {show(room.workspace + room.overhead, 'bytes')} > "
        f"{show(room.capacity, 'bytes')} usable per accelerator on {job.offer.hardware.name} at {layout} "
        f"(short by {show(short, 'bytes')}). {_smallest_that_fits(resolved)}"
    )


def _smallest_that_fits(resolved: Resolved) -> str:
    """The smallest deployment that does fit, over the whole catalogue, as advice."""
    everything = resolve(
        ServeScenario(
            model=resolved.scenario.model, isl=resolved.lengths.isl_mean, osl=resolved.lengths.osl_mean, weights="any"
        )
    )
    same = [o for o in everything.offers if o.hardware.name in resolved.accelerators]
    for offers in (same, everything.offers):
        jobs, _ = (
            candidates(resolved.model, everything.checkpoints, offers, everything.engines, everything.lengths)
            if offers
            else ([], None)
        )
        if jobs:
            job = min(jobs, key=smallest_first)
            cut = job.deployment.cut
            return f"Smallest that fits: {cut.layout} on {job.offer.hardware.name} in {cut.checkpoint.weight_dtype}."
    return "Nothing in the catalogue holds it."


def smallest_first(job: Job) -> tuple[int, int, float]:
    """Order of deployments from the smallest: accelerators, pipeline stages, memory of one."""
    layout = job.deployment.cut.layout
    return layout.n_accelerators, layout.pp, job.offer.hardware.memory_bytes


class _Chosen:
    """One evaluated row, prepared again for explanation."""

    def __init__(
        self, resolved: Resolved, outcome: Outcome, row: int, traffic: Traffic, targets: tuple[Target, ...]
    ) -> None:
        values = outcome.rows[row]
        self.job = outcome.jobs[int(values[sw.JOB])]
        self.replicas = float(values[sw.REPLICAS])
        self.prepared: Prepared = prepare(self.job.deployment, traffic.lengths, self.job.budget, self.job.max_seqs)
        self.state: SteadyState = at_rate(self.prepared, traffic.peak_rate / self.replicas)
        self.capacity = max_rate(self.prepared, targets)
        self.fields = describe(
            resolved,
            self.job.offer,
            self.prepared,
            self.state,
            self.replicas,
            traffic.mean_rate,
            self.capacity,
        )


def _rank(outcome: Outcome, objective: str) -> list[int]:
    """Rows that meet the targets, best first; unpriced ones only where cost does not matter."""
    rows = outcome.rows
    meets = np.flatnonzero(rows[:, sw.MEETS] == 1.0)
    priced = meets[np.isfinite(rows[meets, sw.USD_PER_HOUR])]
    if objective == "cost":
        if not len(priced):  # nothing that has a price meets them: the smallest fleet, and the verdict says why
            return _unpriced(outcome)
        meets = priced
    usd = np.nan_to_num(rows[meets, sw.USD_PER_HOUR], nan=np.inf)
    if objective == "latency":
        score = rows[meets, sw.TTFT_MEAN] + _TYPICAL_TOKENS * rows[meets, sw.TPOT_MEAN]
        # beyond a few percent, speed is bought with whole fleets: among the about fastest the smallest wins
        score = np.floor(np.log(score / score.min(initial=np.inf)) / np.log(_AS_FAST))
    else:
        score = rows[meets, _OBJECTIVE_COLUMN[objective]]
    # ties: cheaper, then fewer, then more slack in the targets, then order of the search (simpler layouts first)
    order = np.lexsort((rows[meets, sw.VIOLATION], rows[meets, sw.ACCELERATORS], usd, np.round(score, 9)))
    return [int(i) for i in meets[order]]


def _unpriced(outcome: Outcome) -> list[int]:
    """Rows that meet the targets on accelerators without a price, smallest fleet first."""
    rows = outcome.rows
    meets = np.flatnonzero((rows[:, sw.MEETS] == 1.0) & ~np.isfinite(rows[:, sw.USD_PER_HOUR]))
    order = np.lexsort((rows[meets, sw.VIOLATION], rows[meets, sw.ACCELERATORS]))
    return [int(i) for i in meets[order]]


def _closest(outcome: Outcome) -> int | None:
    """The row that misses the targets by least, or ``None`` where every load was unstable."""
    finite = np.flatnonzero(np.isfinite(outcome.rows[:, sw.VIOLATION]))
    if not len(finite):
        return None
    violation = outcome.rows[finite, sw.VIOLATION]
    near = finite[violation <= violation.min() * _AS_CLOSE]  # of those about as close, the smallest fleet
    return int(near[np.argmin(outcome.rows[near, sw.ACCELERATORS])])


def _best_by_accelerator(outcome: Outcome, ranked: list[int]) -> list[int]:
    found: dict[str, int] = {}
    for row in ranked:
        found.setdefault(outcome.jobs[int(outcome.rows[row, sw.JOB])].offer.hardware.name, row)
    return list(found.values())


def _pareto(outcome: Outcome) -> list[dict[str, Any]]:
    """The front of tokens/s per accelerator against tokens/s per user, thinned to a readable number of points."""
    rows = outcome.rows
    # fleets that are hundreds of times larger than needed buy no more speed: they are not a choice
    sensible = np.flatnonzero(rows[:, sw.TOKENS_PER_ACCELERATOR] >= _PARETO_FLOOR * _busiest(rows))
    front = [int(sensible[i]) for i in pareto(rows[sensible])]
    keep = (
        [front[i] for i in np.unique(np.linspace(0, len(front) - 1, min(len(front), _PARETO_POINTS)).astype(int))]
        if front
        else []
    )
    points = []
    for row in keep:
        values = outcome.rows[row]
        job = outcome.jobs[int(values[sw.JOB])]
        cut = job.deployment.cut
        usd = float(values[sw.USD_PER_MILLION])
        points.append(
            {
                "tokens_per_s_per_accelerator": float(values[sw.TOKENS_PER_ACCELERATOR]),
                "tokens_per_s_per_user": 1.0 / float(values[sw.TPOT_MEAN]),
                "ttft_mean_s": float(values[sw.TTFT_MEAN]),
                "accelerator": job.offer.hardware.name,
                "layout": str(cut.layout),
                "engine": job.deployment.engine.name,
                "weight_dtype": cut.checkpoint.weight_dtype,
                "replicas": int(values[sw.REPLICAS]),
                "n_accelerators": int(values[sw.ACCELERATORS]),
                "max_concurrency": int(job.max_seqs),
                "usd_per_million_output_tokens": usd if np.isfinite(usd) else None,
                "joules_per_output_token": float(values[sw.JOULES_PER_TOKEN]),
                "meets_slo": bool(values[sw.MEETS]),
            }
        )
    return points


def _busiest(rows: NDArray[np.float64]) -> float:
    stable = np.isfinite(rows[:, sw.TPOT_MEAN])
    return float(rows[stable, sw.TOKENS_PER_ACCELERATOR].max(initial=0.0))


def _levers(resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], chosen: _Chosen) -> list[dict[str, Any]]:
    """What other choices would gain on the same accelerator and layout, best first.

    Each alone, batch limits chosen again.

    ``gain_frac`` is the relative fall of the cost per output token at full load, so that it does not hide behind
    whole replicas.
    """
    offer, shipped, kv = chosen.job.offer, chosen.fields["weight_dtype"], chosen.fields["kv_dtype"]
    layout = chosen.job.deployment.cut.layout
    base = chosen.capacity / chosen.job.deployment.cut.layout.n_accelerators
    trials: list[tuple[str, bool, dict[str, Any]]] = []
    trials += [
        (f"weights={c.weight_dtype}", True, {"checkpoints": (c,), "kv_dtype": kv})
        for c in resolved.model.checkpoints
        if c.weight_dtype != shipped
    ]
    if kv in ("bf16", "fp16"):
        trials.append(("kv_dtype=fp8", True, {"kv_dtype": "fp8"}))
    found: dict[str, dict[str, Any]] = {}
    for lever, changes_output, changes in trials:
        try:
            outcome = _search(resolved, traffic, targets, offers=(offer,), only_layouts=(layout,), **changes)
        except (DoesNotFitError, UnsupportedError):
            continue
        gain = _capacity_gain(resolved, outcome, traffic, targets, base)
        if gain is not None:
            found[lever] = _lever(lever, gain, changes_output, chosen)
    for target in targets:
        relaxed = tuple(Target(t.metric, t.statistic, t.limit_s * (1.5 if t == target else 1.0)) for t in targets)
        gain = max_rate(chosen.prepared, relaxed) / chosen.capacity - 1.0
        found[target.name] = _lever(
            f"{target.name}={show(target.limit_s * 1.5, 's')} (half as much again)", gain, False, chosen
        )
    if resolved.scenario.prefix_hit is None and resolved.workload.prefix_hit_frac > 0:
        cold = prepare(
            chosen.job.deployment, lengths_of(resolved.workload, 0.0), chosen.job.budget, chosen.job.max_seqs
        )
        found["prefix"] = _lever("prefix cache off", max_rate(cold, targets) / chosen.capacity - 1.0, False, chosen)
    return sorted(found.values(), key=lambda lever: -lever["gain_frac"])


def _lever(name: str, capacity_gain: float, changes_output: bool, chosen: _Chosen) -> dict[str, Any]:
    return {
        "lever": name,
        "gain_frac": 1.0 - 1.0 / (1.0 + capacity_gain) if capacity_gain > -1.0 else -1.0,
        "metric": "usd_per_million_tokens_full_load",
        "changes_output": changes_output,
        "quality_delta": None,
        "tier": chosen.fields["tier"],
    }


def _capacity_gain(
    resolved: Resolved, outcome: Outcome, traffic: Traffic, targets: tuple[Target, ...], base: float
) -> float | None:
    """Relative gain in capacity per accelerator of the best row of ``outcome`` over ``base``."""
    ranked = _rank(outcome, resolved.scenario.objective)
    if not ranked:
        return None
    best = _Chosen(resolved, outcome, ranked[0], traffic, targets)
    return best.capacity / best.job.deployment.cut.layout.n_accelerators / base - 1.0


def _violations(state: SteadyState, targets: tuple[Target, ...]) -> list[dict[str, Any]]:
    return [
        {"slo": t.name, "limit_s": t.limit_s, "reached_s": getattr(state.latency(t.metric), t.statistic)}
        for t in targets
        if getattr(state.latency(t.metric), t.statistic) > t.limit_s
    ]


_LIMIT_WORDS = {
    "hbm_bandwidth": "decode is bound by HBM bandwidth",
    "compute": "it is bound by compute",
    "network": "it is bound by the interconnect",
    "overhead": "it is bound by engine overhead",
    "kv_capacity": "it is bound by KV-cache capacity",
}


def _verdict(scenario: ServeScenario, best: dict[str, Any]) -> str:
    replicas = best["replicas"]
    copies = f"{replicas} replicas of" if replicas > 1 else "one replica of"
    if best["usd_per_million_output_tokens"] is None:
        money = f"{number(best['joules_per_output_token'])} J per output token (no price known)"
    else:
        money = f"${number(best['usd_per_million_output_tokens'])} per million output tokens"
    return (
        f"{best['n_accelerators']}x {best['accelerator']} as {copies} {best['layout']} "
        f"({best['engine']}, {best['weight_dtype']}) serve "
        f"{number(scenario.rate or 0)} req/s at {money}; {_LIMIT_WORDS[best['bottleneck']]}."
    )


def _miss_verdict(miss: dict[str, Any]) -> str:
    if not miss["violates"]:
        return (
            f"Nothing keeps up: even {miss['n_accelerators']}x {miss['accelerator']} as {miss['layout']} would queue "
            "for longer than it serves. Raise --max-accelerators, lower --rate or allow lighter weights (--weights any)."
        )
    missed = "; ".join(
        f"{v['slo']} reaches {show(v['reached_s'], 's')} against {show(v['limit_s'], 's')}" for v in miss["violates"]
    )
    return (
        "Nothing meets the targets. "
        f"Closest: {miss['n_accelerators']}x {miss['accelerator']} as {miss['layout']} ({miss['weight_dtype']}), "
        f"{missed}. "
        "Relax that target, shorten the requests, or allow lighter weights (--weights any) or more accelerators."
    )
