"""The same traffic against several fleets or policies, side by side, request by request.

All variants meet the same requests and draw the same numbers (common random numbers), so that what differs is what was
changed. The difference of a mean to the first variant is taken request by request, and its interval from batches of
requests (or from replications): it is much narrower than those of the two means, and 0 outside of it is a difference.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.serving.policies import KINDS
from drivetrain.serving.sim.intervals import LEVEL_FRAC, batches, half_width
from drivetrain.serving.sim.records import COMPLETED, Floats
from drivetrain.units import show
from drivetrain.verbs.simulate import answer_of, ended, meta_of
from drivetrain.verbs.simulate_choices import TRAFFIC, Question, split
from drivetrain.verbs.simulate_run import Played, Run, Take, Tell, give, play
from drivetrain.verbs.simulate_traffic import Asked

MOST_VARIANTS = 64
_METRICS = ("ttft_s", "e2e_s")


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The answer, and the runs of each variant by name for files."""

    answer: dict[str, Any]
    played: dict[str, Played]


def compare_variants(
    question: Question, compare: str | Mapping[str, Any], *, tell: Tell = lambda *_: None,
    take: Callable[[str], Take] | None = None,
) -> Compared:  # fmt: skip
    """Play every variant of ``question``; where the work is interrupted, those that are done.

    ``take`` makes of a variant's name what gets its requests.
    """
    started = time.perf_counter()
    wanted = variants_of(compare)
    if question.own.stream:
        raise BadInputError("variants are compared request by request, which --stream does not keep: leave it out.")
    questions = {name: question.changed(changes) for name, changes in wanted.items()}
    known: dict[object, Asked] = {}
    played: dict[str, Played] = {}
    answers = []
    partial = False
    for i, (name, one) in enumerate(questions.items()):
        begun = time.perf_counter()
        try:
            found = play(one, tell=tell, what=f"{name} ({i + 1} of {len(questions)})", known=known)
        except KeyboardInterrupt:
            if not played:
                raise
            partial = True
            break
        partial = found.partial
        if partial and played:
            break
        played[name] = found
        if take is not None:
            give(found.runs, take(name))
        answers.append({"name": name, "choices": dict(wanted[name]), **answer_of(found, begun)})
        if partial:
            break
    shared = not any(name in TRAFFIC for changes in wanted.values() for name in _fields(changes))
    first = next(iter(played))
    differences = [_difference(first, name, played) for name in played if name != first] if shared else []
    n = sum(ended(answer) for answer in answers)
    wall = sum(one.wall_s for one in played.values())
    answer = {
        "verdict": _verdict(answers, differences),
        "compared": list(dict.fromkeys(name for changes in wanted.values() for name in changes)),
        "same_traffic": shared,
        "variants": answers,
        "differences": differences,
        "confidence": {"level_frac": LEVEL_FRAC},
        "assumptions": answers[0]["assumptions"],
        "sources": answers[0]["sources"],
        "scenario": question.flat(),
        "meta": meta_of(question, n, wall, started, partial=partial),
    }
    return Compared(answer, played)


