"""``plan serve``: the cheapest way to serve a model's traffic within its targets, and what limits it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from drivetrain import __version__
from drivetrain.scenario import ServeScenario, scenario_of
from drivetrain.serving.marginal import STEP, marginals
from drivetrain.serving.search import Traffic
from drivetrain.serving.slo import parse_slo
from drivetrain.verbs.allowed import allowed_assumptions, allowed_levers, permitted
from drivetrain.verbs.buying import buying
from drivetrain.verbs.clash import explain
from drivetrain.verbs.confidence import ranking_confidence
from drivetrain.verbs.frontier import quality_of_plan
from drivetrain.verbs.levers import Levers, levers_of
from drivetrain.verbs.plan_disagg import divided, pools_of, undivided
from drivetrain.verbs.pulled import as_asked, pulled_assumptions, ranked_rows, searched
from drivetrain.verbs.ranking import Chosen, best_by_accelerator, best_by_offer, pareto_points, unpriced
from drivetrain.verbs.resolve import require_rate, resolve
from drivetrain.verbs.verdict import mixed_verdict, verdict

CATALOGUE_DATE = "2026.11"


def plan_serve(**choices: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of ServeScenario
    """Plan the serving of a model; keywords are the fields of :class:`~drivetrain.scenario.ServeScenario`.

    Returns the object of the contract: ``feasible``, ``verdict``, ``best``, ``by_accelerator``, ``pareto``,
    ``levers``, ``levers_not_available``, ``quality_frontier``, ``quality_unknown``, ``marginals``, ``closest_miss``,
    ``relaxations``, ``whole_servers``, ``by_instance``, ``by_region``,
    ``mixed_fleet``, ``ranking_confidence``, ``unpriced``, ``n_evaluated``, ``elapsed_s``, ``assumptions``,
    ``sources``, ``meta``.
    """
    return plan(scenario_of(choices))


def plan(scenario: ServeScenario) -> dict[str, Any]:
    """Answer one :class:`ServeScenario`."""
    started = time.perf_counter()
    mean_rate = require_rate(scenario)
    targets = parse_slo(scenario.slo)
    pools = pools_of(scenario)
    resolved = permitted(resolve(undivided(scenario, pools)))
    allowed = allowed_levers(resolved)
    peak = mean_rate * resolved.workload.peak_to_mean * (1.0 + scenario.headroom)
    traffic = Traffic(resolved.lengths, mean_rate, peak)
    search = searched(resolved, traffic, targets, allowed)
    outcome = search.outcome
    ranked = ranked_rows(resolved, outcome, allowed)
    answer: dict[str, Any] = {"feasible": bool(ranked), "verdict": "", "best": None}
    chosen = Chosen(resolved, outcome, ranked[0], traffic, targets) if ranked else None
    levers = Levers()
    if chosen:
        answer["best"] = chosen.fields
        levers = levers_of(resolved, targets, chosen, scenario.levers)
        answer["verdict"] = verdict(scenario, chosen.fields)
    answer["offered_output_tokens_per_s"] = {
        "mean": mean_rate * resolved.lengths.osl_mean, "peak": peak * resolved.lengths.osl_mean,
        "rate_mean": mean_rate, "rate_peak": peak,
    }  # fmt: skip
    answer["by_accelerator"] = [Chosen(resolved, outcome, row, traffic, targets).fields
                                for row in best_by_accelerator(outcome, ranked)]  # fmt: skip
    answer["pareto"] = pareto_points(outcome)
    answer |= {"levers": levers.rows, "levers_not_available": levers.not_available, "levers_from": levers.base}
    quality, n_tried = quality_of_plan(resolved, search, chosen)
    answer |= quality
    answer["marginals"] = (
        [asdict(m) | {"step_frac": STEP} for m in marginals(chosen.prepared, targets, chosen.capacity)]
        if chosen
        else []
    )
    answer |= {"closest_miss": None, "relaxations": []}
    if chosen is None:
        answer |= explain(resolved, traffic, targets, outcome)
    answer |= buying(resolved, traffic, targets, outcome, ranked, chosen)
    if chosen is None and answer["mixed_fleet"]:
        answer["verdict"] = mixed_verdict(answer["mixed_fleet"], answer["verdict"])
    answer["unpriced"] = [
        Chosen(resolved, outcome, row, traffic, targets).fields
        for row in best_by_offer(outcome, unpriced(outcome))
        if row not in ranked[:1]
    ]
    answer["n_evaluated"] = outcome.n_evaluated + levers.n_evaluated + n_tried
    answer["elapsed_s"] = time.perf_counter() - started
    answer["scenario"] = asdict(scenario)
    said = (*resolved.assumptions, *allowed_assumptions(resolved, allowed), *pulled_assumptions(resolved, chosen))
    answer["assumptions"] = [asdict(a) for a in said]
    answer["sources"] = list(resolved.sources)
    if scenario.disaggregate != "off":
        answer |= divided(answer, resolved, traffic, targets, as_asked(resolved, outcome.jobs), pools)
        answer["elapsed_s"] = time.perf_counter() - started
    answer["ranking_confidence"] = ranking_confidence(answer["by_accelerator"], scenario.objective)
    answer["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE,
                      "run": scenario.fingerprint(__version__, CATALOGUE_DATE)}  # fmt: skip
    return answer
