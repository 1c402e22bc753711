r"""What software does to the work of a token, driver by driver and dated: multipliers on tokens per accelerator-second.

t years after the start, each by draw, F(t) = 1 - exp(-t / T) with a time T of its own; w is accelerator-seconds per
token of a class from the serving model (:mod:`drivetrain.demand.productivity`) on the accelerator
``software.quantisation_on``::

    quantisation   w mixed over states, share of 4-bit weights from start to end by F: w(0) / w(t)
    scheduling     1 + (most - 1) F                                      fuller machines
    caching        w at the share cached, from h to h + (1 - h) most F
    selection      1 / (1 - r + r w_smaller / w), r = most F             a share r goes to the next smaller model
    distillation   m^beta, m = shrinking of models of equal quality, fading
    capability     m^-beta, m = growth of the models chosen, fading      below 1: efficiency taken as quality
    engines        1 / e, e = e_floor + (1 - e_floor) exp(-lambda t) (Q / Q0)^-b

beta = ln(w / w_smaller) / ln(parameters / parameters of the smaller) is the serving model's answer to what a smaller
model saves. The floor and the fading are falsifiers: efficiency may flatten. lambda and b cannot be told apart in one
series, so b has a narrow prior. Multipliers are against the software of the start, so all are 1 at t = 0. The product
over drivers is the total, for a class and, in the order of ``software.order``, for the mix of tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.spreads import choices
from drivetrain.demand.classes import START_YEAR, STEM, Known
from drivetrain.demand.productivity import Productivity, table
from drivetrain.demand.tokens import grown
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import suggest

Floats = NDArray[np.float64]
Numbers = float | Floats
NAMES = ("quantisation", "scheduling", "caching", "selection", "distillation", "capability", "engines")


def by_class(
    year: float, at: Known, rows: Productivity | None = None, *, tokens_ratio: Numbers | None = None,
    frozen: Collection[str] = (), only: Iterable[str] | None = None,
) -> dict[str, dict[str, Floats]]:  # fmt: skip
    """Multipliers of every driver by class in ``year``; those named in ``frozen`` stay at 1.

    ``tokens_ratio`` is Q / Q0, tokens served since the start over those of the first year's pace; without it
    ``software.tokens_growth`` stands in. ``only`` limits the classes.
    """
    rows = table() if rows is None else rows
    _check(frozen)
    t = max(year - START_YEAR, 0.0)
    one = np.ones_like(at["software.engines_rate"])
    q = grown(at["software.tokens_growth"], t) if tokens_ratio is None else np.asarray(tokens_ratio, dtype=np.float64)
    left = floor_law(t, at["software.engines_floor"], at["software.engines_rate"], at["software.engines_learning"], q)
    common = {
        "scheduling": 1.0 + (at["software.scheduling_most"] - 1.0) * _reached(t, at["software.scheduling_years"]),
        "engines": 1.0 / left,
    }
    found = {}
    for name in rows.classes if only is None else only:
        own = common | _of_class(name, t, at, rows, frozen)
        found[name] = {driver: one if driver in frozen else own[driver] * one for driver in order()}
    return found


def factors(
    year: float, at: Known, rows: Productivity | None = None, *, tokens_ratio: Numbers | None = None,
    frozen: Collection[str] = (), weights: Mapping[str, Numbers] | None = None,
) -> dict[str, Floats]:  # fmt: skip
    """Multipliers of every driver for a mix of tokens (``weights`` by class; those of the start without it).

    Drivers are applied one after the other, so each multiplier is what it adds to those before it.
    """
    rows = table() if rows is None else rows
    classes = by_class(year, at, rows, tokens_ratio=tokens_ratio, frozen=frozen)
    shares = dict(zip(rows.classes, rows.weights, strict=True)) if weights is None else weights
    need = rows.need_s
    work = {name: np.asarray(shares[name], dtype=np.float64) * need[name] for name in classes}
    before = sum(work.values(), np.zeros(1))
    found = {}
    for driver in order():
        work = {name: one / classes[name][driver] for name, one in work.items()}
        after = sum(work.values(), np.zeros(1))
        found[driver], before = before / after, after
    return found


def total(multipliers: Mapping[str, Floats]) -> Floats:
    """The product of all drivers.

    >>> total({"a": np.array([2.0]), "b": np.array([1.5])}).tolist()
    [3.0]
    """
    found = np.ones(1)
    for one in multipliers.values():
        found = found * one
    return found


def order() -> tuple[str, ...]:
    """The drivers in the order in which they are applied."""
    said = tuple(str(name) for name in choices(STEM)["software.order"].value)
    if sorted(said) != sorted(NAMES):
        raise FileError(f"demand.toml: software.order must name each of {', '.join(NAMES)} once.")
    return said


def floor_law(years: Numbers, floor: Numbers, rate: Numbers, learning: Numbers, ratio: Numbers) -> Floats:
    """e(t) / e(0): what is left of the cost per token; never below ``floor``.

    >>> float(floor_law(0.0, 0.3, 0.25, 0.05, 1.0)), round(float(floor_law(1e3, 0.3, 0.25, 0.05, 1.0)), 6)
    (1.0, 0.3)
    """
    least = np.asarray(floor, dtype=np.float64)
    fading = np.exp(-np.asarray(rate, dtype=np.float64) * years)
    found: Floats = least + (1.0 - least) * fading * np.maximum(ratio, 1.0) ** -np.asarray(learning, dtype=np.float64)
    return found


def _of_class(name: str, t: float, at: Known, rows: Productivity, frozen: Collection[str]) -> dict[str, Floats]:
    """The drivers that the serving model answers for, one after the other."""
    on = str(choices(STEM)["software.quantisation_on"].value)
    hit = np.minimum(at[f"{name}.cached_frac"], 0.98)
    narrow = at["software.four_bit_start"]
    moved = np.maximum(at["software.four_bit_end"], narrow) - narrow
    four = narrow + (0.0 if "quantisation" in frozen else 1.0) * moved * _reached(t, at["software.four_bit_years"])
    found_more = at["software.cached_most"] * _reached(t, at["software.cached_years"])
    later_hit = hit if "caching" in frozen else hit + (1.0 - hit) * np.minimum(found_more, 1.0)

    def work(four_bit: Floats, share: Floats, smaller: bool = False) -> Floats:
        wide = rows.work(name, on, rows.state, share, smaller=smaller)
        return (1.0 - four_bit) * wide + four_bit * rows.work(name, on, _FOUR_BIT, share, smaller=smaller)

    first, quantised, cached = work(narrow, hit), work(four, hit), work(four, later_hit)
    saved = np.minimum(work(four, later_hit, smaller=True) / cached, 1.0)
    routed = np.minimum(at["software.routed_most"] * _reached(t, at["software.routed_years"]), 1.0)
    ratio = rows.params_ratio[rows.classes.index(name)]
    beta = np.clip(-np.log(saved) / np.log(ratio), 0.0, 1.0) if ratio > 1.0 else np.zeros_like(saved)
    shrink = grown(at["software.shrink_per_year"], t, at["software.shrink_fade_years"])
    larger = grown(at["software.capability_per_year"], t, at["software.capability_fade_years"])
    return {
        "quantisation": first / quantised,
        "caching": quantised / cached,
        "selection": 1.0 / (1.0 - routed + routed * saved),
        "distillation": shrink**beta,
        "capability": larger**-beta,
    }


_FOUR_BIT = "nvfp4"


def _reached(years: float, time: Floats) -> Floats:
    found: Floats = -np.expm1(-years / time)
    return found


def _check(frozen: Collection[str]) -> None:
    for name in frozen:
        if name not in NAMES:
            raise UnknownNameError("driver", name, suggest(name, NAMES, 3), f"Known: {', '.join(NAMES)}.")
