"""``cost lifetime``: a model's training and development against serving it, by tokens served."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivetrain import __version__
from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.catalogue.market import Economic
from drivetrain.catalogue.model import Model
from drivetrain.econ.lifetime import (
    MEASURES,
    SERVE_FLOPS,
    Bill,
    Site,
    deepseek_v3,
    serving_bill,
    serving_shares,
    tokens_for,
    training_bill,
)
from drivetrain.econ.operators import critical_kw
from drivetrain.econ.pricing import hourly_price
from drivetrain.errors import BadInputError
from drivetrain.units import show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.cost_fleet import Fleet, fleet_of_plan
from drivetrain.verbs.cost_owner import Market, market, nameplate_w, owned_by
from drivetrain.verbs.cost_plan_file import read_plan
from drivetrain.verbs.plan_serve import CATALOGUE_DATE

SHARES = (0.5, 0.8, 0.9)
_POINTS = 25
_USUAL = "h100-sxm-80gb"
_MOST_TOKENS = 1e20
_MOST_MULTIPLE = 1e4
_SERVED = {"tokens": "", "served": " served"}
_DECADES = 2.0  # on both sides of where serving is half


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeChoices:
    """One question. ``None``: the catalogue's middle value; ``served`` tokens are input and output alike.

    ``mfu_serve`` counts 2 N FLOPs a token. ``total_over_final`` is development over the final run. With ``plan`` a
    token served takes what that fleet really takes, idle hours included. The accelerator is the plan's where none is
    chosen, else an H100.
    """

    model: str = ""
    tokens: float | None = None
    served: float | None = None
    accelerator: str = ""
    mfu_train: float | None = None
    mfu_serve: float | None = None
    total_over_final: float | None = None
    pricing: str = "reserved"
    plan: str | Path | Mapping[str, Any] = ""


def cost_lifetime(choices: LifetimeChoices) -> dict[str, Any]:
    """Bills of training and of a token served, serving's share by tokens served, and from where it is 80 to 90 %."""
    started = time.perf_counter()
    _check(choices)
    known = market()
    fleet = _fleet(choices.plan)
    model = _model(choices, fleet)
    active = float(model.published.active or count(model).active)
    tokens = _tokens(choices, model, known.economics)
    site, serving, said = _sites(choices, fleet.accelerator if fleet else _USUAL, known)
    multiple, told = _chosen("total_over_final", choices.total_over_final, known, "training_total_over_final")
    said.append(told)
    training = training_bill(active, tokens, site, multiple)
    final = training_bill(active, tokens, site)
    per_token = serving_bill(active, serving) if fleet is None else _per_token(fleet, active)
    if fleet is not None:
        said.append(Assumption("a token served", fleet.label, "the plan, idle hours included"))
    reach = {f"{share:g}": tokens_for(share, training, per_token) for share in SHARES}
    cases = {
        "FLOPs of the final run alone": (final, serving_bill(active, site), "flop"),
        "accelerator time of the final run": (final, per_token, "accelerator_s"),
        "accelerator time of the whole development": (training, per_token, "accelerator_s"),
    }
    answer: dict[str, Any] = {
        "model": model.name,
        "active_params": active,
        "training_tokens": tokens,
        "training": dict(training.parts),
        "final_run": dict(final.parts),
        "per_million_tokens_served": {name: value * 1e6 for name, value in per_token.parts.items()},
        "tokens_for_share": {share: _known(found) for share, found in reach.items()},
        "served_over_trained": {
            name: {f"{share:g}": tokens_for(share, one, each)[measure] / tokens for share in SHARES}
            for name, (one, each, measure) in cases.items()
        },
        "served_tokens": choices.served,
        "shares": None if choices.served is None else serving_shares(training, per_token, choices.served),
        "curve": _curve(training, per_token),
        "assumptions": [asdict(a) for a in said],
        "deepseek_v3": asdict(_deepseek(known)),
    }
    if fleet is not None:
        daily = _per_day(fleet)
        answer["plan_days_for_share"] = {
            share: {name: None if days is None else days / daily for name, days in _known(found).items()}
            for share, found in reach.items()
        }
    answer["verdict"] = _words(answer, reach)
    answer["elapsed_s"] = time.perf_counter() - started
    answer["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE}
    return answer


def _check(choices: LifetimeChoices) -> None:
    """Refuse amounts that nobody means, before anything is computed from them."""
    for name in ("mfu_train", "mfu_serve"):
        share = getattr(choices, name)
        if share is not None and not 0 < share <= 1:
            raise BadInputError(f"{name} must be a share above 0 and at most 1, not {share:g}.")
    for name in ("tokens", "served"):
        tokens = getattr(choices, name)
        if tokens is not None and not 0 < tokens <= _MOST_TOKENS:
            raise BadInputError(
                f"tokens{_SERVED[name]} must be above 0 and at most {_MOST_TOKENS:g}, not {tokens:g}; check the unit."
            )
    multiple = choices.total_over_final
    if multiple is not None and not 1 <= multiple <= _MOST_MULTIPLE:
        raise BadInputError(
            f"total_over_final (--development) must be at least 1, the final run itself, and at most "
            f"{_MOST_MULTIPLE:,.0f}, not {multiple:g}."
        )


def _fleet(plan: str | Path | Mapping[str, Any]) -> Fleet | None:
    if not plan:
        return None
    return fleet_of_plan(plan if isinstance(plan, Mapping) else read_plan(plan))


def _model(choices: LifetimeChoices, fleet: Fleet | None) -> Model:
    if not choices.model and fleet is None:
        raise BadInputError("say which model: --model NAME, or --plan with a saved plan serve.")
    name = choices.model or (fleet.model if fleet is not None else "")
    found: Model = loader.load("models", name)
    if fleet is not None and found.name != fleet.model:
        raise BadInputError(f"the plan serves {fleet.model}, not {found.name}. Leave out --model, or plan for it.")
    return found


def _tokens(choices: LifetimeChoices, model: Model, economics: Mapping[str, Economic]) -> float:
    if choices.tokens is not None:
        return choices.tokens
    if model.name == "deepseek-v3":
        return economics["deepseek_v3_tokens"].mid.value
    raise BadInputError(f"say how many tokens {model.name} was trained on: --tokens 15T.")


def _sites(choices: LifetimeChoices, usual: str, known: Market) -> tuple[Site, Site, list[Assumption]]:
    """Where it is trained and served: the same accelerators, used to different shares of their peak."""
    part = loader.load("accelerators", choices.accelerator or usual)
    peak = part.flops.get("bf16") or part.flops.get("fp16")
    if not peak:
        raise BadInputError(f"{part.name} has no known 16-bit rate. Choose another --accelerator.")
    train, told = _chosen("mfu_train", choices.mfu_train, known, "training_mfu_frac")
    said = [told]
    if choices.mfu_serve is None:
        ratio = known.economics["training_mfu_over_serving_mfu"].mid
        serve = train / ratio.value
        said.append(Assumption("mfu_serve", serve, f"mfu_train over {ratio.value:g} ({ratio.source})"))
    else:
        serve = choices.mfu_serve
        said.append(Assumption("mfu_serve", serve, "your choice"))
    kw = critical_kw(part.name, known.economics, nameplate_w(part.name))
    load, pue = known.economics["server_load_frac"].mid, known.economics["pue"].mid
    watts = 1e3 * kw * load.value * pue.value
    kwh = known.economics["electricity_usd_per_kwh"].mid.value
    price = hourly_price(part.name, choices.pricing, known.prices, known.economics, 1e3 * kw, kwh)
    if price is None:
        raise BadInputError(f"no price of {part.name} is known ({choices.pricing}). Choose another --accelerator.")
    said += [
        Assumption("USD per accelerator-hour", price.usd_per_hour, f"{price.basis}, {price.source}"),
        Assumption(
            "watts per accelerator at the meter", watts, f"all-in power, load {load.value:g}, PUE {pue.value:g}"
        ),
    ]
    return Site(peak, train, watts, price.usd_per_hour), Site(peak, serve, watts, price.usd_per_hour), said


def _chosen(name: str, value: float | None, known: Market, key: str) -> tuple[float, Assumption]:
    if value is not None:
        return value, Assumption(name, value, "your choice")
    fact = known.economics[key].mid
    return fact.value, Assumption(name, fact.value, f"{fact.source}, {fact.seen}")


def _per_token(fleet: Fleet, active: float) -> Bill:
    """What a token of the plan's fleet takes, input and output alike."""
    per_s = fleet.flow.input + fleet.flow.cached + fleet.flow.output
    usd = fleet.usd_per_hour
    return Bill(SERVE_FLOPS * active, fleet.n_accelerators / per_s, fleet.power.total / per_s,
                0.0 if usd is None else usd / 3600.0 / per_s)  # fmt: skip


def _per_day(fleet: Fleet) -> float:
    return 86400.0 * (fleet.flow.input + fleet.flow.cached + fleet.flow.output)


def _known(found: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no infinity: where serving takes nothing that is known, there is no such number of tokens."""
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _curve(training: Bill, per_token: Bill) -> list[dict[str, float]]:
    """Serving's shares over tokens served, evenly spread in their logarithm."""
    middle = tokens_for(0.5, training, per_token)["accelerator_s"]
    steps = [10 ** (_DECADES * (2.0 * i / (_POINTS - 1) - 1.0)) for i in range(_POINTS)]
    return [{"tokens": middle * step, **serving_shares(training, per_token, middle * step)} for step in steps]


def _deepseek(known: Market) -> Any:  # noqa: ANN401 - the record of econ.lifetime
    part = loader.load("accelerators", "h800-sxm-80gb")
    capital = owned_by("h100-sxm-80gb", "neocloud", known).hardware.capital_usd  # the same board with slower links
    return deepseek_v3(known.economics, part.flops["bf16"], capital)


def _words(answer: Mapping[str, Any], reach: Mapping[str, Mapping[str, float]]) -> str:
    spans: Sequence[str] = [
        f"of {name} at {show(reach['0.8'][m], 'params')} ({show(reach['0.9'][m], 'params')})"
        for m, name in zip(MEASURES, ("its life's FLOPs", "accelerator time", "energy", "money"), strict=True)
        if math.isfinite(reach["0.8"][m])
    ]
    return f"Serving {answer['model']} reaches 80 % (90 %) {', '.join(spans)} tokens served."
