"""From a scenario's names to records: model and checkpoints, workload, offers with prices, engines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.arch.layout import Layout, check_layout, parse_layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.workload import Workload
from drivetrain.econ.pricing import HourlyPrice
from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.lengths import Lengths, lengths_of
from drivetrain.serving.purchase import Limits
from drivetrain.serving.search import Offer
from drivetrain.serving.techniques.active import Active, activate
from drivetrain.techniques import parse_techniques
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.limits import check_limits, home_region, limits_of, purchase_assumptions
from drivetrain.verbs.offers import Market, offers_of
from drivetrain.verbs.technique_notes import technique_assumptions, unmodelled_inputs

_MANY_USERS = 16


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scenario with every name looked up."""

    scenario: ServeScenario
    model: Model
    checkpoints: tuple[Checkpoint, ...]
    kv_dtype: str
    workload: Workload
    lengths: Lengths
    offers: tuple[Offer, ...]
    accelerators: dict[str, Accelerator]
    prices: dict[str, HourlyPrice]
    engines: tuple[Engine, ...]
    layouts: tuple[Layout, ...]
    limits: Limits
    techniques: Active
    pue: float
    carbon_g_per_kwh: float | None
    assumptions: tuple[Assumption, ...]
    sources: tuple[str, ...]


def resolve(scenario: ServeScenario) -> Resolved:
    """Look every name of ``scenario`` up; errors name what is unknown and what is close."""
    model: Model = loader.load("models", scenario.model)
    checkpoints = _checkpoints(model, scenario.weights)
    techniques = activate(parse_techniques(scenario.techniques), model)
    workload = _workload(scenario)
    hit = workload.prefix_hit_frac if scenario.prefix_hit is None else scenario.prefix_hit
    lengths = lengths_of(workload, hit)
    _check_context(model, lengths)
    layouts = tuple(parse_layout(text) for text in scenario.layouts)
    for layout in layouts:
        check_layout(model, layout)
    region = home_region(scenario)
    economics = loader.economics()
    accelerators = _accelerators(scenario.accelerators)
    host_load = economics["server_load_frac"].mid
    prices = tuple(loader.load_all("prices").values())
    kwh = region.usd_per_kwh if region.usd_per_kwh is not None else economics["electricity_usd_per_kwh"].mid.value
    offers, priced = offers_of(scenario, accelerators.values(), Market(prices, economics, kwh, region.name))
    limits = limits_of(scenario)
    check_limits(limits, offers, techniques.choice.power_cap)
    return Resolved(
        scenario=scenario,
        model=model,
        checkpoints=checkpoints,
        kv_dtype="" if scenario.kv == "shipped" else scenario.kv,
        workload=workload,
        lengths=lengths,
        offers=offers,
        accelerators=accelerators,
        prices=priced,
        engines=_engines(scenario.engines, scenario.memory_frac),
        layouts=layouts,
        limits=limits,
        techniques=techniques,
        pue=economics["pue"].mid.value,
        carbon_g_per_kwh=region.carbon_g_per_kwh,
        assumptions=(
            *_assumptions(scenario, workload, hit, economics["pue"].mid, host_load),
            *purchase_assumptions(scenario, limits, offers),
            *technique_assumptions(techniques, workload, [offer.hardware for offer in offers], checkpoints),
            *unmodelled_inputs(model),
        ),
        sources=_sources(model, workload, [o.hardware.name for o in offers if o.name in priced], accelerators, priced),
    )


def _checkpoints(model: Model, weights: str) -> tuple[Checkpoint, ...]:
    if weights == "shipped":
        return model.checkpoints[:1]
    if weights == "any":
        return model.checkpoints
    found = tuple(c for c in model.checkpoints if c.is_in(weights))
    if not found:
        known = ", ".join(dict.fromkeys(c.weight_dtype for c in model.checkpoints))
        raise BadInputError(
            f"{model.name} has no published checkpoint in '{weights}'. The catalogue knows {known}; "
            "--weights shipped takes the first, --weights any all of them."
        )
    return found


