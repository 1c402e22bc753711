"""``ceilings``: the largest training run by year, what holds it back, and whether growth stops."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drivetrain import __version__
from drivetrain.catalogue.ceilings import Spread, spreads
from drivetrain.errors import BadInputError
from drivetrain.registry import suggest
from drivetrain.training.ceilings.claim import BY, GROWTH, ClaimTest, growth_claim
from drivetrain.training.ceilings.draws import N_DRAWS, SEED
from drivetrain.training.ceilings.largest import LAST_YEAR, Paths, Year, by_year, paths, span, worth_of_doubling
from drivetrain.training.ceilings.limits import START
from drivetrain.training.ceilings.takes import taken
from drivetrain.verbs.kept import titles
from drivetrain.verbs.plan_serve import CATALOGUE_DATE

FIRST, LAST = 2026, 2030
MOST_DRAWS = 1_000_000
# One quantity a limit, whose doubling says what more of it would buy.
DOUBLED = ("spend.usd", "power.campus", "power.network", "chips.stock", "data.text", "data.all", "latency.wall")
_WORDS = {"spend": "spending", "power": "power", "chips": "chips", "data": "data", "latency": "latency"}
_TOLD = 0.1  # a limit that binds this often is named


def ceilings(
    first: int = FIRST, last: int = LAST, *, growth: float = GROWTH, by: int = BY,
    scaled: Mapping[str, float] | None = None, draws: int = N_DRAWS, seed: int = SEED,
) -> dict[str, Any]:  # fmt: skip
    """The largest run of every year from ``first`` to ``last``, each limit's FLOPs, and the odds of which one binds.

    ``growth`` a year until ``by`` is the claim that is tested. ``scaled``: factors on quantities of the catalogue
    (``{"power.campus": 2.0}``). ``draws`` of the joint distribution are taken from ``seed``.

    >>> answer = ceilings(2030, 2030, draws=2000)
    >>> answer["years"][0]["binds"] in ("spend", "data"), answer["claim"]["stops"] < answer["claim"]["slows"]
    (True, True)
    """
    started = time.perf_counter()
    _check(first, last, by, draws)
    chosen = dict(scaled or {})
    found = paths(tuple(range(first, last + 1)), scaled=chosen, n=draws, seed=seed)
    rows = [_year(found, i, one, growth) for i, one in enumerate(by_year(found))]
    claim = growth_claim(growth, by, scaled=chosen, n=draws, seed=seed)
    worth = worth_of_doubling(last, DOUBLED, scaled=chosen, n=draws, seed=seed)
    known = spreads()
    return {
        "verdict": _verdict(rows[-1], claim), "years": rows, "claim": asdict(claim),
        "worth_of_doubling": [{"quantity": name, "largest_times": gain} for name, gain in worth.items()],
        "quantities": [_quantity(one, chosen.get(name)) for name, one in known.items()],
        "changed": chosen, "n_draws": draws, "kept_frac": found.kept_frac, "seed": seed,
        "sources": titles(dict.fromkeys(one.stated.source for one in known.values())),
        "elapsed_s": time.perf_counter() - started,
        "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }  # fmt: skip


def factors(texts: Mapping[str, str]) -> dict[str, float]:
    """Factors on quantities from ``{"power.campus": "2"}``; ``2x`` and ``x2`` are read too.

    >>> factors({"power.campus": "2x"})
    {'power.campus': 2.0}
    """
    out = {}
    for name, text in texts.items():
        if name not in spreads():
            close = suggest(name, spreads(), 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(spreads())}."
            raise BadInputError(f"there is no quantity '{name}'. {hint}")
        try:
            value = float(text.strip().lower().strip("x"))
        except ValueError:
            raise BadInputError(f"--scale {name}={text}: give a factor, such as --scale {name}=2.") from None
        if not (math.isfinite(value) and value > 0):
            raise BadInputError(f"--scale {name}={text}: the factor must be a finite number above 0.")
        out[name] = value
    return out


def limit_word(name: str) -> str:
    """A limit in the word that people use."""
    return _WORDS[name]


def _check(first: int, last: int, by: int, draws: int) -> None:
    for name, year in (("first", first), ("last", last)):
        if not START <= year <= LAST_YEAR:
            raise BadInputError(f"the {name} year is {year}; give one from {START} to {LAST_YEAR}.")
    if last < first:
        raise BadInputError(f"the years go from {first} to {last}: give a last year that is not before the first.")
    if not START + 2 <= by <= LAST_YEAR - 5:
        raise BadInputError(f"the claim is tested by {by}; give a year from {START + 2} to {LAST_YEAR - 5}.")
    if not 1 <= draws <= MOST_DRAWS:
        raise BadInputError(f"{draws:,} draws; give 1 to {MOST_DRAWS:,} (20,000 fix the second digit).")


def _year(found: Paths, i: int, one: Year, growth: float) -> dict[str, Any]:
    after = one.year - START
    return {
        "year": one.year, "largest_flop": asdict(one.largest),
        "trend_flop": asdict(span(found.start_flops * growth**after)),
        "limits_flop": {name: asdict(v) for name, v in one.limits.items()},
        "binding": dict(one.binding), "binds": one.binds,
        "takes": {name: asdict(v) for name, v in taken(found, i).items()},
    }  # fmt: skip


def _quantity(one: Spread, factor: float | None) -> dict[str, Any]:
    said = one.stated
    return {"name": one.name, "title": one.title, "unit": one.dimension, "low": one.low, "mid": one.mid,
            "high": one.high, "share_frac": one.share, "scaled": factor, "source": said.source, "seen": said.seen,
            "kind": said.kind, "unverified": said.unverified, "note": said.note}  # fmt: skip


def _verdict(last: Mapping[str, Any], claim: ClaimTest) -> str:
    run = last["largest_flop"]
    often = sorted(last["binding"].items(), key=lambda item: -item[1])
    named = [f"{_WORDS[name]} ({share:.0%})" for name, share in often if share >= _TOLD]
    holds = " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    return (
        f"The largest training run of {last['year']} is {run['p50']:.0e} FLOP ({run['p10']:.0e} to {run['p90']:.0e}), "
        f"held back by {holds}. {claim.verdict[:1].upper()}{claim.verdict[1:]}."
    )
