r"""How sure a scaling law's answers are, and what they are worth outside the runs it was fitted on.

*Inside*: draws of the coefficients (bootstrap mean and covariance in ``ln e, ln a, ln b, alpha, beta``, Gaussian) go
through the same closed forms; ``p10`` and ``p90`` bound 80 % of what comes out. The value itself is that of the fit.

*Outside*: with k decades of compute beyond the highest (or below the lowest) run, the form of the law errs as well.
Fits without the highest decades of the same runs show by how much: ``ln L`` by ``loss_error * k``, ``ln(D*/N*)`` by
``ratio_error * k`` (standard deviations, added in quadrature). One run scatters around its law by ``run_error``.
``wide_p10`` and ``wide_p90`` hold all of it: what one run will do. A law that nobody drew again has a wide range only,
of the scatter and the errors per decade of the default law where it states none of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import scaling
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.scaling import Draws, ScalingLaw
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.law import Law, Value, training_flops
from drivetrain.training.scaling.optimum import loss_exponent, optimum, ratio_exponent
from drivetrain.units import number

_LOG2_DRAWS = 12
_Q90 = NormalDist().inv_cdf(0.9)
_TOLD = 0.05  # decades beyond the fit that are worth a sentence


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value; ``p10``/``p90`` from the coefficients alone, ``wide_…`` with everything; None where nothing is known."""

    value: float
    p10: float | None
    p90: float | None
    wide_p10: float | None
    wide_p90: float | None


@dataclass(frozen=True, slots=True)
class EstimatedOptimum:
    """The compute-optimal model of a budget with ranges.

    ``ratio_exponent``: how tokens per parameter grow with compute; ``loss_exponent``: how the excess loss falls;
    ``decades_beyond`` the fit's runs; ``notes`` say so in words.
    """

    law: str
    flops: float
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate
    ratio_exponent: Estimate
    loss_exponent: Estimate
    decades_beyond: float
    notes: tuple[str, ...]


def estimated_optimum(flops: float, name: str = scaling.DEFAULT) -> EstimatedOptimum:
    """The compute-optimal model of ``flops`` under the law called ``name``.

    >>> best = estimated_optimum(5.88e23)
    >>> round(best.tokens_per_param.value, 1), round(best.loss.value, 4), round(best.decades_beyond, 2)
    (17.9, 1.9733, 1.66)
    """
    entry, law, drawn = scaling.law(name), parametric(name), draws(name)
    best = optimum(law, flops)
    beyond = decades_beyond(entry, best.params, best.tokens)
    ratio_error, loss_error = _error(entry, "ratio_error") * beyond, _loss_error(entry, beyond)
    many = optimum(drawn, flops) if drawn is not None else None

    def of(value: str, error: float) -> Estimate:
        return estimate(float(getattr(best, value)), None if many is None else getattr(many, value), error)

    return EstimatedOptimum(
        law=entry.name,
        flops=flops,
        params=of("params", ratio_error / 2.0),
        tokens=of("tokens", ratio_error / 2.0),
        tokens_per_param=of("tokens_per_param", ratio_error),
        loss=of("loss", loss_error),
        ratio_exponent=estimate(float(ratio_exponent(law)), None if drawn is None else ratio_exponent(drawn), None),
        loss_exponent=estimate(float(loss_exponent(law)), None if drawn is None else loss_exponent(drawn), None),
        decades_beyond=beyond,
        notes=notes(entry, best.params, best.tokens),
    )


def estimated_loss(params: float, tokens: float, name: str = scaling.DEFAULT) -> Estimate:
    """The loss of a model of ``params`` parameters trained once on ``tokens`` tokens.

    >>> one = estimated_loss(70e9, 1.4e12)
    >>> one.wide_p10 < one.p10 < one.value < one.p90 < one.wide_p90
    True
    """
    entry, drawn = scaling.law(name), draws(name)
    many = None if drawn is None else drawn.loss(params, tokens)
    error = _loss_error(entry, decades_beyond(entry, params, tokens))
    return estimate(float(parametric(name).loss(params, tokens)), many, error)


