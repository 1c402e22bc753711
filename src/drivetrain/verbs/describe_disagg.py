"""A disaggregated fleet as the fields of ``best``: those of any plan over the whole fleet, and its pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drivetrain.arch.pools import PoolLayouts
from drivetrain.catalogue.support import Support
from drivetrain.econ.tokens import carbon_g, usd_per_million
from drivetrain.serving import kernel
from drivetrain.serving.disagg_fleet import Fleet
from drivetrain.serving.pool_purchase import Line
from drivetrain.serving.report import kv_occupancy, memory_bytes, utilisation
from drivetrain.serving.search import Job
from drivetrain.serving.startable import features_of, support
from drivetrain.serving.steady import Prepared, SteadyState
from drivetrain.verbs.describe import describe, finite
from drivetrain.verbs.disagg import DisaggPlan
from drivetrain.verbs.moves import Demand, bill_ends, planned_pools, uncertainty_of_pools
from drivetrain.verbs.ranges import Ends, price_ends, with_ranges
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.technique_notes import technique_fields


def describe_fleet(resolved: Resolved, plan: DisaggPlan, fleet: Fleet) -> dict[str, Any]:
    """Fields of one fleet at the peak with their ranges; money and energy are over the mean day."""
    fields = fleet_fields(resolved, plan, fleet)
    question = plan.question
    u = uncertainty_of_pools(fleet, supported=fields["support"]["status"] == "supported")
    moves = planned_pools(
        fleet, plan.capacity(fleet), Demand(question.traffic.peak_rate, question.targets), u,
        fleet_price_ends(resolved, fleet), question.limits.spares,
    )  # fmt: skip
    return with_ranges(fields, u, moves)


def fleet_price_ends(resolved: Resolved, fleet: Fleet) -> Ends:
    """The price range of everything that is bought for a fleet."""
    return bill_ends(fleet, {name: price_ends(price) for name, price in resolved.prices.items()})


def fleet_fields(resolved: Resolved, plan: DisaggPlan, fleet: Fleet) -> dict[str, Any]:
    """Fields of one fleet without their ranges.

    ``accelerator``, batch, step, memory and bottleneck are those of the decode pool, ``max_batched_tokens`` of the
    prefill pool, ``rate_per_replica`` of the whole deployment.
    """
    d, state, traffic = fleet.deployment, fleet.state, plan.question.traffic
    osl, mean_rate = resolved.lengths.osl_mean, traffic.mean_rate
    capacity = plan.capacity(fleet)
    usd, serving = fleet.usd_per_hour, d.n_accelerators
    joules = fleet.wall_w / (mean_rate * osl)
    provisioned = _bought(fleet.lines)["provisioned_power_w"]
    fields = describe(
        resolved, fleet.decode.offer, d.decode, state.decode, float(d.decode_replicas),
        mean_rate * d.decoded_frac, capacity * d.decoded_frac / d.decode_replicas,
    )  # fmt: skip
    both = fleet.prefill.offer, fleet.decode.offer
    prices = list(dict.fromkeys(p.basis for offer in both if (p := resolved.prices.get(offer.name)) is not None))
    fields |= _bought(fleet.lines) | {
        "accelerator": fleet.decode.offer.hardware.name,
        "n_accelerators": fleet.n_accelerators,
        "replicas": d.prefill_replicas + d.decode_replicas,
        "layout": layout_object(fleet),
        "max_batched_tokens": int(fleet.prefill.budget),
        "rate_per_replica": state.rate,
        "concurrency_mean": state.in_system,
        **{f"{metric}_s": asdict(state.latency(metric)) for metric in ("ttft", "tpot", "itl", "e2e")},
        "output_tokens_per_s": capacity * osl,
        "output_tokens_per_s_per_accelerator": capacity * osl / serving,
        "max_rate_per_s": capacity,
        "usd_per_hour": usd,
        "usd_per_accelerator_hour": usd / fleet.n_accelerators,
        "price_basis": "; ".join(prices) or None,
        "usd_per_million_output_tokens": usd_per_million(usd, mean_rate * osl),
        "usd_per_million_tokens_full_load": usd_per_million(usd, capacity * osl) if capacity > 0 else math.nan,
        "joules_per_output_token": joules,
        "power_w": fleet.wall_w,
        "output_tokens_per_joule": 1.0 / joules,
        "output_tokens_per_s_per_megawatt": capacity * osl / (provisioned * resolved.pue) * 1e6,
        "carbon_g_per_million_output_tokens": None if resolved.carbon_g_per_kwh is None
        else carbon_g(joules * 1e6, resolved.carbon_g_per_kwh),
        "utilisation_frac": state.rate / capacity if capacity > 0 else None,
        "techniques": technique_fields(fleet.prefill.deployment.cut.techniques),
        "support": _support(fleet),
        "disaggregated": _pools(plan, fleet),
    }  # fmt: skip
    return {key: finite(value) for key, value in fields.items()}


def layout_object(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """The layout of both pools as the contract spells it, with what else a pool's servers must be told."""
    d = fleet.deployment
    pools = (
        ("prefill", fleet.prefill, d.prefill.prepared, d.prefill_replicas),
        ("decode", fleet.decode, d.decode, d.decode_replicas),
    )
    return {
        role: {
            "layout": str(job.deployment.cut.layout),
            "replicas": replicas,
            "accelerator": job.offer.hardware.name,
            "max_batched_tokens": int(job.budget),
            "max_concurrency": int(prepared.max_seqs),
        }
        for role, job, prepared, replicas in pools
    }


