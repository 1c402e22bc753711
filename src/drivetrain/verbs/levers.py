"""What other choices would gain from where a plan stands."""

from __future__ import annotations

from typing import Any

from drivetrain.errors import DoesNotFitError, UnsupportedError
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.search import Outcome, Traffic
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import max_rate, prepare
from drivetrain.units import show
from drivetrain.verbs.ranking import Chosen, rank
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.space import search_space


def levers_of(
    resolved: Resolved, traffic: Traffic, targets: tuple[Target, ...], chosen: Chosen
) -> list[dict[str, Any]]:
    """What other choices would gain on the same accelerator and layout, best first.

    Each alone, batch limits chosen again.

    ``gain_frac`` is the relative fall of the cost per output token at full load, so that it does not hide behind
    whole replicas.
    """
    offer, shipped, kv = chosen.job.offer, chosen.fields["weight_dtype"], chosen.fields["kv_dtype"]
    layout = chosen.job.deployment.cut.layout
    base = chosen.capacity / chosen.job.deployment.cut.layout.n_accelerators
    trials: list[tuple[str, bool, dict[str, Any]]] = []
    trials += [
        (f"weights={c.weight_dtype}", True, {"checkpoints": (c,), "kv_dtype": kv})
        for c in resolved.model.checkpoints
        if c.weight_dtype != shipped
    ]
    if kv in ("bf16", "fp16"):
        trials.append(("kv_dtype=fp8", True, {"kv_dtype": "fp8"}))
    found: dict[str, dict[str, Any]] = {}
    for lever, changes_output, changes in trials:
        try:
            outcome = search_space(resolved, traffic, targets, offers=(offer,), only_layouts=(layout,), **changes)
        except (DoesNotFitError, UnsupportedError):
            continue
        gain = _capacity_gain(resolved, outcome, traffic, targets, base)
        if gain is not None:
            found[lever] = _lever(lever, gain, changes_output, chosen)
    for target in targets:
        relaxed = tuple(Target(t.metric, t.statistic, t.limit_s * (1.5 if t == target else 1.0)) for t in targets)
        gain = max_rate(chosen.prepared, relaxed) / chosen.capacity - 1.0
        found[target.name] = _lever(
            f"{target.name}={show(target.limit_s * 1.5, 's')} (half as much again)", gain, False, chosen
        )
    if resolved.scenario.prefix_hit is None and resolved.workload.prefix_hit_frac > 0:
        cold = prepare(
            chosen.job.deployment, lengths_of(resolved.workload, 0.0), chosen.job.budget, chosen.job.max_seqs
        )
        found["prefix"] = _lever("prefix cache off", max_rate(cold, targets) / chosen.capacity - 1.0, False, chosen)
    return sorted(found.values(), key=lambda lever: -lever["gain_frac"])


def _lever(name: str, capacity_gain: float, changes_output: bool, chosen: Chosen) -> dict[str, Any]:
    return {
        "lever": name,
        "gain_frac": 1.0 - 1.0 / (1.0 + capacity_gain) if capacity_gain > -1.0 else -1.0,
        "metric": "usd_per_million_tokens_full_load",
        "changes_output": changes_output,
        "quality_delta": None,
        "tier": chosen.fields["tier"],
    }


def _capacity_gain(
    resolved: Resolved, outcome: Outcome, traffic: Traffic, targets: tuple[Target, ...], base: float
) -> float | None:
    """Relative gain in capacity per accelerator of the best row of ``outcome`` over ``base``."""
    ranked = rank(outcome, resolved.scenario.objective)
    if not ranked:
        return None
    best = Chosen(resolved, outcome, ranked[0], traffic, targets)
    return best.capacity / best.job.deployment.cut.layout.n_accelerators / base - 1.0
