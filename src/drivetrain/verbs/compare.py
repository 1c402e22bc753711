"""``compare``: two questions side by side, what differs in them, and how much each difference explains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from drivetrain import __version__
from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError, LayoutError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.scenario_file import VERBS, Question, choices_of, override, read_question
from drivetrain.verbs.difference import differences
from drivetrain.verbs.explain_differences import Answers, announced, explain
from drivetrain.verbs.metric import MAIN, metric_named, number_in
from drivetrain.verbs.plan_serve import CATALOGUE_DATE, plan
from drivetrain.verbs.predict_serve import predict
from drivetrain.verbs.train_question import is_training

Source = str | Path | Mapping[str, Any]
_NOT_SERVED = (InfeasibleError, DoesNotFitError, UnsupportedError, LayoutError)
_MOVED = 1e-6  # relative; the same code gives the same bits, so anything larger is a change of code or catalogue


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a verb says to one scenario; ``fields`` are ``None`` where nothing meets what was asked."""

    fields: dict[str, Any] | None
    verdict: str


def compare(
    a: Source,
    b: Source | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    metric: str = "",
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Compare two questions, each a scenario file, a saved answer, its folder, or a mapping of choices.

    Both are of serving, or both of training (:func:`drivetrain.verbs.train_compare.compare_training`).

    ``changes`` are made to ``b``, or to a copy of ``a`` where there is no ``b``. ``metric`` is any number of a plan,
    e.g. ``"tpot_s.p95"``, or a short name (``"cost"``, ``"energy"``, ``"tpot_p95"``); by default that of the
    objective where both have the same, else the cost per million output tokens. Starting from ``a`` the differences
    are applied one at a time; with at most four of them effects are averaged over all orders (Shapley), else taken
    first to last. They sum to ``total_delta``. ``tell`` hears how much work that is before it starts.
    """
    started = time.perf_counter()
    if _of_training(a, b):
        from drivetrain.verbs.train_compare import compare_training

        return compare_training(a, b, changes=changes, metric=metric, tell=tell)
    first, second = _questions(a, b, changes)
    scenarios = first.scenario, second.scenario
    found = differences(*scenarios)
    answer: Answers[ServeScenario, _Answer] = Answers(lambda scenario: _ask(first.verb, scenario))
    one, two = (_end(answer, scenario) for scenario in scenarios)
    objectives = {scenario.objective for scenario in scenarios}
    shared = objectives.pop() if len(objectives) == 1 else ""
    default = shared if shared in ("energy", "carbon", "accelerators") else "cost"
    measured = metric_named(metric or default, [end.fields for end in (one, two) if end.fields])

    if len(found) > 1 and one.fields and two.fields:
        tell(announced(len(found)))

    def measure(scenario: ServeScenario) -> tuple[float | None, str]:
        said = answer(scenario)
        value = number_in(said.fields, measured)
        return value, said.verdict if said.fields is None else f"{measured} is not known there"

    return {
        "verb": first.verb,
        "metric": measured,
        "a": _side(first, scenarios[0], one, _name(a, {}, "A")),
        "b": _side(second, scenarios[1], two, _name(a if b is None else b, changes or {}, "B")),
        "numbers": _numbers(one.fields, two.fields, measured),
        **explain(found, scenarios[0], measured, measure),
        "n_answers": len(answer),
        "elapsed_s": time.perf_counter() - started,
        "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }


def _of_training(a: Source, b: Source | None) -> bool:
    """Whether training is asked about; one of each cannot be compared."""
    one = is_training(a)
    if b is not None and is_training(b) != one:
        raise BadInputError(
            "one asks about training, the other about serving: they share no number to compare. Give two of a kind."
        )
    return one


def _questions(a: Source, b: Source | None, changes: Mapping[str, Any] | None) -> tuple[Question, Question]:
    if b is None and not changes:
        raise BadInputError("say what to compare with: a second file, or changes to the first (--set pricing=own).")
    first = _question(a)
    second = first if b is None else _question(b)
    if changes:
        second = Question(second.verb, override(second.choices, choices_of(changes)))
    if first.verb != second.verb:
        raise BadInputError(
            f"one is a {first.verb}, the other a {second.verb}: their rates and numbers mean different things. Ask "
            'both with the same verb, e.g. verb = "plan" with one accelerator and one layout for what runs today.'
        )
    return first, second


def _question(source: Source) -> Question:
    if not isinstance(source, Mapping):
        return read_question(source)
    choices = choices_of({name: value for name, value in source.items() if name != "verb"})
    verb = str(source.get("verb") or ("predict" if "concurrency" in choices else "plan"))
    if verb not in VERBS:
        raise BadInputError(f"verb '{verb}' is not known. Choose {' or '.join(VERBS)}.")
    return Question(verb, choices)


def _ask(verb: str, scenario: ServeScenario) -> _Answer:
    if verb == "plan":
        found = plan(replace(scenario, levers="off"))
        return _Answer(found["best"], found["verdict"])
    return _Answer(predict(scenario), "")


def _end(answer: Callable[[ServeScenario], _Answer], scenario: ServeScenario) -> _Answer:
    """A or B: what cannot be served is an answer, what cannot be understood an error."""
    try:
        return answer(scenario)
    except _NOT_SERVED as error:
        return _Answer(None, str(error.args[0]))


def _side(question: Question, scenario: ServeScenario, answer: _Answer, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "feasible": answer.fields is not None,
        "verdict": answer.verdict,
        "best": answer.fields,
        "scenario": asdict(scenario),
        "moved": _moved(question.answer, answer.fields),
    }


def _moved(saved: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Main numbers that a saved answer gave differently."""
    if saved is None:
        return []
    then = saved.get("best") if "feasible" in saved else saved
    pairs = [(name, number_in(then, name), number_in(now, name)) for name in MAIN]
    return [{"field": name, "saved": old, "now": new} for name, old, new in pairs if not _same(old, new)]


def _same(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else abs(a - b) <= _MOVED * max(abs(a), abs(b))


def _numbers(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, metric: str) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys((*MAIN, metric)):
        before, after = number_in(a, name), number_in(b, name)
        delta = None if before is None or after is None else after - before
        rows.append({"field": name, "a": before, "b": after, "delta": delta,
                     "change_frac": delta / before if delta is not None and before else None})  # fmt: skip
    return rows


def _name(source: Source, changes: Mapping[str, Any], letter: str) -> str:
    name = letter if isinstance(source, Mapping) else str(source)
    made = ", ".join(f"{field}={value}" for field, value in changes.items())
    return f"{name} with {made}" if made else name
