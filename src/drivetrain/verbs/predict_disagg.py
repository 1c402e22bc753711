"""``predict serve`` of a disaggregated layout: one deployment of two pools at one load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drivetrain.arch.layout import Layout, check_layout
from drivetrain.arch.pools import PoolLayouts, parse_pools
from drivetrain.catalogue.disaggregation import Handover
from drivetrain.errors import BadInputError, InfeasibleError, LayoutError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.disagg import Pool, at_concurrency, at_rate, disaggregated, max_rate
from drivetrain.serving.disagg_fleet import Fleet, Question, evaluate
from drivetrain.serving.disagg_search import PROMPTS, handover_on
from drivetrain.serving.pool_pairs import pair_problem
from drivetrain.serving.pools import decode_lengths, decoding, prefill_lengths
from drivetrain.serving.report import operator_rows, utilisation
from drivetrain.serving.search import Job, Offer, Traffic, resized
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.transfer import Via, share_a_domain
from drivetrain.units import number
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.describe_disagg import fleet_fields, fleet_price_ends
from drivetrain.verbs.disagg import DisaggPlan
from drivetrain.verbs.moves import predicted_pools, uncertainty_of_pools
from drivetrain.verbs.plan_disagg import handing
from drivetrain.verbs.ranges import with_ranges
from drivetrain.verbs.resolve import Resolved, resolve
from drivetrain.verbs.runnable import startable
from drivetrain.verbs.space import jobs_of


def predict_pools(scenario: ServeScenario, *, operators: bool = False) -> tuple[dict[str, Any], Resolved]:
    """Fields of the deployment that ``scenario.layouts`` spells, at its rate or concurrency over the whole deployment.

    Of two accelerators the first computes prompts.
    """
    pools = parse_pools(scenario.layouts)
    if len(scenario.accelerators) not in (1, 2):
        raise BadInputError("give one --accelerator for both pools, or two: first prefill, then decode.")
    resolved = resolve(replace(scenario, layouts=()))
    prefill, decode, known = _jobs(resolved, pools)
    d = disaggregated(
        Pool(prefill.deployment, prefill.budget, prefill.max_seqs, pools.prefill_replicas or 1),
        Pool(decode.deployment, decode.budget, decode.max_seqs, pools.decode_replicas or 1),
        resolved.lengths, known, _via(prefill, decode, pools),
    )  # fmt: skip
    if scenario.concurrency is not None:
        state = at_concurrency(d, scenario.concurrency)
    else:
        assert scenario.rate is not None
        state = at_rate(d, scenario.rate)
    most = max_rate(d)
    if not state.stable:
        raise InfeasibleError(
            f"{number(scenario.rate or 0)} req/s is more than these pools can take: at most {number(most)} req/s. "
            'Lower --rate, or add replicas to the pool that is full (--layout "prefill: ... x2, decode: ... x1").'
        )
    targets = parse_slo(scenario.slo)
    capacity = max_rate(d, targets)
    traffic = Traffic(resolved.lengths, state.rate, state.rate)
    question = Question(resolved.model, traffic, targets if capacity > 0 else (), resolved.pue, resolved.limits)
    fleet = replace(evaluate(question, prefill, decode, d), state=state)
    fields = fleet_fields(resolved, DisaggPlan(question, (), (), None, (fleet,), 0), fleet)
    fields["output_tokens_per_s_capacity"] = fields["output_tokens_per_s"]
    fields["output_tokens_per_s"] = state.rate * resolved.lengths.osl_mean
    fields["requests_per_s"] = state.rate
    fields["max_rate_within_slo_per_s"] = capacity
    fields["largest_concurrency"] = int(d.decode.max_seqs) * d.decode_replicas
    u = uncertainty_of_pools(fleet, supported=fields["support"]["status"] == "supported")
    moves = predicted_pools(
        d, state, targets, u, fleet_price_ends(resolved, fleet), closed=scenario.concurrency is not None
    )
    fields = with_ranges(fields, u, moves)
    if targets:
        fields["meets_slo"] = {t.name: getattr(state.latency(t.metric), t.statistic) <= t.limit_s for t in targets}
    if operators:
        fields["operators"] = _operators(fleet)
    how = Assumption("cache handover", *handing(known))
    return fields, replace(resolved, assumptions=(*resolved.assumptions, how))


def _jobs(resolved: Resolved, pools: PoolLayouts) -> tuple[Job, Job, Handover]:
    """The pools' deployments on the first engine that runs both and hands over between them."""
    names = list(resolved.accelerators)
    first, last = (next(o for o in resolved.offers if o.hardware.name == name) for name in (names[0], names[-1]))
    if first.vendor != last.vendor:
        raise UnsupportedError(f"no engine hands over between {first.vendor} and {last.vendor} accelerators.")
    own_budget = replace(resolved, scenario=replace(resolved.scenario, max_batched_tokens=None))
    some, others = _by_engine(resolved, first, pools.prefill), _by_engine(own_budget, last, pools.decode)
    problem = f"no engine runs {resolved.model.name} in both pools and is known to hand over between them there."
    for engine in resolved.engines:
        if engine.name not in some or engine.name not in others:
            continue
        one, two = some[engine.name], others[engine.name]
        known = handover_on(two[0], resolved.scenario.allow_unverified)
        if known is None or handover_on(one[0], resolved.scenario.allow_unverified) is None:
            continue
        reason = pair_problem(known, resolved.model, pools.prefill, pools.decode)
        if reason:
            problem = reason
            continue
        return _prefill(resolved, one), _decode(resolved, two, known), known
    raise UnsupportedError(f"{problem} Name another --engine, --layout or --accelerator.")


