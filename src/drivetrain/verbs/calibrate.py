"""``calibrate``: refit the serving coefficients on a measured file and show what moved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drivetrain import __version__
from drivetrain.cost.efficiency import calibration
from drivetrain.measure import crossval, table
from drivetrain.measure.fit import read_rows
from drivetrain.measure.refit import Refit, Tell, refit
from drivetrain.measure.serving import REQUIRED

FILE_NAME = "serving.toml"
_HEADER = (
    "# Coefficients of the serving step-time model (drivetrain.cost.efficiency.Efficiency), fitted by",
    "# `drivetrain calibrate`. Entries of generation and engine are factors on base; software is by year of release.",
    "# overhead_bytes and the other_ and scan_ shares are assumed. Standard errors are of logarithms.",
)


def calibrate(
    path: str | Path, *, scratch: bool = False, cross_validate: bool = False, tell: Tell = lambda _what, _i, _n: None
) -> tuple[dict[str, Any], Refit]:
    """Refit on a file in the columns of ``validate serving`` (with ``tpot_s``, ``ttft_s``).

    Returns the answer (rows, what moved, errors before and after) and the refit with the new calibration.
    """
    started = time.perf_counter()
    rows, skipped = read_rows(table.read(Path(path), (*REQUIRED, ("tpot_s", "ttft_s"))).rows)
    kinds = crossval.KINDS if cross_validate else ()
    found = refit(rows, calibration("serving"), calibration("power"), scratch=scratch, kinds=kinds, tell=tell)
    found.calibration["fit"] |= {"file": Path(path).name, "sha256": table.digest(Path(path))}
    answer = {
        "n": len(rows) + len(skipped),
        "fitted": len(rows),
        "skipped": [{"row_id": k, "reason": v} for k, v in skipped.items()],
        "errors": {
            stage: {metric: None if s is None else asdict(s) for metric, s in by_metric.items()}
            for stage, by_metric in found.errors.items()
        },
        "moved": list(found.moved),
        "evidence": found.calibration["evidence"],
        "meta": {"version": __version__, "file": str(path), "elapsed_s": round(time.perf_counter() - started, 1)},
    }  # fmt: skip
    return answer, found


def render(content: Mapping[str, Any]) -> str:
    """The calibration file."""
    import tomli_w

    return "\n".join(_HEADER) + "\n\n" + tomli_w.dumps(content)
