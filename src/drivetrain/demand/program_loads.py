"""Loads of the linear program from demand curves: blocks of tokens become units and what a unit is worth.

A block of q tokens a year at a willingness to pay p, each token taking a unit ``need`` seconds at full load::

    units = q need / year,      worth of a unit and year = p year / (m need)

with m the price of a token over its compute. Fleets reach a share u of full load in their busiest hour, so capacity is
``peak_to_mean / u`` of mean units for interactive classes and ``1 / u`` on average; batch has no busiest hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from drivetrain.demand.chain import SECONDS_PER_YEAR
from drivetrain.demand.demand_curve import Blocks
from drivetrain.demand.limits import REGIONS
from drivetrain.demand.program_terms import Load
from drivetrain.demand.vintage import Floats
from drivetrain.errors import BadInputError

AROUND = (8.0, 4.0, 2.5, 1.7, 1.3, 1.1, 1.0, 0.9, 0.75, 0.55, 0.35)


def around(asked: Callable[[Floats], Floats], price: Floats, multiples: Sequence[float] = AROUND) -> Blocks:
    """A demand curve in steps that are fine near ``price`` (USD per token), where it is likely to clear.

    ``asked`` gives tokens a year at a price. What is asked for above the highest multiple is worth that price: its own
    worth, however large, decides nothing and would swamp the objective.
    """
    edges = np.stack([np.asarray(price, dtype=float) * multiple for multiple in sorted(multiples, reverse=True)])
    tokens = np.stack([asked(edge) for edge in edges])
    return Blocks(
        np.concatenate([edges[:1], np.sqrt(edges[:-1] * edges[1:])]),
        np.concatenate([tokens[:1], np.maximum(np.diff(tokens, axis=0), 0.0)]),
    )


def serving(
    name: str,
    curves: Sequence[Blocks],
    need_s: Floats,
    regions: Mapping[str, float] | None,
    *,
    peak_to_mean: float,
    utilisation_frac: float,
    markup: float = 1.0,
    contracted_frac: float = 0.0,
    draw: int = 0,
    places: Sequence[str] = REGIONS,
) -> Load:
    """The load of a class: a curve and a ``need_s`` for each quarter; ``regions`` (shares) None: batch, anywhere.

    ``places`` are the regions of the program, in order; those without a share have no users.
    """
    if len(curves) != len(need_s):
        raise BadInputError(f"load {name}: {len(curves)} demand curves for {len(need_s)} quarters. Give one for each.")
    if min(peak_to_mean, markup) < 1.0 or not 0.0 < utilisation_frac <= 1.0:
        raise BadInputError(
            f"load {name}: peak to mean and markup are at least 1, utilisation is above 0 and at most 1."
        )
    tokens = np.stack([one.tokens_per_year[:, draw] for one in curves], axis=1)
    price = np.stack([one.price_usd_per_token[:, draw] for one in curves], axis=1)
    shares = _shares(name, regions, places) if regions is not None else np.ones(1)
    units = shares[:, None, None] * (tokens * need_s / SECONDS_PER_YEAR)
    worth = np.broadcast_to(price * SECONDS_PER_YEAR / (markup * need_s), units.shape).copy()
    peak = peak_to_mean / utilisation_frac if regions is not None else 0.0
    return Load(name, units, worth, peak, 1.0 / utilisation_frac, regions is None, contracted_frac)


def training(
    units: Floats,
    reference_usd: float,
    elasticity: float,
    *,
    utilisation_frac: float,
    n_blocks: int = 8,
    span: float = 10.0,
    contracted_frac: float = 0.0,
) -> Load:
    """Training's load: ``units`` (quarters,) at the price of reference, constant elasticity within ``span`` of it.

    Nothing is asked for beyond ``span`` times that price, and no more than at a ``span``-th of it.
    """
    if elasticity <= 0 or span <= 1 or n_blocks < 1:
        raise BadInputError("training: the elasticity must be above 0, the span above 1, the blocks at least 1.")
    edges = reference_usd * np.geomspace(span, 1.0 / span, n_blocks + 1)
    asked = (edges / reference_usd) ** -elasticity
    steps = np.concatenate([[asked[0] + np.diff(asked)[0]], np.diff(asked)[1:]])
    blocks = steps[None, :, None] * np.asarray(units, dtype=float)
    worth = np.broadcast_to(np.sqrt(edges[:-1] * edges[1:])[None, :, None], blocks.shape).copy()
    busy = 1.0 / utilisation_frac
    return Load("training", blocks, worth, busy, busy, True, contracted_frac)


def _shares(name: str, regions: Mapping[str, float], places: Sequence[str]) -> Floats:
    unknown = [place for place in regions if place not in places]
    if unknown or sum(regions.values()) <= 0:
        told = f"region {unknown[0]} is not one of {', '.join(places)}" if unknown else "no region has users"
        raise BadInputError(f"load {name}: {told}. Mend its shares.")
    found = np.array([regions.get(place, 0.0) for place in places])
    return np.asarray(found / found.sum(), dtype=np.float64)
