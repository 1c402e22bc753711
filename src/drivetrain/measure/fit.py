"""Fit the serving coefficients on measured load tests.

A few physical coefficients, pooled over models, with factors by hardware generation and engine family, by robust least
squares on the logarithms of predicted over measured mean TPOT and TTFT, each row simulated as the load test it was,
just as ``validate serving`` does. Every coefficient is drawn towards a prior (:mod:`drivetrain.measure.coefficients`),
so that only what the data insist on departs from it. Deterministic: no random numbers, a fixed order of rows and
coefficients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from drivetrain.cost import jit
from drivetrain.cost.efficiency import Efficiency, collective_coefficients, scaled, software_factors
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import DrivetrainError
from drivetrain.measure import harness
from drivetrain.measure.coefficients import Free, coefficients
from drivetrain.measure.serving import Query, cut_of, lengths_for, read_query, slots
from drivetrain.measure.table import Raw
from drivetrain.serving import closed_loop
from drivetrain.serving.deployment import Cut, deploy
from drivetrain.serving.kernel import STEP_SCALARS
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.steady import prepare

Floats = NDArray[np.float64]


ROW_SIGMA = 0.1  # of a TPOT residual, in log: the weight of a row beside a prior
TTFT_WEIGHT = 0.35  # of a TTFT residual beside a TPOT one: its run-to-run noise is some four times as large
FIT_CONCURRENCY = 128  # the longest tests cost most time and add least
_NUDGE, _MOVED, _INSIDE = 0.02, 1e-9, 1e-3  # of logarithms: a difference quotient, what counts as moved, off the bounds


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run, read as ``validate serving`` reads it. ``tpot`` and ``ttft`` are NaN where not to be fitted."""

    row_id: str
    query: Query
    piece: Cut
    lengths: Lengths
    isl: Floats
    osl: Floats
    budget: float
    tpot: float
    ttft: float
    curve: str

    @property
    def accelerator(self) -> str:
        """Its catalogue name."""
        return self.query.accelerator.name

    @property
    def engine(self) -> str:
        """Its family."""
        return self.query.engine.family

    @property
    def model(self) -> str:
        """Its catalogue name."""
        return self.query.model.name

    @property
    def deployment(self) -> str:
        """Model, accelerator, engine, precision and layout: all lengths and loads of one installation."""
        q = self.query
        return f"{q.model.name} {q.accelerator.name} {q.engine.family} {q.dtype} {q.placed.layout} x{q.placed.replicas}"


def read_rows(raws: Sequence[Raw]) -> tuple[list[Row], dict[str, str]]:
    """Rows to fit, and why the others are not: reasons by row id. Rows marked not ``clean_core`` are left out."""
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    # start-up inside TTFT: where some rows of a curve are marked, its others carry it too
    suspect = {raw.text("curve_group") for raw in raws if raw.text("flag_ttft_suspect") == "True"} - {""}
    for raw in raws:
        if raw.problem:
            skipped[raw.row_id] = raw.problem
        elif raw.text("clean_core").lower() == "false":
            skipped[raw.row_id] = "not clean (clean_core is False)"
        else:
            try:
                rows.append(_row(raw, raw.text("curve_group") in suspect))
            except DrivetrainError as error:
                skipped[raw.row_id] = str(error.args[0])
    return rows, skipped


def _row(raw: Raw, suspect: bool) -> Row:
    query = read_query(raw, [])
    n_requests = harness.PROMPTS_PER_SLOT * query.concurrency
    tpot = raw.number("tpot_s")
    # start-up inside TTFT, or a wait inferred from these very rows: neither says anything of the engine
    elsewhere = suspect or query.recipe.extra > 0
    ttft = None if elsewhere or raw.text("clean_ttft").lower() == "false" else raw.number("ttft_s")
    return Row(
        row_id=raw.row_id,
        query=query,
        piece=cut_of(query.model.name, query.dtype, query.placed.layout, query.kv_dtype),
        lengths=lengths_for(query.isl, query.osl, query.spread),
        isl=harness.lengths(query.isl, query.spread, n_requests, 1),
        osl=harness.lengths(query.osl, query.spread, n_requests, 2),
        budget=query.budget,
        tpot=tpot or np.nan,
        ttft=ttft or np.nan,
        curve=raw.text("curve_group") or raw.row_id,
    )


