"""From a scenario's names to records: model and checkpoints, workload, offers with prices, engines."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.arch.layout import Layout, check_layout, parse_layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.hardware import Accelerator, Server
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.workload import Workload
from drivetrain.cost.hardware import hardware_of
from drivetrain.econ.pricing import HourlyPrice, hourly_price
from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.lengths import Lengths, lengths_of
from drivetrain.serving.search import Offer

_MANY_USERS = 16


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something taken as given: what, its value, and where it comes from."""

    what: str
    value: object
    source: str


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
    pue: float
    carbon_g_per_kwh: float | None
    assumptions: tuple[Assumption, ...]
    sources: tuple[str, ...]


def resolve(scenario: ServeScenario) -> Resolved:
    """Look every name of ``scenario`` up; errors name what is unknown and what is close."""
    model: Model = loader.load("models", scenario.model)
    checkpoints = _checkpoints(model, scenario.weights)
    workload = _workload(scenario)
    hit = workload.prefix_hit_frac if scenario.prefix_hit is None else scenario.prefix_hit
    lengths = lengths_of(workload, hit)
    _check_context(model, lengths)
    layouts = tuple(parse_layout(text) for text in scenario.layouts)
    for layout in layouts:
        check_layout(model, layout)
    region = loader.load("regions", scenario.region)
    economics = loader.economics()
    accelerators = _accelerators(scenario.accelerators)
    servers = _servers()
    host_load = economics["server_load_frac"].mid
    prices = list(loader.load_all("prices").values())
    kwh = region.usd_per_kwh if region.usd_per_kwh is not None else economics["electricity_usd_per_kwh"].mid.value
    priced: dict[str, HourlyPrice] = {}
    offers = []
    for accelerator in accelerators.values():
        server = servers.get(accelerator.name)
        host_w = server.host_w / server.n_accelerators if server else 0.0
        price = hourly_price(accelerator.name, scenario.pricing, prices, economics, accelerator.tdp_w + host_w, kwh)
        if price is not None:
            priced[accelerator.name] = price
        offers.append(_offer(accelerator, server, host_w * host_load.value, price))
    return Resolved(
        scenario=scenario,
        model=model,
        checkpoints=checkpoints,
        kv_dtype="" if scenario.kv == "shipped" else scenario.kv,
        workload=workload,
        lengths=lengths,
        offers=tuple(offers),
        accelerators=accelerators,
        prices=priced,
        engines=_engines(scenario.engines),
        layouts=layouts,
        pue=economics["pue"].mid.value,
        carbon_g_per_kwh=region.carbon_g_per_kwh,
        assumptions=_assumptions(scenario, workload, hit, economics["pue"].mid, host_load),
        sources=_sources(model, workload, accelerators, priced),
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


def _servers() -> dict[str, Server]:
    """The first server that holds each accelerator, by name; racks and larger systems win over single cards."""
    by_accelerator: dict[str, Server] = {}
    for server in loader.load_all("servers").values():
        known = by_accelerator.get(server.accelerator)
        if known is None or server.n_accelerators > known.n_accelerators:
            by_accelerator[server.accelerator] = server
    return by_accelerator


def _offer(accelerator: Accelerator, server: Server | None, host_w: float, price: HourlyPrice | None) -> Offer:
    nic, fabric = (server.nic_bytes_per_s, server.fabric) if server else (accelerator.scaleout_bytes_per_s, "")
    return Offer(
        hardware=hardware_of(accelerator, nic_bytes_per_s=nic, fabric=fabric),
        vendor=accelerator.vendor,
        host_w=host_w,
        usd_per_hour=price.usd_per_hour if price else float("nan"),
        server_accelerators=server.n_accelerators if server else 1,
    )


def _engines(wanted: tuple[str, ...]) -> tuple[Engine, ...]:
    """The engines named, or the newest of each family that is built for many users at once."""
    if wanted:
        return tuple(loader.load("engines", name) for name in wanted)
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
    model: Model, workload: Workload, accelerators: dict[str, Accelerator], prices: dict[str, HourlyPrice]
) -> tuple[str, ...]:
    """Titles of the sources that the answer may rest on, most specific first."""
    ids = [model.source, workload.source]
    for name in prices if len(prices) < 4 else ():
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
