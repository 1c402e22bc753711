"""Fit what corrects the percentiles of an open stream to runs of the simulator.

    python tools/fit_percentiles.py play 51 runs-51.npy              # 3,000 configurations, about an hour of one core
    python tools/fit_percentiles.py fit runs-51.npy runs-52.npy      # writes src/drivetrain/serving/correction.json

``fit`` prints shares within 20 % on configurations left out (each file by the fit to the others), then fits all runs.
To be run again after a change of the algebra (serving/kernel.py, waits.py, percentiles.py) or of the simulator's rules.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from closed_form import sample, surface

from drivetrain.serving.correction import DATA, OUTPUTS

_WITHIN = 0.2
_MOST_LOAD = 0.85
_KNOWN = 0.05  # half-width of an interval
_DIGITS = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Play or fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    play = verbs.add_parser("play")
    play.add_argument("seed", type=int)
    play.add_argument("file", type=Path)
    play.add_argument("--configurations", type=int, default=3000)
    fits = verbs.add_parser("fit")
    fits.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args(argv)
    if args.verb == "play":
        sample.collect(args.seed, args.configurations, args.file)
        return 0
    for file in args.files if len(args.files) > 1 else []:
        others = [other for other in args.files if other != file]
        _say(f"{file.stem} left out", sample.read([file]), surface.fit(sample.read(others)))
    runs = sample.read(args.files)
    found = surface.fit(runs)
    _say("all runs, in sample", runs, found)
    tables = {name: _rounded(table) for name, table in found.tables.items()}
    lines = (f'"{name}": {json.dumps(table)}' for name, table in {"runs": len(runs.seed), **tables}.items())
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return 0


def _rounded(table: sample.Floats) -> list[object]:
    listed: list[object] = np.array([float(f"{x:.{_DIGITS}g}") for x in table.ravel()]).reshape(table.shape).tolist()
    return listed


def _say(title: str, runs: sample.Sample, found: surface.Surface) -> None:
    """Shares within 20 % up to 85 % load, before and after, of all runs and of those whose p95s are known well."""
    ordinary = runs.load <= _MOST_LOAD
    known = ordinary & (runs.widths[:, [2, 6]].max(axis=1) <= _KNOWN)
    print(f"{title}: {ordinary.sum()} runs, {known.sum()} known within {_KNOWN:.0%}")
    for rows, name in ((ordinary, "all"), (known, "known")):
        for label, ratios in (("algebra", runs.algebra / runs.found), ("corrected", found.ratios(runs))):
            shares = (np.abs(ratios[rows] - 1.0) <= _WITHIN).mean(axis=0)
            cells = "  ".join(f"{output} {share:.1%}" for output, share in zip(OUTPUTS, shares, strict=True))
            print(f"  {name:6s} {label:9s} {cells}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
