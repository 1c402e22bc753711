"""The effect of each difference between two scenarios on one number of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from drivetrain.errors import DrivetrainError
from drivetrain.verbs.attribution import MOST_AVERAGED, Averaged, Share, averaged, in_turn
from drivetrain.verbs.difference import Difference, applied


class _Printed(Protocol):
    """A question with a name of its own."""

    def fingerprint(self) -> str: ...


_Scenario = TypeVar("_Scenario", bound=_Printed)
_Said = TypeVar("_Said")
# A scenario's number, or None and why there is none; a scenario with some of the differences made.
Measure = Callable[[Any], tuple[float | None, str]]
Mix = Callable[[Any, Iterable[Difference]], Any]


class Answers(Generic[_Scenario, _Said]):
    """What ``ask`` says to a scenario, asked once; ``len`` is how many were asked."""

    def __init__(self, ask: Callable[[_Scenario], _Said]) -> None:
        self._ask = ask
        self._known: dict[str, _Said] = {}

    def __call__(self, scenario: _Scenario) -> _Said:
        """The answer to ``scenario``."""
        key = scenario.fingerprint()
        if key not in self._known:
            self._known[key] = self._ask(scenario)
        return self._known[key]

    def __len__(self) -> int:
        return len(self._known)


def announced(n_differences: int) -> str:
    """How much work it is to explain so many differences.

    >>> announced(2), announced(6)
    ('2 differences: up to 4 mixes of A and B are evaluated', '6 differences: up to 7 mixes of A and B are evaluated')
    """
    n = 2**n_differences if n_differences <= MOST_AVERAGED else n_differences + 1
    return f"{n_differences} differences: up to {n} mixes of A and B are evaluated"


class States:
    """The number at every mix of the two scenarios, each evaluated once, and why a mix has none."""

    def __init__(self, start: object, found: Sequence[Difference], measure: Measure, mix: Mix) -> None:
        self._start, self._found, self._measure, self._mix = start, found, measure, mix
        self._known: dict[frozenset[int], tuple[float | None, str]] = {}

    def value(self, state: frozenset[int]) -> float | None:
        """The number with the differences of ``state`` applied."""
        if state not in self._known:
            self._known[state] = self._evaluate(state)
        return self._known[state][0]

    def gaps(self) -> dict[frozenset[int], str]:
        """Mixes that were looked at and have no value, with the reason; neither of the two scenarios is a mix."""
        return {
            state: why
            for state, (value, why) in self._known.items()
            if value is None and 0 < len(state) < len(self._found)
        }

    def _evaluate(self, state: frozenset[int]) -> tuple[float | None, str]:
        try:
            return self._measure(self._mix(self._start, (self._found[i] for i in sorted(state))))
        except DrivetrainError as error:  # nobody asked for a mix: why it is no question is why it has no value
            return None, str(error.args[0])


def explain(
    found: Sequence[Difference], start: object, metric: str, measure: Measure, mix: Mix = applied
) -> dict[str, Any]:
    """``differences`` with their effects, ``total_delta``, and ``attribution``: how they were found.

    A difference that passes through mixes that nothing serves has no effect of its own in the order of the fields:
    the joint effect stands with the last of its group, the others have ``None`` and name their group.
    """
    n, states = len(found), States(start, found, measure, mix)
    turns = in_turn(range(n), states.value)
    mean = averaged(n, states.value) if turns is not None and 0 < n <= MOST_AVERAGED else None
    first, last = states.value(frozenset()), states.value(frozenset(range(n)))
    total = None if first is None or last is None else last - first
    gaps = states.gaps()
    rows = [
        {"field": d.field, "a": d.a, "b": d.b}
        | {"effect": {"metric": metric, **_effect(i, found, turns, mean, total)}
           | {"infeasible_between": any(i in state for state in gaps)}}
        for i, d in enumerate(found)
    ]  # fmt: skip
    return {
        "differences": rows,
        "total_delta": total,
        "attribution": {
            "method": "average over orders" if mean else "first to last",
            "order": [d.field for d in found],
            "orders_used": mean.n_used if mean else min(n, 1),
            "orders": mean.n_orders if mean else math.factorial(n),
            "infeasible_between": [
                {"with": [found[i].field for i in sorted(state)], "reason": why} for state, why in gaps.items()
            ],
        },
    }


def _effect(
    i: int,
    found: Sequence[Difference],
    turns: dict[int, Share] | None,
    mean: Averaged | None,
    total: float | None,
) -> dict[str, Any]:
    turn = turns[i] if turns else Share(None)
    delta = mean.deltas[i] if mean else turn.delta
    return {
        "delta": delta,
        "share_frac": delta / total if delta is not None and total else None,
        "delta_in_order": turn.delta,
        "together_with": [] if mean else [found[j].field for j in turn.together_with],
    }
