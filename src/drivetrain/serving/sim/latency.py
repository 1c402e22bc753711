"""Latencies of many requests: all kept and exact, or counted in the bins of the sketch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.cost.jit import jit
from drivetrain.serving.sim import sketch
from drivetrain.serving.sim.finished import Finished, rows_where, within_limits
from drivetrain.serving.sim.intervals import N_BATCHES, batches, bounds, half_width
from drivetrain.serving.sim.records import PARTS, Floats, Ints
from drivetrain.serving.slo import Target

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
STATISTICS = ("mean", *QUANTILES)
CDF_FRACS = (*(i / 50 for i in range(50)), 0.99, 0.995, 0.999, 1.0)
SLOWEST_FRAC = 0.05
OF_REQUESTS = ("ttft_s", "tpot_s", "e2e_s")

Statistics = dict[str, float | None]


class Exact:
    """Latencies of the completed ones of ``done``, percentiles exact, intervals by batches of requests."""

    percentiles = "exact"

    def __init__(self, done: Finished, slo: tuple[Target, ...]) -> None:
        answered = rows_where(done.completed)
        self.columns = {name: getattr(done, name)[answered] for name in OF_REQUESTS}
        self.parts = done.parts[answered]
        self.good = within_limits(done, slo).astype(np.float64)

    def statistics(self, name: str) -> Statistics:
        """Mean and percentiles of ``name``, and beside each ``…_low`` and ``…_high``."""
        values = self.columns[name]
        return with_bounds(statistics(values), [statistics(values[b]) for b in batches(len(values))])

    def goodput_bounds(self, goodput: float) -> dict[str, float]:
        """Ends of the interval of the share of requests within every limit."""
        return goodput_bounds(goodput, [float(self.good[b].mean()) for b in batches(len(self.good))])

    def distribution(self) -> dict[str, list[float]]:
        """Latencies at shares of requests, for pictures: ``frac`` of requests are within the number beside it."""
        known = {name: values[np.isfinite(values)] for name, values in self.columns.items()}
        at = {name: np.quantile(values, CDF_FRACS).tolist() for name, values in known.items() if len(values)}
        return {"frac": list(CDF_FRACS), **at} if at else {}

    def slowest(self) -> Statistics:
        """Mean seconds by part of the :data:`SLOWEST_FRAC` of requests that took longest, one at least."""
        e2e = self.columns["e2e_s"]
        if not len(e2e):
            return dict.fromkeys(PARTS)
        order = np.argsort(-e2e, kind="stable")[: max(round(SLOWEST_FRAC * len(e2e)), 1)]
        return dict(zip(PARTS, self.parts[order].mean(axis=0).tolist(), strict=True))


class Sketched:
    """Latencies that come in parts and are not kept: percentiles by the sketch, intervals from the parts' own."""

    percentiles = f"sketch, within {100 * sketch.RELATIVE_ERROR:g} %"

    def __init__(self, slo: tuple[Target, ...]) -> None:
        self.slo = slo
        self.counts = {name: np.zeros(sketch.N_BINS, dtype=np.int64) for name in OF_REQUESTS}
        self.sums = dict.fromkeys(OF_REQUESTS, 0.0)
        self.estimates: dict[str, list[Statistics]] = {name: [] for name in OF_REQUESTS}
        self.good: list[float] = []

    def add(self, done: Finished, *, estimate: bool = True) -> None:
        """Count one part; its own statistics are an ``estimate`` for the intervals, where it is as large as others."""
        answered = done.completed
        for name in OF_REQUESTS:
            values = getattr(done, name)[answered]
            values = values[np.isfinite(values)]
            _count(values, self.counts[name])
            self.sums[name] += float(values.sum())
            if len(values) and estimate:
                self.estimates[name].append(statistics(values))
        if len(done) and estimate:
            self.good.append(float(within_limits(done, self.slo).mean()))

    def statistics(self, name: str) -> Statistics:
        """As :meth:`Exact.statistics`."""
        n = int(self.counts[name].sum())
        if not n:
            return dict.fromkeys(STATISTICS)
        found: Statistics = {"mean": self.sums[name] / n}
        found |= {q: sketch.quantile(self.counts[name], at) for q, at in QUANTILES.items()}
        return with_bounds(found, self.estimates[name] if len(self.estimates[name]) >= N_BATCHES else [])

    def goodput_bounds(self, goodput: float) -> dict[str, float]:
        """As :meth:`Exact.goodput_bounds`."""
        return goodput_bounds(goodput, self.good if len(self.good) >= N_BATCHES else [])

    def distribution(self) -> dict[str, list[float]]:
        """As :meth:`Exact.distribution`."""
        at = {name: [sketch.quantile(counts, f) for f in CDF_FRACS] for name, counts in self.counts.items()
              if counts.any()}  # fmt: skip
        return {"frac": list(CDF_FRACS), **at} if at else {}

    def slowest(self) -> Statistics:
        """Not known: they are not kept."""
        return dict.fromkeys(PARTS)


def statistics(values: Floats) -> Statistics:
    """Mean and exact percentiles of what is finite in ``values``.

    >>> statistics(np.array([1.0, 2.0, 3.0, np.nan]))["p50"]
    2.0
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return dict.fromkeys(STATISTICS)
    found = np.quantile(known, list(QUANTILES.values()))
    return {"mean": float(known.mean()), **dict(zip(QUANTILES, found.tolist(), strict=True))}


def of_gaps(counts: Ints, sum_s: float) -> Statistics:
    """Statistics of gaps between tokens: their mean, and percentiles by the sketch."""
    n = int(counts.sum())
    if not n:
        return dict.fromkeys(STATISTICS)
    return {"mean": sum_s / n, **{name: sketch.quantile(counts, q) for name, q in QUANTILES.items()}}


def with_bounds(whole: Statistics, parts: Sequence[Statistics]) -> Statistics:
    """``whole`` with the ends of each interval beside it, from the same statistics of ``parts`` of the run."""
    found = dict(whole)
    for name, value in whole.items() if parts else ():
        estimates = [math.nan if part[name] is None else part[name] for part in parts]
        if ends := bounds(value, half_width([e for e in estimates if e is not None])):
            found[f"{name}_low"], found[f"{name}_high"] = ends
    return found


def goodput_bounds(goodput: float, parts: Sequence[float]) -> dict[str, float]:
    """Ends of the interval of goodput from that of ``parts`` of the run; none where there are none."""
    ends = bounds(goodput, half_width(parts) if parts else None, most=1.0)
    return {"slo_goodput_frac_low": ends[0], "slo_goodput_frac_high": ends[1]} if ends else {}


@jit
def _count(values: Any, counts: Any) -> None:  # noqa: ANN401 - arrays
    for i in range(len(values)):
        counts[sketch.bin_of(values[i])] += 1
