"""What tuned submissions do to speed: fitted on MLPerf results, scored with submitters and systems left out.

With m measured and p(c) predicted tokens per second of a node at a factor c on compute shares, kept shares k of the
scenario's capacity and a host limit H of requests per second::

    minimise over c, k, H   sum  w rho(log(m / min(k p(c), H osl)) / s)  +  (log c / prior)^2 + sum (log k / prior)^2

rho is the soft L1 loss; runs of one configuration share a weight that grows with the root of their number (submitters
copy each other's settings). The host limit is kept only where it earns its place. p is interpolated between a few c.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.measure.mlperf import SCENARIOS, Case, Tuning, capacity, is_clean, read_case
from drivetrain.measure.score import Pair, Score, score
from drivetrain.measure.spread import estimate
from drivetrain.measure.table import Raw, Table

Floats = NDArray[np.float64]
FAMILY = "trtllm"  # the engine whose submissions are built by hand; others run as the serving calibration says
COMPUTE = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5)  # factors at which predictions are computed
HEADLINE = ("Offline", "Server")
_SCALE, _PRIOR, _PRIOR_KEPT = 0.08, 0.3, 0.1
_FACTORS = np.linspace(math.log(COMPUTE[0]), math.log(COMPUTE[-1]), 127)  # logarithms tried, 0.5 % apart
_KEPT = np.linspace(-0.4, 0.0, 81)
_HOSTS = np.geomspace(0.9, 1.2, 13)  # host limits tried, over the highest rate measured
_HOST_GAIN = 4.0  # what a host limit must take off the cost


@dataclass(frozen=True, slots=True)
class Run:
    """One scored result: what it asks, tokens per second of a node, and log predictions at each of :data:`COMPUTE`."""

    case: Case
    measured: float
    submitter: str
    system: str
    curve: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """``found`` on all runs; ``errors[kind][scenario]`` in sample and with each kind left out; spreads by scenario."""

    runs: tuple[Run, ...]
    found: Tuning
    errors: dict[str, dict[str, Score]]
    spread: dict[str, float]


LEFT_OUT: dict[str, Callable[[Run], str]] = {
    "submitters": lambda r: r.submitter,
    "systems": lambda r: r.system,
    "accelerators": lambda r: r.case.accelerator,
    "benchmarks": lambda r: r.case.benchmark.name,
}


def read_runs(table: Table) -> list[Run]:
    """Every row that can be predicted and scored, with its predictions."""
    runs = []
    for raw in table.rows:
        try:
            runs += [_run(raw)] if is_clean(raw) and raw.text("result") else []
        except DrivetrainError:
            continue  # listed with its reason by `validate mlperf`
    return runs


def _run(raw: Raw) -> Run:
    case, nodes = read_case(raw, [])
    found = [capacity(case, c if case.engine_family == FAMILY else 1.0) for c in COMPUTE]
    if any(f.why for f in found):
        raise BadInputError(next(f.why for f in found if f.why))
    curve = tuple(math.log(f.tokens_per_s) for f in found)
    return Run(case, raw.need("result") / nodes, raw.text("submitter"), raw.text("system"), curve)


def fit(runs: Sequence[Run]) -> Fit:
    """Fit all runs; then again with every submitter, system, accelerator and benchmark left out in turn."""
    found = estimate_tuning(runs)
    now = {"in_sample": rates(runs, found)}
    for kind, key in LEFT_OUT.items():
        now[f"{kind}_left_out"] = left_out(runs, key)
    errors = {kind: _errors(runs, predicted) for kind, predicted in now.items()}
    worst = now["accelerators_left_out"]
    spread = {}
    for scenario in SCENARIOS:
        here = [i for i, r in enumerate(runs) if r.case.scenario == scenario]
        if here:
            spread[scenario.lower()] = estimate([worst[i] for i in here], [runs[i].measured for i in here])
    return Fit(tuple(runs), found, errors, spread)


def left_out(runs: Sequence[Run], key: Callable[[Run], str]) -> Floats:
    """Rates of ``runs``, each predicted by a fit that saw none with the same ``key``."""
    out = np.empty(len(runs))
    for held in sorted({key(r) for r in runs}):
        seen = [r for r in runs if key(r) != held]
        there = [i for i, r in enumerate(runs) if key(r) == held]
        if not seen:
            raise BadInputError(f"every row has the same {held}: nothing is left to fit without it.")
        out[there] = rates([runs[i] for i in there], estimate_tuning(seen))
    return out


def rates(runs: Sequence[Run], tuned: Tuning) -> Floats:
    """Tokens per second of a node under ``tuned``, from the interpolated predictions."""
    kept = tuned.kept or {}
    log_c = np.log([tuned.compute.get(r.case.engine_family, 1.0) for r in runs])
    free = _along(np.array([r.curve for r in runs]), log_c)
    share = np.array([kept.get(r.case.scenario, 1.0) for r in runs])
    host = np.array([tuned.host_requests_per_s * r.case.osl for r in runs])
    return np.asarray(np.minimum(np.exp(free) * share, host))


def estimate_tuning(runs: Sequence[Run]) -> Tuning:
    """The least cost over the factor, the kept shares and, where it earns its place, the host limit."""
    if not runs:
        raise BadInputError("no row of the file can be scored; 'drivetrain validate mlperf' lists why, row by row.")
    weights = _weights(runs)
    cost, best = _least(runs, weights, math.inf)
    top = max(r.measured / r.case.osl for r in runs)
    limited = min((_least(runs, weights, float(top * f)) for f in _HOSTS), key=lambda pair: pair[0])
    return limited[1] if limited[0] < cost - _HOST_GAIN else best


def _least(runs: Sequence[Run], weights: Floats, host: float) -> tuple[float, Tuning]:
    """The least cost under one host limit, over every pair of :data:`_FACTORS` and, by scenario, :data:`_KEPT`."""
    log_m = np.log([r.measured for r in runs])
    cap = np.array([math.log(host * r.case.osl) if math.isfinite(host) else math.inf for r in runs])
    curves = np.array([r.curve for r in runs])
    log_c = np.array([r.case.engine_family == FAMILY for r in runs])[:, None] * _FACTORS  # run, factor
    free = np.stack([_along(curves, column) for column in log_c.T], axis=1)
    cost, kept = (_FACTORS / _PRIOR) ** 2, {}
    for name in SCENARIOS:
        here = np.array([r.case.scenario == name for r in runs])
        shares = _KEPT if name in SCENARIOS[1:] else np.zeros(1)
        reached = np.minimum(free[here, :, None] + shares, cap[here, None, None])  # run, factor, share
        z = (log_m[here, None, None] - reached) / _SCALE
        costs = np.einsum("r,rfs->fs", weights[here] * 2.0, np.sqrt(1.0 + z * z) - 1.0) + (shares / _PRIOR_KEPT) ** 2
        cost, kept[name] = cost + costs.min(axis=1), shares[costs.argmin(axis=1)]
    best = int(cost.argmin())
    found = {name: float(math.exp(kept[name][best])) for name in SCENARIOS[1:]}
    return float(cost[best]), Tuning({FAMILY: float(math.exp(_FACTORS[best]))}, host, found)


def _weights(runs: Sequence[Run]) -> Floats:
    """One over the root of how many runs share a configuration (their mean outputs differ a little)."""
    cases = [r.case for r in runs]
    keys = [(c.benchmark, c.scenario, c.accelerator, c.dtype, c.engine_family, c.n, c.limits) for c in cases]
    return np.array([keys.count(key) ** -0.5 for key in keys])


def _along(curves: Floats, log_c: Floats) -> Floats:
    """Log predictions of each run at its factor, linear between its logarithms at :data:`COMPUTE`."""
    at = np.log(COMPUTE)
    i = np.clip(np.searchsorted(at, log_c) - 1, 0, len(at) - 2)
    share = (log_c - at[i]) / (at[i + 1] - at[i])
    rows = np.arange(len(curves))
    return np.asarray((1.0 - share) * curves[rows, i] + share * curves[rows, i + 1])


def _errors(runs: Sequence[Run], predicted: Floats) -> dict[str, Score]:
    groups = {name.lower(): (name,) for name in SCENARIOS} | {"offline_and_server": HEADLINE}
    found = {}
    for name, scenarios in groups.items():
        made = score(
            Pair(float(p), r.measured) for p, r in zip(predicted, runs, strict=True) if r.case.scenario in scenarios
        )
        if made:
            found[name] = made
    return found
