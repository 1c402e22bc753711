"""``simulate``: play traffic through a fleet and say what users felt, what it cost and where the time went."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drivetrain import __version__
from drivetrain.serving.policies import reads, written
from drivetrain.serving.traffic import describe
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.plan_serve import CATALOGUE_DATE
from drivetrain.verbs.simulate_choices import Question, SimulateChoices, question_of
from drivetrain.verbs.simulate_run import STREAMED_BYTES, Played, Tell, play
from drivetrain.verbs.simulate_words import limit_of, verdict_of

__all__ = ["Tell", "answer_of", "ended", "meta_of", "simulate"]


def simulate(
    *, compare: str | Mapping[str, Any] = "", tell: Tell = lambda *_: None, **choices: Any,  # noqa: ANN401 - many kinds
) -> dict[str, Any]:  # fmt: skip
    """Simulate a fleet request by request; keywords are fields of ``ServeScenario`` and ``SimulateChoices``.

    One ``accelerator`` and either a ``trace``, a ``rate`` or a ``concurrency`` are needed. Returns the object of the
    contract: counts, ``ttft_s``, ``itl_s``, ``tpot_s``, ``e2e_s``, ``slo_goodput_frac``, ``output_tokens_per_s``,
    ``utilisation_frac``, ``kv_occupancy_frac``, ``cache_hit_frac``, ``preemptions``,
    ``usd_per_million_output_tokens``, ``joules_per_output_token``, ``attribution``, ``pools``, ``replicas``,
    ``series`` and ``meta``; everything but ``meta`` is the same for the same choices. With ``compare``, e.g.
    ``"route=round-robin,least-loaded"``, the same traffic meets each variant: ``variants`` holds the answers,
    ``differences`` how far each is from the first. ``tell(stage, done, total)`` hears how far it is.
    """
    started = time.perf_counter()
    question = question_of(choices)
    if compare:
        from drivetrain.verbs.simulate_compare import compare_variants

        return compare_variants(question, compare, tell=tell).answer
    return answer_of(play(question, tell=tell), started)


def answer_of(played: Played, started: float) -> dict[str, Any]:
    """The answer that a question's runs give; ``started`` on the clock ``time.perf_counter``."""
    fields, question = played.fields, played.question
    limits = limit_of(fields, played)
    answer = {
        "verdict": verdict_of(fields, played),
        **fields,
        "limits": limits,
        "fleet": fleet_fields(played),
        "policies": _policies(played),
        "traffic": _traffic(played),
        "assumptions": [asdict(a) for a in _assumptions(played)],
        "sources": [source for source in played.simulated.sources if source != "user"],
        "scenario": question.flat(),
    }
    answer["meta"] = meta_of(question, ended(fields), played.wall_s, started, partial=played.partial)
    answer["meta"]["replications"] = len(played.runs)
    return answer


def meta_of(question: Question, n: int, wall_s: float, started: float, *, partial: bool) -> dict[str, Any]:
    """What an answer says of its making: ``n`` requests played in ``elapsed_s``, ``total_s`` with all around it."""
    text = json.dumps(question.flat(), sort_keys=True, default=str) + f"|{__version__}|{CATALOGUE_DATE}"
    return {
        "version": __version__,
        "catalogue": CATALOGUE_DATE,
        "run": "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16],
        "seed": question.own.seed,
        "partial": partial,
        "elapsed_s": wall_s,
        "total_s": time.perf_counter() - started,
        "requests_per_wall_s": n / wall_s if wall_s > 0 else None,
    }


def ended(fields: Mapping[str, Any]) -> int:
    """Requests that were played to their end."""
    return int(fields["completed"] + fields["rejected"] + fields["lost"])


def fleet_fields(played: Played) -> list[dict[str, Any]]:
    """What each pool is made of."""
    found = []
    for facts in played.simulated.pools:
        price = facts.usd_per_accelerator_hour
        found.append({
            "pool": facts.name, "service": facts.service, "region": facts.region, "role": facts.role,
            "model": facts.model, "accelerator": facts.accelerator, "layout": facts.layout, "engine": facts.engine,
            "weight_dtype": facts.weights, "kv_dtype": facts.kv_dtype, "replicas": facts.replicas,
            "max_replicas": facts.max_replicas, "accelerators_per_replica": facts.n_accelerators,
            "n_accelerators": facts.n_accelerators * facts.replicas, "kv_tokens_per_replica": facts.kv_tokens,
            "usd_per_accelerator_hour": price if price == price else None, "price_basis": facts.price_basis,
            "pue": facts.pue, "prefix_cache": facts.prefix_cache, "prefix_cache_off_because": facts.prefix_reason,
        })  # fmt: skip
    return found


def _policies(played: Played) -> dict[str, str]:
    policies = played.simulated.fleet.policies
    return {kind: written(kind, getattr(policies, kind)) for kind in ("route", "admit", "schedule", "select", "scale")}


def _traffic(played: Played) -> dict[str, Any]:
    """What came: of the first run where there are several."""
    requests = played.asked.requests
    about = describe(requests)
    return {
        "source": played.question.own.trace or played.question.serve.get("workload") or "fixed lengths",
        "n": about.n, "n_arriving": about.n_arriving, "concurrency": requests.concurrency or None,
        "span_s": played.asked.span_s,
        "rate_per_s": _known(about.rate_per_s), "iat_cv": _known(about.iat_cv),
        "input_tokens_mean": played.asked.isl_mean, "output_tokens_mean": played.asked.osl_mean,
        "prefix_frac": _known(about.prefix_frac),
    }  # fmt: skip


def _assumptions(played: Played) -> list[Assumption]:
    """What traffic, fleet and router took as given."""
    own, defaults = played.question.own, SimulateChoices()
    found = [*played.asked.assumptions, *played.simulated.assumptions]
    if played.fields["egress_usd"]:
        found.append(Assumption("bytes of an output token that leaves a region", STREAMED_BYTES, "assumed"))
    policies = played.simulated.fleet.policies
    found += [
        Assumption(kind, written(kind, getattr(policies, kind)),
                   "default" if getattr(own, kind) == getattr(defaults, kind) else "your choice")
        for kind in ("route",) if sum(p.max_replicas for p in played.simulated.fleet.pools) > 1
    ]  # fmt: skip
    seen = reads("route", policies.route.name) | reads("admit", policies.admit.name)
    if seen & {"QUEUE", "RUNNING", "KV_FRAC"}:
        found.append(_age("age of engine metrics up to, s", own.scrape_s, defaults.scrape_s))
    if "HIT_EXACT" in seen:
        found.append(_age("lag of cache events, s", own.event_lag_s, defaults.event_lag_s))
    return found


def _age(what: str, value: float, default: float) -> Assumption:
    return Assumption(what, value, "default" if value == default else "your choice")


def _known(value: float) -> float | None:
    return float(value) if value == value and abs(value) != float("inf") else None
