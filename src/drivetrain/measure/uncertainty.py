"""How uncertain one prediction is: what the fit had not seen, and how far outside its measurements it asks.

Errors are log-normal. Residuals of the fit give a standard deviation for settings like those measured, residuals with
whole models and whole accelerators left out give wider ones; what is new in both ways adds both excess variances::

    sigma^2 = known^2 + [new model] (new_model^2 - known^2) + [new accelerator] (new_accelerator^2 - known^2)
    sigma  -> sigma (1 + w d),    w = 0.5 (assumed)

``d`` is the distance of the setting from the box of what was measured, in e-folds: Euclidean over the logarithms of
concurrency, lengths and accelerators of a replica, years between releases, and one for each thing the box does not hold
at all (a weight precision, a technique, pools). The box is that of the calibration's ``[evidence]`` tables of the
hardware generation and the engine family, or of everything where neither was measured; a calibration without such
tables widens nothing. Method: docs/method/ranges.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drivetrain.cost.efficiency import calibration
from drivetrain.measure.spread import Kind, kind_of, power_spread, spread, unseen

RangeKind = Kind | Literal["assumed"]
WIDENING = 0.5
_NEAR = 0.1  # e-folds (or years) outside that still count as inside: 10 %, a month
_WORDS = {"concurrency": "concurrency", "input_tokens": "input tokens", "output_tokens": "output tokens",
          "accelerators_per_replica": "accelerators of a replica"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """What is predicted, as far as it decides how well: numbers are per replica, lengths are means.

    ``fitted`` says that both the generation's and the engine family's coefficients were measured; ``released`` is the
    month of the engine (``2026-03``).
    """

    model: str
    accelerator: str
    generation: str
    engine: str
    fitted: bool
    released: str
    weights: str
    concurrency: float
    input_tokens: float
    output_tokens: float
    accelerators_per_replica: int


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Standard deviations of log(measured / predicted) and why they are so wide.

    ``distance`` is how far beyond the measurements the setting lies, in e-folds; ``new`` names what the fit had not
    seen or what is assumed, ``outside`` the settings beyond the measured ones.
    """

    kind: RangeKind
    tpot: float
    ttft: float
    power: float
    distance: float
    new: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Why it is so wide."""
        return (*self.new, *self.outside)


def uncertainty(setting: Setting, assumed: Sequence[str] = ()) -> Uncertainty:
    """How uncertain a prediction at ``setting`` is; ``assumed`` names what rests on no measurement at all."""
    new_model, new_accelerator = unseen(setting.model, setting.accelerator, setting.fitted)
    known, model, part = spread("known"), spread("new_model"), spread("new_accelerator")
    outside = list(_outside(setting))
    distance = math.hypot(*(d for d, _ in outside), *(1.0 for _ in assumed))
    wider = 1.0 + WIDENING * distance

    def sigma(base: float, of_model: float, of_part: float) -> float:
        excess = (new_model, of_model), (new_accelerator, of_part)
        return wider * math.sqrt(base**2 + sum(max(0.0, s**2 - base**2) for new, s in excess if new))

    return Uncertainty(
        kind="assumed" if assumed else kind_of(setting.model, setting.accelerator, setting.fitted),
        tpot=sigma(known.tpot, model.tpot, part.tpot),
        ttft=sigma(known.ttft, model.ttft, part.ttft),
        power=wider * power_spread(setting.generation),
        distance=distance,
        new=(*_new(setting, new_model, new_accelerator), *assumed),
        outside=tuple(note for _, note in outside),
    )


def _new(setting: Setting, new_model: bool, new_accelerator: bool) -> Iterator[str]:
    if new_model:
        yield f"model {setting.model} is not in the fit"
    if new_accelerator and setting.fitted:
        yield f"accelerator {setting.accelerator} is not in the fit"
    elif new_accelerator:
        yield f"{setting.engine} on {setting.generation} is not in the fit"


def _outside(setting: Setting) -> Iterator[tuple[float, str]]:
    """(distance, sentence) of every setting outside the box, the farthest box where there are several."""
    boxes = _boxes(setting)
    for name, words in _WORDS.items():
        value = max(float(getattr(setting, name)), 1.0)
        found = [(_log_distance(value, *box[name]), box[name]) for box in boxes if box.get(name)]
        distance, (low, high) = max(found, default=(0.0, (0.0, 0.0)))
        if distance > _NEAR:
            side = "above" if value > high else "below"
            yield distance, f"{words} {_short(value)} {side} the measured {_short(low)} to {_short(high)}"
    months = [(_years_outside(setting.released, *box["released"]), box["released"]) for box in boxes
              if box.get("released") and setting.released]  # fmt: skip
    years, (first, last) = max(months, default=(0.0, ("", "")))
    if years > _NEAR:
        side = "after" if setting.released > last else "before"
        yield years, f"engine of {setting.released}, {side} the measured {first} to {last}"
    if any(box.get("weights") and setting.weights not in box["weights"] for box in boxes):
        yield 1.0, f"no {setting.weights} weights among the measured ones"


def _boxes(setting: Setting) -> list[Mapping[str, Any]]:
    """What was measured of the generation and of the engine family; all there is where that is neither."""
    evidence: Mapping[str, Any] = calibration("serving").get("evidence", {})
    generation = setting.generation
    if f"generation.{generation}" not in evidence:  # a relative's coefficients: its measurements
        generation = calibration("lineage").get(generation, generation)
    names = f"generation.{generation}", f"engine.{setting.engine}"
    own = [evidence[name] for name in names if name in evidence]
    return own or [evidence[name] for name in ("base",) if name in evidence]


def _log_distance(value: float, low: float, high: float) -> float:
    return max(math.log(low / value), math.log(value / high), 0.0)


def _years_outside(month: str, first: str, last: str) -> float:
    at, low, high = (_year(text) for text in (month, first, last))
    return max(low - at, at - high, 0.0)


def _year(month: str) -> float:
    """A month as years.

    >>> _year("2026-04")
    2026.25
    """
    year, _, number = month.partition("-")
    return int(year) + (int(number or 1) - 1) / 12


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