def pool_layouts(fleet: Fleet) -> PoolLayouts:
    """The same as a record."""
    d = fleet.deployment
    return PoolLayouts(
        fleet.prefill.deployment.cut.layout, fleet.decode.deployment.cut.layout, d.prefill_replicas, d.decode_replicas
    )


def _support(fleet: Fleet) -> dict[str, Any]:
    """Whether both pools are known to start and to hand over: the worse of the two, with reasons and sources."""
    found: list[Support] = []
    for job in (fleet.prefill, fleet.decode):
        d = job.deployment
        needs = (*features_of(d.cut.layout, d.cut.techniques.choice), "disaggregation")
        found.append(support(d.engine, job.offer.accelerator, d.cut.model, d.cut.checkpoint, d.cut.kv_dtype, needs))
    worst = next(s for s in ("unsupported", "unverified", "supported") if any(f.status == s for f in found))

    def joined(name: str) -> list[str]:
        return list(dict.fromkeys(text for f in found for text in getattr(f, name)))

    return {"status": worst, **{name: joined(name) for name in ("reasons", "sources", "notes")}}


def _pools(plan: DisaggPlan, fleet: Fleet) -> dict[str, Any]:
    d, state = fleet.deployment, fleet.state
    weight = d.lengths.weight
    prefill_use, decode_use = plan.utilisation(fleet)
    prefill_step = utilisation(d.prefill.prepared, state.prefill)
    decode_step = utilisation(d.decode, state.decode)
    peak_flops = _peak_flops(d.prefill.prepared)
    overhead = float(d.prefill.prepared.scalars[kernel.REQUEST_S])
    return {
        "prefill": _pool(fleet.prefill, d.prefill.prepared, state.prefill, d.prefill_replicas) | {
            "utilisation_frac": prefill_use,
            "overhead_s": overhead,
            "wait_s": state.prefill.ttft.mean - d.prefill.own_s - overhead,
            "prompt_s": d.prefill.own_s,
            "mfu": prefill_step.mixed.flops / prefill_step.mixed.seconds / peak_flops,
        },
        "decode": _pool(fleet.decode, d.decode, state.decode, d.decode_replicas) | {
            "utilisation_frac": decode_use,
            "admission_s": state.admission_s,
            "batch_mean": state.decode.decoding,
            "kv_occupancy_frac": kv_occupancy(d.decode, state.decode),
            "mfu": decode_step.mfu,
        },
        "kv_bytes_per_request": float(weight @ d.transfer.kv_bytes),
        "bought": [_line(line) for line in fleet.lines],
        "via": d.transfer.via,
        "transfer_alone_s": d.transfer.mean_s(weight),
        "transfer_s": state.transfer_s,
        "link_wait_s": state.link_wait_s,
        "link_use_frac": state.link_use_frac,
        "first_token": d.handover.first_token,
        "sends": d.handover.sends,
        "reserves": d.handover.reserves,
        "unverified": list(d.handover.unverified),
    }  # fmt: skip


def _pool(job: Job, prepared: Prepared, state: SteadyState, replicas: int) -> dict[str, Any]:
    layout = job.deployment.cut.layout
    return {
        "accelerator": job.offer.hardware.name,
        "layout": str(layout),
        "replicas": replicas,
        "accelerators_per_replica": layout.n_accelerators,
        "n_accelerators": replicas * layout.n_accelerators,
        "max_batched_tokens": int(job.budget),
        "max_concurrency": int(prepared.max_seqs),
        "rate_per_replica": state.rate,
        "power_w_per_accelerator": state.power_w,
        "memory_bytes": memory_bytes(prepared, state),
    }


def _bought(lines: Sequence[Line]) -> dict[str, Any]:
    """Units of the bill; a bill of two lines has no single kind of unit."""
    one = lines[0] if len(lines) == 1 else None
    kind = one.job.offer.unit.kind if one else "accelerator"
    watts = sum(line.n_accelerators * line.job.part.provisioned_w for line in lines)
    return {
        "server": one.job.offer.unit.name if one and kind == "server" else None,
        "n_servers": one.units if one and kind == "server" else None,
        "instance": one.job.offer.unit.name if one and kind == "instance" else None,
        "n_instances": one.units if one and kind == "instance" else None,
        "idle_accelerators": sum(line.idle for line in lines),
        "spare_accelerators": sum(line.spare for line in lines),
        "provisioned_power_w": watts,
    }


def _line(line: Line) -> dict[str, Any]:
    offer = line.job.offer
    return {
        "accelerator": offer.hardware.name,
        "n_accelerators": line.n_accelerators,
        "unit": offer.unit.name or None,
        "n_units": line.units if offer.unit.name else None,
        "usd_per_hour": line.usd_per_hour,
    }


def _peak_flops(prepared: Prepared) -> float:
    d = prepared.deployment
    return d.hardware.flops[d.hardware.compute_dtype(d.cut.checkpoint.weight_dtype)]
