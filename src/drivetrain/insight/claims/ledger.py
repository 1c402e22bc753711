"""The ledger: every claim with what our models compute of it, a verdict and the evidence.

A claim is checked (a :class:`~drivetrain.insight.claims.check.Check` of its id), repeats the finding of another
(``same_as``) or says why it cannot be tested here (``reason``).
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

from drivetrain import units
from drivetrain.errors import BadInputError, DrivetrainError, UnitError, UnknownNameError
from drivetrain.insight.claims import checks
from drivetrain.insight.claims.check import Check, Computed, Input, Verdict, registered, spread
from drivetrain.insight.claims.text import Claim, claims
from drivetrain.registry import suggest

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
UNTESTED: Verdict = "not testable here"
CHOSEN = "your choice"
BOUNDED = ("share", "probability")  # units whose values lie between 0 and 1, their ranges too
_WHICH = "'drivetrain claims ID' shows the inputs of a claim."
_LEAST = 1e-6  # a share of 0 or 1 counts as this far from it

Tell = Callable[[str, int, int], None]
Sets = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a claim. ``computed`` and ``range`` are None where nothing can be computed."""

    id: str
    claim: str
    computed: float | None
    unit: str
    range: tuple[float, float] | None
    verdict: Verdict
    evidence: str
    command: str
    quantity: str
    essay: str
    kind: str
    same_as: str
    inputs: Mapping[str, Input]

    def row(self) -> dict[str, Any]:
        """The finding as the contract prints it, further fields at the end."""
        shown = {
            name: {"value": i.value, "low": i.low, "high": i.high, "unit": i.unit, "source": i.source}
            for name, i in self.inputs.items()
        }
        return {
            "id": self.id, "claim": self.claim, "computed": self.computed, "unit": self.unit,
            "range": None if self.range is None else list(self.range), "verdict": self.verdict,
            "evidence": self.evidence, "command": self.command, "quantity": self.quantity, "essay": self.essay,
            "kind": self.kind, "same_as": self.same_as or None, "inputs": shown,
        }  # fmt: skip


def run(ids: Sequence[str] = (), sets: Sets | None = None, tell: Tell = lambda _a, _b, _c: None) -> list[Finding]:
    """Findings of the claims ``ids``, or of all in the order of the essays.

    ``sets`` replaces inputs by name, in every check that has one of that name; a text may carry a unit.

    >>> one, = run(["A02"], {"compute_flop": 5.88e23})
    >>> one.unit, one.inputs["compute_flop"].source
    ('tokens per parameter', 'your choice')
    """
    known, found = claims(), all_checks()
    wanted = _wanted(ids, known)
    places = list(dict.fromkeys(known[name].same_as or name for name in wanted))
    inputs = _inputs([found[name] for name in places if name in found], sets or {})
    first: dict[str, Finding] = {}
    for i, name in enumerate(places):
        tell("claims", i, len(places))
        first[name] = _checked(known[name], found[name], inputs[name]) if name in found else _explained(known[name])
    return [first[name] if name in first else _repeated(known[name], first[known[name].same_as]) for name in wanted]


@cache
def all_checks() -> Mapping[str, Check]:
    """Every check by the id of its claim, the modules of ``checks`` imported."""
    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    found = registered()
    return {name: found[name] for name in sorted(found)}


def verdict_called(text: str) -> Verdict:
    """The verdict that ``text`` names, in any case, with dashes or spaces.

    >>> verdict_called("Too-loose")
    'too loose'
    """
    folded = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    for verdict in VERDICTS:
        if verdict == folded:
            return verdict
    raise UnknownNameError("verdict", text, suggest(folded, VERDICTS), f"Verdicts: {', '.join(VERDICTS)}.")


def _wanted(ids: Iterable[str], known: Mapping[str, Claim]) -> list[str]:
    """Ids as they are written in the file; all where none is asked for."""
    asked = [text.strip().upper() for text in ids]
    for name in asked:
        if name not in known:
            close = suggest(name, known)
            raise UnknownNameError("claim", name, close, "Claims are A01 to A74 and B01 to B47: 'drivetrain claims'.")
    return list(dict.fromkeys(asked)) or list(known)