def _by_engine(resolved: Resolved, offer: Offer, layout: Layout) -> dict[str, list[Job]]:
    check_layout(resolved.model, layout)
    found: dict[str, list[Job]] = {}
    checkpoints = (startable(resolved, offer, layout)[1],)
    for job in jobs_of(resolved, offers=(offer,), checkpoints=checkpoints, only_layouts=(layout,)):
        found.setdefault(job.deployment.engine.name, []).append(job)
    return found


def _prefill(resolved: Resolved, jobs: list[Job]) -> Job:
    """With the step budget asked for, or the engine's own."""
    job = jobs[0]
    own = resolved.scenario.max_batched_tokens or float(
        job.deployment.engine.limits_on(job.offer.hardware.name, job.offer.hardware.memory_bytes)[0]
    )
    nearest = min(jobs, key=lambda j: abs(j.budget - own))
    return (resized([nearest], prefill_lengths(resolved.lengths), PROMPTS) or [nearest])[0]


def _decode(resolved: Resolved, jobs: list[Job], known: Handover) -> Job:
    """With the smallest step budget, as plans do, and as many sequences as asked for or as the engine allows."""
    job = min(jobs, key=lambda j: j.budget)
    seen = decode_lengths(resolved.lengths, known.first_token)[0]
    lean = replace(job, deployment=decoding(job.deployment))
    sized = resized([lean], seen, resolved.scenario.max_num_seqs)
    return max(sized or [lean], key=lambda j: j.max_seqs)


def _via(prefill: Job, decode: Job, pools: PoolLayouts) -> Via:
    x, y = pools.prefill_replicas or 1, pools.decode_replicas or 1
    same = prefill.offer.name == decode.offer.name
    if same and share_a_domain(prefill.deployment, decode.deployment, x, y):
        return "domain"
    if min(job.offer.hardware.topology.nic_bytes_per_s for job in (prefill, decode)) <= 0:
        raise LayoutError(
            f"'{pools}' does not fit into one scale-up domain, and no network joins the pools. Use fewer replicas."
        )
    return "network"


def _operators(fleet: Fleet) -> dict[str, Any]:
    d, state = fleet.deployment, fleet.state
    return {
        "decode_step": operator_rows(utilisation(d.decode, state.decode).decode),
        "prefill_step": operator_rows(utilisation(d.prefill.prepared, state.prefill).mixed),
    }
