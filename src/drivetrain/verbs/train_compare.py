"""``compare`` of two training questions: both answers, their lead in loss, and what each difference explains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from drivetrain import __version__
from drivetrain.catalogue import loader
from drivetrain.errors import (
    BadInputError,
    DoesNotFitError,
    DrivetrainError,
    InfeasibleError,
    LayoutError,
    UnsupportedError,
)
from drivetrain.training_scenario import TrainScenario
from drivetrain.units import number
from drivetrain.verbs.difference import Difference
from drivetrain.verbs.explain_differences import Answers, announced, explain
from drivetrain.verbs.metric import metric_named, number_in
from drivetrain.verbs.plan_serve import CATALOGUE_DATE
from drivetrain.verbs.plan_train import plan
from drivetrain.verbs.predict_train import predict
from drivetrain.verbs.train_lead import Lead, lead
from drivetrain.verbs.train_question import Source, TrainQuestion, train_question

MAIN = ("loss.value", "params", "active_params", "tokens", "days", "usd", "energy_j", "power_w", "n_accelerators",
        "tokens_per_s_per_accel", "mfu", "waiting_frac", "effective_time_frac")  # fmt: skip
SHORT = {"loss": "loss.value", "cost": "usd", "energy": "energy_j", "carbon": "carbon_kg", "time": "days",
         "accelerators": "n_accelerators", "speed": "tokens_per_s_per_accel", "power": "power_w"}  # fmt: skip
_OBJECTIVE = {"cost": "usd", "days": "days", "energy": "energy_j", "carbon": "carbon_kg"}
_NOT_POSSIBLE = (InfeasibleError, DoesNotFitError, UnsupportedError, LayoutError)
_KIND = {"model": "models", "accelerators": "accelerators", "region": "regions"}
# What fixes the amount of training, and what the architecture is, change together: their mixes are no questions.
_TOGETHER = {"amount": ("flops", "tokens", "target_loss", "served_tokens"),
             "architecture": ("model", "experts", "compute_gain"),
             "layout": ("layout", "recompute", "schedule"),
             "failures": ("mtbf_hours", "detection_s", "restart_s", "repair_s", "spares", "checkpoint",
                          "checkpoint_every_s", "store_bytes_per_s")}  # fmt: skip
_ARCHITECTURE = _TOGETHER["architecture"]
_BESIDE = ("sizes",)
_SAME = 1e-9
_CLOSE = 0.02  # budgets further apart are not the same money


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a verb says to one scenario; ``fields`` are ``None`` where nothing will do."""

    fields: dict[str, Any] | None
    verdict: str


