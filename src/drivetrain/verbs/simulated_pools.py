"""Pools as people write them (``big: model=llama-3.1-70b, layout=tp4, region=eu``), each resolved to a deployment.

The main pool is the scenario itself (``main: role=prefill`` adds to it); others start from it and change what they
name. Another model starts with its own checkpoint, precision and layout. Without a layout a pool gets the smallest that
holds sixteen requests of the workload at once, or else the smallest that holds one. A layout of two pools serves
prompts and answers apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from drivetrain import units
from drivetrain.arch.layout import Layout
from drivetrain.arch.pools import names_pools, parse_pools
from drivetrain.catalogue.disaggregation import Handover
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.wan import Place, place
from drivetrain.errors import BadInputError, DoesNotFitError, LayoutError, UnitError, UnsupportedError
from drivetrain.registry import suggest
from drivetrain.scenario import ServeScenario
from drivetrain.serving.disagg_search import PROMPTS, handover_on
from drivetrain.serving.pool_pairs import pair_problem
from drivetrain.serving.search import Job, Offer
from drivetrain.serving.sim.records import BOTH, DECODE, PREFILL
from drivetrain.serving.startable import chunks_prompts
from drivetrain.verbs.predict_serve import prepared_of
from drivetrain.verbs.resolve import Resolved, resolve
from drivetrain.verbs.space import jobs_of, smallest_first

ROLES = {"both": BOTH, "prefill": PREFILL, "decode": DECODE}
MAIN = "main"
_ENOUGH = 16  # requests of the workload that a layout chosen for somebody holds at once
_TERM = re.compile(r",\s*(?=[A-Za-z][\w-]*\s*=)")
_SCENARIO = {
    "model": "model", "accelerator": "accelerators", "layout": "layouts", "engine": "engines", "weights": "weights",
    "kv": "kv", "with": "techniques", "techniques": "techniques", "max-num-seqs": "max_num_seqs",
    "max-batched-tokens": "max_batched_tokens", "memory-frac": "memory_frac", "pricing": "pricing", "buy": "buy",
    "provider": "providers",
}  # fmt: skip
_NUMBERS = ("max_num_seqs", "max_batched_tokens", "memory_frac")
_OWN = ("region", "replicas", "max-replicas", "role", "service", "weights-from")
_EXAMPLE = 'Write for example "big: model=llama-3.1-70b, accelerator=h100-sxm, layout=tp4, replicas=2, region=eu".'


@dataclass(frozen=True, slots=True)
class Asked:
    """One pool as asked for. ``service`` is empty where it is named after the model."""

    name: str
    scenario: ServeScenario
    at: Place
    replicas: int
    max_replicas: int
    role: int = BOTH
    service: str = ""
    weights_from: Place | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A deployment with its limits, as a pool of the fleet will have it; ``job`` holds offer and deployment.

    ``chosen_layout``: nobody named it. ``handover`` is known where the pool is one of a pair made by a layout.
    """

    asked: Asked
    resolved: Resolved
    role: int
    job: Job
    max_num_seqs: float
    chunked: bool
    replicas: int
    max_replicas: int
    chosen_layout: bool = False

    @property
    def layout(self) -> Layout:
        """How the replica is cut."""
        return self.job.deployment.cut.layout


