"""Rebuild the accuracy page: left-out errors, error by regime, what is weak and why, peers on the same rows.

    python tools/accuracy.py ../shared/validation             # from the left-out predictions that are there
    python tools/accuracy.py ../shared/validation --refit     # refit and leave everything out in turn first (minutes)

Reads the measured files (they are not part of the project; without them it says so and leaves the page alone), writes
``docs/method/accuracy.md`` and ``docs/assets/accuracy-*.svg``; with ``--refit`` also ``cost/calibration/serving.toml``
and ``docs/assets/accuracy-left-out.csv``. Deterministic. The parts of the page are modules of ``accuracy_page``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from accuracy_page import choices, coefficients, explained, headline, left_out, other_kinds, plots, ranges, regimes
from accuracy_page.runs import Run, runs_of

from drivetrain.cost.efficiency import FOLDER_VARIABLE, calibration
from drivetrain.errors import DrivetrainError
from drivetrain.measure import collectives, mlperf, power, serving, serving_score
from drivetrain.measure.fit import read_rows
from drivetrain.measure.names import find_accelerator
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.table import Table, digest, read

ROOT = Path(__file__).resolve().parent.parent
PAGE, ASSETS = ROOT / "docs/method/accuracy.md", ROOT / "docs/assets"
LEFT_OUT = ASSETS / "accuracy-left-out.csv"
CALIBRATION = ROOT / "src/drivetrain/cost/calibration/serving.toml"
FILES = {
    "serving": ("serving_steady_state.csv", serving.REQUIRED, serving_score.outcomes),
    "mlperf": ("mlperf_inference_v5_1.csv", mlperf.REQUIRED, mlperf.outcomes),
    "power": ("mlenergy_llm.csv", power.REQUIRED, power.outcomes),
    "collectives": ("collectives.csv", collectives.REQUIRED, collectives.outcomes),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Predict everything, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the measured files")
    parser.add_argument(
        "--refit", action="store_true", help="refit from the measurements and leave everything out first"
    )
    parser.add_argument("--left-out", type=Path, default=LEFT_OUT, help="file of left-out predictions")
    args = parser.parse_args(argv)
    os.environ.pop(FOLDER_VARIABLE, None)  # the page is of the calibration that ships
    missing = [name for name, *_ in FILES.values() if not (args.folder / name).exists()]
    if missing:
        print(f"skipped: {args.folder} has no {', '.join(missing)}; the accuracy page stays as it is", file=sys.stderr)
        return 0
    if args.refit:
        left_out.refit(args.folder / FILES["serving"][0], CALIBRATION, args.left_out, tell)
        # anew, so that nothing computed with the calibration before is left in this process
        again = [sys.executable, __file__, str(args.folder), "--left-out", str(args.left_out)]
        return subprocess.run(again, check=False).returncode
    try:
        build(args.folder, args.left_out)
    except DrivetrainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def tell(stage: str, done: int, total: int) -> None:
    """One line of progress."""
    print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


def build(folder: Path, left_out_file: Path) -> None:
    """Write page and plots from the measured files and the left-out predictions."""
    made, predictions = left_out.load(left_out_file)
    tables: dict[str, Table] = {}
    found: dict[str, list[Outcome]] = {}
    for kind, (name, required, predict) in FILES.items():
        tables[kind] = read(folder / name, required)
        found[kind] = predict(tables[kind])
        print(f"{kind}: {sum(not o.reason for o in found[kind])} of {len(found[kind])} rows predicted")
    rows, _ = read_rows(tables["serving"].rows)
    runs = runs_of(tables["serving"].rows, found["serving"], rows, predictions)
    now = left_out.stamp(folder / FILES["serving"][0], CALIBRATION)
    in_sample = {
        run.row.row_id: (float(run.outcome.values["tpot_s"]), float(run.outcome.values["ttft_s"])) for run in runs
    }
    stale = left_out.stale(made, now, predictions, [run.row.row_id for run in runs])
    stale += left_out.moved(calibration("serving").get("fit", {}), rows, in_sample)
    if stale:
        print(f"left-out figures are stale: {'; '.join(stale)}. Make them anew: make accuracy-refit", file=sys.stderr)
    plots.draw(ASSETS, runs, found)
    PAGE.write_text(page(folder, tables, found, runs, stale), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


def page(
    folder: Path, tables: Mapping[str, Table], found: Mapping[str, Sequence[Outcome]], runs: Sequence[Run],
    stale: Sequence[str],
) -> str:  # fmt: skip
    """The whole page."""
    odd = explained.contradicting(runs)
    shipped = calibration("serving")
    n_clean = sum(o.clean for o in found["serving"])
    parts = [
        "# Accuracy",
        "<!-- Made by tools/accuracy.py (make accuracy). Do not edit by hand. -->",
        *_warning(stale),
        "Predictions of this version beside public measurements. Errors are signed `predicted / measured - 1`; "
        "*median*, *mean* and *P90* are of absolute errors, *bias* is the median signed error, *in 80 %* the share "
        "of measurements inside the predicted 80 % interval. Score your own file with `drivetrain validate` "
        "([how](../howto/validate.md)), fit the model to your own measurements with `drivetrain calibrate`.",
        *headline.lead(runs, n_clean, odd),
        *headline.each(runs, _accelerators(tables["serving"])),
        *ranges.section(runs),
        *choices.section(runs, odd),
        *explained.contradictions(odd, runs),
        *explained.in_the_way(odd, runs),
        *explained.settings(runs),
        *explained.unrecorded(runs),
        *explained.releases(runs, shipped),
        *regimes.section(tables["serving"], found["serving"], runs),
        *coefficients.section(shipped),
        *other_kinds.mlperf(found["mlperf"]),
        *other_kinds.power(found["power"]),
        *other_kinds.collectives(found["collectives"]),
        *_sources(folder, tables),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warning(stale: Sequence[str]) -> list[str]:
    if not stale:
        return []
    return [
        f'!!! warning "Left-out figures are stale"\n    {"; ".join(stale)}. Every figure below that is called left '
        "out is of an earlier state. Make them anew with `make accuracy-refit`."
    ]


def _accelerators(table: Table) -> dict[str, int]:
    """Rows by accelerator, catalogue names where there is one."""
    counts: Counter[str] = Counter()
    for raw in table.rows:
        try:
            counts[find_accelerator(raw.text("accelerator")).name] += 1
        except DrivetrainError:
            counts[raw.text("accelerator")] += 1
    return dict(sorted(counts.items()))


def _sources(folder: Path, tables: Mapping[str, Table]) -> list[str]:
    digests = {name: digest(folder / name) for name, *_ in FILES.values()}
    return [
        "## Sources",
        "\n".join(f"- `{name}`: {len(tables[kind].rows):,} rows, SHA-256 `{digests[name]}`"
                  for kind, (name, *_) in FILES.items()),
        "Serving: InferenceX@843c6254f and NVIDIA measurements by way of aiconfigurator@095f58a51 (both "
        "Apache-2.0). MLPerf: Inference v5.1, results repository @965182b0, MLCommons Association; predictions here "
        "are ours and not MLPerf results. Power: ML.ENERGY leaderboard, February 2026. Collectives: aiconfigurator "
        "(Apache-2.0), vidur@7d47513 (MIT).",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
