"""Prefill and decode in pools of their own, as a lever on a plan of undivided replicas."""

from __future__ import annotations

import math
from typing import Any

from drivetrain.serving.purchase import UNLIMITED
from drivetrain.serving.search import Offer, Traffic, candidates
from drivetrain.serving.techniques.active import activate
from drivetrain.verbs.disagg import disaggregated_plan
from drivetrain.verbs.kept import quality_fields
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import USD, Counter, FullLoad, Missing, Setting

_REPLICAS = 200


def pools_gain(
    resolved: Resolved, offer: Offer, setting: Setting, here: FullLoad, counter: Counter
) -> dict[str, Any] | Missing:
    """What the best pools on ``offer`` gain at full load over ``here``, as a row of the answer, or why nothing.

    Layouts of both pools are chosen freely, each pool as large as it needs to be, in fractions.
    """
    if resolved.scenario.objective in ("energy", "carbon"):
        return Missing("energy of pools at full load is not computed; plan them with --disaggregate on.")
    jobs, _ = candidates(
        setting.model, (setting.checkpoint,), (offer,), setting.engines, setting.lengths, kv_dtype=setting.kv_dtype,
        only_layouts=resolved.layouts, techniques=activate(setting.techniques, setting.model),
        allow_unverified=resolved.scenario.allow_unverified,
    )  # fmt: skip
    busy = _REPLICAS * here.rate  # a fleet so large that whole replicas hide nothing
    crowd = Traffic(setting.lengths, busy, busy)
    plan = disaggregated_plan(resolved, crowd, setting.targets, jobs=jobs, limits=UNLIMITED) if jobs else None
    if plan is None:
        return Missing(f"{setting.engines[0].name} is not known to hand over between pools of {offer.hardware.name}.")
    counter.n += plan.n_evaluated
    rated = [(plan.balanced_rate(fleet), fleet) for fleet in plan.fleets if fleet.meets]
    rate, fleet = max(rated, key=lambda pair: pair[0], default=(0.0, None))
    if fleet is None or rate <= 0.0:
        return Missing("no prefill and decode pools keep the targets.")
    now = 1e6 / (3600.0 * here.cost[USD] * setting.lengths.osl_mean)  # requests/s for a dollar an hour
    usd = 1.0 if math.isnan(offer.usd_per_hour) else offer.usd_per_hour
    d, decode = fleet.deployment, fleet.decode.deployment
    return {
        "lever": "disaggregate=on",
        "gain_frac": 1.0 - now * usd / rate,
        "metric": USD,
        "changes_output": False,
        "quality_delta": quality_fields((), resolved.model),
        "tier": max(decode.efficiency.tier, "roofline", key=("measured", "calibrated", "roofline", "assumed").index),
        "pair": False,
        "value": None if math.isnan(offer.usd_per_hour) else usd / 3600.0 / rate * 1e6 / setting.lengths.osl_mean,
        "option": "--disaggregate on",
        "kind": "disaggregation",
        "allow": None,
        "layout": f"prefill: {d.prefill.prepared.deployment.cut.layout}, decode: {decode.cut.layout}",
        "engine": decode.engine.name,
        "max_concurrency": int(d.decode.max_seqs),
        "max_batched_tokens": int(d.prefill.prepared.budget),
        "unverified": None,
        "note": "prefill and decode in pools of their own",
    }