def asked_pools(scenario: ServeScenario, replicas: int, max_replicas: int | None, others: Sequence[str]) -> list[Asked]:
    """The main pool, where the scenario names an accelerator, and those of ``others``."""
    if len(scenario.regions) != 1:
        raise BadInputError('a pool is in one region: name one --region, and others with --pool "...: region=...".')
    home = place(scenario.region)
    main = Asked(MAIN, replace(scenario, region=home.region), home, replicas, max(replicas, max_replicas or replicas))
    plain = replace(main, replicas=1, max_replicas=1)
    named = [_named(text, f"pool-{i + 1}") for i, text in enumerate(others)]
    found = [parse_pool(name, terms, main if name == MAIN else plain) for name, terms in named]
    if (scenario.accelerators or not others) and all(name != MAIN for name, _ in named):
        found.insert(0, main)
    names = [pool.name for pool in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInputError(f"two pools are called '{twice}'. Give each a name of its own.")
    return found


def parse_pool(name: str, terms: str, base: Asked) -> Asked:
    """Read the terms of the pool ``name``; what they do not say is as in ``base``."""
    said, scenario = _terms(terms), base.scenario
    changes: dict[str, object] = {}
    if said.get("model", scenario.model) != scenario.model:
        changes |= {"layouts": (), "weights": "shipped", "kv": "shipped", "techniques": ""}
    if "accelerator" in said and (said["accelerator"],) != scenario.accelerators:
        changes |= {"layouts": ()}
    changes |= {_SCENARIO[key]: _number(key, value) if _SCENARIO[key] in _NUMBERS else value
                for key, value in said.items() if key in _SCENARIO}  # fmt: skip
    at = place(said["region"], base.at.name) if "region" in said else base.at
    replicas = _count("replicas", said["replicas"]) if "replicas" in said else base.replicas
    most = _count("max-replicas", said["max-replicas"]) if "max-replicas" in said else base.max_replicas
    role = said.get("role", "both").lower()
    if role not in ROLES:
        raise BadInputError(f"pool '{name}': role is both, prefill or decode, not '{role}'.")
    source = place(said["weights-from"]) if "weights-from" in said else None
    return Asked(
        name=name, scenario=replace(scenario, region=at.region, **changes), at=at,  # type: ignore[arg-type]
        replicas=replicas, max_replicas=max(replicas, most), role=ROLES[role], service=said.get("service", ""),
        weights_from=None if source is None or source.node == at.node else source,
    )  # fmt: skip


def chosen_pools(asked: Asked) -> list[Chosen]:
    """The deployments of one pool that was asked for: one, or a prefill and a decode pool."""
    scenario = asked.scenario
    if names_pools(scenario.layouts):
        if asked.role != BOTH:
            raise BadInputError(f"pool '{asked.name}' has a layout of two pools: leave out its role.")
        return list(_apart(asked))
    if len(scenario.accelerators) != 1:
        raise BadInputError(f"pool '{asked.name}' needs exactly one accelerator: --accelerator h100-sxm.")
    if len(scenario.layouts) > 1:
        raise BadInputError(f"pool '{asked.name}' has one layout, not {', '.join(scenario.layouts)}.")
    resolved = resolve(scenario)
    offer = resolved.offers[0]
    if resolved.layouts:
        return [_one(asked, resolved, offer, resolved.layouts[0], asked.role)]
    engine, layout = _smallest(resolved)
    return [replace(_one(asked, replace(resolved, engines=(engine,)), offer, layout, asked.role), chosen_layout=True)]


def between(first: Chosen, then: Chosen) -> Handover:
    """How the engines of two pools of a service hand requests over; an error says why they cannot."""
    engine, other = first.job.deployment.engine, then.job.deployment.engine
    problem = ""
    known = handover_on(first.job, True)
    if engine.name != other.name:
        problem = f"a request is handed over between servers of one engine, not {engine.name} and {other.name}."
    elif first.job.offer.vendor != then.job.offer.vendor:
        problem = "no engine hands over between accelerators of two vendors."
    elif first.job.deployment.cut.kv_dtype != then.job.deployment.cut.kv_dtype:
        problem = "both pools need their cache in the same precision (--kv)."
    elif known is None or handover_on(then.job, True) is None:
        problem = f"{engine.name} is not known to hand requests over there."
    else:
        problem = pair_problem(known, first.resolved.model, first.layout, then.layout)
    if problem or known is None:
        raise UnsupportedError(f"pools '{first.asked.name}' and '{then.asked.name}': {problem}")
    return known


def _apart(asked: Asked) -> Iterator[Chosen]:
    """The two pools of a layout, on the first engine that runs both and hands over between them."""
    pools = parse_pools(asked.scenario.layouts)
    names = asked.scenario.accelerators
    if len(names) not in (1, 2):
        raise BadInputError("give one --accelerator for both pools, or two: first prefill, then decode.")
    if asked.replicas != 1 or asked.max_replicas != 1:
        raise BadInputError('a layout of two pools has their replicas in it: "prefill: tp4 x2, decode: tp8 x1".')
    resolved = resolve(replace(asked.scenario, layouts=()))
    kept = list(resolved.accelerators)
    first, last = (next(o for o in resolved.offers if o.hardware.name == name) for name in (kept[0], kept[-1]))
    problem: Exception | None = None
    for engine in resolved.engines:
        alone = replace(resolved, engines=(engine,))
        try:
            prompts = _one(asked, alone, first, pools.prefill, PREFILL)
            answers = _one(asked, alone, last, pools.decode, DECODE)
            between(prompts, answers)
        except (UnsupportedError, DoesNotFitError) as error:
            problem = problem or error
            continue
        x, y = pools.prefill_replicas or 1, pools.decode_replicas or 1
        yield replace(prompts, replicas=x, max_replicas=x)
        yield replace(answers, replicas=y, max_replicas=y)
        return
    raise problem or UnsupportedError(f"no engine runs {resolved.model.name} in both pools.")


def _one(asked: Asked, resolved: Resolved, offer: Offer, layout: Layout, role: int) -> Chosen:
    """``layout`` on ``offer`` under the first engine that starts it."""
    _, prepared = prepared_of(replace(resolved, offers=(offer,), layouts=(layout,)))
    d = prepared.deployment
    own = d.engine.limits_on(offer.hardware.name, offer.hardware.memory_bytes)[1]
    limit = resolved.scenario.max_num_seqs or float(own * layout.dp)
    return Chosen(
        asked=asked, resolved=resolved, role=role,
        job=Job(offer, d, prepared.memory, prepared.budget, prepared.max_seqs),
        max_num_seqs=min(limit, PROMPTS) if role == PREFILL else limit,
        chunked=chunks_prompts(d.engine, offer.accelerator, resolved.model, d.cut.checkpoint,
                               d.cut.techniques.choice, True),
        replicas=asked.replicas, max_replicas=asked.max_replicas,
    )  # fmt: skip


def _smallest(resolved: Resolved) -> tuple[Engine, Layout]:
    """The first engine that runs the model on the accelerator, and the smallest layout that has room enough there."""
    problem: Exception | None = None
    part, asked = resolved.offers[0].hardware, resolved.scenario
    for engine in resolved.engines:
        budget = asked.max_batched_tokens or float(engine.limits_on(part.name, part.memory_bytes)[0])
        own = replace(resolved, engines=(engine,), scenario=replace(asked, max_batched_tokens=budget))
        try:
            jobs = jobs_of(own)
        except (UnsupportedError, DoesNotFitError, LayoutError) as error:
            problem = problem or error
            continue
        enough = [job for job in jobs if job.memory.fits >= _ENOUGH] or jobs
        return engine, min(enough, key=smallest_first).deployment.cut.layout
    assert problem is not None
    raise problem


def _named(text: str, name: str) -> tuple[str, str]:
    """The name before the colon, else ``name``, and the terms."""
    head, colon, rest = text.partition(":")
    return (head.strip() or name, rest) if colon and "=" not in head else (name, text)


def _terms(text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    for term in filter(None, (part.strip() for part in _TERM.split(text))):
        key, equals, value = (part.strip() for part in term.partition("="))
        key = key.lower().replace("_", "-")
        if not equals or not value:
            raise BadInputError(f"cannot read '{term}' of a pool. {_EXAMPLE}")
        if key not in _SCENARIO and key not in _OWN:
            close = suggest(key, (*_SCENARIO, *_OWN), 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join((*_SCENARIO, *_OWN))}."
            raise BadInputError(f"a pool has no '{key}'. {hint}")
        if key in said:
            raise BadInputError(f"a pool names '{key}' twice. Give it once.")
        said[key] = value
    if not said:
        raise BadInputError(f"a pool says nothing. {_EXAMPLE}")
    return said


def _number(key: str, value: str) -> float:
    try:
        return units.parse(value, "1")
    except UnitError as error:
        raise BadInputError(f"a pool's {key}: {error.args[0]}") from None


def _count(key: str, value: str) -> int:
    number = _number(key, value)
    if number < 1 or not math.isfinite(number) or number != int(number):
        raise BadInputError(f"a pool's {key} is a whole number above zero, not '{value}'.")
    return int(number)
