"""``fit scaling``: the parametric scaling law of one's own training runs, with bootstrap ranges."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import __version__
from drivetrain.errors import BadInputError, FileError
from drivetrain.measure import table
from drivetrain.training.scaling.bootstrap import DRAWS, SEED, Bootstrap, bootstrap
from drivetrain.training.scaling.fit import LEAST_RUNS, STARTS, Fit, Tell, fit, silent
from drivetrain.training.scaling.holdout import Holdout, holdout
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law
from drivetrain.training.scaling.objective import DELTA, Floats, Runs
from drivetrain.training.scaling.optimum import loss_exponent, marginal_return, optimum, params_exponent, ratio_exponent
from drivetrain.training.scaling.uncertainty import estimate

SIZE, FLOP, TOKENS, LOSS = "Model Size", "Training FLOP", "Training Tokens", "loss"
DROP_FRAC = 0.02  # of the runs, those of highest loss: 5 of Chinchilla's 245, as in the replication study
SHOWN_FLOPS = (1e20, 1e21, 1e22, 1e23, 5.88e23, 1e24, 1e25, 1e26)  # 5.88e23: the budget of Gopher and of Chinchilla
_QUANTILES = {"p2_5": 0.025, "p10": 0.1, "p90": 0.9, "p97_5": 0.975}


@dataclass(frozen=True, slots=True, eq=False)
class FittedRuns:
    """Everything a picture or a file of one fit needs beside the answer; ``dropped`` runs are not among ``runs``."""

    runs: Runs
    dropped: Runs
    fit: Fit
    draws: Bootstrap | None
    holdout: Holdout


def fit_scaling(
    path: str | Path,
    *,
    drop: int | None = None,
    n_bootstrap: int = DRAWS,
    seed: int = SEED,
    starts: int = STARTS,
    tell: Tell = silent,
) -> tuple[dict[str, Any], FittedRuns]:
    """Fit ``L = E + A N^-alpha + B D^-beta`` to a file of runs.

    The file has the columns ``Model Size``, ``loss`` and ``Training FLOP`` (then D = C / 6N) or ``Training Tokens``.
    ``drop`` runs of highest loss are left out, by default 2 %. Returns the answer and the fit it came from.
    """
    started = time.perf_counter()
    every = read_runs(Path(path))
    n_drop = round(DROP_FRAC * len(every)) if drop is None else drop
    if n_drop < 0:
        raise BadInputError(f"--drop {n_drop}: a number of runs to leave out cannot be negative.")
    if len(every) - n_drop < LEAST_RUNS:
        left = f", {len(every) - n_drop} with the {n_drop} of highest loss left out" if n_drop else ""
        raise BadInputError(f"{path} holds {len(every)} runs{left}; five coefficients need at least {LEAST_RUNS}.")
    kept = np.zeros(len(every), dtype=bool)
    kept[np.argsort(every.losses, kind="stable")[: len(every) - n_drop]] = True
    runs = every.only(kept)
    found = fit(runs, tell=tell, starts=starts)
    drawn = bootstrap(runs, found.law, n_bootstrap, seed, tell=tell) if n_bootstrap else None
    beyond = holdout(runs, found)
    scatter = float(np.sqrt(np.mean(found.errors**2)))
    answer = {
        "n": len(runs),
        "n_dropped": n_drop,
        "objective": found.objective,
        "huber_delta": DELTA,
        **_coefficients(found.law),
        "a_opt": float(params_exponent(found.law)),
        "rms_log_resid": scatter,
        "mean_log_resid": float(-found.errors.mean()),  # measured less predicted
        "median_abs_pct": float(100.0 * np.median(np.abs(found.errors))),
        "starts": found.starts,
        "starts_agreeing": found.agreeing,
        "bootstrap": None if drawn is None else _bootstrap(drawn, n_bootstrap, seed),
        "fitted": _spans(runs),
        "optimum": [_optimum(found.law, drawn, flops, runs, beyond, scatter) for flops in SHOWN_FLOPS],
        "tenfold": _tenfold(found.law, drawn),
        "holdout": asdict(beyond),
        "meta": {
            "version": __version__,
            "file": str(path),
            "sha256": table.digest(Path(path)),
            "elapsed_s": round(time.perf_counter() - started, 1),
        },
    }
    return answer, FittedRuns(runs, every.only(~kept), found, drawn, beyond)


def read_runs(path: Path) -> Runs:
    """The runs of a CSV file; any cell that is no number above zero is an error of the file."""
    content = table.read(path, (SIZE, (FLOP, TOKENS), LOSS), id_column="run")
    by_tokens = content.has(TOKENS)
    columns = (SIZE, TOKENS if by_tokens else FLOP, LOSS)
    rows = np.array([[_cell(row, name, path) for name in columns] for row in content.rows]).reshape(-1, 3)
    params, spent, losses = rows.T
    return Runs(params, spent if by_tokens else spent / (FLOPS_PER_PARAM_TOKEN * params), losses)


def as_catalogue(answer: Mapping[str, Any], found: FittedRuns, name: str, seen: str) -> dict[str, Any]:
    """The fitted law as an entry of the user's catalogue (a file ``scaling….toml``); ``seen``: year and month."""
    note = f"{Path(answer['meta']['file']).name}, sha256 {answer['meta']['sha256']}, {answer['n']} runs"
    stated = {"source": "own-fit", "seen": seen, "kind": "derived"}

    def fact(value: float) -> dict[str, Any]:
        return {"value": value, **stated, "note": note}

    law = found.fit.law
    spans = {key: list(span) for key, span in answer["fitted"].items()}
    entry: dict[str, Any] = {
        "title": f"Fitted to {Path(answer['meta']['file']).name}",
        "form": "parametric",
        "data": name,
        "run_error": fact(max(answer["rms_log_resid"], 1e-9)),
        "coefficients": {key: fact(getattr(law, key)) for key in ("e", "a", "b", "alpha", "beta")},
        "fitted": {**spans, "n_runs": answer["n"], **stated},
    }
    for key in ("loss_error", "ratio_error"):
        if answer["holdout"][key]:
            entry[key] = fact(answer["holdout"][key])
    if found.draws is not None:
        entry["draws"] = {
            "mean": found.draws.mean.tolist(),
            "covariance": found.draws.covariance.tolist(),
            **stated,
        }
    return {"laws": {name: entry}}


