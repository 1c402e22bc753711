"""What it takes to check a claim: inputs with ranges, a computation, a judgement, and inputs that change it.

A check computes one number from named inputs. Its range moves each input alone to its low and high end and adds the
effects in quadrature on either side::

    low  = value - sqrt(sum_i min(f(x_i = low_i) - f, f(x_i = high_i) - f, 0)^2),   high likewise with max(..., 0)

so it is as wide as independent inputs make it, to first order. The verdict is a function of the computed number, its
range and the inputs, never a constant: ``moved`` holds inputs beyond the threshold, and a test sets them and sees the
number and the verdict change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["holds", "holds under conditions", "too loose", "wrong", "outdated", "not testable here"]
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Input:
    """One number a check starts from: SI value, its range (equal to the value where it has none), unit and origin.

    ``source`` names a source of the catalogue, the catalogue entry it comes from, or says that it is a choice.
    """

    value: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """A number and its range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Check:
    """An executable claim.

    ``inputs`` gives the defaults (read from the catalogue when asked, so that an overlaid catalogue counts);
    ``compute`` the number in ``unit``; ``judge`` the verdict; ``evidence`` one or two sentences with the numbers that
    the verdict rests on; ``command`` a command line that shows the number; ``moved`` inputs that change the verdict.
    """

    id: str
    quantity: str
    unit: str
    inputs: Callable[[], Mapping[str, Input]]
    compute: Callable[[Values], float]
    judge: Callable[[Computed, Values], Verdict]
    evidence: Callable[[Computed, Values], str]
    command: str
    moved: Values


_CHECKS: dict[str, Check] = {}


def register(check: Check) -> Check:
    """Add ``check`` to the ledger; an id has one check."""
    if check.id in _CHECKS:
        raise ValueError(f"claim {check.id} is checked twice")
    _CHECKS[check.id] = check
    return check


def registered() -> Mapping[str, Check]:
    """Checks by claim id, as registered so far (``ledger`` imports every module of ``checks``)."""
    return _CHECKS


def spread(compute: Callable[[Values], float], inputs: Mapping[str, Input]) -> Computed:
    """Value and range of ``compute`` over ``inputs``.

    >>> spread(lambda x: x["a"] + x["b"], {"a": Input(1.0, "1", "", 0.0, 4.0), "b": Input(1.0, "1", "", 1.0, 5.0)})
    Computed(value=2.0, low=1.0, high=7.0)
    """
    values = {name: item.value for name, item in inputs.items()}
    value = compute(values)
    down = up = 0.0
    for name, item in inputs.items():
        ends = [compute({**values, name: end}) - value for end in (item.low, item.high) if end is not None]
        down += min([0.0, *ends]) ** 2
        up += max([0.0, *ends]) ** 2
    return Computed(value, value - math.sqrt(down), value + math.sqrt(up))
