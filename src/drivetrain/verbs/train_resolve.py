"""From the names of a training question to records: model, accelerators with prices and networks, law, reliability."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

from drivetrain.arch.params import count
from drivetrain.catalogue import loader, scaling
from drivetrain.catalogue.hardware import Accelerator, Server
from drivetrain.catalogue.market import Economic, Region
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.cost.hardware import Hardware, hardware_of
from drivetrain.econ.pricing import HourlyPrice, hourly_price
from drivetrain.errors import BadInputError
from drivetrain.training.cases import Cluster
from drivetrain.training.coefficients import Coefficients, coefficients
from drivetrain.training.fabric import Network, network_of, on_network
from drivetrain.training.goodput import Checkpoint, Reliability, checkpoint_of
from drivetrain.training.scaling.gain import Gain, chosen_gain, gain_of, with_gain
from drivetrain.training.scaling.known import mixture, parametric
from drivetrain.training.scaling.law import Law
from drivetrain.training_scenario import TrainScenario
from drivetrain.verbs.offers import servers_by_accelerator

FRAMEWORKS = ("megatron", "megatron-2022", "foundry", "maxtext", "fsdp")
_LEAST_MEMORY = 40e9  # of an accelerator that a plan considers unasked
_UNASKED = ("gpu", "tpu", "npu")
_FEED_FORWARD = ("ffn", "experts", "shared_experts")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One kind of accelerator as a plan may use it.

    ``host_w``: nameplate of its share of the host; ``unit``: accelerators of a server; ``on_demand``: what an hour of
    it costs without a contract, where the catalogue has that.
    """

    accelerator: Accelerator
    hardware: Hardware
    network: Network | None
    framework: str
    rates: Coefficients
    price: HourlyPrice | None
    on_demand: HourlyPrice | None
    host_w: float
    unit: int

    @property
    def name(self) -> str:
        """The accelerator's name."""
        return self.accelerator.name

    @property
    def nameplate_w(self) -> float:
        """TDP and host share of one accelerator."""
        return self.accelerator.tdp_w + self.host_w

    def cluster(self, n: int) -> Cluster:
        """``n`` of them on the network chosen."""
        hardware = on_network(self.hardware, self.network, n) if self.network else self.hardware
        return Cluster(hardware, n)

    @property
    def network_name(self) -> str:
        """What joins the servers."""
        return self.network.name if self.network else self.hardware.topology.scaleout_fabric


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A scenario with every name looked up."""

    scenario: TrainScenario
    model: Model | None
    parts: tuple[Part, ...]
    region: Region
    economics: dict[str, Economic]
    reliability: Reliability
    gain: Gain

    @property
    def law(self) -> Law:
        """The scaling law asked for, as it holds for the architecture."""
        return law_with(self.scenario.law, self.gain)

    @property
    def pue(self) -> float:
        """Power usage effectiveness."""
        return self.economics["pue"].mid.value

    @property
    def load_frac(self) -> float:
        """Mean over nameplate power of a training server."""
        return self.economics["server_load_frac"].mid.value

    def draw_spread(self, end: str) -> float:
        """By what factor PUE and draw may be below (``low``) or above (``high``), in quadrature of logarithms."""
        squares = 0.0
        for name in ("pue", "server_load_frac"):
            fact = self.economics[name]
            bound = fact.low if end == "low" else fact.high
            squares += 0.0 if bound is None else math.log(bound.value / fact.mid.value) ** 2
        return math.exp(math.sqrt(squares))

    def checkpoint(self, params: float, n: int) -> Checkpoint:
        """The checkpoint of a model on ``n`` accelerators."""
        s = self.scenario
        return checkpoint_of(
            params, n, store_bytes_per_s=s.store_bytes_per_s, blocking=s.checkpoint == "blocking"
        )  # fmt: skip


def resolve(scenario: TrainScenario) -> Asked:
    """Look every name up; errors name what is unknown and what is close."""
    model = loader.load("models", scenario.model) if scenario.model else None
    region: Region = loader.load("regions", scenario.region)
    if scenario.usd_per_hour is not None and len(scenario.accelerators) != 1:
        raise BadInputError("a --price is that of one accelerator: give one --accelerator with it.")
    if scenario.objective == "carbon" and region.carbon_g_per_kwh is None:
        raise BadInputError(f"the catalogue has no carbon intensity for {region.name}. Choose another --region.")
    economics = loader.economics()
    accelerators = [loader.load("accelerators", name) for name in scenario.accelerators] or _unasked(scenario)
    servers = servers_by_accelerator()
    network = scenario.fabric[0] if scenario.fabric else ""
    prices = tuple(loader.load_all("prices").values())
    kwh = region.usd_per_kwh if region.usd_per_kwh is not None else economics["electricity_usd_per_kwh"].mid.value
    parts = []
    for accelerator in {a.name: a for a in accelerators}.values():
        server = next(iter(servers.get(accelerator.name, ())), None)
        host_w = server.host_w / server.n_accelerators if server else 0.0
        framework = framework_for(scenario.framework, accelerator)
        rates, _ = coefficients(framework, accelerator.generation)
        priced = partial(hourly_price, accelerator.name, prices=prices, economics=economics,
                         watts=accelerator.tdp_w + host_w, usd_per_kwh=kwh)  # fmt: skip
        parts.append(Part(
            accelerator=accelerator,
            hardware=_hardware(accelerator, server),
            network=network_of(network, accelerator) if network else None,
            framework=framework, rates=rates,
            price=_own_price(scenario) or priced(scenario.pricing), on_demand=_without_contract(priced("on-demand")),
            host_w=host_w, unit=server.n_accelerators if server else min(accelerator.scaleup.domain, 8),
        ))  # fmt: skip
    gain = _gain(scenario, model)
    law_with(scenario.law, gain)  # an unknown law is told before anything is searched
    return Asked(scenario, model, tuple(parts), region, economics, _reliability(scenario), gain)


def law_with(name: str, gain: Gain) -> Law:
    """The law called ``name`` for an architecture: that of mixtures at its experts, one of dense models by its gain."""
    if scaling.law(name).form == MIXTURE:
        return mixture(name).at(gain.experts)
    return with_gain(parametric(name), gain.value)


def with_network(part: Part, fabric: str) -> Part:
    """``part`` on another network."""
    return replace(part, network=network_of(fabric, part.accelerator))


def framework_for(asked: str, accelerator: Accelerator) -> str:
    """The training software whose coefficients hold: as asked, else what is usual on such parts."""
    if asked:
        if asked not in FRAMEWORKS:
            raise BadInputError(f"framework '{asked}' is not known. Choose {', '.join(FRAMEWORKS)}.")
        return asked
    if accelerator.kind == "tpu":
        return "maxtext"
    return "megatron" if accelerator.kind == "gpu" else ""


def expansion_of(model: Model) -> float:
    """How many times its active feed-forward weights a model stores; 1 of a dense one.

    >>> round(expansion_of(loader.load("models", "deepseek-v3")), 1)
    27.2
    """
    found = count(model)
    stored, active = (sum(parts[name] for name in _FEED_FORWARD) for parts in (found.parts, found.active_parts))
    return stored / active if active else 1.0


def active_params(model: Model) -> float:
    """Parameters that a token passes, as the scaling laws and 6 N D count them."""
    return float(count(model).active)


def _without_contract(price: HourlyPrice | None) -> HourlyPrice | None:
    """A price by the hour; ``None`` where only a price under contract is known."""
    return price if price is not None and price.basis == "on demand" else None


def _own_price(scenario: TrainScenario) -> HourlyPrice | None:
    if scenario.usd_per_hour is None:
        return None
    return HourlyPrice(scenario.usd_per_hour, "your price", "your choice", unverified=False)


def _gain(scenario: TrainScenario, model: Model | None) -> Gain:
    experts = expansion_of(model) if model is not None else scenario.experts
    if scenario.compute_gain is not None:
        return replace(chosen_gain(scenario.compute_gain), experts=experts)
    return gain_of(experts)


def _hardware(accelerator: Accelerator, server: Server | None) -> Hardware:
    if server is None:
        return hardware_of(accelerator)
    fabric = server.fabric if _is_scaleout(server.fabric) else ""
    return hardware_of(accelerator, nic_bytes_per_s=server.nic_bytes_per_s or None, fabric=fabric)


def _is_scaleout(fabric: str) -> bool:
    return any(fabric == f.name and f.scope == "scale-out" for f in loader.load_all("fabrics").values())


def _unasked(scenario: TrainScenario) -> list[Accelerator]:
    """Parts that ship, can multiply in the precision, and were made to be joined by more than a host's bus."""
    return [
        a for a in loader.load_all("accelerators").values()
        if a.status == "shipping" and a.kind in _UNASKED and a.usable_bytes >= _LEAST_MEMORY
        and a.scaleup.kind != "pcie" and a.scaleup.domain >= 4 and scenario.precision in a.flops
    ]  # fmt: skip


def _reliability(scenario: TrainScenario) -> Reliability:
    found = Reliability()
    given = {
        "failures_per_hour": None if scenario.mtbf_hours is None else 1.0 / scenario.mtbf_hours,
        "detection_s": scenario.detection_s, "restart_s": scenario.restart_s, "repair_s": scenario.repair_s,
        "spares": None if scenario.spares is None else int(scenario.spares),
    }  # fmt: skip
    return replace(found, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