def compare_training(
    a: Source, b: Source | None = None, *, changes: Mapping[str, Any] | None = None, metric: str = "",
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Compare two training questions; the arguments are those of :func:`drivetrain.verbs.compare.compare`.

    The default metric is the loss where the two differ in it, else what both are ranked by (dollars). ``lead`` tells
    by how much B's loss is below A's, in 80 % of the draws.

    >>> small = {"model": "llama-3.1-8b", "tokens": "10B", "accelerator": "h100-sxm", "n": 8}
    >>> answer = compare_training(small, changes={"n": 16})
    >>> [d["field"] for d in answer["differences"]], answer["metric"]
    (['n'], 'usd')
    """
    started = time.perf_counter()
    first, second = _questions(a, b, changes)
    scenarios = first.scenario, second.scenario
    found = training_differences(*scenarios)
    answer: Answers[TrainScenario, _Answer] = Answers(lambda scenario: _ask(first.verb, scenario))
    one, two = (answer(scenario) for scenario in scenarios)
    measured = _metric(metric, one, two, scenarios)
    if len(found) > 1 and one.fields and two.fields:
        tell(announced(len(found)))

    def measure(scenario: TrainScenario) -> tuple[float | None, str]:
        said = answer(scenario)
        return number_in(said.fields, measured), said.verdict if said.fields is None else f"{measured} is not known"

    return {
        "verb": first.verb, "metric": measured,
        "a": _side(first, scenarios[0], one, _name(a, {}, "A")),
        "b": _side(second, scenarios[1], two, _name(a if b is None else b, changes or {}, "B")),
        "numbers": _numbers(one.fields, two.fields, measured), "lead": _lead_fields(lead(one.fields, two.fields)),
        "notes": _notes(one.fields, two.fields, measured), "contest": _contest(scenarios, measured, measure),
        **explain(found, scenarios[0], measured, measure, applied),
        "n_answers": len(answer), "elapsed_s": time.perf_counter() - started,
        "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }  # fmt: skip


def training_differences(a: TrainScenario, b: TrainScenario) -> list[Difference]:
    """What differs between two scenarios; two spellings of one catalogue entry do not.

    >>> one, two = TrainScenario(model="llama-3.1-8b", n=8.0), TrainScenario(model="llama-3.1-8b", n=16.0)
    >>> [(d.field, d.a, d.b) for d in training_differences(one, two)]
    [('n', 8.0, 16.0)]
    """
    names = [f.name for f in fields(TrainScenario) if f.name not in _BESIDE]
    differing = {name for name in names if _meaning(name, a) != _meaning(name, b)}
    found: list[Difference] = []
    seen: set[str] = set()
    for name in names:
        if name not in differing or name in seen:
            continue
        title, members = next(((t, m) for t, m in _TOGETHER.items() if name in m), (name, (name,)))
        members = tuple(m for m in members if m in differing)
        seen |= set(members)
        shown = title if len(members) > 1 else name
        found.append(Difference(shown, _shown(members, a), _shown(members, b), {m: getattr(b, m) for m in members}))
    return found


def applied(start: TrainScenario, found: Iterable[Difference]) -> TrainScenario:
    """``start`` with differences made; raises where the mix is no question."""
    changes: dict[str, Any] = {}
    for difference in found:
        changes |= difference.changes
    return replace(start, **changes)


def _questions(a: Source, b: Source | None, changes: Mapping[str, Any] | None) -> tuple[TrainQuestion, TrainQuestion]:
    if b is None and not changes:
        raise BadInputError("say what to compare with: a second file, or changes to the first (--set pricing=spot).")
    first = train_question(a)
    second = first if b is None else train_question(b)
    if changes:
        second = second.changed(changes)
    if first.verb != second.verb:
        raise BadInputError(f"one is a {first.verb}, the other a {second.verb}. Ask both with the same verb.")
    return first, second


def _ask(verb: str, scenario: TrainScenario) -> _Answer:
    try:
        if verb == "plan train":
            found = plan(scenario)
            return _Answer(found if found["feasible"] else None, found["verdict"])
        found = predict(scenario)
        return _Answer(found, found["verdict"])
    except _NOT_POSSIBLE as error:
        return _Answer(None, str(error.args[0]))


def _metric(text: str, a: _Answer, b: _Answer, scenarios: tuple[TrainScenario, TrainScenario]) -> str:
    found = [answer.fields for answer in (a, b) if answer.fields]
    if text:
        return metric_named(SHORT.get(text, text), found)
    losses = [number_in(fields_, "loss.value") for fields_ in found]
    differ = len(losses) == 2 and None not in losses and abs(losses[0] - losses[1]) > _SAME  # type: ignore[operator]
    if differ:
        return "loss.value"
    objective = scenarios[0].objective if scenarios[0].objective == scenarios[1].objective else "cost"
    priced = all(number_in(fields_, _OBJECTIVE[objective]) is not None for fields_ in found)
    return _OBJECTIVE[objective] if priced else "days"


def _contest(
    scenarios: tuple[TrainScenario, TrainScenario], metric: str,
    measure: Callable[[TrainScenario], tuple[float | None, str]],
) -> dict[str, Any] | None:  # fmt: skip
    """Each architecture on each system, and what each of the two is worth; None where only one of them differs.

    A system is everything but the architecture. Effects are from A to B, averaged over both orders; they sum to the
    whole change.
    """
    a, b = scenarios
    found = training_differences(a, b)
    inside = [d for d in found if set(d.changes) <= set(_ARCHITECTURE)]
    if not inside or len(inside) == len(found):
        return None
    mixed = {(i, j): _with_architecture(scenarios[i], scenarios[j]) for i in (0, 1) for j in (0, 1)}
    values: dict[str, float | None] = {}
    for (i, j), scenario in mixed.items():
        try:
            values[f"{'ab'[i]}_on_{'ab'[j]}"] = measure(scenario)[0]
        except DrivetrainError:  # the mix is no question: a layout or an amount that is the other model's
            values[f"{'ab'[i]}_on_{'ab'[j]}"] = None
    aa, ab, ba, bb = (values[name] for name in ("a_on_a", "a_on_b", "b_on_a", "b_on_b"))
    effects: dict[str, float | None] = {"architecture": None, "system": None}
    if aa is not None and ab is not None and ba is not None and bb is not None:
        effects = {"architecture": (ba - aa + bb - ab) / 2.0, "system": (ab - aa + bb - ba) / 2.0}
    return {"metric": metric, "architecture_on_system": values, "effects": effects}


def _with_architecture(of: TrainScenario, on: TrainScenario) -> TrainScenario:
    return replace(on, **{name: getattr(of, name) for name in _ARCHITECTURE})


def _side(question: TrainQuestion, scenario: TrainScenario, answer: _Answer, name: str) -> dict[str, Any]:
    return {"name": name, "feasible": answer.fields is not None, "verdict": answer.verdict, "best": answer.fields,
            "scenario": asdict(scenario), "moved": _moved(question.answer, answer.fields)}  # fmt: skip


def _moved(saved: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Main numbers that a saved answer gave differently."""
    if saved is None:
        return []
    rows = [(name, number_in(saved, name), number_in(now, name)) for name in MAIN]
    return [{"field": name, "saved": old, "now": new} for name, old, new in rows
            if (old is None) != (new is None) or (old is not None and new is not None
                                                  and abs(old - new) > 1e-6 * max(abs(old), abs(new)))]  # fmt: skip


def _numbers(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, metric: str) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys((*MAIN, metric)):
        before, after = number_in(a, name), number_in(b, name)
        delta = None if before is None or after is None else after - before
        rows.append({"field": name, "a": before, "b": after, "delta": delta,
                     "change_frac": delta / before if delta is not None and before else None})  # fmt: skip
    return rows


def _lead_fields(found: Lead | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _notes(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, metric: str) -> list[str]:
    """What makes a comparison of losses unfair."""
    if not a or not b or metric != "loss.value":
        return []
    told = []
    texts = {f["loss"]["data"] for f in (a, b)}
    if len(texts) > 1:
        told.append(f"losses are on different texts ({' and '.join(str(t) for t in texts)}): not comparable")
    if a["usd"] and b["usd"] and abs(b["usd"] / a["usd"] - 1.0) > _CLOSE:
        told.append(f"not the same money: B costs {number(b['usd'] / a['usd'])} times what A costs")
    return told


def _meaning(name: str, scenario: TrainScenario) -> object:
    """A value with its spelling taken away."""
    value = getattr(scenario, name)
    if not value or name not in _KIND:
        return value
    if isinstance(value, tuple):
        return tuple(sorted(loader.resolve(_KIND[name], v) for v in value))
    return loader.resolve(_KIND[name], value)


def _shown(members: tuple[str, ...], scenario: TrainScenario) -> object:
    said = {m: getattr(scenario, m) for m in members if getattr(scenario, m) not in (None, "")}
    if len(members) > 1:
        return said
    value = next(iter(said.values()), getattr(scenario, members[0]))
    return list(value) if isinstance(value, tuple) else value


def _name(source: Source, changes: Mapping[str, Any], letter: str) -> str:
    name = letter if isinstance(source, Mapping) else str(source)
    made = ", ".join(f"{field}={value}" for field, value in changes.items())
    return f"{name} with {made}" if made else name
