"""What the search may do otherwise: the terms of ``--allow`` as levers, within the least quality that must be kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.registry import suggest
from drivetrain.serving.techniques.active import activate
from drivetrain.techniques import parse_techniques
from drivetrain.units import number
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.choices import cache_in, exact_levers, offload_lever, output_levers, power_levers, sibling_levers
from drivetrain.verbs.kept import changes_of, keeps, recovery
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import USD, Lever, Setting

_MODELS = ("sibling", "pruned", "distilled")
_LOOKED_UP = ("weights", *_MODELS)  # their values are what the catalogue holds, not what one may choose freely


@dataclass(frozen=True, slots=True)
class Allowed:
    """Levers that the search may pull, and those it may not for what they keep of the quality."""

    levers: tuple[Lever, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def permitted(resolved: Resolved) -> Resolved:
    """``resolved`` with those of its checkpoints that keep enough quality; a clear error where none does.

    One that keeps too little with the lighter cache it asks for is tried with the cache of the shipped one.
    """
    least = resolved.scenario.min_quality
    if least is None:
        return resolved
    if not resolved.kv_dtype:
        resolved = replace(resolved, checkpoints=tuple(_with_cache(resolved, c, least) for c in resolved.checkpoints))
    kept = {c.name: _base_recovery(resolved, c.name) for c in resolved.checkpoints}
    unknown_too = resolved.scenario.allow_unknown_quality
    enough = tuple(c for c in resolved.checkpoints if keeps(kept[c.name], least, unknown_too))
    if enough:
        return replace(resolved, checkpoints=enough)
    best = max(resolved.checkpoints, key=lambda c: -1.0 if kept[c.name] is None else float(kept[c.name] or 0.0))
    what = " with ".join(_base_changes(resolved, best.name))
    left = kept[best.name]
    if left is None:
        raise BadInputError(
            f"--min-quality {_percent(least)} asks what {what} leaves of {resolved.model.name}'s quality, and that is "
            "unknown. Leave it out, or add --allow-unknown-quality."
        )
    raise BadInputError(
        f"--min-quality {_percent(least)} cannot be kept: {what} leaves {resolved.model.name} {_percent(left)} of its "
        f"benchmark score. Lower --min-quality to {_down(left)}, or leave {what} out."
    )


def allowed_levers(resolved: Resolved) -> Allowed:
    """The levers that ``--allow`` names and ``--min-quality`` permits; a clear error where nothing is left of them."""
    scenario = resolved.scenario
    if not scenario.allow:
        return Allowed()
    setting = base_setting(resolved)
    known = every_lever(resolved, setting)
    wanted: dict[str, Lever] = {}
    for term in scenario.allow:
        for lever in known if term == "all" else _named(resolved, setting, known, term):
            wanted[lever.name] = lever
    good, left_out = [], []
    for lever in wanted.values():
        after = lever.on(setting)
        kept = recovery(after.changes, resolved.model, after.model if after.stand_in else None)
        if keeps(kept, scenario.min_quality, scenario.allow_unknown_quality):
            good.append(lever)
        else:
            left_out.append((lever.name, "unknown" if kept is None else _percent(kept)))
    if not wanted and "all" not in scenario.allow:
        raise BadInputError(_nothing(resolved, scenario.allow[0], ()))
    if not good and left_out:
        told = "; ".join(f"{name} keeps {'an unknown share' if kept == 'unknown' else kept}" for name, kept in left_out)
        raise BadInputError(
            f"--min-quality {_percent(scenario.min_quality or 0.0)} leaves nothing of --allow "
            f"{','.join(scenario.allow)}: {told}. Lower --min-quality, or allow something else."
        )
    return Allowed(tuple(good), tuple(left_out))


def allowed_assumptions(resolved: Resolved, allowed: Allowed) -> tuple[Assumption, ...]:
    """What was allowed, and what the least quality ruled out."""
    scenario = resolved.scenario
    found = []
    if allowed.levers:
        found.append(Assumption("allowed", ", ".join(lever.name for lever in allowed.levers), "your choice"))
    if scenario.min_quality is not None:
        unknown = ", unknown ones too" if scenario.allow_unknown_quality else ""
        found.append(Assumption("least quality", f"{_percent(scenario.min_quality)} of the benchmark score{unknown}",
                                "your choice"))  # fmt: skip
    if allowed.left_out:
        told = ", ".join(f"{name} ({kept})" for name, kept in allowed.left_out)
        found.append(Assumption("left out, keep less", told, "catalogue"))
    return tuple(found)


def base_setting(resolved: Resolved) -> Setting:
    """The question as asked: the first of its checkpoints, all its engines and layouts, no targets."""
    checkpoint = resolved.checkpoints[0]
    return Setting(resolved.model, checkpoint, resolved.kv_dtype or checkpoint.kv_dtype, resolved.techniques.choice,
                   resolved.engines, resolved.layouts, resolved.lengths, ())  # fmt: skip


def every_lever(resolved: Resolved, setting: Setting) -> list[Lever]:
    """All that could be allowed and means something for the question."""
    model, choice = resolved.model, setting.techniques
    exact = [lever for lever in exact_levers(model, setting) if "draft_tokens" not in lever.name.replace("-", "_")]
    if choice.expert_skew == 0.0 and choice.expert_imbalance == 1.0:
        exact = [lever for lever in exact if lever.kind != "redundant-experts"]
    found = [*output_levers(model, setting), *(lever for _, lever in sibling_levers(model) if lever), *exact]
    if choice.kv_offload_bytes is not None and choice.host_hit is None:
        found.append(offload_lever(setting))
    limited = math.isfinite(resolved.limits.power_w) or math.isfinite(resolved.limits.racks)
    if limited or resolved.scenario.objective in ("energy", "carbon"):
        found += power_levers(USD)
    return [lever for lever in found if _possible(lever, resolved)]


def lever_head(lever: Lever) -> str:
    """What ``--allow`` calls it in general."""
    return lever.name.partition("=")[0] if lever.kind == "model" else lever.kind


def _named(resolved: Resolved, setting: Setting, known: Sequence[Lever], term: str) -> list[Lever]:
    """The levers that one term means; a clear error where it means none."""
    head, equals, value = term.partition("=")
    same = [lever for lever in known if lever_head(lever) == head]
    if not equals:
        return same or (power_levers(USD) if head == "power-cap" else [])
    spelled = "kv_dtype" if head == "kv" else head
    exact = [lever for lever in same if lever.name == f"{spelled}={value}"]
    if not exact and head in _MODELS:
        exact = [lever for lever in same if lever.changes["model"].name == value]
    if exact or (head == "weights" and setting.checkpoint.is_in(value)):
        return exact
    if head in _LOOKED_UP:
        raise BadInputError(_nothing(resolved, head, [lever.name.partition("=")[2] for lever in same], value))
    if head == "kv":
        if value not in ("fp8", "bf16", "fp16"):
            raise BadInputError(f"--allow kv={value}: a cache is kept in fp8, bf16 or fp16.")
        return [cache_in(value)]
    choice = parse_techniques(term)
    activate(choice, resolved.model)  # says what the model has no use for
    return [Lever(term, head, techniques=choice.chosen, frees_memory=True)]


def _nothing(resolved: Resolved, head: str, known: Iterable[str], value: str = "") -> str:
    known = list(known)
    what = {"weights": "no other published weights", "sibling": "no smaller sibling it was compared with"}.get(
        head, f"no use for {head}" if head not in _MODELS else f"no {head} model it was compared with"
    )
    if not value or not known:
        return f"--allow {head}{f'={value}' if value else ''}: the catalogue knows {what} for {resolved.model.name}."
    close = suggest(value, known, 1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
    return f"--allow {head}={value}: not in the catalogue for {resolved.model.name}. {hint}"


def _possible(lever: Lever, resolved: Resolved) -> bool:
    """Whether the model has a use for the lever's techniques, and a stand-in the context."""
    other: Model = lever.changes.get("model", resolved.model)
    if other is not resolved.model:
        return float((resolved.lengths.isl + resolved.lengths.osl).max()) <= other.max_context
    try:
        activate(replace(resolved.techniques.choice, **lever.techniques), resolved.model)
    except UnsupportedError:
        return False
    return True