def _workload(scenario: ServeScenario) -> Workload:
    if scenario.workload:
        found: Workload = loader.load("workloads", scenario.workload)
        return found
    assert scenario.isl is not None
    assert scenario.osl is not None
    return fixed(scenario.isl, scenario.osl)


def _check_context(model: Model, lengths: Lengths) -> None:
    longest = float((lengths.isl + lengths.osl).max())
    if longest > model.max_context:
        raise BadInputError(
            f"the longest requests need {longest:,.0f} tokens of context, {model.name} has {model.max_context:,}. "
            "Choose a model with a longer context or a workload with shorter requests."
        )


def _accelerators(wanted: tuple[str, ...]) -> dict[str, Accelerator]:
    if wanted:
        found = [loader.load("accelerators", name) for name in wanted]
    else:  # what one can have today, and only parts made for serving
        found = [a for a in loader.load_all("accelerators").values() if a.status == "shipping" and a.kind != "cpu"]
    return {a.name: a for a in found}


def _engines(wanted: tuple[str, ...], memory_frac: float | None = None) -> tuple[Engine, ...]:
    """The engines named, or the newest of each family, with the share of memory they are told to manage."""
    found = tuple(loader.load("engines", name) for name in wanted) if wanted else _newest_engines()
    return found if memory_frac is None else tuple(replace(engine, memory_frac=memory_frac) for engine in found)


def _newest_engines() -> tuple[Engine, ...]:
    """The newest of each family that is built for many users at once."""
    newest: dict[str, Engine] = {}
    for engine in loader.load_all("engines").values():
        if engine.max_num_seqs < _MANY_USERS:  # llama.cpp and its kind: by name only
            continue
        known = newest.get(engine.family)
        if known is None or _version(engine.version) > _version(known.version):
            newest[engine.family] = engine
    return tuple(sorted(newest.values(), key=lambda e: (e.family != "vllm", e.family)))  # the most used first


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _assumptions(
    scenario: ServeScenario, workload: Workload, hit: float, pue: Fact, host_load: Fact
) -> tuple[Assumption, ...]:
    user = "your choice"
    default = "default"
    found = [
        Assumption("workload", f"{workload.title} ({workload.evidence})", workload.source),
        Assumption(
            "mean input, output tokens",
            [round(workload.isl_mean, 1), round(workload.osl_mean, 1)],
            workload.source,
        ),
        Assumption("arrival_cv", workload.arrival_cv, workload.source),
        Assumption("prefix_cache_hit_frac", hit, workload.source if scenario.prefix_hit is None else user),
        Assumption("weights", scenario.weights, default if scenario.weights == "shipped" else user),
        Assumption("pricing", scenario.pricing, default if scenario.pricing == "reserved" else user),
        Assumption("pue", pue.value, f"{pue.source}, {pue.seen}"),
        Assumption("host power, share of nameplate", host_load.value, f"{host_load.source}, {host_load.seen}"),
    ]
    if scenario.rate is not None:
        found[3:3] = [
            Assumption("peak_to_mean", round(workload.peak_to_mean, 3), workload.source),
            Assumption("headroom", scenario.headroom, default if scenario.headroom == 0.1 else user),
        ]
    return tuple(found)


def _sources(
    model: Model,
    workload: Workload,
    names: list[str],
    accelerators: dict[str, Accelerator],
    prices: dict[str, HourlyPrice],
) -> tuple[str, ...]:
    """Titles of the sources that the answer may rest on, most specific first."""
    ids = [model.source, workload.source]
    for name in dict.fromkeys(names) if len(set(names)) < 4 else ():
        ids += [fact.source for fact in accelerators[name].facts.values()]
    known = loader.sources()
    texts = [f"{known[i].title} ({known[i].publisher}, {known[i].date})" if i in known else i for i in ids if i]
    texts += [f"price of {name}: {price.source}" for name, price in prices.items()]
    return tuple(dict.fromkeys(texts))


def require_rate(scenario: ServeScenario) -> float:
    """The rate of a planning question; a clear error where it is missing."""
    if scenario.rate is None:
        raise BadInputError("say how much traffic there is: --rate in requests per second (the mean over a day).")
    return scenario.rate