def variants_of(compare: str | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Names of variants and what each changes; choices separated by ``;`` are combined in every way.

    >>> list(variants_of("route=round-robin,prefix-aware:load=2,miss=1;replicas=2,4"))[:3]
    ['round-robin, replicas=2', 'round-robin, replicas=4', 'prefix-aware:load=2,miss=1, replicas=2']
    """
    lists = _lists(compare)
    if not lists:
        raise BadInputError("say what to compare: --compare route=round-robin,least-loaded,prefix-aware.")
    n = math.prod(len(values) for values in lists.values())
    if n > MOST_VARIANTS:
        raise BadInputError(f"--compare asks for {n} variants; {MOST_VARIANTS} are the most.")
    found: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*lists.values()):
        changes = dict(zip(lists, values, strict=True))
        found[", ".join(str(v) if k in KINDS else f"{k}={v}" for k, v in changes.items())] = changes
    if len(found) < 2:
        raise BadInputError("a comparison needs two variants at least: --compare route=round-robin,least-loaded.")
    return found


def _lists(compare: str | Mapping[str, Any]) -> dict[str, list[Any]]:
    if isinstance(compare, Mapping):
        return {name: [values] if isinstance(values, str) else list(values) for name, values in compare.items()}
    found: dict[str, list[Any]] = {}
    for term in filter(None, (part.strip() for part in compare.split(";"))):
        name, equals, values = term.partition("=")
        name = name.strip()
        if not equals or not values.strip():
            raise BadInputError(f"cannot read --compare '{term}'. Write a choice and its values: route=random,session.")
        if name in found:
            raise BadInputError(f"--compare names '{name}' twice. Keep one.")
        found[name] = _values(values)
    return found


def _values(text: str) -> list[str]:
    """Values separated by commas; what has a ``=`` in it is an option of the value before.

    >>> _values("none,lru,lru,host=64GB")
    ['none', 'lru', 'lru,host=64GB']
    """
    found: list[str] = []
    for part in re.split(r"\s*,\s*", text.strip()):
        if "=" in part and found and ":" not in part.partition("=")[0]:
            found[-1] += f",{part}"
        elif part:
            found.append(part)
    return list(dict.fromkeys(found))


def _fields(changes: Mapping[str, Any]) -> list[str]:
    serve, own = split(changes)
    return [*serve, *own]


def _difference(first: str, name: str, played: Mapping[str, Played]) -> dict[str, Any]:
    """How far the means of ``name`` are from those of ``first``, over requests that both completed."""
    pairs = list(zip(played[first].runs, played[name].runs, strict=False))
    found: dict[str, Any] = {"variant": name, "against": first}
    for metric in _METRICS:
        each = [_paired(a, b, metric) for a, b in pairs]
        if len(each) > 1:
            estimates = [float(values.mean()) for values in each if len(values)]
            method = f"Student's t over {len(each)} replications"
        else:
            estimates = [float(each[0][b].mean()) for b in batches(len(each[0]))]
            method = "batch means"
        values = np.concatenate(each)
        if not len(values):
            found[metric] = None
            continue
        mean = float(np.mean(estimates)) if len(each) > 1 else float(values.mean())
        half = half_width(estimates) if estimates else None
        found[metric] = {"mean": mean, "mean_low": None if half is None else mean - half,
                         "mean_high": None if half is None else mean + half, "method": method if half else None,
                         "differs": half is not None and abs(mean) > half}  # fmt: skip
    return found


def _paired(a: Run, b: Run, metric: str) -> Floats:
    """Seconds more in ``b`` than in ``a``, by request, in the order in which they were sent."""
    both = np.flatnonzero((a.outcome.status == COMPLETED) & (b.outcome.status == COMPLETED))
    seconds = [(o.first_s if metric == "ttft_s" else o.finish_s) - o.sent_s for o in (a.outcome, b.outcome)]
    return (seconds[1] - seconds[0])[both]


def best_of(answers: Sequence[Mapping[str, Any]]) -> int:
    """The variant with most requests within the targets, then the shortest mean wait; the first among equals."""

    def rank(answer: Mapping[str, Any]) -> tuple[float, float]:
        wait = answer["ttft_s"]["mean"] if not answer["targets"] else answer["e2e_s"]["mean"]
        return (-round(answer["slo_goodput_frac"] or 0.0, 4), math.inf if wait is None else wait)

    return min(range(len(answers)), key=lambda i: rank(answers[i]))


def _verdict(answers: Sequence[Mapping[str, Any]], differences: Sequence[Mapping[str, Any]]) -> str:
    """Which variant is best, by how much, and whether that is more than chance."""
    if len(answers) < 2:
        return f"Only {answers[0]['name']} was played before it was interrupted: {answers[0]['verdict']}"
    best = answers[best_of(answers)]
    if best["ttft_s"]["mean"] is None:
        return "None of the variants answered a request."
    worst = max(answers, key=lambda a: a["ttft_s"]["mean"] or 0.0)
    goodput = f"{100 * best['slo_goodput_frac']:.4g} % of requests within the SLO, " if best["targets"] else ""
    text = f"{best['name']} is best: {goodput}mean TTFT {show(best['ttft_s']['mean'], 's')}"
    if worst is not best:
        text += f" against {show(worst['ttft_s']['mean'], 's')} with {worst['name']}"
    unclear = [d for d in differences if d["ttft_s"] and not d["ttft_s"]["differs"]]
    if len(unclear) == len(differences) and differences:
        text += "; no difference in TTFT is beyond chance"
    return text + "."
