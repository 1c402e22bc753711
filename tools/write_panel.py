"""Predict the panel anew and write it; say what moved and which line the changelog needs.

    python tools/write_panel.py            # writes tests/validation/panel.csv
    python tools/write_panel.py --check    # exit code 1 when predictions moved

Configurations stand in the file itself: to add one, append a line with its inputs and run this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from drivetrain.measure.panel import INPUTS, OUTPUTS, evaluate, fingerprint, moved, read, render

PANEL = Path(__file__).resolve().parent.parent / "tests/validation/panel.csv"


def main() -> int:
    """Evaluate, compare, write."""
    before = read(PANEL)
    after = [evaluate(row) for row in before]
    known = [(old, new) for old, new in zip(before, after, strict=True) if all(old.get(name) for name in OUTPUTS)]
    lines = moved([old for old, _ in known], [new for _, new in known], 0.0)
    print(f"{len(after)} configurations, {len(lines)} values moved", *lines[:20], sep="\n")
    if "--check" in sys.argv[1:]:
        return int(bool(lines))
    for name in OUTPUTS:
        ratios = [float(new[name]) / float(old[name]) - 1 for old, new in known]
        if ratios:
            print(f"{name}: median change {median(ratios):+.2%}, largest {max(ratios, key=abs):+.1%}")
    if len({tuple(row[name] for name in INPUTS) for row in after}) < len(after):
        raise SystemExit("a configuration stands twice")
    PANEL.write_text(render(after), encoding="utf-8")
    print(f'CHANGELOG.md, "Predictions moved": - Panel {fingerprint(PANEL)}: why they moved, and the error '
          "(drivetrain validate) before and after.")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
