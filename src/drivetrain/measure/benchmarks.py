"""MLPerf's language benchmarks: models and the lengths of the requests in their data sets, read from a table.

Lengths differ widely within a data set, and a token late in a long answer sees more context than one of a mean request:
capacity, cache and tail latencies follow the distribution, so requests come in classes of equal weight.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.workload import RequestClass
from drivetrain.errors import BadInputError
from drivetrain.registry import suggest
from drivetrain.serving.lengths import Lengths, lengths_of

_PARTS = 6  # classes a side; fewer where both sides are spread
_PARTS_BOTH = 4
_ENDINGS = ("-99.9", "-99", "-interactive")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark's model, mean lengths of its requests and how they spread (see ``benchmarks.toml``)."""

    name: str
    model: str
    isl: float
    osl: float
    isl_spread: float = 0.0
    osl_spread: float = 0.0
    most: float = math.inf
    pairs: tuple[tuple[float, float], ...] = ()


def find_benchmark(text: str) -> Benchmark:
    """The benchmark a row names; the accuracy target at the end of the name does not matter."""
    name = text.strip().lower()
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    known = _table()
    if name not in known:
        close = suggest(name, tuple(known), 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise BadInputError(f"unknown benchmark '{text}'.{hint} Known: {', '.join(known)}.")
    return known[name]


@lru_cache(maxsize=1024)
def request_lengths(benchmark: Benchmark, isl: float, osl: float) -> Lengths:
    """Requests of ``benchmark`` in classes, with these mean lengths; Poisson arrivals."""
    if benchmark.pairs:
        n = len(benchmark.pairs)
        mean_isl, mean_osl = (sum(pair[side] for pair in benchmark.pairs) / n for side in (0, 1))
        made = [(i * isl / mean_isl, o * osl / mean_osl) for i, o in benchmark.pairs]
    else:
        parts = _PARTS_BOTH if benchmark.isl_spread and benchmark.osl_spread else _PARTS
        inputs = equal_parts(isl, benchmark.isl_spread, parts, max(benchmark.most, isl))
        outputs = equal_parts(osl, benchmark.osl_spread, parts, max(benchmark.most, osl))
        made = [(i, o) for i in inputs for o in outputs]
    classes = tuple(RequestClass(1.0 / len(made), max(i, 1.0), max(o, 1.0)) for i, o in made)
    return lengths_of(replace(fixed(max(isl, 1.0), max(osl, 1.0)), classes=classes))


def equal_parts(mean: float, spread: float, parts: int, most: float = math.inf) -> list[float]:
    """Means of ``parts`` equally likely parts of a log-normal of this mean and coefficient of variation.

    Cut at ``most`` and scaled back to the mean: mean of part i is ``mean * parts * (Phi(z[i+1] - s) - Phi(z[i] - s))``
    with ``s^2 = log(1 + spread^2)``.

    >>> [round(x) for x in equal_parts(100, 0.5, 4)]
    [50, 77, 105, 168]
    """
    if not spread:
        return [mean]
    s, normal = math.sqrt(math.log1p(spread * spread)), NormalDist()
    edges = [-math.inf, *(normal.inv_cdf(i / parts) for i in range(1, parts)), math.inf]
    below = [0.0 if e == -math.inf else 1.0 if e == math.inf else normal.cdf(e - s) for e in edges]
    found = [mean * parts * (b - a) for a, b in pairwise(below)]
    for _ in range(20):
        scale = mean * parts / sum(found)
        found = [min(x * scale, most) for x in found]
    return found


@cache
def _table() -> dict[str, Benchmark]:
    text = resources.files("drivetrain.measure").joinpath("benchmarks.toml").read_text(encoding="utf-8")
    return {name: _read(name, entry) for name, entry in tomllib.loads(text).items()}


def _read(name: str, entry: Mapping[str, Any]) -> Benchmark:
    values = {k: float(v["value"]) for k, v in entry.items() if isinstance(v, dict) and k != "pairs_source"}
    pairs = tuple((float(i), float(o)) for i, o in entry.get("pairs", ()))
    return Benchmark(name, str(entry["model"]), pairs=pairs, **values)
