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
from drivetrain.units import number
from drivetrain.verbs.levers import levers_of
from drivetrain.verbs.ranking import Chosen, best_by_accelerator, closest, pareto_points, rank, unpriced
from drivetrain.verbs.resolve import require_rate, resolve
from drivetrain.verbs.space import search_space
from drivetrain.verbs.verdict import miss_verdict, verdict, violations

CATALOGUE_DATE = "2026.11"


def plan_serve(**choices: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of ServeScenario
    """Plan the serving of a model; keywords are the fields of :class:`~drivetrain.scenario.ServeScenario`.

    Returns the object of the contract: ``feasible``, ``verdict``, ``best``, ``by_accelerator``, ``pareto``,
    ``levers``, ``marginals``, ``closest_miss``, ``unpriced``, ``n_evaluated``, ``elapsed_s``, ``assumptions``,
    ``sources``, ``meta``.
    """
    return plan(scenario_of(choices))


def plan(scenario: ServeScenario) -> dict[str, Any]:
    """Answer one :class:`ServeScenario`."""
    started = time.perf_counter()
    mean_rate = require_rate(scenario)
    targets = parse_slo(scenario.slo)
    resolved = resolve(scenario)
    peak = mean_rate * resolved.workload.peak_to_mean * (1.0 + scenario.headroom)
    traffic = Traffic(resolved.lengths, mean_rate, peak)
    outcome = search_space(resolved, traffic, targets)
    ranked = rank(outcome, scenario.objective)
    answer: dict[str, Any] = {"feasible": bool(ranked), "verdict": "", "best": None}
    shown = ranked[0] if ranked else closest(outcome)
    chosen = None if shown is None else Chosen(resolved, outcome, shown, traffic, targets)
    levers: list[dict[str, Any]] = []
    if ranked and chosen:
        answer["best"] = chosen.fields
        levers = levers_of(resolved, traffic, targets, chosen)
        answer["verdict"] = verdict(scenario, chosen.fields)
    answer["offered_output_tokens_per_s"] = {
        "mean": mean_rate * resolved.lengths.osl_mean, "peak": peak * resolved.lengths.osl_mean,
        "rate_mean": mean_rate, "rate_peak": peak,
    }  # fmt: skip
    answer["by_accelerator"] = [Chosen(resolved, outcome, row, traffic, targets).fields
                                for row in best_by_accelerator(outcome, ranked)]  # fmt: skip
    answer["pareto"] = pareto_points(outcome)
    answer["levers"] = levers
    answer["marginals"] = (
        [asdict(m) | {"step_frac": STEP} for m in marginals(chosen.prepared, targets, chosen.capacity)]
        if ranked and chosen
        else []
    )
    answer["closest_miss"] = None
    if not ranked and chosen is not None:
        answer["closest_miss"] = chosen.fields | {"violates": violations(chosen.state, targets)}
        answer["verdict"] = miss_verdict(answer["closest_miss"])
    if chosen is None:
        answer["verdict"] = (
            f"Nothing takes {number(peak)} req/s within {number(scenario.max_accelerators)} accelerators. "
            "Raise --max-accelerators, lower --rate or allow lighter weights (--weights any)."
        )
    answer["unpriced"] = [
        Chosen(resolved, outcome, row, traffic, targets).fields
        for row in best_by_accelerator(outcome, unpriced(outcome))
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