def _inputs(chosen: Sequence[Check], sets: Sets) -> dict[str, dict[str, Input]]:
    """Inputs of each check, those of ``sets`` in place; every name of ``sets`` must belong to one."""
    found = {check.id: dict(check.inputs()) for check in chosen}
    for name, value in sets.items():
        having = [inputs for inputs in found.values() if name in inputs]
        if not having:
            names = sorted({known for inputs in found.values() for known in inputs})
            told = f"Inputs of {chosen[0].id}: {', '.join(names)}." if len(chosen) == 1 else _WHICH
            raise UnknownNameError("input", name, suggest(name, names), told)
        for inputs in having:
            inputs[name] = Input(_number(name, value, inputs[name].unit), inputs[name].unit, CHOSEN)
    return found


def _number(name: str, value: str | float, unit: str) -> float:
    try:
        number = float(value)
    except ValueError:
        try:
            number = units.parse(value, unit)
        except UnitError as error:
            raise BadInputError(f"--set {name}={value}: {error.args[0]}") from None
    if not math.isfinite(number):
        raise BadInputError(f"--set {name}={value}: a finite number is needed.")
    return number


def _checked(claim: Claim, check: Check, inputs: Mapping[str, Input]) -> Finding:
    values = {name: item.value for name, item in inputs.items()}
    try:
        computed = _ranged(check, inputs)
        if not all(math.isfinite(end) for end in (computed.value, computed.low, computed.high)):
            raise ArithmeticError("the result is not finite")
        verdict, evidence = check.judge(computed, values), check.evidence(computed, values)
    except DrivetrainError as error:
        raise BadInputError(f"{claim.id} cannot be computed from these inputs: {error.args[0]}") from None
    except (ArithmeticError, LookupError, ValueError) as error:
        raise BadInputError(f"{claim.id} cannot be computed from these inputs: {error}.") from None
    return Finding(
        id=claim.id, claim=claim.text, computed=computed.value, unit=check.unit,
        range=(computed.low, computed.high), verdict=verdict, evidence=evidence, command=check.command,
        quantity=check.quantity, essay=claim.essay, kind=claim.kind, same_as="", inputs=inputs,
    )  # fmt: skip


def _ranged(check: Check, inputs: Mapping[str, Input]) -> Computed:
    """Value and range; of a share or a probability in log odds, so that it stays between 0 and 1.

    >>> share = Check("X", "", "share", dict, lambda v: v["x"], None, None, "", {})  # type: ignore[arg-type]
    >>> found = _ranged(share, {"x": Input(0.5, "1", "", 0.2, 0.8)})
    >>> round(found.low, 12), found.value, round(found.high, 12)
    (0.2, 0.5, 0.8)
    """
    if check.unit not in BOUNDED:
        return spread(check.compute, inputs)
    value = check.compute({name: item.value for name, item in inputs.items()})
    odds = spread(lambda v: _log_odds(check.compute(v)), inputs)
    low, high = (1.0 / (1.0 + math.exp(-end)) for end in (odds.low, odds.high))
    return Computed(value, min(low, value), max(high, value))


def _log_odds(share: float) -> float:
    inside = min(max(share, _LEAST), 1.0 - _LEAST)
    return math.log(inside / (1.0 - inside))


def _explained(claim: Claim) -> Finding:
    return Finding(
        id=claim.id, claim=claim.text, computed=None, unit="", range=None, verdict=UNTESTED,
        evidence=claim.reason or "No check of this claim is written yet.", command=f"drivetrain claims {claim.id}",
        quantity="", essay=claim.essay, kind=claim.kind, same_as="", inputs={},
    )  # fmt: skip


def _repeated(claim: Claim, other: Finding) -> Finding:
    return replace(
        other, id=claim.id, claim=claim.text, essay=claim.essay, kind=claim.kind, same_as=other.id,
        evidence=f"As {other.id}. {other.evidence}",
    )  # fmt: skip
