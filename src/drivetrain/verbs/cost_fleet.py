"""The fleet whose cost is asked for: of a saved plan, or one replica of a scenario; its tokens, shares and power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from drivetrain.arch.pools import names_pools, spell_pools
from drivetrain.econ.breakeven import TokenFlow
from drivetrain.econ.energy import Draw, draw
from drivetrain.econ.split import Shares, flow_of, pool_shares, shares_of
from drivetrain.errors import BadInputError, DrivetrainError, FileError, InfeasibleError
from drivetrain.scenario import ServeScenario
from drivetrain.scenario_file import choices_of
from drivetrain.serving.pools import prefill_lengths
from drivetrain.serving.search import Offer
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.steady import at_concurrency, at_rate, max_rate, prepare
from drivetrain.units import number
from drivetrain.verbs.predict_disagg import predict_pools
from drivetrain.verbs.predict_serve import prepared_of
from drivetrain.verbs.resolve import Resolved, resolve

_ROUNDED = 1e-6


@dataclass(frozen=True, slots=True)
class Fleet:
    """What serves, over a mean day.

    ``flow`` are its tokens/s, ``capacity`` how many times that flow it could take within its targets; ``usd_per_hour``
    is what the plan pays for it, ``None`` where that has no price. ``label`` says it in a few words.
    ``over_capacity``: it is asked for more than it can take within its targets, as predicted now.
    """

    label: str
    model: str
    accelerator: str
    n_accelerators: int
    rate: float
    flow: TokenFlow
    capacity: float
    shares: Shares
    power: Draw
    usd_per_hour: float | None
    price_basis: str
    carbon_g_per_kwh: float | None
    resolved: Resolved
    over_capacity: bool = False


@dataclass(frozen=True, slots=True)
class _Size:
    """How many of a replica there are, and what is bought beyond them."""

    replicas: int
    rate: float
    idle_n: int
    usd_per_hour: float | None
    price_basis: str
    n_accelerators: int | None = None


def fleet_of_plan(answer: Mapping[str, Any]) -> Fleet:
    """The fleet that a saved plan recommends, under its mean traffic."""
    best, file = answer["best"], answer.get("file", "plan")
    try:
        scenario = _planned(answer)
        rate = scenario.rate
        if rate is None:
            raise BadInputError("scenario.rate is missing, so nothing says how much the plan serves.")
        size = _Size(
            replicas=int(best["replicas"]),
            rate=rate,
            idle_n=int(best.get("idle_accelerators") or 0) + int(best.get("spare_accelerators") or 0),
            usd_per_hour=best.get("usd_per_hour"),
            price_basis=best.get("price_basis") or "",
            n_accelerators=int(best["n_accelerators"]),
        )
        if names_pools(scenario.layouts):
            return _of_pools(scenario, size)
        return _of_replicas(scenario, size)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{file}: cannot be read as a plan: {error!r}. Save it again with plan serve --save.") from None
    except InfeasibleError as error:
        raise FileError(f"{file}: {error.args[0]}") from None
    except DrivetrainError as error:
        raise FileError(f"{file}: {error.args[0]}") from None


def fleet_of_scenario(scenario: ServeScenario) -> Fleet:
    """One replica of one configuration at its rate or concurrency."""
    if (scenario.rate is None) == (scenario.concurrency is None):
        raise BadInputError("say how loaded the replica is: either --rate (requests per second) or --concurrency.")
    if names_pools(scenario.layouts):
        if scenario.rate is None:
            raise BadInputError("pools are priced at a rate: give --rate instead of --concurrency.")
        return _of_pools(scenario, _Size(1, scenario.rate, 0, None, ""))
    if len(scenario.accelerators) != 1 or len(scenario.layouts) != 1:
        raise BadInputError("give one --accelerator and one --layout, or --plan with a saved plan serve.")
    return _of_replicas(scenario, _Size(1, scenario.rate or math.nan, 0, None, ""))


def _planned(answer: Mapping[str, Any]) -> ServeScenario:
    """The plan's own configuration as a question for one replica."""
    best, kept = answer["best"], ("model", "workload", "isl", "osl", "rate", "slo", "prefix_hit", "pricing", "region",
                                  "memory_frac", "headroom")  # fmt: skip
    choices = {name: value for name, value in choices_of(answer["scenario"]).items() if name in kept}
    layout, pools = best["layout"], isinstance(best["layout"], Mapping)
    accelerators = tuple(dict.fromkeys(layout[role]["accelerator"] for role in ("prefill", "decode"))) if pools else (
        best["accelerator"],)  # fmt: skip
    if choices.get("pricing") == "spot":  # of the instances that are bought; here it only names a basis
        choices["pricing"] = "on-demand"
    changed = any(str(change).startswith("kv=") for change in best.get("output_changes", ()))
    return ServeScenario(**choices | {  # type: ignore[arg-type]
        "model": best.get("model") or choices["model"],
        "accelerators": accelerators,
        "layouts": (spell_pools(layout),) if pools else (layout,),
        "engines": (best["engine"],),
        "weights": best.get("weight_dtype") or "shipped",
        "kv": best["kv_dtype"] if changed else answer["scenario"].get("kv", "shipped"),
        "techniques": best.get("with") or "",
        "max_num_seqs": float(best["max_concurrency"]),
        "max_batched_tokens": float(best["max_batched_tokens"]) if best.get("max_batched_tokens") else None,
        "allow_unverified": True,  # the plan has been made: what it may start is not asked again
    })  # fmt: skip


