"""Fit static power and the energy of FLOPs and bytes on measured serving power, with whole models left out.

With C, W and K the seconds that one step's FLOPs, weight bytes and other bytes would take at full rate (8- and 4-bit
FLOPs count :data:`~drivetrain.cost.roofline.NARROW_DRAW` times), and T the period of a step::

    x = (compute C + memory W + cache K) / T
    P / TDP = static + (1 - static) (1 - exp(-x / (1 - static)))

fitted on relative errors at the measured period and at our own predicted one together, since plans use the latter.
What the harness's host adds to our own period (:class:`~drivetrain.measure.power.Host`) is fitted on throughput first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.measure.power import Host, Run, joules, predicted, read_run
from drivetrain.measure.table import Table

Floats = NDArray[np.float64]
NAMES = ("static_power", "compute_power", "memory_power", "cache_power")
HOST_NAMES = ("step_s", "sequence_s", "media_s")
# compute above 6 would be 3 pJ for a 16-bit FLOP on a B200
_BOUNDS = ([0.05, 0.0, 0.0, 0.0], [0.8, 6.0, 3.0, 3.0])
_START = (0.3, 1.0, 0.3, 0.3)
_HOST_UNITS = np.array([1e-3, 1e-5, 0.1])  # of the sizes that are found
_MOST_HOST = 50.0
_ROBUST = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """One steady run: measured share of TDP, C, W and K of its step, measured and own period, own one's host terms."""

    model: str
    generation: str
    share: float
    rates: tuple[float, float, float]
    period: float
    own_period: float
    host: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients in the order of :data:`NAMES`, the harness's host, absolute errors with whole models left out."""

    n: int
    power: tuple[float, ...]
    host: Host
    given: Floats
    own: Floats
    throughput: Floats


def read_samples(table: Table) -> list[Sample]:
    """Every row that is steady, with power and throughput."""
    samples = []
    for raw in table.rows:
        try:
            run = read_run(raw)
            if run.power and run.tokens_per_s and run.itl and not run.unsteady:
                samples.append(_sample(run))
        except DrivetrainError:
            continue  # listed with its reason by `validate power`
    return samples


def _sample(run: Run) -> Sample:
    d = run.deployment
    none = replace(d.efficiency, compute_power=0.0, memory_power=0.0, cache_power=0.0)
    each = replace(none, compute_power=1.0), replace(none, memory_power=1.0), replace(none, cache_power=1.0)
    compute, memory, cache = (joules(run, eff) / d.hardware.tdp_w for eff in each)
    step, sequence, media = (unit.period_s(run) for unit in (Host(step_s=1.0), Host(sequence_s=1.0), Host(media_s=1.0)))
    return Sample(
        model=d.cut.model.name, generation=d.hardware.generation, share=run.power / run.n / d.hardware.tdp_w,
        rates=(compute, memory, cache), period=run.batch / run.tokens_per_s,
        own_period=predicted(run, Host())[0], host=(step, sequence, media),
    )  # fmt: skip


def fit(samples: Sequence[Sample]) -> Fitted:
    """Fit all samples, then again without each model in turn."""
    if len(samples) < len(NAMES):
        raise BadInputError("too few steady rows with power_W, tok_s and itl_ms to fit on.")
    models = np.array([s.model for s in samples])
    given, own, rate = (np.empty(len(samples)) for _ in range(3))
    share, period = np.array([s.share for s in samples]), np.array([s.period for s in samples])
    for name in sorted(set(models)):
        held = models == name
        seen = [s for s in samples if s.model != name]
        if not seen:
            raise BadInputError(f"every row is of {name}: no model can be left out.")
        host, here = fit_host(seen), [s for s in samples if s.model == name]
        x = fit_power(seen, host)
        given[held], own[held] = shares(x, here, None), shares(x, here, host)
        rate[held] = period[held] / periods(here, host)
    host = fit_host(samples)
    x = fit_power(samples, host)
    return Fitted(len(samples), tuple(float(v) for v in x), host,
                  np.abs(given / share - 1), np.abs(own / share - 1), np.abs(rate - 1))  # fmt: skip


def across(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Mean absolute errors (at the measured period, at our own) of each generation, fitted on the others alone."""
    found = {}
    for generation in sorted({s.generation for s in samples}):
        here, seen = ([s for s in samples if (s.generation == generation) is same] for same in (True, False))
        if seen:
            host, share = fit_host(seen), np.array([s.share for s in here])
            x = fit_power(seen, host)
            given, own = (np.abs(shares(x, here, h) / share - 1) for h in (None, host))
            found[generation] = (float(given.mean()), float(own.mean()))
    return found


def fit_power(samples: Sequence[Sample], host: Host) -> Floats:
    """The coefficients of least relative error at both periods."""
    share = np.array([s.share for s in samples])

    def residual(x: Floats) -> Floats:
        return np.concatenate([shares(x, samples, None) / share - 1, shares(x, samples, host) / share - 1])

    found = least_squares(residual, _START, bounds=_BOUNDS, loss="soft_l1", f_scale=_ROBUST)
    return np.asarray(found.x)


def fit_host(samples: Sequence[Sample]) -> Host:
    """What the host adds, from throughput: of least error of log periods, never negative."""
    log_period = np.log([s.period for s in samples])
    own, terms = np.array([s.own_period for s in samples]), np.array([s.host for s in samples])

    def residual(x: Floats) -> Floats:
        return np.asarray(np.log(own + terms @ (x * _HOST_UNITS)) - log_period)

    found = least_squares(residual, np.ones(3), bounds=(0.0, _MOST_HOST), loss="soft_l1", f_scale=_ROBUST)
    return Host(*(float(v) for v in found.x * _HOST_UNITS))


def periods(samples: Sequence[Sample], host: Host | None) -> Floats:
    """Measured periods, or our own with what ``host`` adds."""
    if host is None:
        return np.array([s.period for s in samples])
    added = np.array([s.host for s in samples]) @ np.array([getattr(host, name) for name in HOST_NAMES])
    return np.asarray(np.array([s.own_period for s in samples]) + added)


def shares(x: Floats, samples: Sequence[Sample], host: Host | None) -> Floats:
    """Predicted shares of TDP at the measured periods, or at our own on ``host``."""
    load = np.array([s.rates for s in samples]) @ np.asarray(x[1:]) / periods(samples, host)
    room = 1.0 - x[0]
    return np.asarray(x[0] - room * np.expm1(-load / room))
