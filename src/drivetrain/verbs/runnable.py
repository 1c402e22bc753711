"""Which engine starts a configuration, and what to say where none does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.support_rules import version_of
from drivetrain.errors import UnsupportedError
from drivetrain.serving.search import Offer
from drivetrain.serving.startable import features_of, support
from drivetrain.verbs.resolve import Resolved

_EXAMPLES = 3


def startable(resolved: Resolved, offer: Offer, layout: Layout) -> tuple[Engine, Checkpoint]:
    """The first engine and checkpoint known to start, else the first of which nobody knows; or why none does.

    Checkpoints are those in the precision of the first.
    """
    first = resolved.checkpoints[0]
    same = [
        c for c in resolved.checkpoints if c.weight_dtype == first.weight_dtype or c.is_in(resolved.scenario.weights)
    ]
    for status in ("supported", "unverified"):
        for checkpoint, engine in product(same, resolved.engines):
            features = features_of(layout, resolved.techniques.choice)
            found = support(engine, offer.accelerator, resolved.model, checkpoint, resolved.kv_dtype, features)
            if found.status == status:
                return engine, checkpoint
    raise _would_not_start(resolved, offer, first, layout)


def _would_not_start(resolved: Resolved, offer: Offer, checkpoint: Checkpoint, layout: Layout) -> UnsupportedError:
    model, part, kv = resolved.model, offer.accelerator, resolved.kv_dtype
    features = features_of(layout, resolved.techniques.choice)
    answers = [(e, support(e, part, model, checkpoint, kv, features)) for e in resolved.engines]
    others = [engine.name for engine, _ in answers[1:]]
    nor = f" Nor do{'es' if len(others) == 1 else ''} {', '.join(others)}." if others else ""
    return UnsupportedError(
        f"this would not start: {' '.join(answers[0][1].reasons)}{nor} "
        f"{what_runs(model, checkpoint, part, kv, features, resolved.engines)}"
    )


def nothing_starts(
    resolved: Resolved, offers: Sequence[Offer] = (), checkpoints: Sequence[Checkpoint] = (),
    layouts: Sequence[Layout] = (), kv_dtype: str | None = None,
) -> UnsupportedError:  # fmt: skip
    """Why no engine starts any checkpoint on any offer of the search, or of the part of it given, and what would."""
    model, kv = resolved.model, resolved.kv_dtype if kv_dtype is None else kv_dtype
    parts = list({offer.accelerator.name: offer.accelerator for offer in offers or resolved.offers}.values())
    checkpoints, needs = checkpoints or resolved.checkpoints, _needs(resolved, layouts)
    asked = list(product(parts, checkpoints, needs, resolved.engines))
    alone = [a for a in asked if support(a[3], a[0], model, a[1], kv, _without(a[2], resolved)).status == "supported"]
    found: dict[str, list[str]] = {"unverified": [], "unsupported": [], "supported": []}
    for part, checkpoint, features, engine in alone or asked:  # where techniques are what is in the way, say so
        answer = support(engine, part, model, checkpoint, kv, features)
        found[answer.status] += answer.reasons[:1]
    if found["unverified"] and not resolved.scenario.allow_unverified:
        return UnsupportedError(
            "nothing in the search is known to start, and what nobody knows is left out: "
            f"{_first(found['unverified'])} Add --allow-unverified to plan with it too, or name other --accelerators, "
            "--engines or --weights."
        )
    if not found["unsupported"]:
        return UnsupportedError(
            f"no engine of the search can be laid out for {model.name} on "
            f"{', '.join(part.name for part in parts[:_EXAMPLES])}. Name other --layouts, --accelerators or --engines."
        )
    advice = what_runs(model, checkpoints[0], parts[0], kv, needs[0], resolved.engines)
    return UnsupportedError(f"nothing in the search would start: {_first(found['unsupported'])} {advice}")


def _needs(resolved: Resolved, layouts: Sequence[Layout]) -> list[tuple[str, ...]]:
    """The sets of features that layouts and techniques need; of the simplest layout where every one may be tried."""
    choice = resolved.techniques.choice
    return list(dict.fromkeys(features_of(layout, choice) for layout in layouts or resolved.layouts or (Layout(),)))


def _without(features: tuple[str, ...], resolved: Resolved) -> tuple[str, ...]:
    """``features`` that are not asked for by techniques."""
    return tuple(f for f in features if f not in features_of(Layout(), resolved.techniques.choice))


def what_runs(
    model: Model, checkpoint: Checkpoint, part: Accelerator, kv_dtype: str, features: tuple[str, ...],
    engines: Sequence[Engine],
) -> str:  # fmt: skip
    """The nearest supported combinations: another engine, precision, cache or layout there, else other accelerators."""

    def ok(engine: Engine, there: Accelerator, weights: Checkpoint, kv: str, needs: tuple[str, ...]) -> bool:
        return support(engine, there, model, weights, kv, needs).status == "supported"

    every = _newest_first(loader.load_all("engines").values())
    found: list[str] = []
    other = next((e for e in every if ok(e, part, checkpoint, kv_dtype, features)), None)
    if other:
        found.append(f"{other.name} runs it there (--engines {other.name})")
    if not other and kv_dtype not in ("", "bf16"):
        plain = next((e for e in (*engines, *every) if ok(e, part, checkpoint, "bf16", features)), None)
        found += [f"{plain.name} runs it there with a 16-bit cache (--kv bf16)"] if plain else []
    if not found and features:
        whole = next((e for e in (*engines, *every) if ok(e, part, checkpoint, kv_dtype, ())), None)
        found += [f"{whole.name} runs it there with tensor parallelism alone (such as --layouts tp8)"] if whole else []
    if not found:
        lighter = next(((e, c) for e in (*engines, *every) for c in model.checkpoints
                        if ok(e, part, c, kv_dtype, features)), None)  # fmt: skip
        found += [f"{lighter[0].name} runs it there in {lighter[1].weight_dtype} "
                  f"(--weights {lighter[1].weight_dtype})"] if lighter else []  # fmt: skip
        found += _elsewhere(ok(e, a, checkpoint, kv_dtype, features) and (e, a)
                            for e in engines for a in loader.load_all("accelerators").values()
                            if a.status == "shipping")  # fmt: skip
    return f"What runs: {'; '.join(found)}." if found else "Nothing in the catalogue is known to run it."


def _elsewhere(pairs: Iterable[tuple[Engine, Accelerator] | bool]) -> list[str]:
    by_engine: dict[str, list[str]] = {}
    for pair in pairs:
        if not isinstance(pair, bool):
            by_engine.setdefault(pair[0].name, []).append(pair[1].name)
    return [f"{name} runs it on {', '.join(parts[:_EXAMPLES])}" for name, parts in list(by_engine.items())[:1]]


def _newest_first(engines: Iterable[Engine]) -> list[Engine]:
    return sorted(engines, key=lambda e: (e.family != "vllm", e.family, [-n for n in version_of(e.version)]))


def _first(reasons: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] + (f" (and {len(distinct) - 1} more such)" if len(distinct) > 1 else "")
