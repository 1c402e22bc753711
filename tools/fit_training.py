r"""Fit the training calibration (``cost/calibration/training.toml``) on measured training runs.

    python tools/fit_training.py ../shared/validation/training_runs.csv \\
        --out src/drivetrain/cost/calibration/training.toml --page docs/method/training.md

The model, the priors and what is fitted: :mod:`drivetrain.measure.training_fit`, docs/method/training.md. Errors are of
fits that have not seen the source scored; intervals come from them. ``--page`` rewrites the page's tables.
"""  # fmt: skip

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from drivetrain.cost.efficiency import FOLDER_VARIABLE
from drivetrain.measure import table, training, training_fit
from drivetrain.measure.training import LEAST_ROWS, constant_mfu
from drivetrain.measure.training_elsewhere import LADDERS, predicted, speeds
from drivetrain.measure.training_priors import FITTED
from drivetrain.measure.training_runs import Run, read_run
from drivetrain.training.coefficients import coefficients

HEADER = """\
# Coefficients of the training step (drivetrain.training.coefficients.Coefficients), fitted by tools/fit_training.py.
# Tables of generation, framework and kernel hold factors on base; what [fit] does not list under "fitted" is assumed
# (drivetrain.measure.training_priors). error.left_out: fractions, whole sources left out of the fit.
# spread: half the width of the 80 % interval of log throughput; "unmeasured" adds in squares.
"""
BEGIN, END = "<!-- figures: written by tools/fit_training.py -->", "<!-- end of figures -->"
COVERED = 0.8
# Of log throughput where software or generation have no measured runs: set so that 80 % intervals hold four of five
# speeds published outside the file (docs/method/training.md).
UNMEASURED = 0.22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    args = parser.parse_args()
    rows = table.read(args.csv, ("id",), "id").rows
    runs = [run for run in map(read_run, rows) if run.measured]
    found = content(runs, args.csv)
    text = HEADER + "\n" + tomli_w.dumps(found)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    if args.page:
        with TemporaryDirectory() as folder:  # the other tables are of the calibration just fitted
            Path(folder, "training.toml").write_text(text, encoding="utf-8")
            os.environ[FOLDER_VARIABLE] = folder
            coefficients.cache_clear()
            whole = table.read(args.csv, training.REQUIRED, "id")
            write_page(args.page, (page(found, runs), whole_runs(whole), elsewhere()))


def content(runs: Sequence[Run], path: Path) -> dict[str, Any]:
    """The calibration file's content."""
    data = training_fit.problem(runs)
    raw = training_fit.calibrated(training_fit.fit(data))
    own, unseen = data.tokens_per_s(raw), training_fit.left_out(runs)
    off = np.log(unseen / np.array([run.measured for run in runs]))
    out: dict[str, Any] = {
        "fit": {"file": path.name, "sha256": table.digest(path), "n": len(runs),
                "fitted": [".".join(name) for name in FITTED]},
        "measured": {
            "generations": sorted({name for kind, name, *_ in FITTED if kind == "generation"}),
            "frameworks": sorted({run.framework for run in runs}),
            "accelerators": sorted({run.cluster.hardware.name for run in runs}),
        },
        "spread": spreads(runs, off),
        "error": {"in_sample": errors(runs, own), "left_out": errors(runs, unseen, plain=constant_mfu(runs)),
                  "coverage80": coverage(runs, off), "ladder": ladders(runs, unseen)},
    }  # fmt: skip
    return out | _rounded(raw)


def write_page(path: Path, tables: Sequence[str]) -> None:
    """Put every table between its pair of marks, in order."""
    parts = path.read_text(encoding="utf-8").split(BEGIN)
    kept = [parts[0], *(part.split(END)[1] for part in parts[1:])]
    text = kept[0] + "".join(f"{BEGIN}\n\n{t}\n{END}{after}" for t, after in zip(tables, kept[1:], strict=True))
    path.write_text(text, encoding="utf-8")


