"""Limits on what is bought: names of quotas looked up, and what they assume."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

from drivetrain.catalogue import loader
from drivetrain.catalogue.market import Region
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import suggest
from drivetrain.scenario import ServeScenario
from drivetrain.serving.purchase import Limits, Quota, UnitKind
from drivetrain.serving.search import Offer
from drivetrain.units import show
from drivetrain.verbs.assumption import Assumption

_YOURS = "your choice"


def limits_of(scenario: ServeScenario) -> Limits:
    """The limits of ``scenario``, quotas under their catalogue names."""
    quotas = scenario.quotas
    total = quotas.pop("", None)
    asked = ServeScenario.__dataclass_fields__["max_accelerators"].default != scenario.max_accelerators
    most = scenario.max_accelerators
    return Limits(
        accelerators=most if total is None else min(total, most) if asked else total,
        power_w=_or_none(scenario.max_power_w),
        usd_per_hour=_or_none(scenario.budget_usd_per_hour),
        racks=_or_none(scenario.max_racks),
        rack_power_w=_or_none(scenario.rack_power_w),
        quotas=_quotas(quotas, scenario.buy),
        spares=scenario.spares,
    )


def home_region(scenario: ServeScenario) -> Region:
    """The region of the plan; those it is compared with must exist too, and carbon needs a grid."""
    regions: list[Region] = [loader.load("regions", name) for name in scenario.regions]
    dark = [r.name for r in regions if r.carbon_g_per_kwh is None]
    if scenario.objective == "carbon" and dark:
        raise BadInputError(
            f"the catalogue has no carbon intensity for {', '.join(dark)}. "
            "Choose another --region ('drivetrain list regions'), or --objective energy."
        )
    return regions[0]


def check_limits(limits: Limits, offers: Sequence[Offer], power_cap: float = 1.0) -> None:
    """Refuse limits that no offer can be held against; accelerators run at ``power_cap`` of their TDP."""
    if math.isfinite(limits.usd_per_hour) and all(math.isnan(o.usd_per_hour) for o in offers):
        raise BadInputError(
            f"a budget needs prices, and the catalogue has none for {', '.join(sorted({o.name for o in offers})[:5])}. "
            "Drop --budget, or name other --accelerators or another --pricing."
        )
    if math.isfinite(limits.racks):
        watts = {o.name: o.unit.n_accelerators * (power_cap * o.hardware.tdp_w + o.host_nameplate_w) for o in offers}
        least = min(watts, key=lambda name: watts[name])
        if watts[least] > limits.rack_power_w:
            raise BadInputError(
                f"a rack of {show(limits.rack_power_w, 'W')} feeds none of the servers on offer: {least} takes "
                f"{show(watts[least], 'W')}. Raise --rack-power or name other --accelerators."
            )


def purchase_assumptions(scenario: ServeScenario, limits: Limits, offers: Sequence[Offer]) -> tuple[Assumption, ...]:
    """What buying under limits takes as given, where the user asked for more than loose accelerators."""
    found = []
    if scenario.buy != "accelerators":
        found.append(Assumption("bought by", f"whole {scenario.buy}", _YOURS))
    if scenario.buy == "servers":
        found.append(Assumption("price of a server", "its accelerators at the hourly price each", "default"))
    if scenario.buy == "instances" and any(o.host_nameplate_w for o in offers):
        found.append(Assumption("host power of an instance", "that of a catalogued server's share", "assumed"))
    if limits.spares:
        found.append(Assumption("spares", limits.spares, f"{_YOURS}: powered, idle, paid for"))
    if limits.spares or scenario.buy != "accelerators":
        found.append(Assumption("host power of idle accelerators", "as of serving ones", "assumed"))
    if math.isfinite(limits.power_w):
        found.append(
            Assumption("power limit, W", limits.power_w, f"{_YOURS}: TDP and host nameplate of all bought, no PUE")
        )
    if math.isfinite(limits.racks):
        room = f"{limits.racks:g} of {limits.rack_power_w / 1e3:g} kW"
        found.append(Assumption("racks", room, f"{_YOURS}: filled by power, height not counted"))
    if math.isfinite(limits.usd_per_hour):
        found.append(
            Assumption("budget, USD/h", limits.usd_per_hour, f"{_YOURS}: unpriced parts left out, 730 h a month")
        )
    quotas = [Assumption(f"most of {quota.name}", quota.most, f"{_YOURS}, {quota.kind}s") for quota in limits.quotas]
    return (*found, *quotas)


def _or_none(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _quotas(wanted: dict[str, float], buy: str) -> tuple[Quota, ...]:
    """A name that is both accelerator and server (a rack) counts what is bought."""
    order: tuple[tuple[str, UnitKind], ...] = (("accelerators", "accelerator"), ("servers", "server"))
    if buy == "servers":
        order = order[::-1]
    found = []
    for name, most in wanted.items():
        kind, known = _lookup(name, (*order, ("instances", "instance")))
        if (kind, buy) in {("instance", "accelerators"), ("instance", "servers"), ("server", "instances")}:
            raise BadInputError(f"--max {name}={most:g} counts {kind}s, and {buy} are bought. Add --buy {kind}s.")
        found.append(Quota(kind, known, most))
    twice = next((q.name for q in found if sum((q.kind, q.name) == (o.kind, o.name) for o in found) > 1), None)
    if twice is not None:
        raise BadInputError(f"--max sets '{twice}' twice under different spellings. Give one number.")
    return tuple(found)


def _lookup(name: str, kinds: Sequence[tuple[str, UnitKind]]) -> tuple[UnitKind, str]:
    for plural, kind in kinds:
        try:
            return kind, loader.resolve(plural, name)
        except UnknownNameError:
            continue
    everything = [known for plural, _ in kinds for known in loader.names(plural)]
    raise UnknownNameError(
        "accelerator, server or instance", name, suggest(name, everything), "--max takes one of these, or a number."
    )


def catalogue_names(name: str) -> set[str]:
    """What ``name`` may be in the catalogue: an accelerator, a server, an instance.

    >>> catalogue_names("h100-sxm")
    {'h100-sxm-80gb'}
    """
    found = set()
    for plural in ("accelerators", "servers", "instances"):
        with contextlib.suppress(UnknownNameError):
            found.add(loader.resolve(plural, name))
    return found
