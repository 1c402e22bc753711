"""Workload profiles: the statistics of a request stream that serving depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestClass:
    """A representative kind of request: ``weight`` is its share of requests, lengths in tokens."""

    weight: float
    isl: float
    osl: float


@dataclass(frozen=True, slots=True)
class Workload:
    """A request stream in statistics.

    ``classes`` are representative (input, output) length pairs whose weighted means equal ``isl_mean`` and
    ``osl_mean``; quantile tables are kept beside them for the reader. ``arrival_cv`` is the coefficient of variation
    of inter-arrival times (1 is Poisson); ``prefix_hit_frac`` the share of input tokens that an unlimited prefix
    cache would not compute again; ``day_shape`` 24 hourly factors with mean 1. ``evidence`` is ``measured`` (from a
    trace) or
    ``assumed``.
    """

    name: str
    aliases: tuple[str, ...]
    title: str
    evidence: str
    source: str
    seen: str
    isl_mean: float
    osl_mean: float
    isl_quantiles: tuple[tuple[float, float], ...]
    osl_quantiles: tuple[tuple[float, float], ...]
    classes: tuple[RequestClass, ...]
    arrival_cv: float
    prefix_hit_frac: float
    day_shape: tuple[float, ...]
    notes: str = ""

    @property
    def peak_to_mean(self) -> float:
        """Busiest hour over the mean hour of the day."""
        return max(self.day_shape)
