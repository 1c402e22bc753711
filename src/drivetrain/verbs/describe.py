"""A deployment as the fields of ``best``: the same for plans, predictions and misses."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from drivetrain.arch.params import count
from drivetrain.econ.tokens import carbon_g, usd_per_million
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.report import kv_occupancy, memory_bytes, utilisation
from drivetrain.serving.search import Offer
from drivetrain.serving.startable import chunks_prompts, features_of, support
from drivetrain.serving.steady import Prepared, SteadyState, at_rate
from drivetrain.techniques import spelled
from drivetrain.verbs.bought import bought_fields, buy, wall_w
from drivetrain.verbs.kept import changes_of, quality_fields, stand_in_key
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.technique_notes import technique_fields


def describe(
    resolved: Resolved,
    offer: Offer,
    prepared: Prepared,
    state: SteadyState,
    replicas: float,
    mean_rate: float,
    capacity: float,
) -> dict[str, Any]:
    """Fields of one configuration. ``state`` is a replica at the load that latencies are quoted for.

    ``mean_rate`` is the whole fleet's mean load in requests/s (money and energy are over it); ``capacity`` the most a
    replica can take within the targets, in requests/s.
    """
    d = prepared.deployment
    cut = d.cut
    bought = buy(offer, d.hardware, cut.layout.n_accelerators, int(replicas), resolved.limits.spares)
    osl = resolved.lengths.osl_mean
    mean = at_rate(prepared, mean_rate / replicas) if mean_rate / replicas < state.rate * 0.999 else state
    power = wall_w(bought, d.hardware, offer, mean.power_w if mean.stable else state.power_w, resolved.pue)
    usd = bought.usd_per_hour
    used = utilisation(prepared, state)
    full_load = usd_per_million(usd, capacity * replicas * osl) if capacity > 0 else math.nan
    price = resolved.prices.get(offer.name)
    fields: dict[str, Any] = {
        "accelerator": offer.hardware.name,
        "n_accelerators": bought.n_accelerators,
        **bought_fields(bought),
        "replicas": int(replicas),
        "layout": str(cut.layout),
        "accelerators_per_replica": cut.layout.n_accelerators,
        "engine": d.engine.name,
        "model": cut.model.name,
        "checkpoint": cut.checkpoint.name,
        "weight_dtype": cut.checkpoint.weight_dtype,
        "shipped_weight_dtype": cut.model.checkpoints[0].weight_dtype,
        "kv_dtype": cut.kv_dtype,
        "compute_dtype": d.hardware.compute_dtype(cut.checkpoint.weight_dtype),
        "max_concurrency": int(prepared.max_seqs),
        "max_batched_tokens": int(prepared.budget),
        "rate_per_replica": state.rate,
        "concurrency_mean": state.in_system,
        "ttft_s": asdict(state.ttft),
        "tpot_s": asdict(state.tpot),
        "itl_s": asdict(state.itl),
        "e2e_s": asdict(state.e2e),
        "tokens_per_s_per_user": 1.0 / state.tpot.mean if state.tpot.mean else math.nan,
        "output_tokens_per_s": capacity * replicas * osl,
        "output_tokens_per_s_per_accelerator": capacity * osl / cut.layout.n_accelerators,
        "max_rate_per_s": capacity * replicas,
        "usd_per_hour": usd,
        "usd_per_accelerator_hour": offer.usd_per_hour,
        "price_basis": price.basis if price else None,
        "usd_per_million_output_tokens": usd_per_million(usd, mean_rate * osl),
        "usd_per_million_tokens_full_load": full_load,
        "joules_per_output_token": power / (mean_rate * osl),
        "power_w": power,
        "output_tokens_per_joule": mean_rate * osl / power,
        "output_tokens_per_s_per_megawatt": capacity * replicas * osl / (bought.provisioned_w * resolved.pue) * 1e6,
        "carbon_g_per_million_output_tokens": None if resolved.carbon_g_per_kwh is None
        else carbon_g(power / (mean_rate * osl) * 1e6, resolved.carbon_g_per_kwh),
        "utilisation_frac": state.rate / capacity if capacity > 0 else None,
        "mbu": used.mbu,
        "mfu": used.mfu,
        "kv_occupancy_frac": kv_occupancy(prepared, state),
        "bottleneck": used.bottleneck,
        "breakdown_s": used.breakdown_s,
        "memory_bytes": memory_bytes(prepared, state),
        "memory_limits_bytes": {
            "engine": prepared.memory.capacity, "usable": prepared.memory.physical,
            "physical": resolved.accelerators[offer.hardware.name].memory_bytes,
        },
        "total_params": count(cut.model).total,
        "techniques": technique_fields(cut.techniques),
        "with": spelled(cut.techniques.choice),
        **_quality(resolved, d),
        "chunked_prefill": chunks_prompts(d.engine, offer.accelerator, cut.model, cut.checkpoint,
                                          cut.techniques.choice, resolved.scenario.allow_unverified),
        "tier": _tier(d),
        "support": _support(d, offer),
    }  # fmt: skip
    return {key: finite(value) for key, value in fields.items()}


def _quality(resolved: Resolved, d: Deployment) -> dict[str, Any]:
    """What changes outputs against the model as shipped, and what that leaves of its benchmark scores."""
    cut, asked = d.cut, resolved.model
    changes = changes_of(cut.model.checkpoints[0], cut.checkpoint, cut.kv_dtype, cut.techniques.choice,
                         stand_in_key(asked, cut.model, cut.checkpoint))  # fmt: skip
    found = quality_fields(changes, asked, None if cut.model is asked else cut.model)
    return {"output_changes": list(changes), "quality_delta": found}


def _tier(d: Deployment) -> str:
    """Evidence of the step time; techniques rest on equations, whatever the rest was fitted on."""
    return "roofline" if spelled(d.cut.techniques.choice) and d.efficiency.tier == "calibrated" else d.efficiency.tier


def _support(d: Deployment, offer: Offer) -> dict[str, Any]:
    """Whether it is known to start, with reasons and sources."""
    needs = features_of(d.cut.layout, d.cut.techniques.choice)
    answer = support(d.engine, offer.accelerator, d.cut.model, d.cut.checkpoint, d.cut.kv_dtype, needs)
    return {"status": answer.status, "reasons": list(answer.reasons), "sources": list(answer.sources),
            "notes": list(answer.notes)}  # fmt: skip


def finite(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """JSON knows no NaN or infinity: they become null."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