def whole_runs(rows: table.Table) -> str:
    """Hours of whole runs, predicted over published."""
    found = [o for o in training.outcomes(rows) if "gpu_hours" in o.pairs]
    lines = ["| run | layout | published hours | predicted / published |", "|---|---|---|---|"]
    for one in found:
        hours = one.pairs["gpu_hours"]
        lines.append(f"| {one.keys['model']}, {one.keys['accelerator']} | {one.values['layout']} | "
                     f"{hours.measured:,.0f} | {hours.predicted / hours.measured:.2f} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def elsewhere() -> str:
    """Published speeds and ladders outside the file."""
    rows, found = speeds()
    lines = ["| published elsewhere | source | tokens/s each | predicted / published | in the 80 % interval |",
             "|---|---|---|---|---|"]  # fmt: skip
    inside = []
    for raw, one in zip(rows.rows, found, strict=True):
        pair = one.pairs["tokens_per_s_per_accel"]
        inside.append((pair.p10 or 0.0) <= pair.measured <= (pair.p90 or 0.0))
        lines.append(f"| {one.row_id} | {raw.text('source_id')} | {pair.measured:,.0f} | "
                     f"{pair.predicted / pair.measured:.2f} | {'yes' if inside[-1] else 'no'} |")  # fmt: skip
    off = [abs(one.pairs["tokens_per_s_per_accel"].error) for one in found]
    errors_of = f"mean {np.mean(off):.1%}, median {np.median(off):.1%}; {sum(inside)} of {len(inside)}"
    lines += ["", f"Error of these: {errors_of} lie in the interval.", ""]
    lines += ["| ladder | measured | predicted |", "|---|---|---|"]
    for ladder in LADDERS:
        got = predicted(ladder)
        sizes = " → ".join(f"{n:,}" for n in ladder.measured)
        both = [", ".join(f"{e:.3f}" for n, e in one.items() if n != min(one)) for one in (ladder.measured, got)]
        lines.append(f"| {ladder.name}, {sizes} | {both[0]} | {both[1]} |")
    return "\n".join(lines) + "\n"


def coverage(runs: Sequence[Run], off: NDArray[np.float64]) -> dict[str, float]:
    """Share of left-out errors inside 80 % intervals whose width comes from the *other* sources' left-out errors."""
    out: dict[str, float] = {}
    inside = np.zeros(len(runs), dtype=bool)
    sources = np.array([run.source for run in runs])
    for source in sorted(set(sources)):
        mine = sources == source
        others = [run for run, held in zip(runs, mine, strict=True) if not held]
        width = spreads(others, off[~mine])
        half = np.array([_half(run, width) for run in runs])
        inside[mine] = (np.abs(off) <= half)[mine]
        out[source] = round(float(inside[mine].mean()), 4)
    return {"all": round(float(inside.mean()), 4)} | out


def _half(run: Run, width: dict[str, float]) -> float:
    known = width["experts" if run.model.n_moe_layers else "dense"]
    return known if run.layout is not None else max(known, width["layout_unknown"])


def ladders(runs: Sequence[Run], predicted: NDArray[np.float64]) -> dict[str, Any]:
    """Efficiency against the smallest cluster of the same job: errors of rungs, left out.

    ``faster_than_the_first``: rungs measured above 1.05, which no cost of scaling gives; their first rung is slow.
    """
    groups: dict[tuple[object, ...], list[tuple[int, float, float]]] = {}
    for run, value in zip(runs, predicted, strict=True):
        batch = run.layout.micro_batch if run.layout else 0
        key = (run.source, run.model.name, run.model.seq, run.cluster.hardware.name, run.job.precision, batch,
               run.job.lora_rank, run.known.get("recompute"))  # fmt: skip
        groups.setdefault(key, []).append((run.cluster.n, float(run.measured or 0.0), float(value)))
    out: dict[str, list[tuple[float, float]]] = {}
    for key, rows in groups.items():
        if str(key[0]) == "megatron-bridge":
            continue  # releases differ within one configuration there
        sizes = sorted({n for n, _, _ in rows})
        middle = {n: [float(np.median([row[i] for row in rows if row[0] == n])) for i in (1, 2)] for n in sizes}
        first = middle[sizes[0]]
        for n in sizes[1:]:
            measured, got = (middle[n][i] / first[i] for i in (0, 1))
            out.setdefault(str(key[0]), []).append((measured, abs(got - measured)))
    return {
        source: {
            "rungs": len(rungs),
            "within_5_points": sum(off <= 0.05 for _, off in rungs),
            "median": round(float(np.median([off for _, off in rungs])), 4),
            "faster_than_the_first": sum(measured > 1.05 for measured, _ in rungs),
        }
        for source, rungs in out.items()
    }


def page(found: dict[str, Any], runs: Sequence[Run]) -> str:
    """The tables of docs/method/training.md."""
    error, covered = found["error"], found["error"]["coverage80"]
    lines = ["| source | rows | mean | median | log bias | 80 % interval covers | constant MFU, mean |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for source, row in error["left_out"].items():
        if source != "macro":
            lines.append(
                f"| {source} | {row['n']} | {row['mean_abs']:.1%} | {row['median_abs']:.1%} | {row['log_bias']:+.1%} | "
                f"{covered[source]:.0%} | {row['constant_mfu_mean_abs']:.1%} |"
            )
    macro = error["left_out"]["macro"]
    lines.append(
        f"| **mean over sources** | {len(runs)} | **{macro['mean_abs']:.1%}** | **{macro['median_abs']:.1%}** | | "
        f"{covered['all']:.0%} | {macro['constant_mfu_mean_abs']:.1%} |"
    )
    own = error["in_sample"]["macro"]
    lines += ["", f"Fitted on all rows: mean {own['mean_abs']:.1%}, median {own['median_abs']:.1%} over sources.", ""]
    lines += ["| scaling ladders (left out) | rungs | within 5 points | median error | measured above 1.05 |",
              "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {s} | {r['rungs']} | {r['within_5_points']} | {r['median']:.1%} | {r['faster_than_the_first']} |"
        for s, r in error["ladder"].items()
    ]
    return "\n".join(lines) + "\n"


def spreads(runs: Sequence[Run], off: NDArray[np.float64]) -> dict[str, float]:
    """The quantile of left-out errors that covers 80 %, sources weighing alike."""
    groups = {
        "dense": [run.model.n_moe_layers == 0 and run.layout is not None for run in runs],
        "experts": [run.model.n_moe_layers > 0 for run in runs],
        "layout_unknown": [run.layout is None for run in runs],
    }
    found = {name: round(_quantile(runs, off, np.array(marks)), 4) for name, marks in groups.items() if any(marks)}
    found.setdefault("layout_unknown", found["dense"])
    return found | {"unmeasured": UNMEASURED}


def _quantile(runs: Sequence[Run], off: NDArray[np.float64], mark: NDArray[np.bool_]) -> float:
    sources = np.array([run.source for run in runs])[mark]
    weight = np.array([1.0 / np.sqrt(np.sum(sources == source)) for source in sources])
    size = np.abs(off[mark])
    order = np.argsort(size)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(size[order][np.searchsorted(below, COVERED)])


def errors(runs: Sequence[Run], predicted: NDArray[np.float64], plain: Sequence[float] = ()) -> dict[str, Any]:
    """Errors by source, and their mean over sources with enough rows."""
    measured = np.array([run.measured for run in runs], dtype=float)
    off = predicted / measured - 1.0
    out: dict[str, Any] = {}
    for source in sorted({run.source for run in runs}):
        mine = np.array([run.source == source for run in runs])
        found = {
            "n": int(mine.sum()), "mean_abs": _mean(off[mine]),
            "median_abs": round(float(np.median(np.abs(off[mine]))), 4),
            "log_bias": round(float(np.log1p(off[mine]).mean()), 4),
        }  # fmt: skip
        if len(plain):
            found["constant_mfu_mean_abs"] = _mean(np.asarray(plain)[mine] / measured[mine] - 1.0)
        out[source] = found
    counted = [found for found in out.values() if found["n"] >= LEAST_ROWS]
    out["macro"] = {
        name: round(float(np.mean([found[name] for found in counted])), 4)
        for name in ("mean_abs", "median_abs", *(("constant_mfu_mean_abs",) if len(plain) else ()))
    }
    return out


def _mean(off: NDArray[np.float64]) -> float:
    return round(float(np.abs(off).mean()), 4)


def _rounded(table: dict[str, Any]) -> dict[str, Any]:
    def one(value: object) -> object:
        if isinstance(value, dict):
            return _rounded(value)
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {key: one(value) for key, value in table.items()}


if __name__ == "__main__":
    main()
