r"""What a task is worth, and the share of tasks that a price of tokens leaves worth doing.

A kind of task has values (USD) spread as a lognormal with log-median mu and log-width sigma. Doing one by machine costs
the tokens, price p times tokens tau, and what does not depend on tokens, k (integration, checking, human review)::

    S(p)   = P(value > p tau + k) = 1 - Phi(z),      z = (ln(p tau + k) - mu) / sigma
    eps(p) = -d ln S / d ln p = phi(z) / (sigma (1 - Phi(z)))  p tau / (p tau + k)
    p(s)   = (exp(mu - sigma Phi^-1(s)) - k) / tau    the price at which the share s is worth doing

eps falls to 0 as p falls: with a fixed number of tokens a lognormal runs out of tasks. What keeps demand rising is in
:mod:`drivetrain.demand.tokens`. Values with a Pareto tail above ``least`` and k = 0 have constant elasticity alpha::

    S(p) = min(1, (least / (p tau))^alpha)

Prices are USD per token, everything broadcasts over draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = float | Floats
_ROOT_TWO_PI_LOG = 0.5 * np.log(2.0 * np.pi)


def viable_frac(
    price_usd_per_token: Numbers, tokens: Numbers, integration_usd: Numbers, mu: Numbers, sigma: Numbers
) -> Floats:
    """Share of tasks worth more than they cost, 0 to 1.

    >>> float(viable_frac(1e-6, 1e6, 0.0, 0.0, 1.0))   # costs 1 USD, median value 1 USD
    0.5
    """
    from scipy.special import ndtr

    found: Floats = ndtr(-_z(price_usd_per_token, tokens, integration_usd, mu, sigma))
    return found


def elasticity(
    price_usd_per_token: Numbers, tokens: Numbers, integration_usd: Numbers, mu: Numbers, sigma: Numbers
) -> Floats:
    """Minus d ln S / d ln p at fixed tokens a task: positive, falling to 0 as the price does.

    >>> round(float(elasticity(1e-6, 1e6, 0.0, 0.0, 1.0)), 6)   # phi(0) / 0.5
    0.797885
    """
    from scipy.special import log_ndtr

    z = _z(price_usd_per_token, tokens, integration_usd, mu, sigma)
    hazard = np.exp(-0.5 * z * z - _ROOT_TWO_PI_LOG - log_ndtr(-z))
    spent = np.asarray(price_usd_per_token, dtype=np.float64) * tokens
    total = spent + integration_usd
    with np.errstate(invalid="ignore", divide="ignore"):
        token_part = np.where(total > 0.0, spent / np.where(total > 0.0, total, 1.0), 0.0)
    found: Floats = np.where(np.isfinite(z), hazard, 0.0) / np.asarray(sigma, dtype=np.float64) * token_part
    return found


def quantile(share: Numbers, tokens: Numbers, integration_usd: Numbers, mu: Numbers, sigma: Numbers) -> Floats:
    """Price per token at which a share of the tasks is worth doing; 0 or below: not even with free tokens.

    >>> float(quantile(0.5, 1e6, 0.0, 0.0, 1.0))
    1e-06
    """
    found: Floats = (worth(share, mu, sigma) - integration_usd) / np.asarray(tokens, dtype=np.float64)
    return found


def worth(share: Numbers, mu: Numbers, sigma: Numbers) -> Floats:
    """The value (USD) that a share of the tasks exceeds."""
    from scipy.special import ndtri

    found: Floats = np.exp(np.asarray(mu, dtype=np.float64) - np.asarray(sigma, dtype=np.float64) * ndtri(share))
    return found


def pareto_viable_frac(price_usd_per_token: Numbers, tokens: Numbers, least_usd: Numbers, alpha: Numbers) -> Floats:
    """Share of tasks worth doing where values have a Pareto tail above ``least_usd``: elasticity ``alpha`` there.

    >>> float(pareto_viable_frac(2e-6, 1e6, 1.0, 2.0))
    0.25
    """
    cost = np.asarray(price_usd_per_token, dtype=np.float64) * tokens
    ratio = np.asarray(least_usd, dtype=np.float64) / np.maximum(cost, np.asarray(least_usd, dtype=np.float64))
    found: Floats = ratio**alpha
    return found


def _z(price: Numbers, tokens: Numbers, integration: Numbers, mu: Numbers, sigma: Numbers) -> Floats:
    """Where the cost of a task stands among values; minus infinity where it costs nothing."""
    cost = np.asarray(price, dtype=np.float64) * tokens + integration
    with np.errstate(divide="ignore"):
        found: Floats = (np.log(cost) - mu) / np.asarray(sigma, dtype=np.float64)
    return found