def _with_cache(resolved: Resolved, checkpoint: Checkpoint, least: float) -> Checkpoint:
    """``checkpoint``, with the shipped cache where its own keeps too little and that keeps enough."""
    shipped, unknown_too = resolved.model.checkpoints[0], resolved.scenario.allow_unknown_quality

    def enough(cache: str) -> bool:
        changes = changes_of(shipped, checkpoint, cache, resolved.techniques.choice)
        return keeps(recovery(changes, resolved.model), least, unknown_too)

    if enough(checkpoint.kv_dtype) or not enough(shipped.kv_dtype):
        return checkpoint
    return replace(checkpoint, kv_dtype=shipped.kv_dtype)


def _base_changes(resolved: Resolved, name: str) -> tuple[str, ...]:
    checkpoint = next(c for c in resolved.checkpoints if c.name == name)
    shipped = resolved.model.checkpoints[0]
    return changes_of(shipped, checkpoint, resolved.kv_dtype or checkpoint.kv_dtype, resolved.techniques.choice)


def _base_recovery(resolved: Resolved, name: str) -> float | None:
    return recovery(_base_changes(resolved, name), resolved.model)


def _percent(share: float) -> str:
    return f"{number(100 * share, 4)} %"


def _down(share: float) -> str:
    """A percentage that ``share`` still keeps."""
    return f"{math.floor(share * 1e3) / 10:g}%"