def _cell(row: table.Raw, name: str, path: Path) -> float:
    if row.problem:
        raise FileError(f"{path}, line {row.line}: {row.problem}")
    try:
        return row.need(name)
    except BadInputError as error:
        raise FileError(f"{path}, line {row.line}: {error.args[0]} Mend or remove the row.") from None


def _coefficients(law: Law) -> dict[str, float]:
    """As the publications name them."""
    return {"E": law.e, "A": law.a, "B": law.b, "alpha": law.alpha, "beta": law.beta}


def _bootstrap(drawn: Bootstrap, n: int, seed: int) -> dict[str, Any]:
    laws = drawn.laws
    many = _coefficients(laws) | {
        "a_opt": params_exponent(laws),
        "ratio_exponent": ratio_exponent(laws),
        "loss_exponent": loss_exponent(laws),
    }
    return {"n": n, "seed": seed, "failed": drawn.failed, **{name: _spread(values) for name, values in many.items()}}


def _spread(values: Any) -> dict[str, float]:  # noqa: ANN401 - an array
    quantiles = {name: float(np.quantile(values, q)) for name, q in _QUANTILES.items()}
    return {"se": float(np.std(values)), "median": float(np.median(values)), **quantiles}


def _spans(runs: Runs) -> dict[str, tuple[float, float]]:
    columns: dict[str, Floats] = {"params": runs.params, "tokens": runs.tokens, "flops": runs.flops,
                                  "tokens_per_param": runs.tokens / runs.params}  # fmt: skip
    return {name: (float(values.min()), float(values.max())) for name, values in columns.items()}


def _optimum(
    law: Law, drawn: Bootstrap | None, flops: float, runs: Runs, held: Holdout, scatter: float
) -> dict[str, Any]:
    """The best model of a budget; ``wide_…`` holds single runs and what the form gets wrong beyond the runs too."""
    best = optimum(law, flops)
    many = None if drawn is None else optimum(drawn.laws, flops)
    beyond = max(np.log10(flops / runs.flops.max()), np.log10(runs.flops.min() / flops), 0.0)

    ratio = (held.ratio_error or 0.0) * float(beyond)
    errors = {"params": ratio / 2.0, "tokens": ratio / 2.0, "tokens_per_param": ratio,
              "loss": math.hypot(scatter, (held.loss_error or 0.0) * float(beyond))}  # fmt: skip

    def ranged(name: str) -> dict[str, float]:
        drawn_values = None if many is None else getattr(many, name)
        found = asdict(estimate(float(getattr(best, name)), drawn_values, errors[name]))
        return {key: value for key, value in found.items() if value is not None}

    values = {name: ranged(name) for name in ("params", "tokens", "tokens_per_param", "loss")}
    return {"flops": flops, **values, "decades_beyond": round(float(beyond), 3)}


def _tenfold(law: Law, drawn: Bootstrap | None) -> dict[str, float]:
    """What ten times any budget leaves of the excess loss, and the factor that halves it."""
    ten = marginal_return(law, SHOWN_FLOPS[0])
    found = {"excess_kept": float(ten.excess_kept), "factor_to_halve": float(ten.to_halve)}
    if drawn is not None:
        low, high = np.quantile(10.0 ** -loss_exponent(drawn.laws), (0.1, 0.9))
        found |= {"excess_kept_p10": float(low), "excess_kept_p90": float(high)}
    return found