def _of_replicas(scenario: ServeScenario, size: _Size) -> Fleet:
    resolved = resolve(scenario)
    offer, prepared = prepared_of(resolved)
    if scenario.concurrency is not None:
        state = at_concurrency(prepared, scenario.concurrency, in_step=True)
    else:
        state = at_rate(prepared, size.rate / size.replicas)
    if not state.stable:
        raise InfeasibleError(
            f"{number(size.rate / size.replicas)} req/s is more than a replica can take: at most "
            f"{number(max_rate(prepared))} req/s. Lower --rate, or choose a larger layout."
        )
    rate = state.rate * size.replicas
    most = max_rate(prepared, parse_slo(scenario.slo))
    alone = size.n_accelerators is None  # of a plan its own verdict holds
    if alone and scenario.slo and most < state.rate * (1.0 - _ROUNDED):
        raise InfeasibleError(
            f"{number(state.rate)} req/s is more than a replica can take within {scenario.slo}: at most "
            f"{number(most)} req/s. Lower the load, relax --slo, or choose another layout."
        )
    over = most < state.rate * (1.0 - _ROUNDED)
    most = most or max_rate(prepared)
    layout = prepared.deployment.cut.layout
    serving = layout.n_accelerators * size.replicas
    power = draw(
        n=serving, busy_frac=min(state.busy, 1.0), mean_w=state.power_w, idle_w=prepared.deployment.hardware.idle_w,
        host_w=offer.host_w, pue=resolved.pue, idle_n=size.idle_n,
    )  # fmt: skip
    return _fleet(
        resolved, offer, size, rate=rate, n=size.n_accelerators or serving + size.idle_n,
        capacity=max(most / state.rate, 1.0), shares=shares_of(prepared, state), power=power,
        label=f"{size.replicas}x {layout} of {offer.hardware.name} ({resolved.model.name})", over=over,
    )  # fmt: skip


def _of_pools(scenario: ServeScenario, size: _Size) -> Fleet:
    fields, resolved = predict_pools(replace(scenario, slo=scenario.slo))
    pools, offers = fields["disaggregated"], {offer.hardware.name: offer for offer in resolved.offers}
    parts: list[Draw] = []
    for role in ("prefill", "decode"):
        pool = pools[role]
        waits = pool["wait_s"] + pool["prompt_s"] + pool["overhead_s"] if role == "prefill" else pool["admission_s"]
        inside = pool["rate_per_replica"] * waits + (pool["batch_mean"] if role == "decode" else 0.0)
        offer = offers[pool["accelerator"]]
        last = role == "decode"
        parts.append(draw(
            n=pool["n_accelerators"], busy_frac=-math.expm1(-inside), mean_w=pool["power_w_per_accelerator"],
            idle_w=offer.hardware.idle_w, host_w=offer.host_w, pue=resolved.pue, idle_n=size.idle_n if last else 0,
        ))  # fmt: skip
    power = Draw(*(sum(getattr(part, name) for part in parts) for name in ("active", "idle", "host", "facility")))
    first = pools["prefill"]["accelerator"]
    prompts = replace(resolved, layouts=(_layout(pools["prefill"]["layout"]),), offers=(offers[first],))
    _, prefill = prepared_of(prompts)
    prefill = prepare(prefill.deployment, prefill_lengths(resolved.lengths), prefill.budget, prefill.max_seqs)
    state = at_rate(prefill, pools["prefill"]["rate_per_replica"])
    rate = fields["requests_per_s"]
    return _fleet(
        resolved, offers[pools["decode"]["accelerator"]], size, rate=rate,
        n=size.n_accelerators or fields["n_accelerators"],
        capacity=max(fields["max_rate_within_slo_per_s"] / rate, 1.0),
        shares=pool_shares(prefill, state, _prefill_frac(pools)), power=power,
        label=f"{fields['n_accelerators']}x {fields['accelerator']} in pools ({resolved.model.name})",
    )  # fmt: skip


def _prefill_frac(pools: Mapping[str, Any]) -> float:
    """The prefill pool's share of what the serving accelerators cost, by price where both have one."""
    rates = {line["accelerator"]: line["usd_per_hour"] / line["n_accelerators"] for line in pools["bought"]
             if line["usd_per_hour"] is not None and math.isfinite(line["usd_per_hour"])}  # fmt: skip
    paid = [
        pools[role]["n_accelerators"] * rates.get(pools[role]["accelerator"], 1.0) for role in ("prefill", "decode")
    ]
    return float(paid[0] / sum(paid))


def _fleet(
    resolved: Resolved, offer: Offer, size: _Size, *, rate: float, n: int, capacity: float, shares: Shares,
    power: Draw, label: str, over: bool = False,
) -> Fleet:  # fmt: skip
    return Fleet(
        label=label, model=resolved.model.name, accelerator=offer.hardware.name, n_accelerators=n, rate=rate,
        flow=flow_of(resolved.lengths, rate), capacity=capacity, shares=shares, power=power,
        usd_per_hour=size.usd_per_hour, price_basis=size.price_basis, carbon_g_per_kwh=resolved.carbon_g_per_kwh,
        resolved=resolved, over_capacity=over,
    )  # fmt: skip


def _layout(text: str) -> Any:  # noqa: ANN401 - a Layout
    from drivetrain.arch.layout import parse_layout

    return parse_layout(text)
