r"""Fit what tuned submissions do to speed (``cost/calibration/mlperf.toml``) on MLPerf Inference results.

    python tools/fit_mlperf.py ../shared/validation/mlperf_inference_v5_1.csv \
        --out src/drivetrain/cost/calibration/mlperf.toml

The model and the left-out errors: :mod:`drivetrain.measure.mlperf_fit`. To be run again after every change of the
serving calibration, from whose predictions it starts.
"""  # fmt: skip

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import tomli_w

from drivetrain.measure import mlperf, mlperf_fit, table

HEADER = """\
# What hand-tuned MLPerf submissions do to the speed that the serving calibration predicts, fitted by
# tools/fit_mlperf.py (model: drivetrain.measure.mlperf_fit, docs/method/mlperf.md). Source: MLPerf results.
# compute: factor on the compute shares of 8- and 4-bit weights and of attention, TensorRT-LLM submissions only;
# kept: share of the capacity within the limits that is claimed; host_requests_per_s: what a node's host feeds it.
# error: fractions, with whole submitters, systems (machines), accelerators and benchmarks left out of this fit.
# spread: standard deviations of log(measured / predicted), accelerators left out.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    runs = mlperf_fit.read_runs(table.read(args.csv, mlperf.REQUIRED))
    content = written(mlperf_fit.fit(runs), args.csv)
    text = HEADER + "\n" + tomli_w.dumps(content)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


def written(fit: mlperf_fit.Fit, path: Path) -> dict[str, Any]:
    """The calibration file's content."""
    found = fit.found
    tuning: dict[str, Any] = {"compute": {k: round(v, 4) for k, v in found.compute.items()}}
    if math.isfinite(found.host_requests_per_s):
        tuning["host_requests_per_s"] = round(found.host_requests_per_s, 1)
    tuning["kept"] = {k: round(v, 4) for k, v in (found.kept or {}).items()}
    return {
        "fit": {
            "n": len(fit.runs),
            "benchmarks": sorted({r.case.benchmark.name for r in fit.runs}),
            "accelerators": sorted({r.case.accelerator for r in fit.runs}),
            "file": path.name,
            "sha256": table.digest(path),
        },
        "tuning": tuning,
        "spread": {k: round(v, 4) for k, v in fit.spread.items()},
        "error": {
            kind: {
                scenario: {"n": e.n, "median_abs": round(e.median_abs, 4), "mean_abs": round(e.mean_abs, 4),
                           "p90_abs": round(e.p90_abs, 4), "bias": round(e.bias, 4)}
                for scenario, e in by.items()
            }
            for kind, by in fit.errors.items()
        },
    }  # fmt: skip


if __name__ == "__main__":
    main()
