"""What a technique costs in answer quality: the best evidence that measured rows give for a model.

It is the median *recovery* (after / before) over the rows that fit the model best; recovery on a benchmark is not
what a user perceives. No rows, no answer: ``None`` means unknown, never "no loss".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.quality_keys import SIBLING, canonical, kept_share
from drivetrain.catalogue.quality_row import Quality
from drivetrain.errors import UnknownNameError

FAMILY_FACTOR, SIZE_FACTOR = 4.0, 2.0  # how far in total parameters evidence carries: within a family, across families

Matched = Literal[
    "measured on this model", "by construction", "on its family", "on models of like size", "product of several"
]


@dataclass(frozen=True, slots=True)
class QualityDelta:
    """What the evidence says a technique leaves of the quality of a model.

    ``recovery`` is the median over ``n`` rows, ``low`` and ``high`` their extremes, ``delta`` the median change in
    points (None where no row states it). ``measured_on`` names the models behind the rows (empty: by construction),
    ``unverified`` says whether any row rests on what nobody could confirm.
    """

    technique: str
    recovery: float
    low: float
    high: float
    delta: float | None
    n: int
    matched: Matched
    measured_on: tuple[str, ...]
    benchmarks: tuple[str, ...]
    sources: tuple[str, ...]
    kind: str
    unverified: bool


@dataclass(frozen=True, slots=True)
class Sibling:
    """A catalogued model that could stand in for another, and what it recovers on benchmarks both have.

    ``checkpoint`` is its name as the source spells it: a distilled model shares its architecture with others.
    """

    model: str
    checkpoint: str
    relation: Literal["sibling", "pruned", "distilled"]
    quality: QualityDelta


def quality_of(technique: str, model: Model, total_params: float | None = None) -> QualityDelta | None:
    """Return the best evidence for ``technique`` on ``model``, or None where there is none (unknown).

    In order: rows of this model; rows that hold by construction; rows of its family, those nearest in size, at most
    FAMILY_FACTOR away in total parameters; rows of any family at most SIZE_FACTOR away. A stand-in is evidence for the
    model it was compared with and no other. ``total_params`` replaces the published count of ``model``.

    >>> quality_of("speculative=mtp", loader.load("models", "deepseek-r1")).recovery
    1.0
    """
    key = canonical(technique)
    best = _best(_rows(key), _catalogued(model.name), model.family, total_params or model.published.total)
    return _delta(key, _mildest(best[0]), best[1]) if best else None


def siblings_of(model: Model) -> tuple[Sibling, ...]:
    """Return the catalogued models that were compared with ``model``, best recovery first."""
    name = _catalogued(model.name)
    groups: dict[str, list[Quality]] = {}
    for row in loader.load_all("quality").values():
        if row.model == name and row.stand_in:
            groups.setdefault(row.stand_in, []).append(row)
    found = [_sibling(stand_in, rows) for stand_in, rows in groups.items()]
    return tuple(sorted(found, key=lambda sibling: (-sibling.quality.recovery, sibling.checkpoint)))


def combine(deltas: Iterable[QualityDelta | None]) -> QualityDelta | None:
    """Return what several techniques leave together: the product of recoveries, assumed independent (``derived``).

    None (unknown) as soon as one is unknown; none at all leave everything.
    """
    parts = list(deltas)
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if len(known) == 1:
        return known[0]
    return QualityDelta(
        technique=" + ".join(part.technique for part in known),
        recovery=math.prod(part.recovery for part in known),
        low=math.prod(part.low for part in known),
        high=math.prod(part.high for part in known),
        delta=0.0 if all(part.delta == 0.0 for part in known) else None,
        n=sum(part.n for part in known),
        matched="product of several",
        measured_on=_each(name for part in known for name in part.measured_on),
        benchmarks=_each(name for part in known for name in part.benchmarks),
        sources=_each(name for part in known for name in part.sources),
        kind="derived",
        unverified=any(part.unverified for part in known),
    )


def _rows(key: str) -> list[Quality]:
    """Rows that speak of a technique; of KV compression all that keep no more than the share asked."""
    rows: list[Quality] = list(loader.load_all("quality").values())
    if key.startswith(SIBLING):
        wanted = key.removeprefix(SIBLING)
        among = {wanted, _catalogued(wanted)}
        return [row for row in rows if row.stand_in and among & {row.stand_in, _catalogued(row.stand_in)}]
    asked = kept_share(key)
    if asked is None:
        return [row for row in rows if row.technique == key]
    return [row for row in rows if (kept_share(row.technique) or math.inf) <= asked]


def _best(rows: Sequence[Quality], name: str, family: str, size: float | None) -> tuple[list[Quality], Matched] | None:
    """The rows that fit a model best, and how they fit."""
    exact = [row for row in rows if row.model == name]
    if exact:
        return exact, "measured on this model"
    anywhere = [row for row in rows if not (row.model or row.family or row.params)]
    if anywhere:
        return anywhere, "by construction"
    general = [row for row in rows if not row.stand_in]
    if not size:
        return None
    related = _nearest([row for row in general if _like(row)[0] == family], size)
    if related:
        return related, "on its family"
    alike = [row for row in general if _distance(row, size) <= math.log(SIZE_FACTOR)]
    return (alike, "on models of like size") if alike else None


def _mildest(rows: Sequence[Quality]) -> list[Quality]:
    """Of rows that keep different shares of the cache, those that keep most: nearest to what was asked."""
    shares = [kept_share(row.technique) or 0.0 for row in rows]
    return [row for row, share in zip(rows, shares, strict=True) if share == max(shares)]


def _delta(key: str, rows: Sequence[Quality], matched: Matched) -> QualityDelta:
    recoveries = [row.recovery for row in rows]
    changes = [row.delta for row in rows if row.delta is not None]
    kinds = _each(row.evidence.kind for row in rows)
    return QualityDelta(
        technique=key,
        recovery=median(recoveries),
        low=min(recoveries),
        high=max(recoveries),
        delta=median(changes) if changes else None,
        n=len(rows),
        matched=matched,
        measured_on=_each(row.model or row.checkpoint for row in rows if row.model or row.checkpoint),
        benchmarks=_each(row.benchmark for row in rows),
        sources=_each(row.evidence.source for row in rows),
        kind=kinds[0] if len(kinds) == 1 else "derived",
        unverified=any(row.evidence.unverified for row in rows),
    )


def _sibling(stand_in: str, rows: Sequence[Quality]) -> Sibling:
    first = rows[0].technique
    relation: Literal["sibling", "pruned", "distilled"] = (
        "pruned" if first == "pruned" else "distilled" if first == "distilled" else "sibling"
    )
    quality = _delta(f"{SIBLING}{stand_in}", rows, "measured on this model")
    return Sibling(_catalogued(stand_in), stand_in, relation, quality)


def _nearest(rows: Sequence[Quality], size: float) -> list[Quality]:
    least = min((_distance(row, size) for row in rows), default=math.inf)
    if least > math.log(FAMILY_FACTOR):
        return []
    return [row for row in rows if _distance(row, size) == least]


def _distance(row: Quality, size: float) -> float:
    params = _like(row)[1]
    return abs(math.log(size / params)) if params else math.inf


def _like(row: Quality) -> tuple[str, float | None]:
    """Family and total parameters of the model a row was measured on."""
    if not row.model:
        return row.family, row.params
    record: Model = loader.load("models", row.model)
    return record.family, record.published.total


def _catalogued(name: str) -> str:
    """Return the catalogue's name for a spelling, or the spelling itself where the catalogue has none."""
    if name in loader.names("models"):
        return name
    try:
        return loader.resolve("models", name)
    except UnknownNameError:
        return name


def _each(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
