"""What a simulated fleet rests on, as assumptions of an answer: schedulers, caches, starts and transfers."""

from __future__ import annotations

import math

from drivetrain.catalogue import loader
from drivetrain.catalogue.disaggregation import Handover
from drivetrain.catalogue.wan import egress_usd_per_gb, transfer_s
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.sim.build import Setup, prefix_problem, windows_follow
from drivetrain.serving.sim.build_start import checkpoint_bytes
from drivetrain.serving.sim.build_transfer import Line
from drivetrain.serving.sim.records import DECODE, Pool
from drivetrain.units import show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.simulated_pools import Chosen


def pool_notes(one: Chosen, pool: Pool, setup: Setup, may_start: bool, of: str) -> list[Assumption]:
    """What a pool rests on; ``of`` names it where there are several.

    ``setup`` is what its cache depends on; ``may_start``: replicas of it start while traffic runs.
    """
    d, known = one.job.deployment, one.job.deployment.engine.scheduler
    found = []
    if one.chosen_layout:
        found.append(Assumption(f"layout{of}", str(one.layout), "the smallest that holds sixteen requests, or one"))
    how = "prompts and decodes share steps" if pool.rules.mixed else "prompts run in steps of their own"
    found.append(Assumption(f"scheduler{of}", f"{d.engine.name}: {how}", _source(d, "mixes")))
    if known.reserve_output_frac > 0.0:
        fact = known.facts["reserve_output_frac"]
        found.append(Assumption(f"reserved for outputs{of}", known.reserve_output_frac, f"{fact.source}, {fact.seen}"))
    if known.admits == "chunk":
        found.append(Assumption(f"admission{of}", "by whole prompts", f"{d.engine.name} looks at the first chunk only"))
    if pool.rules.fewest_preempts:
        found.append(Assumption(f"preempted{of}", "who has written the fewest tokens", _source(d, "victim")))
    if pool.step.verified > 1 and not known.drafts_in_budget and pool.rules.mixed:
        found.append(
            Assumption(f"drafted tokens{of}", "count against the step budget", f"{d.engine.name}: they do not")
        )
    if known.unverified:
        found.append(
            Assumption(f"scheduler of {d.engine.name}, not verified", ", ".join(known.unverified), "catalogue")
        )
    reason = prefix_problem(d, setup)
    if reason and setup.hash_tokens and setup.prefix_cache is not False and one.role != DECODE:
        found.append(Assumption(f"no prefix cache{of}", reason, "assumed" if "layers of" in reason else "catalogue"))
    if pool.cache.prefix and windows_follow(d):
        text = "found where the other layers have them; what they take in cache is not counted"
        found.append(Assumption(f"prefixes in windowed layers{of}", text, "assumed"))
    if d.cut.techniques.choice.host_hit is not None:
        found.append(Assumption("host-hit", "not used", "what is found in host memory is simulated"))
    if may_start:
        found += _start_notes(one, pool, of)
    if math.isnan(one.job.offer.usd_per_hour):
        found.append(Assumption(f"price{of}", "not known", "catalogue"))
    return found


def _start_notes(one: Chosen, pool: Pool, of: str) -> list[Assumption]:
    known = loader.economics()
    rate, start = known["weight_read_bytes_per_s"].mid, known["engine_start_s"].mid
    how = f"weights read at {rate.text} a server ({rate.source}), engine start {start.text} ({start.source})"
    found = [Assumption(f"cold start{of}", show(pool.cold_start_s, "s"), how)]
    source, at = one.asked.weights_from, one.asked.at
    if source is not None:
        size = checkpoint_bytes(one.job.deployment.cut)
        took = f"{show(size, 'bytes')} from {source.name} in {show(transfer_s(size, source, at), 's')}"
        price = f"{size / 1e9 * egress_usd_per_gb(source, at):.2f} USD of egress a start, not in the fleet's cost"
        found.append(Assumption(f"weights{of}", took, price))
    return found


def transfer_notes(service: str, line: Line, known: Handover, within_domains: bool) -> list[Assumption]:
    """What handing over between the pools of ``service`` rests on."""
    t = line.transfer
    shape = f"{show(t.fixed_s, 's')} + {show(t.s_per_token, 's')} a token, in {t.pieces} piece{'s' * (t.pieces > 1)}"
    note = f"a line through the workload's prompts, off by at most {line.error_frac:.1%}"
    found = [Assumption(f"cache transfer of {service}", shape, note)]
    if within_domains:
        text = "within scale-up domains: every prefill replica has a decode replica in its own, and all hand over there"
        found.append(Assumption(f"way of the cache of {service}", text, "assumed"))
    if known.reserves == "prefill":
        when = f"{known.family}: before the prompt is computed"
        found.append(Assumption(f"room in the decode pool of {service}", "taken when the cache starts to travel", when))
    return found


def _source(deployment: Deployment, choice: str) -> str:
    stated = deployment.engine.scheduler.stated.get(choice)
    return f"{stated.source}, {stated.seen}" if stated else "default"
