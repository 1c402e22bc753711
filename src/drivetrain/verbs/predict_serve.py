"""``predict serve``: evaluate one deployment at one load."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any

from drivetrain import __version__
from drivetrain.arch.layout import check_layout
from drivetrain.arch.pools import names_pools
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError
from drivetrain.scenario import ServeScenario, scenario_of
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.report import operator_rows, utilisation
from drivetrain.serving.search import candidates, whole_prompts
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.startable import chunks_prompts
from drivetrain.serving.steady import Prepared, at_concurrency, at_rate, max_rate, prepare
from drivetrain.units import number, show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.describe import describe
from drivetrain.verbs.moves import predicted, uncertainty_of
from drivetrain.verbs.plan_serve import CATALOGUE_DATE
from drivetrain.verbs.predict_disagg import predict_pools
from drivetrain.verbs.ranges import price_ends, with_ranges
from drivetrain.verbs.resolve import Resolved, resolve
from drivetrain.verbs.runnable import startable
from drivetrain.verbs.space import smallest_first
from drivetrain.verbs.technique_notes import hits_reached

_MARCH = Assumption(
    "requests in step", "all have exactly these lengths and start together, as in a load test: prompts meet prompts",
    "a workload profile has lengths that spread",
)  # fmt: skip


def predict_serve(*, operators: bool = False, **choices: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of ServeScenario
    """Evaluate one configuration; keywords are the fields of :class:`~drivetrain.scenario.ServeScenario`.

    Exactly one accelerator and layout are needed, and either ``rate`` (open stream into one replica) or
    ``concurrency`` (closed loop). With ``operators`` the answer lists every operator of the plain and the mixed step.
    """
    return predict(scenario_of(choices), operators=operators)


def predict(scenario: ServeScenario, *, operators: bool = False) -> dict[str, Any]:
    """Answer one :class:`ServeScenario` for a single configuration."""
    started = time.perf_counter()
    if (scenario.rate is None) == (scenario.concurrency is None):
        raise BadInputError("say how loaded the replica is: either --rate (requests per second) or --concurrency.")
    if names_pools(scenario.layouts):
        return _finished(*predict_pools(scenario, operators=operators), scenario, started)
    if len(scenario.accelerators) != 1 or len(scenario.layouts) != 1:
        raise BadInputError(
            "predict evaluates one configuration: give one --accelerator and one --layout (plan searches)."
        )
    resolved = resolve(scenario)
    offer, prepared = prepared_of(resolved)
    targets = parse_slo(scenario.slo)
    if scenario.concurrency is not None:
        # requests of one length march in a load test, and in the simulator
        state = at_concurrency(prepared, scenario.concurrency, in_step=True)
    else:
        assert scenario.rate is not None
        state = at_rate(prepared, scenario.rate)
    capacity = max_rate(prepared, targets)
    if not state.stable:
        raise InfeasibleError(
            f"{number(scenario.rate or 0)} req/s is more than this replica can take: "
            f"at most {number(max_rate(prepared))} req/s (at most {int(prepared.max_seqs)} sequences at once). "
            "Lower --rate, add replicas with 'drivetrain plan serve', or choose a larger layout."
        )
    fields = describe(
        resolved, offer, prepared, state, 1.0, state.rate, capacity if capacity > 0 else max_rate(prepared)
    )
    # at the stated load, what flows is what the loop or the stream carries, not the most it could
    fields["output_tokens_per_s_capacity"] = fields["output_tokens_per_s"]
    fields["output_tokens_per_s"] = state.rate * resolved.lengths.osl_mean
    fields["requests_per_s"] = state.rate
    fields["max_rate_within_slo_per_s"] = capacity
    fields["largest_concurrency"] = int(prepared.max_seqs)
    how_sure = uncertainty_of(prepared.deployment, resolved.lengths, state.in_system,
                              supported=fields["support"]["status"] == "supported")  # fmt: skip
    moves = predicted(prepared, state, targets, how_sure, price_ends(resolved.prices.get(offer.name)),
                      closed=scenario.concurrency is not None)  # fmt: skip
    fields = with_ranges(fields, how_sure, moves)
    if targets:
        fields["meets_slo"] = {t.name: getattr(state.latency(t.metric), t.statistic) <= t.limit_s for t in targets}
    if operators:
        used = utilisation(prepared, state)
        fields["operators"] = {
            "decode_step": operator_rows(used.decode),
            "mixed_step": operator_rows(used.mixed),
        }
    answer = _finished(fields, resolved, scenario, started)
    answer["assumptions"] += [asdict(a) for a in hits_reached(prepared.deployment, prepared.lengths)]
    if scenario.concurrency is not None and prepared.lengths.one_length:
        answer["assumptions"].append(asdict(_MARCH))
    return answer


def _finished(fields: dict[str, Any], resolved: Resolved, scenario: ServeScenario, started: float) -> dict[str, Any]:
    """``fields`` with what every answer says about itself."""
    fields["elapsed_s"] = time.perf_counter() - started
    fields["scenario"] = asdict(scenario)
    fields["assumptions"] = [asdict(a) for a in resolved.assumptions]
    fields["sources"] = list(resolved.sources)
    fields["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE,
                      "run": scenario.fingerprint(__version__, CATALOGUE_DATE)}  # fmt: skip
    return fields


def prepared_of(resolved: Resolved) -> tuple[Any, Prepared]:
    """The first layout of a resolved question on its first offer, ready to evaluate; an error where it does not fit."""
    offer, layout = resolved.offers[0], resolved.layouts[0]
    check_layout(resolved.model, layout)
    engine, checkpoint = startable(resolved, offer, layout)
    active = resolved.techniques.on(offer.hardware)
    eff = efficiency(engine.family, offer.hardware.generation, engine.released)
    piece = cut(resolved.model, checkpoint, layout, resolved.kv_dtype or checkpoint.kv_dtype, active)
    deployment = deploy(piece, offer.hardware, engine, eff, collective_coefficients(engine.family))
    own_budget, own_limit = engine.limits_on(offer.hardware.name, offer.hardware.memory_bytes)
    budget = resolved.scenario.max_batched_tokens or float(own_budget)
    if not chunks_prompts(engine, offer.accelerator, resolved.model, checkpoint, active.choice, True):
        budget = whole_prompts(budget, resolved.lengths)
    limit = resolved.scenario.max_num_seqs or float(own_limit * layout.dp or math.inf)
    prepared = prepare(deployment, resolved.lengths, budget, limit, parse_slo(resolved.scenario.slo))
    room = prepared.memory
    if room.fits < 1:
        fitting, _ = candidates(resolved.model, resolved.checkpoints, resolved.offers, (engine,), resolved.lengths,
                                techniques=resolved.techniques, allow_unverified=True)  # fmt: skip
        smallest = min(fitting, key=smallest_first, default=None)
        advice = (
            f"Smallest that fits: {smallest.deployment.cut.layout}."
            if smallest
            else "No layout of this accelerator holds it."
        )
        raise DoesNotFitError(
            f"does not fit: weights {show(room.weights, 'bytes')} + one sequence {show(room.sequence_bytes, 'bytes')} "
            f"+ workspace {show(room.workspace + room.overhead, 'bytes')} > "
            f"{show(room.capacity, 'bytes')} usable per accelerator at {layout}. {advice}"
        )
    return offer, prepared