def estimate(value: float, many: Value | None, error: float | None) -> Estimate:
    """``value`` with 80 % ranges: of the draws ``many``, and with a further standard deviation of the logarithm.

    ``error`` None: no wider range is told. Without draws the wide range is that of ``error`` alone.

    >>> alone = estimate(2.0, None, 0.1)
    >>> alone.p10, round(alone.wide_p10, 3), round(alone.wide_p90, 3)
    (None, 1.759, 2.273)
    """
    if many is None:
        if not error:
            return Estimate(value, None, None, None, None)
        return Estimate(value, None, None, value * math.exp(-_Q90 * error), value * math.exp(_Q90 * error))
    p10, p90 = _bounds(many)
    if error is None:
        return Estimate(value, p10, p90, None, None)
    if error == 0.0:
        return Estimate(value, p10, p90, p10, p90)
    wide = _bounds(many * np.exp(error * np.random.default_rng(1).standard_normal(len(many))))
    return Estimate(value, p10, p90, min(wide[0], p10), max(wide[1], p90))


def decades_beyond(entry: ScalingLaw, params: float, tokens: float) -> float:
    """Decades of compute by which a run lies outside those of the fit; 0 inside.

    Compute where its range is known, else twice the decades of parameters, or of tokens, that is more.
    """
    fitted = entry.fitted
    if fitted is None:
        return 0.0
    if fitted.flops:
        return _outside(training_flops(params, tokens), fitted.flops)
    spans = ((params, fitted.params), (tokens, fitted.tokens))
    return max(2.0 * _outside(value, span) for value, span in spans if span)


def notes(entry: ScalingLaw, params: float, tokens: float) -> tuple[str, ...]:
    """What to tell of a run that lies outside those of the fit, and of coefficients that nobody confirmed."""
    told = [f"the coefficients of '{entry.name}' are unverified"] if entry.unverified else []
    if entry.draws is None:
        told.append(
            f"nobody told how sure the coefficients of '{entry.name}' are: its range is of single runs and of the form "
            f"beyond the fit, as '{scaling.DEFAULT}' shows them"
        )
    fitted = entry.fitted
    if fitted is None:
        return (*told, f"where '{entry.name}' was fitted is not known")
    beyond = decades_beyond(entry, params, tokens)
    if beyond > _TOLD:
        told.append(
            f"loss extrapolated: {beyond:.1f} decades of compute outside the runs that '{entry.name}' was fitted on"
        )
    if fitted.tokens_per_param and _outside(tokens / params, fitted.tokens_per_param) > _TOLD:
        low, high = fitted.tokens_per_param
        told.append(
            f"{number(tokens / params)} tokens per parameter; '{entry.name}' was fitted on {low:.2g} to {high:.3g}"
        )
    return tuple(told)


@lru_cache(maxsize=16)
def _drawn(known: Draws, seed: int) -> Law:
    values, vectors = np.linalg.eigh(np.array(known.covariance))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rows = np.array(known.mean) + _normal(len(values), seed) @ root.T
    e, a, b = np.exp(rows[:, :3]).T
    return Law(e, a, b, *np.maximum(rows[:, 3:], 1e-6).T)


def draws(name: str = scaling.DEFAULT, seed: int = 0) -> Law | None:
    """4,096 draws of a law's coefficients as one law of arrays (a Sobol sequence); None where it has no covariance."""
    entry = scaling.law(name)
    return None if entry.draws is None else _drawn(entry.draws, seed)


def _normal(n_columns: int, seed: int) -> NDArray[np.float64]:
    from scipy.special import ndtri
    from scipy.stats import qmc

    uniform = qmc.Sobol(n_columns, seed=seed).random_base2(_LOG2_DRAWS)
    found: NDArray[np.float64] = ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12))
    return found


def _bounds(many: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(many, (0.1, 0.9))
    return float(low), float(high)


def spread_alone(entry: ScalingLaw, value: float, params: float, tokens: float) -> Estimate:
    """``value`` of a law whose loss is computed elsewhere, with what runs and form scatter (a law of mixtures)."""
    return estimate(value, None, _loss_error(entry, decades_beyond(entry, params, tokens)))


def _loss_error(entry: ScalingLaw, beyond: float) -> float:
    return math.hypot(_error(entry, "run_error"), _error(entry, "loss_error") * beyond)


def _error(entry: ScalingLaw, name: str) -> float:
    """What a law's entry states; of a law without draws that states none, what the default law's own fits show."""
    fact: Fact | None = getattr(entry, name)
    if fact is None and entry.draws is None:
        fact = getattr(scaling.law(), name)
    return fact.value if fact else 0.0


def _outside(value: float, span: Sequence[float]) -> float:
    low, high = span
    return max(math.log10(value / high), math.log10(low / value) if low > 0 else 0.0, 0.0)
