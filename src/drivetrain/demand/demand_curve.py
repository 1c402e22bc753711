r"""What a class asks for at a price, how it moves on, how it responds: the curve that the market clears on.

t years after the start, with N potential tasks, A the share adopted and S the share worth doing::

    Q(p) = N min(A, S(p)) tau(p)           within a quarter: those adopted are the ones worth most, so S(p) < A rations
    N    = N0 g^t n(p of the quarter before),   A moves towards S(p of the quarter before)

Minus d ln Q / d ln p, with eps(z) of :mod:`drivetrain.demand.value` at the tokens of that price::

    within a quarter  eta + (1 - eta) eps(z) where S(p) < A, else eta
    in the long run   eta + (1 - eta) eps(z) + zeta (0 once n is held at its bound)

Everything is an output by class, price and year. Compute per token e with the price in proportion to it gives
C = Q e ~ e^(1 - eps): tests hold the special cases of one constant eps to that identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.demand import adoption, value
from drivetrain.demand.classes import ClassValues, State
from drivetrain.demand.tokens import arrivals, per_task
from drivetrain.errors import BadInputError

Floats = NDArray[np.float64]
Numbers = float | Floats
_WORTH_MOST = 0.01  # the dearest block: a price that this share of those adopted would still pay


@dataclass(frozen=True, slots=True)
class Blocks:
    """A demand curve in steps: willingness to pay, falling, and tokens a year of each; arrays (blocks, n)."""

    price_usd_per_token: Floats
    tokens_per_year: Floats


def tokens_per_task(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """Tokens of one task."""
    return per_task(v.tokens, v.tokens_growth, years, price, state.price_start, v.tokens_eta, v.tokens_fade_years)


def ceiling(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """S(p): the share of tasks worth doing."""
    return _viable(v, years, price, tokens_per_task(v, state, years, price))


def potential_tasks(v: ClassValues, state: State, years: float) -> Floats:
    """N: tasks a year that could be done, kinds of task that have arrived included."""
    found: Floats = state.tasks_per_year * v.tasks_growth**years * state.arrivals
    return found


def tasks_per_year(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """Tasks a year done at ``price``."""
    done = np.minimum(state.adopted_frac, ceiling(v, state, years, price))
    return potential_tasks(v, state, years) * done


def tokens_per_year(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """Q(p): tokens a year asked for at ``price`` (USD per token)."""
    each = tokens_per_task(v, state, years, price)
    return potential_tasks(v, state, years) * np.minimum(state.adopted_frac, _viable(v, years, price, each)) * each


def advance(v: ClassValues, state: State, years: float, price: Numbers, dt_years: float) -> State:
    """The state ``dt_years`` later, after a time at ``price``; new kinds of task arrive unadopted."""
    kinds = arrivals(price, state.price_start, v.arrival_zeta, v.arrival_most)
    diluted = state.adopted_frac * np.minimum(state.arrivals / kinds, 1.0)
    most = ceiling(v, state, years, price)
    grown = adoption.step(diluted, most, v.innovation, v.imitation, dt_years, v.churn)
    return replace(state, adopted_frac=grown, arrivals=kinds)


def elasticity_short(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """Minus d ln Q / d ln p within a quarter."""
    rationed = ceiling(v, state, years, price) < state.adopted_frac
    found: Floats = v.tokens_eta + np.where(rationed, (1.0 - v.tokens_eta) * _worth(v, state, years, price), 0.0)
    return found


def elasticity_long(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """Minus d ln Q / d ln p once adoption and kinds of task have caught up."""
    ratio = (np.asarray(price, dtype=np.float64) / state.price_start) ** -v.arrival_zeta
    free = (ratio < v.arrival_most) & (ratio > 1.0 / v.arrival_most)
    found: Floats = v.tokens_eta + (1.0 - v.tokens_eta) * _worth(v, state, years, price)
    return found + np.where(free, v.arrival_zeta, 0.0)


def willingness(v: ClassValues, state: State, years: float, share: Numbers) -> Floats:
    """The price at which a share of the tasks is worth doing, tokens responding to it; 0 where none is.

    ``p tau(p) = tau(p0) p0^eta p^(1 - eta)`` solved for p.
    """
    left = value.worth(share, np.log(v.value_usd), v.value_sigma) - _integration(v, years)
    at_start = tokens_per_task(v, state, years, state.price_start)
    spent = np.maximum(left, 0.0) / (at_start * state.price_start)
    found: Floats = state.price_start * spent ** (1.0 / (1.0 - v.tokens_eta))
    return found


def blocks(
    v: ClassValues, state: State, years: float, n_blocks: int, lowest_usd: Numbers,
    highest_usd: Numbers | None = None,
) -> Blocks:  # fmt: skip
    """The curve in ``n_blocks`` steps between two prices, evenly in log price; the steps sum to Q(lowest).

    Without ``highest_usd`` it starts where all but one in a hundred of those adopted have given up.
    """
    if n_blocks < 1:
        raise BadInputError(f"a demand curve of {n_blocks} steps is none; take at least 1.")
    low = np.asarray(lowest_usd, dtype=np.float64)
    if np.any(low <= 0.0):
        raise BadInputError("the lowest price of a demand curve must be above 0 USD per token.")
    few = np.clip(_WORTH_MOST * state.adopted_frac, 1e-9, 1.0 - 1e-9)
    high = willingness(v, state, years, few) if highest_usd is None else np.asarray(highest_usd, dtype=np.float64)
    low, high = np.broadcast_arrays(low, np.maximum(high, low * (1.0 + 1e-9)))
    steps = np.linspace(0.0, 1.0, n_blocks + 1)[:, None]
    edges = np.exp(np.log(high) * (1.0 - steps) + np.log(low) * steps)
    asked = np.stack([tokens_per_year(v, state, years, price) for price in edges])
    added = np.diff(asked, axis=0)
    added[0] += asked[0]
    return Blocks(np.sqrt(edges[:-1] * edges[1:]), np.maximum(added, 0.0))


def _viable(v: ClassValues, years: float, price: Numbers, each: Floats) -> Floats:
    """S(p) where a task takes ``each`` tokens."""
    return value.viable_frac(price, each, _integration(v, years), np.log(v.value_usd), v.value_sigma)


def _integration(v: ClassValues, years: float) -> Floats:
    found: Floats = v.integration_usd * v.integration_change**years
    return found


def _worth(v: ClassValues, state: State, years: float, price: Numbers) -> Floats:
    """eps(z) at the tokens of this price."""
    return value.elasticity(price, tokens_per_task(v, state, years, price), _integration(v, years),
                            np.log(v.value_usd), v.value_sigma)  # fmt: skip
