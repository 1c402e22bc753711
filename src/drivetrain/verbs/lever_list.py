"""Which levers a plan has: all that could be pulled where it stands, and why others cannot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.slo import Target
from drivetrain.units import number, show
from drivetrain.verbs.choices import exact_levers, offload_lever, output_levers, power_levers, sibling_levers
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import JOULES, PROVISIONED, Lever
from drivetrain.verbs.standing import Pull, Standing

_RELAXED = 1.5
_MORE_HITS, _MOST_HITS = 0.1, 0.95


def levers_at(standing: Standing) -> Iterator[Lever | tuple[str, str]]:
    """Levers that could be pulled; for those that mean nothing here, name and reason."""
    setting, model = standing.setting, standing.setting.model
    yield from output_levers(model, setting)
    for lever in exact_levers(model, setting):
        yield _meant(lever, standing)
    yield from _prefix(standing.resolved, standing)
    yield from _power(standing)
    for engine in standing.resolved.engines:
        if engine not in setting.engines:
            yield Lever(f"engine={engine.name}", "engine", changes={"engines": (engine,)})
    if not setting.stand_in:
        yield from _siblings(standing.resolved)
    yield from _relaxed(setting.targets)


def other_layouts(standing: Standing) -> Iterator[Pull]:
    """The best other layout, and the best with data-parallel attention."""
    base, metric = standing.base(), standing.metric
    here = base[standing.layout].cost[metric]
    others = sorted((la for la in base if la != standing.layout), key=lambda la: base[la].cost[metric])
    spread = [layout for layout in others if layout.dp > 1]
    for layout in dict.fromkeys((*others[:1], *spread[:1])):
        note = "attention data-parallel, experts spread" if layout.dp > 1 else ""
        lever = Lever(f"layout={layout}", "layout", changes={"layouts": (layout,)}, note=note)
        yield Pull((lever,), metric, 1.0 - base[layout].cost[metric] / here, base[layout], lever.on(standing.setting))


def _meant(lever: Lever, standing: Standing) -> Lever | tuple[str, str]:
    """The lever, unless the plan gives it nothing to act on."""
    choice = standing.setting.techniques
    if lever.kind == "redundant-experts" and choice.expert_skew == 0.0 and choice.expert_imbalance == 1.0:
        return lever.name, "experts count as evenly loaded; state expert-skew or expert-imbalance."
    if lever.kind == "two-batch-overlap" and standing.layout.dp == 1:
        return lever.name, "it hides messages of data-parallel attention, which this layout has not."
    return lever


def _prefix(resolved: Resolved, standing: Standing) -> Iterator[Lever | tuple[str, str]]:
    """Ten points more of the input found in a prefix cache, none, and cache in host memory."""
    stated = resolved.scenario.prefix_hit
    hit = resolved.workload.prefix_hit_frac if stated is None else stated
    more = min(hit + _MORE_HITS, _MOST_HITS)
    if more > hit:
        yield Lever(f"prefix_hit={more:.3g}", "prefix", f"--prefix-hit {more:.3g}",
                    {"lengths": lengths_of(resolved.workload, more)}, pairs=False,
                    note=f"{number(100 * (more - hit), 2)} points more of the input in a prefix cache")  # fmt: skip
    if hit > 0.0:
        yield Lever("prefix cache off", "prefix", "--prefix-hit 0", {"lengths": lengths_of(resolved.workload, 0.0)},
                    pairs=False)  # fmt: skip
        choice = standing.setting.techniques
        if choice.kv_offload_bytes is None:
            yield "kv-offload", "the stated hit share is taken as reached; --with kv-offload=0GB bounds the cache."
        elif choice.host_hit is not None:
            yield "kv-offload", "host-hit states what is found in host memory; leave it out to have it computed."
        else:
            yield offload_lever(standing.setting)
    else:
        yield "kv-offload", "no input is found in a prefix cache; state --prefix-hit."


def _power(standing: Standing) -> Iterator[Lever | tuple[str, str]]:
    """Power caps, where energy is what counts or power is limited."""
    limits = standing.resolved.limits
    if standing.metric == JOULES:
        yield from power_levers(JOULES)
    elif standing.metric == PROVISIONED or math.isfinite(limits.power_w) or math.isfinite(limits.racks):
        yield from power_levers(PROVISIONED)
    else:
        yield "power-cap", "neither energy is the objective nor power limited (--objective energy, --max-power)."


def _siblings(resolved: Resolved) -> Iterator[Lever | tuple[str, str]]:
    """Models that were compared with the one asked for, in its place."""
    longest = float((resolved.lengths.isl + resolved.lengths.osl).max())
    for sibling, lever in sibling_levers(resolved.model):
        if lever is None:
            yield f"{sibling.relation}={sibling.checkpoint}", "the catalogue has no such model."
        elif longest > lever.changes["model"].max_context:
            yield lever.name, "its context is shorter than the longest requests."
        else:
            yield replace(lever, changes={**lever.changes, "layouts": resolved.layouts})


def _relaxed(targets: tuple[Target, ...]) -> Iterator[Lever]:
    """Each target half as long again."""
    for target in targets:
        limits = tuple(replace(t, limit_s=t.limit_s * (_RELAXED if t == target else 1.0)) for t in targets)
        slo = ",".join(f"{t.name}={t.limit_s * 1e3:g}ms" for t in limits)
        yield Lever(f"{target.name}={show(target.limit_s * _RELAXED, 's')} (half as much again)", f"slo {target.name}",
                    f"--slo {slo}", {"targets": limits}, pairs=False)  # fmt: skip