class Problem:
    """Predictions of rows as a function of the logarithms of the free coefficients."""

    def __init__(self, rows: Sequence[Row], fixed: Mapping[str, float], free: Sequence[Free] = ()) -> None:
        jit.ready()
        self.rows = list(rows)
        generations = {r.query.accelerator.generation for r in self.rows}
        self.free = tuple(free) or coefficients(generations, {r.engine for r in self.rows})
        self.fixed = dict(fixed)
        self.measured = np.array([(r.tpot, r.ttft) for r in self.rows]).reshape(-1, 2)
        self.hardware = {r.accelerator: hardware_of(r.query.accelerator) for r in self.rows}

    def subset(self, keep: Sequence[bool] | NDArray[np.bool_]) -> Problem:
        """The same problem with the rows in ``keep``."""
        return Problem([r for r, k in zip(self.rows, keep, strict=True) if k], self.fixed, self.free)

    def efficiencies(self, x: Floats) -> dict[tuple[str, str, str], Efficiency]:
        """Coefficients by engine family, release and generation."""
        sections: dict[str, dict[str, float]] = defaultdict(dict)
        for free, value in zip(self.free, np.exp(x), strict=True):
            sections[free.section][free.name] = float(value)
        base = {k: v for k, v in (self.fixed | sections["base"]).items() if k in Efficiency.__slots__}
        return {
            (engine, released, generation): scaled(
                base, sections.get(f"generation.{generation}", {}), sections.get(f"engine.{engine}", {}),
                software_factors(sections["software"], released), tier="calibrated",
            )
            for generation in {h.generation for h in self.hardware.values()}
            for engine, released in {(r.engine, r.query.released) for r in self.rows}
        }  # fmt: skip

    def predict(self, x: Floats, only: NDArray[np.bool_] | None = None) -> Floats:
        """(n, 2): mean TPOT and TTFT of every row (of those in ``only``), from the replayed load test."""
        effs = self.efficiencies(x)
        compiled: dict[tuple[int, str, str], Any] = {}
        out = np.full((len(self.rows), 2), np.nan)
        for i, row in enumerate(self.rows):
            if only is None or only[i]:
                out[i] = self._replay(row, effs, compiled)
        return out

    def _replay(self, row: Row, effs: Mapping[tuple[str, str, str], Efficiency], compiled: dict[Any, Any]) -> Floats:
        hardware = self.hardware[row.accelerator]
        eff = effs[row.engine, row.query.released, hardware.generation]
        key = (id(row.piece), row.accelerator, row.engine, row.query.engine.name, row.query.released)
        if key not in compiled:
            compiled[key] = deploy(row.piece, hardware, row.query.engine, eff, collective_coefficients(row.engine))
        prepared = prepare(compiled[key], row.lengths, row.budget)
        open_slots = float(row.query.concurrency - row.query.recipe.extra)
        fits = max(1.0, min(slots(prepared.memory.fits, row.piece.layout.dp), open_slots))
        n, c = len(row.isl), compiled[key].coefficients
        ttft, tpot, _, _ = closed_loop.run(
            c.ops, c.collectives, prepared.scalars[:STEP_SCALARS], prepared.contexts.spans, row.isl, row.osl,
            row.query.concurrency, row.budget, fits, float(row.piece.layout.dp),
            harness.runs_prefill_first(row.engine), True, eff.request_s, eff.frontend_s,
            row.query.recipe.poll, row.query.recipe.hold, np.empty(n), np.empty(n),
        )  # fmt: skip
        return np.array([tpot, ttft + eff.reply_s])


@dataclass(frozen=True, slots=True)
class Fitted:
    """``x`` are logarithms of the coefficients, ``error`` their standard errors, ``n`` the rows that each moves."""

    x: Floats
    error: Floats
    n: NDArray[np.int64]


def prior(problem: Problem) -> Floats:
    """Where every fit starts: the logarithms of the priors."""
    return np.log([f.prior for f in problem.free])


def fit(problem: Problem, evaluations: int = 20, progress: Callable[[int, int], None] = lambda _i, _n: None) -> Fitted:
    """The coefficients that fit ``problem`` best, from the prior; ``progress`` is told (evaluation, at most)."""
    free, n = problem.free, len(problem.rows)
    lower, upper = (np.log([getattr(f, side) for f in free]) for side in ("lower", "upper"))
    centre, sigma = prior(problem), np.array([f.sigma for f in free])
    weight = np.array([1.0, TTFT_WEIGHT]) / ROW_SIGMA
    known = np.isfinite(problem.measured)
    touched = [np.array([concerns(one.section, row) for row in problem.rows], dtype=np.bool_) for one in free]
    tried: set[int] = set()
    count = 0

    def residual(x: Floats) -> Floats:
        nonlocal count
        count += 1
        progress(min(count, evaluations), evaluations)
        miss = np.where(known, np.log(problem.predict(x) / np.where(known, problem.measured, 1.0)) * weight, 0.0)
        return np.concatenate([miss.ravel(), (x - centre) / sigma])

    def jacobian(x: Floats) -> Floats:
        """Forward differences; rows that a coefficient did not move at first are not tried on it again."""
        base = problem.predict(x)
        j = np.zeros((2 * n + len(free), len(free)))
        for k in range(len(free)):
            nudged = x.copy()
            h = _NUDGE if x[k] + _NUDGE < upper[k] else -_NUDGE
            nudged[k] += h
            there = problem.predict(nudged, touched[k])
            if k not in tried:
                tried.add(k)
                touched[k] = np.any(np.abs(there / base - 1.0) > _MOVED, axis=1)
            moves = known & touched[k][:, None]
            j[: 2 * n, k] = (np.log(np.where(moves, there / base, 1.0)) * weight / h).ravel()
            j[2 * n + k, k] = 1.0 / sigma[k]
        return j

    found = least_squares(
        residual, np.clip(centre, lower + _INSIDE, upper - _INSIDE), jac=jacobian, bounds=(lower, upper),
        loss="soft_l1", f_scale=1.0, x_scale=sigma, max_nfev=evaluations,
    )  # fmt: skip
    # found.jac carries the weights of the robust loss; residuals are in units of ROW_SIGMA, scaled to what they are
    scale = max(1.0, float(2.0 * found.cost / max(known.sum(), 1)))
    covariance = np.linalg.inv(found.jac.T @ found.jac) * scale
    counts = np.array([t.sum() for t in touched], dtype=np.int64)
    return Fitted(np.asarray(found.x), np.sqrt(np.diag(covariance)), counts)


def concerns(section: str, row: Row) -> bool:
    """Whether coefficients of a section can move a row: the base any, a generation's or an engine's only its own."""
    kind, _, name = section.partition(".")
    return not name or name == (row.query.accelerator.generation if kind == "generation" else row.engine)
